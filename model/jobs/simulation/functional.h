#pragma once
/// Functional mode: the same Program computes, and its numbers are held against a reference.
#include <nlohmann/json.hpp>

#include "jobs/simulation/evaluate.h"

namespace athena::jobs {

/// Runs the workload's graph with numbers from the point's seed; {"rel_l2", "dtype", "seed",
/// "elements"}. Throws InputError for operators that have no functional meaning.
[[nodiscard]] nlohmann::ordered_json run_functional(StepRunner& runner, const Workload& work,
                                                    const PointSpec& spec);

}  // namespace athena::jobs
