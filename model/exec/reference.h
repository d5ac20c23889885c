#pragma once
/// The same graph computed operator by operator in float64, straight from the definitions: what the
/// compiled program is held against. It shares no arithmetic with the chip.
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "workload/graph.h"

namespace athena::exec {

/// Values per (tensor, copy).
using Values = std::map<std::pair<workload::TensorId, std::int64_t>, std::vector<double>>;

/// Random inputs for every tensor that a graph does not make itself, from a seed, rounded to their
/// formats: weights N(0, 1/sqrt(fan-in)), norms near 1, token ids below `vocab`, positions, caches.
[[nodiscard]] Values random_inputs(const workload::Graph& graph, std::int64_t vocab,
                                   std::uint64_t seed);

/// Runs one operator, also training's, on copy 0 of its tensors.
void run_operator(const workload::Graph& graph, const workload::Op& op, Values& values,
                  double* loss = nullptr);

/// Runs every block and repetition; results are added to `values`. Throws InputError for an
/// operator that has no reference. `loss`, when given, gets the value of a loss.
void run_reference(const workload::Graph& graph, Values& values, double* loss = nullptr);

}  // namespace athena::exec
