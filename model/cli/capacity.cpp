/// athena capacity: the traffic that a system carries while it keeps an SLO.
#include "serving/capacity.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/serving_flags.h"
#include "serving/trace.h"

namespace athena::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string trace;
  HardwareFlags hardware;
  EngineFlags engine;
  std::string slo;
  std::string overlong = "reject";
  serving::CapacityOptions search;
  std::uint64_t seed = 1;
  double traffic = 0.0;  ///< requests per second to be carried; 0 = only the capacity is asked
  int most_replicas = 1024;
  double usd_per_chip_hour = 0.0;
  double tolerance = serving::TableLimits{}.tolerance;
  std::size_t calibration_steps = 12;
};

constexpr double kSecondsPerHour = 3600.0;

bool is_generator(const std::string& trace) {
  return trace.ends_with(".yaml") || trace.ends_with(".yml");
}

Json trial_json(const serving::RateTrial& t) {
  return {{"rate_scale", t.scale},
          {"requests_per_s", t.rate_per_s},
          {"replications", t.replications},
          {"kept", t.verdict == serving::Verdict::kKept},
          {"decided", t.verdict != serving::Verdict::kUndecided},
          {"reached_s", t.reached_s},
          {"half_width_s", t.half_width_s},
          {"output_tokens_per_s", t.output_tokens_per_s},
          {"utilisation", t.busy}};
}

struct SideCapacity {
  serving::CapacityResult result;
  std::optional<double> price;
  int chips = 1;
  int replicas_for_traffic = 0;
  Json json;
};

/// Finds about where the capacity lies by closed forms, and simulates steps of a run there.
void calibrate(ServingSide& side, const Options& options, const serving::ServiceConfig& config,
               const serving::TrafficFactory& traffic) {
  serving::CapacityOptions rough = options.search;
  rough.precision = std::max(rough.precision, 0.25);
  rough.min_replications = rough.max_replications = 2;
  const auto found = serving::find_capacity(traffic, config, side.memory(), side.steps(), rough);
  serving::StepSample sample(options.calibration_steps);
  serving::RunOptions run;
  run.overlong = rough.overlong;
  run.on_step = [&](const serving::StepRecord& r) {
    sample.show_run(*r.shape, r.steps, r.end - r.begin);
  };
  const auto trace = traffic(found.found ? found.best.scale : 1.0, 0);
  (void)serving::serve(*trace, config, side.memory(), side.steps(), run);
  side.calibrate(sample);
}

SideCapacity capacity_of(const Options& options, const serving::HardwareSpec& spec,
                         const serving::TrafficFactory& traffic, double trace_rate,
                         Session& session) {
  const serving::ServiceConfig config = options.engine.config();
  ServingSide side(spec, config, options.hardware.store, false, options.tolerance);
  if (side.wants_calibration()) {
    session.progress(0.0, spec.on + ": simulating steps");
    calibrate(side, options, config, traffic);
  }
  serving::CapacityOptions search = options.search;
  int tried = 0;
  search.on_progress = [&](const std::string& text) {
    constexpr double kTypicalTrials = 12.0;
    session.progress(std::min(0.99, ++tried / kTypicalTrials), spec.on + ": " + text);
  };
  SideCapacity out;
  out.result = serving::find_capacity(traffic, config, side.memory(), side.steps(), search);
  out.chips = side.hardware().chips() * config.replica_count();
  out.price = options.usd_per_chip_hour > 0.0 ? std::optional<double>(options.usd_per_chip_hour)
                                              : side.price();
  if (options.traffic > 0.0) {
    if (config.disaggregated()) {
      throw InputError(
          "--traffic counts replicas that do both phases; leave --prefill-replicas out.");
    }
    out.replicas_for_traffic =
        serving::find_replicas(traffic, config, side.memory(), side.steps(), search,
                               options.traffic / trace_rate, options.most_replicas);
  }
  side.save();

  const serving::RateTrial& best = out.result.best;
  Json trials = Json::array();
  for (const auto& t : out.result.trials) trials.push_back(trial_json(t));
  out.json = {{"on", spec.on},
              {"model", side.hardware().model.name},
              {"chips", out.chips},
              {"config_hash", side.config_hash()},
              {"found", out.result.found},
              {"open_ended", out.result.open_ended},
              {"requests_per_s", out.result.found ? Json(best.rate_per_s) : Json(nullptr)},
              {"not_kept_at_requests_per_s", out.result.broken_above_per_s},
              {"output_tokens_per_s", best.output_tokens_per_s},
              {"output_tokens_per_s_per_chip", best.output_tokens_per_s / out.chips},
              {"energy_per_token_j", best.joules_per_token}};
  const bool priced = out.price && out.result.found;
  const double usd_per_s = out.price.value_or(0.0) * out.chips / kSecondsPerHour;
  out.json["usd_per_chip_hour"] = out.price ? Json(*out.price) : Json(nullptr);
  out.json["usd_per_mtok"] =
      priced ? Json(usd_per_s / best.output_tokens_per_s * 1e6) : Json(nullptr);
  out.json["usd_per_request"] = priced ? Json(usd_per_s / best.rate_per_s) : Json(nullptr);
  if (options.traffic > 0.0) {
    out.json["traffic_requests_per_s"] = options.traffic;
    out.json["replicas_for_traffic"] = out.replicas_for_traffic;
    out.json["chips_for_traffic"] = out.replicas_for_traffic * side.hardware().chips();
  }
  out.json["trials"] = std::move(trials);
  return out;
}

