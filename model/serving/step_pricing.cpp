#include "serving/step_pricing.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "config/config.h"
#include "workload/transformer_schema.h"

namespace athena::serving {

workload::PhaseSpec phase_of(const Hardware& hardware, std::vector<workload::Sequences> batch,
                             int stage) {
  workload::PhaseSpec spec;
  const bool decode =
      std::all_of(batch.begin(), batch.end(), [](const auto& s) { return s.q_len == 1; });
  spec.phase = decode ? workload::Phase::kDecode : workload::Phase::kPrefill;
  spec.batch = std::move(batch);
  spec.precision = hardware.precision;
  spec.max_context = hardware.max_context;
  spec.parallel = hardware.parallel;
  spec.stage = stage;
  return spec;
}

namespace {

/// One attention op of a mixed batch becomes two: decodes and prompts.
std::vector<workload::Op> split_attention(const workload::Op& op) {
  workload::AttentionShape decodes = op.attention(), prompts = op.attention();
  std::erase_if(decodes.batch, [](const auto& s) { return s.q_len > 1; });
  std::erase_if(prompts.batch, [](const auto& s) { return s.q_len == 1; });
  if (decodes.batch.empty() || prompts.batch.empty()) return {op};
  workload::Op first = op, second = op;
  first.shape = std::move(decodes);
  second.shape = std::move(prompts);
  return {std::move(first), std::move(second)};
}

}  // namespace

workload::Graph step_graph(const Hardware& hardware, const std::vector<workload::Sequences>& batch,
                           int stage) {
  workload::Graph graph = workload::build_graph(hardware.model, phase_of(hardware, batch, stage));
  for (workload::Block& block : graph.blocks) {
    std::vector<workload::Op> ops;
    for (workload::Op& op : block.ops) {
      if (op.kind != workload::OpKind::kAttention) {
        ops.push_back(std::move(op));
        continue;
      }
      for (workload::Op& part : split_attention(op)) ops.push_back(std::move(part));
    }
    block.ops = std::move(ops);
  }
  return graph;
}

std::string workload_text(const workload::Transformer& model) {
  return config::to_yaml(config::dump(model));
}

std::vector<workload::Sequences> largest_part(const StepShape& shape, int parts) {
  StepShape sorted = shape.canonical();
  // The most work first, so that rounding favours the part that is returned.
  std::reverse(sorted.groups.begin(), sorted.groups.end());
  std::vector<workload::Sequences> out;
  std::int64_t place = 0;
  for (const auto& group : sorted.groups) {
    // Members of the group whose place in the batch is a multiple of `parts`.
    const std::int64_t first = ceil_div<std::int64_t>(place, parts) * parts;
    const std::int64_t end = place + group.count;
    const std::int64_t count = first < end ? (end - 1 - first) / parts + 1 : 0;
    if (count > 0) out.push_back({group.q_len, group.kv_len, count});
    place = end;
  }
  return out;
}

FabricPrices::FabricPrices(const Hardware& hardware)
    : hardware_(hardware), library_(timing::load_collective_library(hardware.stack.collectives)) {}

Seconds FabricPrices::of(const std::string& kind, Bytes bytes, int ranks, int stride) {
  if (ranks <= 1) return Seconds(0.0);
  const timing::FabricSpec fabric = timing::fabric_of(hardware_.system, ranks, stride);
  const std::string name = kind == "send_recv" ? "send_receive" : kind;
  return to_seconds(timing::time_of(timing::parse_collective(name), bytes, fabric, library_).total);
}

Seconds FabricPrices::of(const workload::CollectiveShape& shape) {
  using Kind = workload::CollectiveKind;
  const Bytes bytes(shape.bytes);
  switch (shape.kind) {
    case Kind::kSend:
      return Seconds(0.0);  // a transfer between stages is billed where it is waited for
    case Kind::kRecv:
    case Kind::kSendRecv: {
      const timing::FabricSpec fabric = timing::fabric_of(hardware_.system, 2, shape.stride);
      return to_seconds(
          timing::time_of(timing::CollectiveKind::kSendReceive, bytes, fabric, library_).total);
    }
    case Kind::kAllReduce:
    case Kind::kAllGather:
    case Kind::kReduceScatter:
    case Kind::kAllToAll:
    case Kind::kBroadcast:
      return of(std::string(name(shape.kind)), bytes, shape.size, shape.stride);
  }
  throw InternalError("an unknown collective.");
}

namespace {

SquareMm die_area_of(const config::ChipConfig& chip) {
  // assumed: a reticle-sized die where none is published; it sets wire lengths and leakage only
  constexpr double kLargeDieMm2 = 800.0;
  return chip.technology.die_area.value() > 0.0 ? chip.technology.die_area : SquareMm(kLargeDieMm2);
}

class SimulatorTimer final : public OperatorTimer {
 public:
  explicit SimulatorTimer(const Hardware& hardware)
      : hardware_(hardware),
        pricer_(make_step_pricer(hardware_)),
        energy_(hardware_.chip, table_of(hardware_.chip), die_area_of(hardware_.chip)),
        power_(timing::power_model(hardware_.chip, table_of(hardware_.chip),
                                   die_area_of(hardware_.chip) * hardware_.chip.technology.dies)) {}

