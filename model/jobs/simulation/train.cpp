#include "jobs/simulation/train.h"

#include <algorithm>

#include "workload/parallel/memory.h"
#include "workload/parallel/schedule.h"

namespace athena::jobs {
namespace {

/// One graph as it ran, and what of its communication was seen.
struct Part {
  StepResult step;
  Communication communication;
};

/// Times of one stage's graphs, per chunk.
struct StageTimes {
  std::vector<Part> forward, backward, last, update;
};

StageTimes simulate_stage(StepRunner& runner, const Workload& work, int stage, int micro_batches) {
  workload::PhaseSpec spec = work.phase;
  spec.stage = stage;
  const workload::StepGraphs graphs = workload::step_graphs(work.model, spec, micro_batches);
  StageTimes times;
  const auto run_all = [&](const std::vector<workload::Graph>& list, std::vector<Part>& out) {
    for (const workload::Graph& graph : list) {
      Part part;
      if (!graph.blocks.empty()) {
        const compiler::Compiled compiled = runner.compile(graph);
        part.step = runner.run(compiled);
        const double in_a_row = part.step.seconds;
        part.communication = overlap(compiled, runner.machine(), part.step);
        if (part.step.seconds < in_a_row) runner.keep_cap(part.step);
      }
      out.push_back(std::move(part));
    }
  };
  run_all(graphs.forward, times.forward);
  run_all(graphs.update, times.update);
  run_all(graphs.backward_last, times.last);
  // Without replicas the last micro-batch has nothing to reduce and is like the others.
  const bool reduces = work.phase.parallel.dp * work.phase.parallel.cp > 1;
  if (micro_batches > 1 && reduces) run_all(graphs.backward, times.backward);
  if (times.backward.empty()) times.backward = times.last;
  return times;
}

/// Stages between the first and the last do the same work when they hold the same number of layers.
int representative(const Workload& work, int stage, bool all_ranks) {
  if (all_ranks) return stage;
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
  TrainResult result;
  result.micro_batches = batches.micro_batches;
  result.micro_batch = batches.micro_batch;
  result.global_batch = batches.global_batch;
  result.capacity = runner.machine().chip.memory.capacity;
  result.memory =
      workload::worst_stage(work.model, work.phase, batches.micro_batches, &result.fullest_stage);
  workload::require_fit(result.memory, result.capacity,
                        "a rank of stage " + std::to_string(result.fullest_stage) + " on '" +
                            runner.machine().chip.name + "'");

  std::vector<StageTimes> stages;
  std::vector<int> of_stage(static_cast<std::size_t>(parallel.pp));
  std::vector<int> known(static_cast<std::size_t>(parallel.pp), -1);
  for (int stage = 0; stage < parallel.pp; ++stage) {
    const int same = representative(work, stage, spec.all_ranks);
    int& index = known[static_cast<std::size_t>(same)];
    if (index < 0) {
      index = static_cast<int>(stages.size());
      stages.push_back(simulate_stage(runner, work, same, batches.micro_batches));
    }
    of_stage[static_cast<std::size_t>(stage)] = index;
  }

  workload::PipelineCost cost;
  const double share = 1.0 / parallel.pp;
  for (const int index : of_stage) {
    const StageTimes& times = stages[static_cast<std::size_t>(index)];
    const auto seconds = [](const std::vector<Part>& list) {
      std::vector<Seconds> out;
      out.reserve(list.size());
      for (const Part& part : list) out.emplace_back(part.step.seconds);
      return out;
    };
    const auto add = [&result](const std::vector<Part>& list, double factor) {
      for (const Part& part : list) {
        result.step.add(part.step, factor);
        result.communication += part.communication.times(factor);
      }
    };
    cost.forward.push_back(seconds(times.forward));
    cost.backward.push_back(seconds(times.backward));
    cost.backward_last.push_back(seconds(times.last));
    double update = 0;
    for (const Part& part : times.update) update += part.step.seconds;
    cost.update.emplace_back(update);
    add(times.forward, share * batches.micro_batches);
    add(times.backward, share * (batches.micro_batches - 1));
    add(times.last, share);
    add(times.update, share);
  }
  const workload::PipelineRun run =
      workload::simulate_pipeline(parallel, batches.micro_batches, cost);
  const double busy = result.step.seconds;
  result.host_seconds = runner.machine().stack.host_per_step.value();
  const double step_seconds = run.total.value() + result.host_seconds;
  // Idle time in the pipeline is waiting for neighbours; it is paid for with idle power.
  const double idle = step_seconds - busy;
  if (idle > 0) {
    result.step.path.add(timing::Bound::kLink, to_time(Seconds(idle - result.host_seconds)));
    result.step.path.add(timing::Bound::kLaunch, to_time(Seconds(result.host_seconds)));
    result.step.energy_j += runner.machine().chip.power.idle.value() * idle;
  }
  result.step.seconds = step_seconds;
  result.step.power_w = result.step.energy_j / step_seconds;
  result.bubble = run.bubble;
  result.hardware_flops = result.step.flops * parallel.world();
  result.tokens = static_cast<double>(global * work.input);
  result.model_flops = model_flops(work, global);
  return result;
}

nlohmann::ordered_json to_json(const TrainResult& result) {
  nlohmann::ordered_json json;
  json["micro_batch"] = result.micro_batch;
  json["global_batch"] = result.global_batch;
  json["micro_batches"] = result.micro_batches;
  json["pipeline_bubble"] = result.bubble;
  json["communication_s"] = result.communication.total;
  json["exposed_communication_s"] = result.communication.exposed;
  json["host_s"] = result.host_seconds;
  json["hardware_flops"] = result.hardware_flops;
  nlohmann::ordered_json& memory = json["memory_per_rank"];
  memory["stage"] = result.fullest_stage;
  memory["weights_bytes"] = result.memory.weights.value();
  memory["gradients_bytes"] = result.memory.gradients.value();
  memory["optimizer_bytes"] = result.memory.optimizer.value();
  memory["activations_bytes"] = result.memory.activations.value();
  memory["workspace_bytes"] = result.memory.workspace.value();
  memory["total_bytes"] = result.memory.total().value();
  memory["capacity_bytes"] = result.capacity.value();
  return json;
}

}  // namespace athena::jobs
