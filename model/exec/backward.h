#pragma once
/// Training's operators computed from their definitions in float64: the derivatives of those in
/// reference.h. What a row operator of a training step means where the program only says what it
/// moves, and what the gradients of a program are held against.
#include <functional>
#include <vector>

#include "workload/graph.h"

namespace athena::exec {

/// The values of a tensor, made with zeros where they are new.
using TensorAccess = std::function<std::vector<double>&(workload::TensorId)>;

/// True for operators that only training has: losses, derivatives of row operators and attention,
/// a rotation turned back, a product that adds to what is there.
[[nodiscard]] bool is_backward(const workload::Op& op);

/// Runs one of them; false when it is none, or has no definition here. `loss`, when given, gets the
/// value of a kLoss (mean cross entropy, the token ids their own labels).
bool run_backward(const workload::Graph& graph, const workload::Op& op, const TensorAccess& at,
                  double* loss = nullptr);

}  // namespace athena::exec
