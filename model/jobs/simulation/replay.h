#pragma once
/// A trace of a program, replayed: compute nodes on the chip, communication nodes on the fabric,
/// dependencies kept.
#include <nlohmann/json.hpp>

#include "jobs/simulation/evaluate.h"
#include "jobs/simulation/step.h"
#include "workload/import/chakra.h"

namespace athena::jobs {

struct ReplayResult {
  StepResult step;  ///< of this trace's rank; seconds = until the last node has ended
  int ranks = 1;    ///< taken for every group of the trace
  /// Nodes by kind and by what they are timed by, communication and what of it was seen, time per
  /// kind of node, and every gap with its consequence.
  nlohmann::ordered_json json;
};

/// Nodes start when what they depend on has ended and their engine (the chip, the links) is free,
/// in the order in which they became ready. A matrix product of known shape is compiled and run; a
/// node of operations and bytes takes the longer of streaming its bytes as an element-wise kernel
/// and of its operations at the rate of the units that fit them; a communication takes its time on
/// the system's links among `--tp` ranks, or all of one scale-up domain; a node that has only a
/// recorded duration keeps it. Throws InputError when there is communication but no system.
[[nodiscard]] ReplayResult run_replay(StepRunner& runner, const workload::Trace& trace,
                                      const PointSpec& spec);

}  // namespace athena::jobs
