#include "serving/simulator_steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "jobs/simulation/step.h"
#include "serving/child_timer.h"
#include "serving/step_graph.h"
#include "workload/transformer_schema.h"

namespace athena::serving {
namespace {

workload::Parallelism parallelism(const HardwareSpec& spec) {
  for (const auto& [name, value] :
       {std::pair<const char*, int>{"--tp", spec.tp}, {"--pp", spec.pp}, {"--ep", spec.ep}}) {
    if (value < 1) throw InputError(fmt::format("{} must be at least 1, not {}.", name, value));
  }
  workload::Parallelism parallel;
  parallel.tp = spec.tp;
  parallel.pp = spec.pp;
  parallel.ep = parallel.dp = spec.ep;
  return parallel;
}

jobs::Machine machine_of(const HardwareSpec& spec) {
  jobs::PointSpec point;
  point.on = spec.on;
  point.sets = spec.sets;
  point.stack = spec.stack;
  point.power_cap_w = spec.power_cap_w;
  point.tp = spec.tp;
  point.pp = spec.pp;
  point.dp = point.ep = spec.ep;
  return jobs::resolve_machine(point);
}

}  // namespace

Hardware resolve_hardware(const HardwareSpec& spec) {
  if (spec.fidelity != "analytic" && spec.fidelity != "transaction") {
    throw InputError(fmt::format("--fidelity {}: serving knows analytic and transaction.{}",
                                 spec.fidelity,
                                 did_you_mean(spec.fidelity, {"analytic", "transaction"})));
  }
  Hardware out;
  out.fidelity = spec.fidelity;
  out.parallel = parallelism(spec);
  out.model = workload::load_transformer(spec.model);
  if (spec.layers > 0) out.model.layers = std::min(out.model.layers, spec.layers);
  if (!out.model.causal) {
    throw InputError(fmt::format("'{}' is an encoder and generates no tokens.", out.model.name));
  }
  out.machine = machine_of(spec);
  workload::check_parallelism(out.model, out.parallel);
  out.precision = spec.dtype.empty() ? workload::precision_of(out.model)
                                     : workload::precision_from_name(spec.dtype);
  if (!spec.kv_dtype.empty()) {
    const auto type = dtype_from_name(spec.kv_dtype);
    if (!type)
      throw InputError(fmt::format("--kv-dtype {}: no such number format.", spec.kv_dtype));
    out.precision.kv = *type;
  }
  out.max_context = spec.max_context > 0 ? spec.max_context : out.model.max_context;
  out.identity = fmt::format(
      "serving step 3\n{}\n{}\ntp {} pp {} ep {} kv {} dtype {} fidelity {} cap {} context {}\n",
      out.machine.text, config::to_yaml(config::dump(out.model)), spec.tp, spec.pp, spec.ep,
      name(out.precision.kv), spec.dtype, spec.fidelity, spec.power_cap_w, out.max_context);
  return out;
}

Hardware shallow(const HardwareSpec& spec, const std::string& fidelity) {
  // assumed: eight layers per stage: the first, still without its predecessor, weighs an eighth,
  // and patterns of layers (published ones repeat every 4 at most) come twice.
  constexpr int kLayersPerStage = 8;
  HardwareSpec few = spec;
  few.fidelity = fidelity;
  few.layers = kLayersPerStage * std::max(1, spec.pp);
  return resolve_hardware(few);
}

ReplicaMemory replica_memory(const Hardware& hardware, const EngineConfig& engine) {
  const double capacity =
      static_cast<double>(hardware.machine.chip.memory.capacity.value()) * engine.memory_share;
  // Every stage keeps a share of the weights and of each token's keys and values; the tightest
  // decides how many tokens the replica holds.
  constexpr std::int64_t kProbeTokens = 4096;
  const std::int64_t probe = std::min(kProbeTokens, hardware.max_context);
  double tokens = std::numeric_limits<double>::infinity();
  double kv_bytes = 0.0;
  for (int stage = 0; stage < hardware.parallel.pp; ++stage) {
    workload::PhaseSpec spec = phase_of(hardware, {{1, probe, 1}}, stage);
    const workload::Graph small = workload::build_graph(hardware.model, spec);
    const double per_token =
        static_cast<double>(small.bytes_of(workload::Role::kKvCache)) / static_cast<double>(probe);
    const std::int64_t longest = std::min(engine.max_batched_tokens, hardware.max_context);
    spec = phase_of(hardware, {{longest, longest, 1}}, stage);
    const workload::Graph large = workload::build_graph(hardware.model, spec);
    const auto weights = static_cast<double>(large.bytes_of(workload::Role::kWeight));
    const auto work = static_cast<double>(large.bytes_of(workload::Role::kActivation));
    if (weights + work >= capacity) {
      throw Finding(
          fmt::format("'{}' does not fit: {} of weights and {} of activations per chip, of {} that "
                      "may be used.",
                      hardware.model.name, binary(Bytes(std::llround(weights))),
                      binary(Bytes(std::llround(work))), binary(Bytes(std::llround(capacity)))));
    }
    kv_bytes += per_token * hardware.parallel.tp;
    if (per_token > 0.0) tokens = std::min(tokens, (capacity - weights - work) / per_token);
  }
  ReplicaMemory memory;
  memory.chips = hardware.chips();
  memory.max_context = hardware.max_context;
  memory.kv_bytes_per_token = Bytes(std::llround(kv_bytes));
  if (std::isfinite(tokens)) {
    memory.kv_pages = static_cast<std::int64_t>(tokens) / engine.page_tokens * hardware.parallel.dp;
    if (memory.kv_pages < 1)
      throw Finding("no room for keys and values is left beside the weights.");
  }
  return memory;
}

namespace {

class SimulatorTimer final : public OperatorTimer {
 public:
  explicit SimulatorTimer(const Hardware& hardware)
      : hardware_(hardware),
        runner_(hardware_.machine, hardware_.fidelity),
        table_(timing::energies_for(hardware.machine.chip.technology.process,
                                    hardware.machine.chip.memory.timing)),
        energy_(hardware.machine.chip, table_,
                hardware.machine.silicon() *
                    (1.0 / std::max(1, hardware.machine.chip.technology.dies))),
        power_(timing::power_model(hardware.machine.chip, table_, hardware.machine.silicon())) {}