std::string text_of(const Options& options, const SideCapacity& side, const std::string& name) {
  const serving::CapacityResult& r = side.result;
  Table table({"requests/s on " + name, "kept", "replications", "busy", "output tokens/s"});
  auto sorted = r.trials;
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.rate_per_s < b.rate_per_s; });
  for (const serving::RateTrial& t : sorted) {
    table.row({fmt::format("{:.3g}", t.rate_per_s),
               t.verdict == serving::Verdict::kKept     ? "yes"
               : t.verdict == serving::Verdict::kBroken ? "no"
                                                        : "in doubt, counted as no",
               std::to_string(t.replications), fmt::format("{:.0f} %", 100 * t.busy),
               fmt::format("{:.0f}", t.output_tokens_per_s)});
  }
  std::string out = table.text();
  if (!r.found) {
    return out + fmt::format("{}: no rate down to {:.3g} requests/s keeps {}.\n", name,
                             sorted.empty() ? 0.0 : sorted.front().rate_per_s, options.slo);
  }
  out += fmt::format("{}: {}{:.3g} requests/s keep {} with {:.0f} % confidence", name,
                     r.open_ended ? "at least " : "", r.best.rate_per_s, options.slo,
                     100 * options.search.confidence);
  if (!r.open_ended) out += fmt::format(" ({:.3g} do not)", r.broken_above_per_s);
  out += fmt::format(": {:.0f} output tokens/s on {} chips, {} per output token\n",
                     r.best.output_tokens_per_s, side.chips, si(r.best.joules_per_token, "J"));
  if (!side.json["usd_per_request"].is_null()) {
    out += fmt::format("{}: {:.3f} cents per request, {:.2f} $ per million output tokens\n", name,
                       100 * side.json["usd_per_request"].get<double>(),
                       side.json["usd_per_mtok"].get<double>());
  }
  if (options.traffic > 0.0) {
    out += side.replicas_for_traffic > 0
               ? fmt::format("{}: {:.3g} requests/s need {} replicas, {} chips\n", name,
                             options.traffic, side.replicas_for_traffic,
                             side.json["chips_for_traffic"].get<int>())
               : fmt::format("{}: {} replicas do not carry {:.3g} requests/s\n", name,
                             options.most_replicas, options.traffic);
  }
  return out;
}

