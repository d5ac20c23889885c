#pragma once
/// Pipeline schedules: which stage works on which micro-batch in which order, and how long that
/// takes when every task waits for what it needs.
#include <vector>

#include "base/units.h"
#include "workload/build.h"

namespace athena::workload {

/// Micro-batches of a training step.
struct BatchPlan {
  std::int64_t micro_batch = 1;   ///< sequences per micro-batch
  std::int64_t global_batch = 1;  ///< sequences per step, over all replicas
  int micro_batches = 1;          ///< per replica and step
};

/// Splits a global batch over DP replicas. Throws InputError when a micro-batch is larger than a
/// replica's batch, or one does not divide the other, or the interleaved schedule needs another
/// count.
[[nodiscard]] BatchPlan plan_batch(std::int64_t global_batch, std::int64_t micro_batch,
                                   const Parallelism& parallel);

/// One forward or backward of one model chunk on one micro-batch.
struct PipelineTask {
  int micro_batch = 0;
  int chunk = 0;
  bool forward = true;
  bool operator==(const PipelineTask&) const = default;
};

/// Order of a stage's tasks: 1F1B (Narayanan et al., arXiv:1806.03377), or its interleaved form
/// when virtual_stages > 1 (arXiv:2104.04473, section 2.2).
[[nodiscard]] std::vector<PipelineTask> stage_order(const Parallelism& parallel, int stage,
                                                    int micro_batches);

/// Most chunk-micro-batches whose activations a stage holds at once.
[[nodiscard]] int peak_in_flight(const Parallelism& parallel, int stage, int micro_batches);

/// Times of the tasks. Index [stage][chunk].
struct PipelineCost {
  std::vector<std::vector<Seconds>> forward;
  std::vector<std::vector<Seconds>> backward;
  /// Of the step's last micro-batch, which also reduces gradients; empty: like the others.
  std::vector<std::vector<Seconds>> backward_last;
  std::vector<Seconds> update;  ///< per stage, once its last task has ended; empty: none
  Seconds transfer{0};          ///< between neighbouring stages; does not occupy either
};

struct PipelineSlot {
  int stage = 0;
  PipelineTask task;
  Seconds start{0};
  Seconds end{0};
};

struct PipelineRun {
  Seconds total{0};   ///< until the last stage has updated its weights
  double bubble = 0;  ///< idle share of the stages' time, 0 to 1
  std::vector<PipelineSlot> slots;
};

/// Runs the order with the given times: a task starts when its stage is free and its input (from
/// the stage before, or the gradient from the stage after) has arrived.
[[nodiscard]] PipelineRun simulate_pipeline(const Parallelism& parallel, int micro_batches,
                                            const PipelineCost& cost);

/// The graphs of one stage of a training step, per chunk: what `simulate_pipeline` needs the times
/// of.
struct StepGraphs {
  std::vector<Graph> forward;
  std::vector<Graph> backward;       ///< of all micro-batches but the last
  std::vector<Graph> backward_last;  ///< with the reduction of gradients
  std::vector<Graph> update;         ///< optimizer; chunks one after the other
};

/// `spec` as for build_graph with phase train; its part, sync_gradients and accumulate are set
/// here.
[[nodiscard]] StepGraphs step_graphs(const Transformer& model, PhaseSpec spec, int micro_batches);

}  // namespace athena::workload
