#include "jobs/simulation/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <queue>
#include <tuple>

#include "base/error.h"

namespace athena::jobs {
namespace {

using workload::TraceBasis;
using workload::TraceKind;
using workload::TraceNode;
using Json = nlohmann::ordered_json;

/// Columns of the element-wise kernel that stands for a node of bytes: rows long enough to stream.
constexpr std::int64_t kColumns = 4096;
/// Operations per byte above which a node without a shape is work of the matrix units. An
/// element-wise operator makes at most some ten operations of each 16-bit value that it reads or
/// writes, a product of matrices a hundred and more.
constexpr double kMatrixIntensity = 16.0;

bool communicates(const TraceNode& node) {
  return node.kind == TraceKind::kCollective || node.kind == TraceKind::kSend ||
         node.kind == TraceKind::kReceive;
}

std::string collective_name(const TraceNode& node) {
  if (node.kind == TraceKind::kSend) return "send";
  if (node.kind == TraceKind::kReceive) return "recv";
  return std::string(workload::name(node.collective));
}

/// Times nodes; equal work is run once.
class NodeTimer {
 public:
  NodeTimer(StepRunner& runner, const workload::Precision& precision, int ranks)
      : runner_(runner), precision_(precision), ranks_(ranks) {}

  StepResult time(const TraceNode& node) {
    switch (node.basis) {
      case TraceBasis::kShape:
        return product(*node.gemm);
      case TraceBasis::kWork:
        return work(node);
      case TraceBasis::kMessage:
        return message(node);
      case TraceBasis::kMeasured:
        return lasting(node.measured_us * 1e-6, timing::Bound::kLaunch);
      case TraceBasis::kNothing:
        break;
    }
    return {};
  }

 private:
  static StepResult lasting(double seconds, timing::Bound bound) {
    StepResult step;
    step.seconds = seconds;
    step.path.add(bound, to_time(Seconds(seconds)));
    return step;
  }

  StepResult product(const workload::GemmShape& shape) {
    const auto key = std::tuple(shape.m, shape.n, shape.k);
    const auto found = products_.find(key);
    if (found != products_.end()) return found->second;
    const StepResult step =
        runner_.run(workload::gemm_graph(shape.m, shape.n, shape.k, precision_));
    return products_.emplace(key, step).first->second;
  }

  StepResult work(const TraceNode& node) {
    StepResult step = node.bytes > 0 ? stream(node.bytes) : StepResult();
    const config::ChipConfig& chip = runner_.machine().chip;
    const bool matrix =
        node.operations >
        kMatrixIntensity * static_cast<double>(std::max<std::int64_t>(1, node.bytes));
    const double rate = matrix ? chip.peak_flops(precision_.gemm_input)
                               : chip.core.vector.lanes * chip.cores() * chip.clock.core.value();
    const double busy = rate > 0 ? node.operations / rate : 0.0;
    if (busy > step.seconds) {
      step.path.add(matrix ? timing::Bound::kCompute : timing::Bound::kVector,
                    to_time(Seconds(busy - step.seconds)));
      step.seconds = busy;
    }
    if (matrix) step.flops += node.operations;
    return step;
  }

  /// Reads two streams and writes one, `bytes` together.
  StepResult stream(std::int64_t bytes) {
    const auto found = streams_.find(bytes);
    if (found != streams_.end()) return found->second;
    const std::int64_t row = 3 * kColumns * storage_bits(precision_.activations) / 8;
    const std::int64_t rows = std::max<std::int64_t>(1, bytes / row);
    const StepResult step =
        runner_.run(workload::row_op_graph("add", rows, kColumns, precision_.activations));
    return streams_.emplace(bytes, step).first->second;
  }

  StepResult message(const TraceNode& node) {
    StepResult step = lasting(
        transfer_time(runner_.machine(), collective_name(node), node.bytes, ranks_, 1).value(),
        timing::Bound::kLink);
    step.counts.link_bytes = static_cast<double>(node.bytes);
    return step;
  }