void run_capacity(Options& options, Session& session) {
  options.hardware.split_sets();
  options.search.slo = serving::parse_slo(options.slo);
  if (options.overlong != "reject" && options.overlong != "truncate") {
    throw InputError(fmt::format("--overlong {}: expected reject or truncate.", options.overlong));
  }
  if (options.overlong == "truncate") options.search.overlong = serving::Overlong::kTruncate;
  if (!(options.search.confidence > 0.5 && options.search.confidence < 1.0)) {
    throw InputError("--confidence must lie between 0.5 and 1.");
  }
  if (!(options.search.precision > 0.0 && options.search.precision < 1.0)) {
    throw InputError("--precision must lie between 0 and 1.");
  }
  if (options.search.min_replications < 2 ||
      options.search.max_replications < options.search.min_replications) {
    throw InputError("--replications LEAST MOST: at least 2, and MOST not below LEAST.");
  }
  if (options.hardware.store.empty()) options.hardware.store = default_step_store();
  if (options.hardware.no_store) options.hardware.store.clear();
  const double trace_rate =
      serving::summarise(*serving::open_trace(options.trace)).requests_per_s();
  const serving::TrafficFactory traffic =
      is_generator(options.trace)
          ? serving::generated_traffic(options.trace, options.seed)
          : serving::recorded_traffic(options.trace, options.search.max_replications);
  const SideCapacity first =
      capacity_of(options, options.hardware.spec, traffic, trace_rate, session);
  std::optional<SideCapacity> second;
  if (!options.hardware.vs.empty()) {
    second = capacity_of(options, options.hardware.other(), traffic, trace_rate, session);
  }
  session.clear_progress();
  Json json = {{"trace", options.trace},
               {"slo", options.slo},
               {"confidence", options.search.confidence},
               {"seed", options.seed}};
  json.update(first.json);
  std::string text = text_of(options, first, options.hardware.spec.on);
  if (second) {
    text += "\n" + text_of(options, *second, options.hardware.vs);
    json["vs"] = second->json;
  }
  json["host"] = host_json();
  session.print(text);
  session.print_json(json);
  if (!first.result.found || (options.traffic > 0.0 && first.replicas_for_traffic == 0)) {
    session.exit_code = static_cast<int>(ExitCode::kFinding);
  }
}

}  // namespace

void add_capacity_command(CLI::App& app, Session& session) {
  CLI::App& command =
      *app.add_subcommand("capacity", "the traffic that a system carries under an SLO");
  command.footer(
      "Example:\n"
      "  athena capacity --model llama-2-70b --on athena-node --tp 4 --trace "
      "workloads/traces/chat.yaml --slo ttft.p90=2s,tpot.p99=100ms");
  const auto options = std::make_shared<Options>();
  command.add_option("--trace", options->trace, "traffic whose rate is varied")->required();
  command.add_option("--slo", options->slo, "objectives: ttft.p90=2s,tpot.p99=100ms")->required();
  options->hardware.add_to(command, true);
  options->engine.add_to(command);
  command.add_option("--overlong", options->overlong,
                     "requests that can never fit: reject or truncate");
  command.add_option("--confidence", options->search.confidence, "of each verdict, one-sided");
  command.add_option("--precision", options->search.precision, "width of the final bracket");
  command.add_option("--min-replications", options->search.min_replications,
                     "runs per rate at least");
  command.add_option("--max-replications", options->search.max_replications,
                     "runs per rate at most, where a verdict is in doubt");
  command.add_option("--seed", options->seed, "first seed of the replications");
  command.add_option("--traffic", options->traffic,
                     "requests per second to be carried: how many chips?");
  command.add_option("--max-replicas", options->most_replicas, "most replicas tried for --traffic");
  command.add_option("--usd-per-chip-hour", options->usd_per_chip_hour,
                     "price of a chip-hour; default: from the cost model");
  command.add_option("--calibration-steps", options->calibration_steps,
                     "steps of each kind (decodes only, with prompts) that bring the tables to "
                     "the transaction tier");
  command.add_option("--table-tolerance", options->tolerance,
                     "largest interpolation error inside a table cell, as a fraction");
  run_with(command, session, [options, &session] { run_capacity(*options, session); });
}

}  // namespace athena::cli