  std::string identity() const override { return hardware_.identity; }
  Watts idle_power() const override {
    return hardware_.machine.chip.power.idle * hardware_.chips();
  }

  Seconds host_time() const override { return hardware_.machine.stack.host_per_step; }

  /// As StepRunner does for one graph: the events of a step, spread over it, decide the clock.
  StepCost settle(const StepTerms& terms) const override {
    const Seconds host = hardware_.machine.stack.host_per_step;
    const Seconds device = terms.time - host;
    if (!(device > Seconds(0.0))) return {terms.time, Joules(0.0)};
    const double core = std::clamp(terms.core / device, 0.0, 1.0);
    const timing::Activity activity{.core = Watts(terms.core_energy.value() / device.value()),
                                    .other = Watts(terms.other_energy.value() / device.value()),
                                    .busy = core,
                                    .clock_bound = core};
    const timing::PowerPoint point =
        timing::governed_point(power_, activity, hardware_.machine.power_cap);
    const Seconds time = device * point.time_factor;
    return {time + host, Joules(point.total.value() * time.value() * hardware_.chips())};
  }

  StepMeasurement measure(const StepShape& shape) override {
    const int stages = hardware_.parallel.pp;
    const auto batch = largest_part(shape, stages * hardware_.parallel.dp);
    StepMeasurement sum;
    double slowest = 0.0;
    double energy = 0.0;  // of one chip of each stage, one micro-batch
    double full_clock = 0.0;
    StepTerms terms;
    for (int stage = 0; stage < stages; ++stage) {
      // Stages between the first and the last are alike.
      const bool middle = stage > 0 && stage < stages - 1;
      if (middle && stage > 1) continue;
      const double times = middle ? stages - 2 : 1;
      const jobs::StepResult step = runner_.run(step_graph(hardware_, batch, stage));
      slowest = std::max(slowest, step.seconds);
      energy += step.energy_j * times;
      double kernels = 0.0, stage_time = 0.0;
      for (const chip::KernelResult& kernel : step.kernels) {
        kernels += kernel.seconds;
        StepTerms one = terms_of(kernel, step.clock_ratio);
        stage_time += one.time.value();
        one = {one.time * times, one.core * times, one.core_energy * times,
               one.other_energy * times};
        add(sum, kernel, times, one);
        terms += one;
      }
      full_clock = std::max(full_clock, stage_time + step.seconds - kernels);
    }
    terms.time = Seconds(full_clock * stages) + hardware_.machine.stack.host_per_step;
    sum.terms = terms;
    // In steady state every stage holds another micro-batch and the slowest sets the pace; each
    // stage works through all micro-batches while a step lasts.
    sum.total = Seconds(slowest * stages) + hardware_.machine.stack.host_per_step;
    sum.energy = Joules(energy * stages * hardware_.parallel.tp * hardware_.parallel.dp);
    Seconds all{0.0};
    for (const OperatorTime& op : sum.operators) all += op.time;
    for (OperatorTime& op : sum.operators) op.energy = sum.energy * (op.time / all);
    return sum;
  }

