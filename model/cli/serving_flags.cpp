#include "cli/serving_flags.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/hash.h"
#include "config/config.h"
#include "cost/report.h"

namespace athena::cli {

void HardwareFlags::add_to(CLI::App& command, bool with_vs) {
  command.add_option("--model", spec.model, "model: a name in workloads/models or a file")
      ->required();
  command.add_option("--on", spec.on, "chip or system that serves")->required();
  if (with_vs) {
    command.add_option("--vs", vs, "second chip or system, served the same traffic");
    command.add_option("--vs-stack", vs_stack, "software stack of the second");
  }
  command.add_option("--tp", spec.tp, "tensor-parallel chips per replica");
  command.add_option("--pp", spec.pp, "pipeline stages per replica");
  command.add_option("--ep", spec.ep, "expert-parallel groups per replica");
  command.add_option("--stack", spec.stack, "software stack; default: the chip's");
  command.add_option("--dtype", spec.dtype, "precision of the model: bf16, fp8, w8a16 ...");
  command.add_option("--kv-dtype", spec.kv_dtype, "format of keys and values: bf16, fp8 ...");
  command.add_option("--max-context", spec.max_context, "longest context, tokens");
  command.add_option("--power-cap-w", spec.power_cap_w, "power cap of one chip, watts");
  command.add_option("--fidelity", spec.fidelity, "tier that times the steps")
      ->capture_default_str();
  command
      .add_option("--set", spec.sets,
                  "override: key=value, chip.key=value, system., stack., vs:key=value")
      ->take_all()
      ->allow_extra_args(false);
  command.add_option("--step-store", store, "folder of stored step times");
  command.add_flag("--no-step-store", no_store, "neither read nor write stored step times");
}

void HardwareFlags::split_sets() {
  constexpr std::string_view kVs = "vs:";
  std::vector<std::string> own;
  for (const std::string& set : spec.sets) {
    if (set.starts_with(kVs)) {
      vs_sets.push_back(set.substr(kVs.size()));
    } else {
      own.push_back(set);
    }
  }
  spec.sets = std::move(own);
  if (!vs_sets.empty() && vs.empty()) throw InputError("--set vs:... needs --vs.");
}

serving::HardwareSpec HardwareFlags::other() const {
  serving::HardwareSpec out = spec;
  out.on = vs;
  out.stack = vs_stack;
  out.sets = vs_sets;
  out.power_cap_w = 0.0;
  return out;
}

void EngineFlags::add_to(CLI::App& command) {
  command.add_option("--serving", document, "engine policies: a name in configs/serving or a file")
      ->capture_default_str();
  command.add_option("--serving-set", sets, "override: key=value of the engine policies")
      ->take_all()
      ->allow_extra_args(false);
  command.add_option("--batching", batching, "static, continuous or chunked");
  command.add_option("--order", order, "prefill_first or decode_first");
  command.add_option("--preemption", preemption, "recompute or swap");
  command.add_option("--max-batch", max_batch, "sequences in a step");
  command.add_option("--max-batched-tokens", max_tokens, "new tokens in a step");
  command.add_option("--page-tokens", page_tokens, "tokens per KV page");
  command.add_flag("--prefix-cache", prefix_cache, "reuse the KV of equal prompt beginnings");
  command.add_option("--replicas", replicas, "replicas of the model");
  command.add_option("--prefill-replicas", prefill_replicas, "replicas that only prefill");
  command.add_option("--decode-replicas", decode_replicas, "replicas that only decode");
  command.add_option("--router", router, "round_robin, least_loaded or prefix_aware");
}

serving::ServiceConfig EngineFlags::config() const {
  std::vector<std::string> all = sets;
  const auto text = [&](const char* key, const std::string& value) {
    if (!value.empty()) all.push_back(fmt::format("{}={}", key, value));
  };
  const auto number = [&](const char* key, std::int64_t value) {
    if (value != 0) all.push_back(fmt::format("{}={}", key, value));
  };
  text("engine.batching", batching);
  text("engine.order", order);
  text("engine.preemption", preemption);
  number("engine.max_batch", max_batch);
  number("engine.max_batched_tokens", max_tokens);
  number("engine.page_tokens", page_tokens);
  if (prefix_cache) all.emplace_back("engine.prefix_cache=true");
  number("replicas", replicas);
  number("prefill_replicas", prefill_replicas);
  number("decode_replicas", decode_replicas);
  text("router", router);
  return config::load<serving::ServiceConfig>(document, "serving", all);
}

namespace {
constexpr const char* kClosedForms = "analytic";

serving::HardwareSpec in_tier(serving::HardwareSpec spec, const std::string& fidelity) {
  spec.fidelity = fidelity;
  return spec;
}
}  // namespace

ServingSide::Source ServingSide::source(const serving::Hardware& hardware) const {
  Source out;
  out.timer = serving::make_simulator_timer(hardware);
  out.store = std::make_unique<serving::MeasurementStore>(*out.timer, folder_);
  return out;
}

ServingSide::ServingSide(const serving::HardwareSpec& spec, const serving::ServiceConfig& config,
                         const std::string& store, bool exact, double tolerance)
    : spec_(spec),
      folder_(store),
      hardware_(serving::resolve_hardware(spec)),
      memory_(serving::replica_memory(hardware_, config.engine)),
      steps_(source(hardware_)) {
  if (exact) {
    exact_ = std::make_unique<serving::ExactSteps>(*steps_.store);
    return;
  }
  const bool closed = hardware_.fidelity == kClosedForms;
  if (!closed) closed_ = source(serving::resolve_hardware(in_tier(spec, kClosedForms)));
  serving::TableLimits limits;
  limits.max_batch = config.engine.max_batch;
  limits.max_batched_tokens = config.engine.max_batched_tokens;
  limits.max_context = memory_.max_context;
  limits.tolerance = tolerance;
  tables_ =
      std::make_unique<serving::OperatorTables>(closed ? *steps_.store : *closed_.store, limits);
}

serving::StepTime& ServingSide::steps() {
  if (exact_) return *exact_;
  return *tables_;
}

bool ServingSide::wants_calibration() const {
  return closed_.store != nullptr && calibration_ == nullptr;
}

void ServingSide::calibrate(const serving::StepSample& sample) {
  few_ = source(serving::shallow(spec_, hardware_.fidelity));
  few_closed_ = source(serving::shallow(spec_, kClosedForms));
  calibration_ = std::make_unique<serving::Calibration>(serving::calibrate(
      *tables_, *closed_.store, *few_closed_.store, *few_.store, sample.shapes()));
  tables_->calibrate(calibration_.get());
}

void ServingSide::save() {
  for (const Source* source : {&steps_, &closed_, &few_, &few_closed_}) {
    if (source->store) source->store->save();
  }
}

std::string ServingSide::config_hash() const {
  return content_hash(hardware_.identity);
}

std::optional<double> ServingSide::price() const {
  try {
    cost::Constants constants = cost::Constants::load({});
    const cost::CostSubject subject{hardware_.machine.chip,
                                    cost::load_product(hardware_.machine.chip, {})};
    return cost::nominal_cost_json(subject, constants).at("usd_per_chip_hour").get<double>();
  } catch (const InputError&) {
    return std::nullopt;  // no product file for this chip: the price is then the user's to give
  }
}

nlohmann::ordered_json ServingSide::step_times(const serving::StepSample& checked) {
  nlohmann::ordered_json out;
  out["fidelity"] = hardware_.fidelity;
  out["method"] = exact_ ? "exact" : "tables";
  std::int64_t simulated = 0, stored = 0;
  if (tables_) {
    const auto error = tables_->interpolation_error();
    out["interpolation_error"] = {{"cells", error.cells}, {"mean", error.mean}, {"max", error.max}};
  }
  if (calibration_) {
    const auto error = calibration_->left_out(*closed_.timer);
    out["calibration_error"] = {
        {"steps", error.steps}, {"mean", error.mean}, {"max", error.max}, {"bias", error.bias}};
    simulated += few_.store->measured();
    stored += few_.store->loaded();
  }
  if (tables_ && !checked.shapes().empty()) {
    const auto check = serving::check_tables(*tables_, *steps_.store, checked.shapes());
    out["composition_error"] = {{"steps", check.steps},
                                {"mean", check.mean_error},
                                {"max", check.max_error},
                                {"bias", check.bias}};
  }
  out["steps_simulated"] = simulated + steps_.store->measured();
  out["steps_from_store"] = stored + steps_.store->loaded();
  return out;
}

std::string default_step_store() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
  };
  const std::string own = variable("ATHENA_CACHE");
  if (!own.empty()) return own + "/step_times";
  const std::string xdg = variable("XDG_CACHE_HOME");
  if (!xdg.empty()) return xdg + "/athena/step_times";
  const std::string home = variable("HOME");
  return home.empty() ? "" : home + "/.cache/athena/step_times";
}

nlohmann::ordered_json host_json() {
  double cpu = 0.0;
  std::int64_t rss = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage{};
    ::getrusage(who, &usage);
    constexpr double kMicro = 1e-6;
    cpu += static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           kMicro * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    rss = std::max<std::int64_t>(rss, usage.ru_maxrss * 1024);
  }
  return {{"cpu_s", cpu}, {"max_rss_bytes", rss}};
}

}  // namespace athena::cli
