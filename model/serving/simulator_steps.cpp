#include "serving/simulator_steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "config/config.h"
#include "serving/step_pricing.h"

namespace athena::serving {
namespace {

/// The part of `sets` that is for one document, its prefix taken off. What has no prefix belongs to
/// the document that the user named.
std::vector<std::string> sets_for(const std::vector<std::string>& sets, std::string_view document,
                                  bool named) {
  std::vector<std::string> out;
  for (const std::string& set : sets) {
    const auto has = [&](std::string_view prefix) {
      return set.starts_with(prefix) && set.size() > prefix.size() && set[prefix.size()] == '.';
    };
    if (has(document)) {
      out.push_back(set.substr(document.size() + 1));
    } else if (named && !has("chip") && !has("system") && !has("stack")) {
      out.push_back(set);
    }
  }
  return out;
}

bool is_known(const std::string& name, std::string_view kind) {
  try {
    (void)config::find_document(name, kind);
    return true;
  } catch (const InputError&) {
    return false;
  }
}

bool is_system(const std::string& name) {
  const bool path = name.find('/') != std::string::npos || name.ends_with(".yaml");
  if (!path) return !is_known(name, "chips") && is_known(name, "systems");
  return config::parse_file(name).find("chips_per_node") != nullptr ||
         config::parse_file(name).find("fabric") != nullptr;
}

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

void load_documents(const HardwareSpec& spec, Hardware& out) {
  const bool system = is_system(spec.on);
  const auto chip_sets = sets_for(spec.sets, "chip", !system);
  if (system) {
    out.system = config::load_system(spec.on, sets_for(spec.sets, "system", true));
    out.chip = config::load<config::ChipConfig>(out.system.chip, "chips", chip_sets);
  } else {
    out.chip = config::load<config::ChipConfig>(spec.on, "chips", chip_sets);
    if (out.chip.default_system.empty() && out.chips() > 1) {
      throw InputError(
          fmt::format("chip '{}' names no default system; give --on a system to use {} chips.",
                      spec.on, out.chips()));
    }
    if (!out.chip.default_system.empty()) {
      out.system =
          config::load_system(out.chip.default_system, sets_for(spec.sets, "system", false));
    }
  }
  const std::string stack = spec.stack.empty() ? out.chip.default_stack : spec.stack;
  out.stack =
      config::load<config::StackConfig>(stack, "stacks", sets_for(spec.sets, "stack", false));
  if (out.chips() > std::max(1, out.system.chips())) {
    throw InputError(fmt::format("tp {} x pp {} x ep {} needs {} chips; '{}' has {}.", spec.tp,
                                 spec.pp, spec.ep, out.chips(), spec.on,
                                 std::max(1, out.system.chips())));
  }
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
  if (!out.model.causal) {
    throw InputError(fmt::format("'{}' is an encoder and generates no tokens.", out.model.name));
  }
  load_documents(spec, out);
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
  out.power_cap = Watts(spec.power_cap_w);
  const auto yaml = [](const auto& document) { return config::to_yaml(config::dump(document)); };
  out.identity = fmt::format(
      "serving step 1\n{}\n{}\n{}\n{}\ntp {} pp {} ep {} kv {} dtype {} fidelity {} cap {} "
      "context {}\n",
      yaml(out.chip), yaml(out.system), yaml(out.stack), workload_text(out.model), spec.tp, spec.pp,
      spec.ep, name(out.precision.kv), spec.dtype, spec.fidelity, spec.power_cap_w,
      out.max_context);
  return out;
}

ReplicaMemory replica_memory(const Hardware& hardware, const EngineConfig& engine) {
  const double capacity =
      static_cast<double>(hardware.chip.memory.capacity.value()) * engine.memory_share;
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

}  // namespace athena::serving
