#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "config/chip.h"
#include "config/config.h"
#include "cost/report.h"
#include "explore/report.h"
#include "explore/table.h"
#include "report/columns.h"
#include "report/report.h"

namespace athena::report {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

bool is_there(const fs::path& path) {
  std::error_code failure;
  return fs::exists(path, failure);
}

Json parsed(const fs::path& path) {
  const std::string text = read_file(path);
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& failure) {
    throw InputError(fmt::format("{}: not JSON: {}", path.string(), failure.what()));
  }
}

void need(const Json& json, const fs::path& path, std::initializer_list<const char*> keys,
          const char* command) {
  for (const char* key : keys) {
    if (json.contains(key)) continue;
    throw InputError(
        fmt::format("{}: has no '{}'; expected what `{}` writes", path.string(), key, command));
  }
}

/// The chip of one side: as the run resolved it where the folder has that, else as shipped.
/// Absent when the name belongs to a file that is gone: the page then leaves out what needs it.
std::optional<config::ChipConfig> chip_of(const fs::path& saved, const std::string& name) {
  if (is_there(saved)) return config::bind<config::ChipConfig>(config::parse_file(saved));
  if (!config::has_document(name, "chips")) return std::nullopt;
  return config::load<config::ChipConfig>(name, "chips");
}

/// What the roofline needs to know of a chip.
Json roof_json(const config::ChipConfig& chip) {
  return {{"cores", chip.cores()},
          {"memory_bytes_per_s", chip.memory.peak.value()},
          {"cache_bytes", chip.cache.size.value()}};
}

Json cost_json(const config::ChipConfig& ours, const std::optional<config::ChipConfig>& theirs) {
  // A tenth of the draws of `athena cost`: the percentiles keep two digits, and a report must not
  // take long beside the run it shows.
  constexpr std::size_t kDraws = 1000;
  cost::ReportOptions options;
  options.draws.draws = kDraws;
  cost::Constants constants = cost::Constants::load({});
  const cost::CostSubject first = cost::make_subject(ours, constants);
  std::optional<cost::CostSubject> second;
  if (theirs) second = cost::make_subject(*theirs, constants);
  Json out =
      cost::to_json(cost::cost_report(first, second ? &*second : nullptr, constants, options));
  out["draws"] = kDraws;
  return out;
}

void collect_run(const fs::path& folder, Json& out) {
  const fs::path path = folder / "result.json";
  const Json run = parsed(path);
  need(run, path, {"model", "chip", "time_s", "bound", "phases", "provenance"}, "athena run --out");
  out["run"] = run;
  out["title"] = fmt::format("{} {} on {}", run.at("model").get<std::string>(),
                             run.value("phase", ""), run.at("chip").get<std::string>());
  const auto ours = chip_of(folder / "config.yaml", run.at("chip").get<std::string>());
  std::optional<config::ChipConfig> theirs;
  out["chips"] = Json::object();
  if (ours) out["chips"][ours->name] = roof_json(*ours);
  if (run.contains("vs")) {
    const std::string name = run.at("vs").at("chip").get<std::string>();
    out["title"] = out["title"].get<std::string>() + " beside " + name;
    theirs = chip_of(folder / "config_vs.yaml", name);
    if (theirs && !out["chips"].contains(theirs->name)) out["chips"][name] = roof_json(*theirs);
  }
  if (is_there(folder / "config.yaml")) out["config"] = read_file(folder / "config.yaml");
  if (is_there(folder / "timeline.json")) out["timeline"] = parsed(folder / "timeline.json");
  if (is_there(folder / "point.json")) out["point"] = parsed(folder / "point.json");
  if (!ours) return;
  try {
    out["cost"] = cost_json(*ours, theirs);
  } catch (const InputError& reason) {
    out["cost_missing"] = reason.what();  // a chip without a product file has no price
  }
}

/// At most this many requests are drawn; of more, every n-th in the order of finishing.
constexpr std::size_t kRequestsDrawn = 20000;

void collect_serve(const fs::path& folder, Json& out) {
  const fs::path path = folder / "serve.json";
  out["serve"] = parsed(path);
  need(out["serve"], path, {"on", "model", "ttft_s", "tpot_s", "e2e_s"}, "athena serve --out");
  if (!out.contains("title")) {
    out["title"] = fmt::format("{} served by {}", out["serve"].at("model").get<std::string>(),
                               out["serve"].at("on").get<std::string>());
  }
  for (const auto& [key, name] :
       {std::pair{"requests", "requests.csv"}, {"requests_vs", "requests_vs.csv"}}) {
    if (is_there(folder / name)) out[key] = csv_columns(folder / name, kRequestsDrawn);
  }
}

}  // namespace

Json collect(const fs::path& folder) {
  if (!fs::is_directory(folder)) {
    throw InputError(
        fmt::format("{} is not a folder; expected what --out of a command wrote", folder.string()));
  }
  Json out{{"version", ATHENA_VERSION}, {"folder", folder.filename().string()}};
  const bool run = is_there(folder / "result.json");
  const bool serve = is_there(folder / "serve.json");
  const bool priced = is_there(folder / "cost.json");
  const bool swept = explore::SweepTable::exists(folder);
  if (!run && !serve && !priced && !swept) {
    throw InputError(
        fmt::format("{} holds no result: expected result.json (athena run --out), serve.json "
                    "(athena serve --out), sweep.sqlite (athena sweep --out) or cost.json (athena "
                    "cost --json)",
                    folder.string()));
  }
  if (run) collect_run(folder, out);
  if (serve) collect_serve(folder, out);
  if (priced) {
    out["cost"] = parsed(folder / "cost.json");
    need(out["cost"], folder / "cost.json", {"chip", "area", "package"}, "athena cost --json");
    if (!out.contains("title"))
      out["title"] = "Cost of " + out["cost"].at("chip").get<std::string>();
  }
  if (swept) {
    out["sweep"] =
        sweep_columns(explore::to_json(explore::load_report(folder), explore::RowChoice::kAll));
    if (!out.contains("title"))
      out["title"] = "Sweep " + out["sweep"].at("name").get<std::string>();
  }
  // One validation serves all the results beside each other.
  const fs::path above = fs::absolute(folder).lexically_normal().parent_path();
  for (const fs::path& path : {folder / "validate.json", above / "validate.json"}) {
    if (!is_there(path)) continue;
    out["validation"] = parsed(path);
    break;
  }
  for (const char* name : {"trace.json.gz", "trace.json"}) {
    if (is_there(folder / name)) out["trace"] = name;
  }
  return out;
}

}  // namespace athena::report
