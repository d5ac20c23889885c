#pragma once
/// Functional training: the chip's Program computes a loss and the gradient of every weight.
#include <nlohmann/json.hpp>

#include "jobs/simulation/evaluate.h"

namespace athena::jobs {

/// Runs forward and backward of one micro-batch with numbers from the point's seed. Every product
/// and every forward operator is computed instruction by instruction; derivatives of row operators,
/// whose instructions say only what they move, by their definition on what memory holds when they
/// are done, rounded to the chip's formats. The gradients are held against float64, and the change
/// of the loss along a direction against finite differences of the forward operators alone.
/// {"rel_l2", "loss", "loss_reference", "finite_difference", "worst", ...}. Throws InputError for
/// operators without functional meaning.
[[nodiscard]] nlohmann::ordered_json run_gradients(StepRunner& runner, const Workload& work,
                                                   const PointSpec& spec);

}  // namespace athena::jobs