 private:
  /// What a kernel took at the clock of its step, brought to full clock.
  StepTerms terms_of(const chip::KernelResult& kernel, double ratio) const {
    double core = 0.0, all = 0.0;
    for (std::size_t i = 0; i < timing::kBounds; ++i) {
      const auto bound = static_cast<timing::Bound>(i);
      const auto part = static_cast<double>(kernel.path.of(bound).value());
      all += part;
      if (bound == timing::Bound::kCompute || bound == timing::Bound::kVector ||
          bound == timing::Bound::kPower) {
        core += part;
      }
    }
    const double share = all > 0.0 ? core / all : 0.0;
    // The closed forms count the events of one execution.
    const double executions = hardware_.fidelity == "analytic" ? kernel.executions : 1.0;
    const timing::EnergyBreakdown spent = energy_.energy(kernel.counts);
    const double stretched = kernel.seconds * share * ratio;
    return {Seconds(kernel.seconds * (1.0 - share) + stretched), Seconds(stretched),
            spent.core() * executions, spent.other() * executions};
  }

  static void add(StepMeasurement& sum, const chip::KernelResult& kernel, double times,
                  const StepTerms& terms) {
    // "attention.combine" merges the parts of a split attention: the same operator.
    const std::string op = kernel.name.substr(0, kernel.name.find('.'));
    auto same = std::find_if(sum.operators.begin(), sum.operators.end(),
                             [&](const OperatorTime& o) { return o.name == op; });
    if (same == sum.operators.end()) {
      sum.operators.push_back(
          {op, kind_of(kernel.block, op), Seconds(0.0), Joules(0.0), StepTerms{}});
      same = sum.operators.end() - 1;
    }
    same->time += Seconds(kernel.seconds * times);
    *same->terms += terms;
  }

  Hardware hardware_;
  jobs::StepRunner runner_;
  timing::EnergyTable table_;
  timing::ChipEnergy energy_;
  timing::PowerModel power_;
};

}  // namespace

std::unique_ptr<OperatorTimer> make_simulator_timer(const Hardware& hardware) {
  auto here = std::make_unique<SimulatorTimer>(hardware);
  if (hardware.fidelity == "analytic") return here;
  return in_child(std::move(here),
                  [hardware] { return std::make_unique<SimulatorTimer>(hardware); });
}

}  // namespace athena::serving
