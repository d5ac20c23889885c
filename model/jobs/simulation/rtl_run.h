#pragma once
/// Points on chips with blocks of RTL: who is made, in which format the work runs, what is
/// compared.
#include <memory>
#include <nlohmann/json.hpp>

#include "cosim/chip_blocks.h"
#include "jobs/simulation/evaluate.h"

namespace athena::jobs {

/// The blocks of a point's chip; null when all are their models by default. Throws InputError for
/// blocks that cannot be had, and in the analytic tier, which has no blocks.
[[nodiscard]] std::unique_ptr<cosim::ChipBlocks> make_blocks(const PointSpec& spec,
                                                             const Machine& machine);

/// The same point with every RTL block as its model: what a run in lockstep is held against.
[[nodiscard]] std::unique_ptr<cosim::ChipBlocks> model_blocks(const Machine& machine);

/// Whether some block of the machine is in lockstep.
[[nodiscard]] bool in_lockstep(const Machine& machine);

/// {block: {backend, parameters, parity[]}} and "dtype", the format the work ran in.
[[nodiscard]] nlohmann::ordered_json rtl_json(const cosim::ChipBlocks& blocks, Dtype type);

/// One line that compares whole runs, for the result; throws Contradiction beyond the tolerance,
/// which is the sum of those of the blocks that are RTL.
[[nodiscard]] std::string parity_of(const PointResult& rtl, const PointResult& model,
                                    const Machine& machine);

}  // namespace athena::jobs
