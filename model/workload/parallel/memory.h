#pragma once
/// What a rank must hold, kind by kind, and which of it does not fit.
#include <string>

#include "base/units.h"
#include "workload/build.h"

namespace athena::workload {

/// Bytes of one rank.
struct MemoryPlan {
  Bytes weights{0};
  Bytes gradients{0};
  Bytes optimizer{0};
  Bytes activations{0};  ///< kept from forward to backward, over all micro-batches in flight
  Bytes kv_cache{0};
  Bytes workspace{0};  ///< most that is alive at once inside a block, gathered weights included
  [[nodiscard]] Bytes total() const {
    return weights + gradients + optimizer + activations + kv_cache + workspace;
  }
  /// "weights 13.5 GiB + KV cache 2.0 GiB + workspace 0.3 GiB = 15.8 GiB", zeros left out.
  [[nodiscard]] std::string text() const;
};

/// From a graph alone; `in_flight` multiplies the kept activations.
[[nodiscard]] MemoryPlan memory_of(const Graph& graph, int in_flight = 1);

/// The rank that `spec` names. Training: every chunk of the stage, with `micro_batches` per step
/// under the schedule of parallel/schedule.h.
[[nodiscard]] MemoryPlan plan_memory(const Transformer& model, const PhaseSpec& spec,
                                     int micro_batches = 1);

/// The stage of the pipeline that needs most.
[[nodiscard]] MemoryPlan worst_stage(const Transformer& model, PhaseSpec spec, int micro_batches,
                                     int* stage = nullptr);

/// Throws Finding when the plan exceeds `capacity`: what needs how much, by how much it is over,
/// and what would help.
void require_fit(const MemoryPlan& plan, Bytes capacity, const std::string& where);

}  // namespace athena::workload
