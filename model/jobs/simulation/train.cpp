#include "jobs/simulation/train.h"

#include <algorithm>

#include "workload/parallel/memory.h"
#include "workload/parallel/schedule.h"

namespace athena::jobs {
namespace {

/// Times of one stage's graphs, per chunk.
struct StageTimes {
  std::vector<StepResult> forward, backward, last, update;
};

StageTimes simulate_stage(StepRunner& runner, const Workload& work, int stage, int micro_batches) {
  workload::PhaseSpec spec = work.phase;
  spec.stage = stage;
  const workload::StepGraphs graphs = workload::step_graphs(work.model, spec, micro_batches);
  StageTimes times;
  const auto run_all = [&](const std::vector<workload::Graph>& list, std::vector<StepResult>& out) {
    for (const workload::Graph& graph : list)
      out.push_back(graph.blocks.empty() ? StepResult() : runner.run(graph));
  };
  run_all(graphs.forward, times.forward);
  run_all(graphs.update, times.update);
  run_all(graphs.backward_last, times.last);
  if (micro_batches > 1) run_all(graphs.backward, times.backward);
  if (times.backward.empty()) times.backward = times.last;
  return times;
}

/// Stages between the first and the last do the same work when they hold the same number of layers.
int representative(const Workload& work, int stage) {
  const int stages = work.phase.parallel.pp;
  const int layers = work.phase.layers > 0 ? work.phase.layers : work.model.layers;
  if (stage == 0 || stage == stages - 1 ||
      layers % (stages * work.phase.parallel.virtual_stages) != 0)
    return stage;
  return 1;
}

/// Matrix work of the model itself: forward and twice that backward, without repetition.
double model_flops(const Workload& work, std::int64_t sequences) {
  workload::PhaseSpec forward = work.phase;
  forward.phase = workload::Phase::kPrefill;
  forward.parallel = {};
  forward.all_logits = true;
  forward.batch = workload::prefill_batch(1, work.input);
  return 3.0 * workload::build_graph(work.model, forward).matrix_flops() *
         static_cast<double>(sequences);
}

}  // namespace

TrainResult run_training(StepRunner& runner, const Workload& work, const PointSpec& spec) {
  const workload::Parallelism& parallel = work.phase.parallel;
  const std::int64_t micro = std::max<std::int64_t>(1, spec.micro_batch);
  const std::int64_t global = spec.global_batch > 0 ? spec.global_batch : micro * parallel.dp;
  const workload::BatchPlan batches = workload::plan_batch(global, micro, parallel);
  const workload::MemoryPlan memory =
      workload::worst_stage(work.model, work.phase, batches.micro_batches);
  workload::require_fit(memory, runner.machine().chip.memory.capacity, runner.machine().chip.name);

  std::vector<StageTimes> stages;
  std::vector<int> of_stage(static_cast<std::size_t>(parallel.pp));
  std::vector<int> known(static_cast<std::size_t>(parallel.pp), -1);
  for (int stage = 0; stage < parallel.pp; ++stage) {
    const int same = representative(work, stage);
    int& index = known[static_cast<std::size_t>(same)];
    if (index < 0) {
      index = static_cast<int>(stages.size());
      stages.push_back(simulate_stage(runner, work, same, batches.micro_batches));
    }
    of_stage[static_cast<std::size_t>(stage)] = index;
  }

  workload::PipelineCost cost;
  TrainResult result;
  const double share = 1.0 / parallel.pp;
  for (const int index : of_stage) {
    const StageTimes& times = stages[static_cast<std::size_t>(index)];
    const auto seconds = [](const std::vector<StepResult>& list) {
      std::vector<Seconds> out;
      for (const StepResult& step : list) out.emplace_back(step.seconds);
      return out;
    };
    cost.forward.push_back(seconds(times.forward));
    cost.backward.push_back(seconds(times.backward));
    cost.backward_last.push_back(seconds(times.last));
    double update = 0;
    for (const StepResult& step : times.update) update += step.seconds;
    cost.update.emplace_back(update);
    for (const StepResult& step : times.forward)
      result.step.add(step, share * batches.micro_batches);
    for (const StepResult& step : times.backward)
      result.step.add(step, share * (batches.micro_batches - 1));
    for (const StepResult& step : times.last) result.step.add(step, share);
    for (const StepResult& step : times.update) result.step.add(step, share);
  }
  const workload::PipelineRun run =
      workload::simulate_pipeline(parallel, batches.micro_batches, cost);
  const double busy = result.step.seconds;
  const double step_seconds = run.total.value() + runner.machine().stack.host_per_step.value();
  // Idle time in the pipeline is waiting for neighbours.
  if (step_seconds > busy)
    result.step.path.add(timing::Bound::kLink, to_time(Seconds(step_seconds - busy)));
  result.step.seconds = step_seconds;
  result.bubble = run.bubble;
  result.tokens = static_cast<double>(global * work.input);
  result.model_flops = model_flops(work, global);
  return result;
}

}  // namespace athena::jobs