  std::string identity() const override { return hardware_.identity; }
  Watts idle_power() const override { return hardware_.chip.power.idle * hardware_.chips(); }

  StepMeasurement measure(const StepShape& shape) override {
    const int stages = hardware_.parallel.pp;
    const auto batch = largest_part(shape, stages * hardware_.parallel.dp);
    StepMeasurement sum;
    Seconds slowest{0.0};
    Joules energy{0.0};
    for (int stage = 0; stage < stages; ++stage) {
      // Stages between the first and the last are alike.
      const bool middle = stage > 0 && stage < stages - 1;
      if (middle && stage > 1) continue;
      const int times = middle ? stages - 2 : 1;
      const StepMeasurement one = measure_stage(batch, stage);
      slowest = std::max(slowest, one.total);
      energy += one.energy * static_cast<double>(times);
      add(sum, one, times);
    }
    // In steady state every stage holds another micro-batch, and the slowest sets the pace.
    sum.total = slowest * static_cast<double>(stages) + hardware_.stack.host_per_step;
    const double chips_per_stage = hardware_.parallel.tp * hardware_.parallel.dp;
    // Each stage works through all micro-batches while a step lasts.
    sum.energy = energy * (chips_per_stage * static_cast<double>(stages));
    for (OperatorTime& op : sum.operators) {
      op.energy = op.energy * (chips_per_stage * static_cast<double>(stages));
    }
    return sum;
  }

 private:
  static timing::EnergyTable table_of(const config::ChipConfig& chip) {
    return timing::energies_for(chip.technology.process, chip.memory.timing);
  }

  static void add(StepMeasurement& sum, const StepMeasurement& one, int times) {
    for (const OperatorTime& op : one.operators) {
      auto same = std::find_if(sum.operators.begin(), sum.operators.end(),
                               [&](const OperatorTime& o) { return o.name == op.name; });
      if (same == sum.operators.end()) {
        sum.operators.push_back({op.name, op.kind, Seconds(0.0), Joules(0.0)});
        same = sum.operators.end() - 1;
      }
      same->time += op.time * static_cast<double>(times);
      same->energy += op.energy * static_cast<double>(times);
    }
  }

  StepMeasurement measure_stage(const std::vector<workload::Sequences>& batch, int stage) {
    const PricedStep step = pricer_->price(step_graph(hardware_, batch, stage));
    timing::EventCounts counts;
    double clock_bound = 0.0;
    for (const PricedKernel& kernel : step.kernels) {
      counts += kernel.counts;
      clock_bound += kernel.clock_bound;
    }
    const double share = std::min(1.0, clock_bound / step.seconds);
    const timing::Activity activity =
        timing::activity_of(energy_, counts, Seconds(step.seconds), share, share);
    const timing::PowerPoint point = timing::governed_point(power_, activity, hardware_.power_cap);
    return governed(step, point);
  }

  /// Stretches what the clock bounds, and splits the energy: events where they happen, the rest by
  /// time.
  StepMeasurement governed(const PricedStep& step, const timing::PowerPoint& point) const {
    const double stretch = 1.0 / point.clock_ratio - 1.0;
    StepMeasurement m;
    double total = step.seconds, events = 0.0;
    std::vector<double> event_j;
    const double voltage = power_.curve.at(point.clock_ratio) / power_.reference_voltage;
    for (const PricedKernel& kernel : step.kernels) {
      total += kernel.clock_bound * stretch;
      const timing::EnergyBreakdown e = energy_.energy(kernel.counts);
      event_j.push_back((e.core().value() * voltage * voltage + e.other().value()) /
                        power_.delivery_efficiency);
      events += event_j.back();
    }
    m.total = Seconds(total);
    m.energy = Joules(point.total.value() * total);
    const double rest = std::max(0.0, m.energy.value() - events);
    for (std::size_t i = 0; i < step.kernels.size(); ++i) {
      const PricedKernel& kernel = step.kernels[i];
      const double seconds = kernel.seconds + kernel.clock_bound * stretch;
      StepMeasurement one;
      one.operators = {{kernel.name, kernel.kind, Seconds(seconds),
                        Joules(event_j[i] + rest * seconds / total)}};
      add(m, one, 1);
    }
    return m;
  }

  Hardware hardware_;
  std::unique_ptr<StepPricer> pricer_;
  timing::ChipEnergy energy_;
  timing::PowerModel power_;
};

}  // namespace

std::unique_ptr<OperatorTimer> make_simulator_timer(const Hardware& hardware) {
  return std::make_unique<SimulatorTimer>(hardware);
}

}  // namespace athena::serving
