#pragma once
/// An engine step as the graph of one rank.
#include <string>
#include <string_view>
#include <vector>

#include "serving/operator_timer.h"
#include "serving/simulator_steps.h"
#include "workload/build.h"

namespace athena::serving {

/// The phase that stands for a ragged batch: decode when every sequence brings one token.
[[nodiscard]] workload::PhaseSpec phase_of(const Hardware& hardware,
                                           std::vector<workload::Sequences> batch, int stage);

/// The graph of one engine step on one rank. Engines launch prompts and decodes of a mixed batch as
/// attention kernels of their own (FlashInfer, vLLM), because no tiling suits both; so does this
/// graph.
[[nodiscard]] workload::Graph step_graph(const Hardware& hardware,
                                         const std::vector<workload::Sequences>& batch, int stage);

/// The sequences that one of `parts` equal parts of a batch gets, the largest part: every parts-th
/// of the batch in order of work.
[[nodiscard]] std::vector<workload::Sequences> largest_part(const StepShape& shape, int parts);

/// What an operator's time depends on, by its block and name.
[[nodiscard]] OperatorKind kind_of(std::string_view block, std::string_view op);

}  // namespace athena::serving
