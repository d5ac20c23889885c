#pragma once
/// Graph -> kernels: which operators run together, as the software stack allows.
#include <string>
#include <vector>

#include "config/stack.h"
#include "mapping/mapping.h"

namespace athena::compiler {

/// The kernels of one block with their plans' shapes, before any tile is chosen. An intermediate
/// result is fused away only when nothing else reads it. Throws InputError for an operator that has
/// no kernel.
[[nodiscard]] std::vector<mapping::KernelPlan> fuse(const workload::Graph& graph,
                                                    const workload::Block& block,
                                                    const config::StackConfig& stack);

}  // namespace athena::compiler
