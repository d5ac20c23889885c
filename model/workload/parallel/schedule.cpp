#include "workload/parallel/schedule.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace athena::workload {

namespace {

/// Chunk and micro-batch of the i-th forward (or backward) of an interleaved stage: micro-batches
/// go through in groups of pp, each group through all chunks.
PipelineTask interleaved_task(const Parallelism& p, int i, bool forward) {
  const int per_group = p.pp * p.virtual_stages;
  const int in_group = i % per_group;
  const int chunk = in_group / p.pp;
  return {i / per_group * p.pp + in_group % p.pp, forward ? chunk : p.virtual_stages - 1 - chunk,
          forward};
}

int warmup_tasks(const Parallelism& p, int stage, int total) {
  const int behind = p.pp - stage - 1;
  const int wanted = p.virtual_stages > 1 ? 2 * behind + (p.virtual_stages - 1) * p.pp : behind;
  return std::min(wanted, total);
}

/// Ends of the tasks that have run, by global chunk and micro-batch; negative: not yet.
class Ends {
 public:
  Ends(int chunks, int micro_batches)
      : micro_batches_(micro_batches),
        end_(static_cast<std::size_t>(chunks * micro_batches), Seconds(-1)) {}
  [[nodiscard]] Seconds& at(int chunk, int micro_batch) {
    return end_[static_cast<std::size_t>(chunk * micro_batches_ + micro_batch)];
  }

 private:
  int micro_batches_;
  std::vector<Seconds> end_;
};

Seconds cost_of(const PipelineCost& cost, int stage, const PipelineTask& task, int micro_batches) {
  const bool last = task.micro_batch == micro_batches - 1 && !cost.backward_last.empty();
  const auto& table = task.forward ? cost.forward : (last ? cost.backward_last : cost.backward);
  return table.at(static_cast<std::size_t>(stage)).at(static_cast<std::size_t>(task.chunk));
}

}  // namespace

BatchPlan plan_batch(std::int64_t global_batch, std::int64_t micro_batch, const Parallelism& p) {
  if (micro_batch < 1 || global_batch < 1) {
    throw InputError(fmt::format("--micro-batch {} and --global-batch {} must be at least 1",
                                 micro_batch, global_batch));
  }
  if (global_batch % p.dp != 0) {
    throw InputError(fmt::format("--dp {} does not divide --global-batch {}", p.dp, global_batch));
  }
  const std::int64_t replica = global_batch / p.dp;
  if (micro_batch > replica) {
    throw InputError(
        fmt::format("--micro-batch {} is larger than the {} sequences that each of "
                    "{} replicas takes of --global-batch {}",
                    micro_batch, replica, p.dp, global_batch));
  }
  if (replica % micro_batch != 0) {
    throw InputError(
        fmt::format("--micro-batch {} does not divide the {} sequences of a replica "
                    "(--global-batch {} over --dp {})",
                    micro_batch, replica, global_batch, p.dp));
  }
  const auto count = static_cast<int>(replica / micro_batch);
  if (p.virtual_stages > 1 && count % p.pp != 0) {
    throw InputError(
        fmt::format("the interleaved schedule needs a multiple of --pp {} "
                    "micro-batches, not {}",
                    p.pp, count));
  }
  return {micro_batch, global_batch, count};
}

std::vector<PipelineTask> stage_order(const Parallelism& p, int stage, int micro_batches) {
  const int total = micro_batches * p.virtual_stages;
  const int warmup = warmup_tasks(p, stage, total);
  std::vector<PipelineTask> order;
  order.reserve(static_cast<std::size_t>(2 * total));
  for (int i = 0; i < warmup; ++i) order.push_back(interleaved_task(p, i, true));
  for (int i = warmup; i < total; ++i) {
    order.push_back(interleaved_task(p, i, true));
    order.push_back(interleaved_task(p, i - warmup, false));
  }
  for (int i = total - warmup; i < total; ++i) order.push_back(interleaved_task(p, i, false));
  return order;
}

int peak_in_flight(const Parallelism& p, int stage, int micro_batches) {
  int held = 0;
  int peak = 0;
  for (const PipelineTask& task : stage_order(p, stage, micro_batches)) {
    held += task.forward ? 1 : -1;
    peak = std::max(peak, held);
  }
  return peak;
}

PipelineRun simulate_pipeline(const Parallelism& p, int micro_batches, const PipelineCost& cost) {
  const int chunks = p.pp * p.virtual_stages;
  Ends forward(chunks, micro_batches);
  Ends backward(chunks, micro_batches);
  std::vector<std::vector<PipelineTask>> order;
  order.reserve(static_cast<std::size_t>(p.pp));
  for (int s = 0; s < p.pp; ++s) order.push_back(stage_order(p, s, micro_batches));
  std::vector<std::size_t> next(static_cast<std::size_t>(p.pp), 0);
  std::vector<Seconds> free(static_cast<std::size_t>(p.pp), Seconds(0));

  PipelineRun run;
  double busy = 0;
  // When the input of a task has arrived, negative while it is not even made.
  const auto ready = [&](int global, const PipelineTask& t) {
    if (t.forward) {
      if (global == 0) return Seconds(0);
      const Seconds made = forward.at(global - 1, t.micro_batch);
      return made.value() < 0 ? made : made + cost.transfer;
    }
    if (global == chunks - 1) return forward.at(global, t.micro_batch);
    const Seconds made = backward.at(global + 1, t.micro_batch);
    return made.value() < 0 ? made : made + cost.transfer;
  };
  bool moved = true;
  while (moved) {
    moved = false;
    for (int s = 0; s < p.pp; ++s) {
      const auto i = static_cast<std::size_t>(s);
      while (next[i] < order[i].size()) {
        const PipelineTask& t = order[i][next[i]];
        const int global = t.chunk * p.pp + s;
        const Seconds input = ready(global, t);
        if (input.value() < 0) break;
        const Seconds start = std::max(free[i], input);
        const Seconds took = cost_of(cost, s, t, micro_batches);
        free[i] = start + took;
        busy += took.value();
        (t.forward ? forward : backward).at(global, t.micro_batch) = free[i];
        run.slots.push_back({s, t, start, free[i]});
        run.total = std::max(run.total, free[i]);
        ++next[i];
        moved = true;
      }
    }
  }
  for (int s = 0; s < p.pp; ++s) {
    if (next[static_cast<std::size_t>(s)] < order[static_cast<std::size_t>(s)].size()) {
      throw InternalError(fmt::format("pipeline stage {} waits for ever", s));
    }
  }
  for (std::size_t s = 0; s < cost.update.size(); ++s) {
    busy += cost.update[s].value();
    run.total = std::max(run.total, free.at(s) + cost.update[s]);
  }
  const double span = run.total.value() * p.pp;
  run.bubble = span > 0 ? 1 - busy / span : 0;
  return run;
}

StepGraphs step_graphs(const Transformer& model, PhaseSpec spec, int micro_batches) {
  StepGraphs graphs;
  for (spec.chunk = 0; spec.chunk < spec.parallel.virtual_stages; ++spec.chunk) {
    const auto part = [&](TrainPart which, bool last) {
      spec.part = which;
      spec.sync_gradients = last;
      spec.accumulate = micro_batches > 1;
      return build_graph(model, spec);
    };
    graphs.forward.push_back(part(TrainPart::kForward, false));
    graphs.backward.push_back(part(TrainPart::kBackward, false));
    graphs.backward_last.push_back(part(TrainPart::kBackward, true));
    graphs.update.push_back(part(TrainPart::kUpdate, true));
  }
  return graphs;
}

}  // namespace athena::workload