  StepRunner& runner_;
  workload::Precision precision_;
  int ranks_;
  std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t>, StepResult> products_;
  std::map<std::int64_t, StepResult> streams_;
};

/// When each node runs: two engines, each takes the node that became ready first.
struct Schedule {
  double end = 0, compute = 0, communication = 0;
};

Schedule schedule(const workload::Trace& trace, const std::vector<double>& seconds) {
  const std::size_t n = trace.nodes.size();
  std::vector<std::vector<std::size_t>> next(n);
  std::vector<std::size_t> waiting(n);
  for (std::size_t i = 0; i < n; ++i) {
    waiting[i] = trace.nodes[i].after.size();
    for (const std::int32_t j : trace.nodes[i].after) {
      next[static_cast<std::size_t>(j)].push_back(i);
    }
  }
  std::vector<double> ready(n, 0.0);
  using Entry = std::pair<double, std::size_t>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
  for (std::size_t i = 0; i < n; ++i) {
    if (waiting[i] == 0) queue.push({0.0, i});
  }
  double chip = 0, links = 0;
  Schedule result;
  while (!queue.empty()) {
    const auto [when, i] = queue.top();
    queue.pop();
    const bool far = communicates(trace.nodes[i]);
    double end = when;
    if (seconds[i] > 0) {
      double& engine = far ? links : chip;
      end = std::max(when, engine) + seconds[i];
      engine = end;
      (far ? result.communication : result.compute) += seconds[i];
    }
    result.end = std::max(result.end, end);
    for (const std::size_t j : next[i]) {
      ready[j] = std::max(ready[j], end);
      if (--waiting[j] == 0) queue.push({ready[j], j});
    }
  }
  return result;
}

int ranks_of(const workload::Trace& trace, const Machine& machine, const PointSpec& spec) {
  const bool talks = std::any_of(trace.nodes.begin(), trace.nodes.end(), communicates);
  if (!talks) return 1;
  if (!machine.system) {
    throw InputError("the trace communicates, but '" + machine.chip.name +
                     "' is one chip; name a system of configs/systems with --on.");
  }
  return spec.tp > 1 ? static_cast<int>(spec.tp)
                     : std::min(machine.system->domain_chips(), machine.system->chips());
}

Json counts_json(const workload::Trace& trace) {
  Json json;
  for (const TraceKind kind : {TraceKind::kCompute, TraceKind::kMemory, TraceKind::kCollective,
                               TraceKind::kSend, TraceKind::kReceive, TraceKind::kHost}) {
    json[std::string(workload::name(kind))] = trace.count(kind);
  }
  return json;
}

}  // namespace

ReplayResult run_replay(StepRunner& runner, const workload::Trace& trace, const PointSpec& spec) {
  ReplayResult result;
  result.ranks = ranks_of(trace, runner.machine(), spec);
  NodeTimer timer(runner, workload::precision_from_name(spec.dtype.empty() ? "bf16" : spec.dtype),
                  result.ranks);
  std::vector<double> seconds;
  std::map<TraceBasis, std::pair<std::int64_t, double>> by_basis;
  for (const TraceNode& node : trace.nodes) {
    const StepResult step = timer.time(node);
    seconds.push_back(step.seconds);
    auto& [count, time] = by_basis[node.basis];
    ++count;
    time += step.seconds;
    if (step.seconds <= 0) continue;
    StepResult named = step;
    named.kernels.clear();
    chip::KernelResult kernel;
    kernel.name = communicates(node) ? collective_name(node) : node.name;
    kernel.block = "trace";
    kernel.mapping = std::string(workload::name(node.basis));
    kernel.executions = 1;
    kernel.seconds = step.seconds;
    kernel.path = step.path;
    kernel.flops = step.flops;
    kernel.memory_read = step.memory_read;
    kernel.memory_written = step.memory_written;
    named.kernels.push_back(std::move(kernel));
    result.step.add(named, 1.0);
  }
  const Schedule when = schedule(trace, seconds);
  const double serial = result.step.seconds;
  const double exposed = std::max(0.0, when.end - when.compute);
  // Shares of the path: compute as it ran, of communication what the chip waited for.
  result.step.path.add(timing::Bound::kLink, to_time(Seconds(when.end - serial)));
  const double moved = serial - when.end;
  result.step.energy_j +=
      runner.machine().chip.power.idle.value() * (when.communication - std::max(0.0, moved));
  result.step.seconds = when.end;
  result.step.power_w = when.end > 0 ? result.step.energy_j / when.end : 0.0;

  Json& json = result.json;
  json["schema"] = trace.schema;
  json["nodes"] = trace.nodes.size();
  json["kinds"] = counts_json(trace);
  for (const auto& [basis, sum] : by_basis) {
    json["timed_by"][std::string(workload::name(basis))] = {{"nodes", sum.first},
                                                            {"time_s", sum.second}};
  }
  json["ranks"] = result.ranks;
  json["compute_s"] = when.compute;
  json["communication_s"] = when.communication;
  json["exposed_communication_s"] = exposed;
  json["gaps"] = Json::array();
  for (const workload::TraceGap& gap : trace.gaps) {
    json["gaps"].push_back({{"nodes", gap.nodes},
                            {"lack", gap.what},
                            {"consequence", gap.consequence},
                            {"first", gap.example}});
  }
  if (result.ranks > 1 && spec.tp <= 1) {
    json["gaps"].push_back(
        {{"nodes", trace.count(TraceKind::kCollective)},
         {"lack", "the number of ranks of their group"},
         {"consequence", fmt::format("all {} chips of a scale-up domain take part; --tp says "
                                     "another number",
                                     result.ranks)},
         {"first", ""}});
  }
  return result;
}

}  // namespace athena::jobs
