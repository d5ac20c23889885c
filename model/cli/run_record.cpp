#include "cli/run_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "config/quantity.h"
#include "report/trace.h"

namespace athena::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kOurs = "trace.json.gz";
constexpr const char* kTheirs = "trace_vs.json.gz";

struct TimeWindow {
  Seconds from{0};
  Seconds to{1e30};
};

Seconds time_of(const std::string& text) {
  const config::ParsedQuantity parsed =
      config::parse_quantity(text, config::dimension_of<Seconds>());
  if (!parsed.problem.empty())
    throw InputError("--window takes two times, such as 0us:250us: " + parsed.problem + ".");
  return Seconds(static_cast<double>(parsed.value));
}

TimeWindow window_of(const std::string& text) {
  TimeWindow window;
  if (text.empty()) return window;
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos)
    throw InputError("--window takes two times, such as 0us:250us, not '" + text + "'.");
  window.from = time_of(text.substr(0, colon));
  window.to = time_of(text.substr(colon + 1));
  if (window.to < window.from) throw InputError("--window ends before it begins: '" + text + "'.");
  return window;
}

/// Every phase of a result after the other, as far as it was recorded.
void write_timeline_trace(const fs::path& path, const jobs::PointResult& result,
                          const jobs::Machine& machine, const TimeWindow& window, bool engines) {
  std::vector<report::TraceEvent> events;
  std::vector<report::TraceCounter> counters;
  double offset = 0;
  for (const jobs::PhaseResult& phase : result.phases) {
    events.push_back({machine.chip.name + "/phases",
                      phase.name,
                      Seconds(offset),
                      Seconds(phase.step.seconds),
                      {{"steps", phase.steps}}});
    if (phase.step.timeline != nullptr) {
      report::add_timeline(*phase.step.timeline, machine.chip.name, machine.chip.cores(),
                           Seconds(offset), engines, events, counters);
    }
    offset += phase.step.seconds;
  }
  report::TraceOptions options;
  options.from = window.from;
  options.to = window.to;
  static_cast<void>(report::write_trace(path, std::move(events), counters, options));
}

}  // namespace

void RecordFlags::add_to(CLI::App& command) {
  command.add_flag("--trace", trace,
                   "also write trace.json.gz into --out: kernels, engines, flows over time; open "
                   "it at ui.perfetto.dev");
  command.add_option("--window", window, "trace only this time of the run: 0us:250us");
  command.add_option(
      "--trace-level", level,
      "engines (kernels and every engine of some cores) | kernels (default engines)");
  command.add_option(
      "--trace-cores", cores,
      "cores whose engines are traced (default 1; each adds about a tenth to a run)");
}

void RecordFlags::check(const std::string& out) const {
  const std::vector<std::string> levels{"engines", "kernels"};
  if (std::find(levels.begin(), levels.end(), level) == levels.end()) {
    throw InputError("--trace-level is engines or kernels, not '" + level + "'." +
                     did_you_mean(level, levels));
  }
  if (cores < 1) throw InputError(fmt::format("--trace-cores must be at least 1, not {}.", cores));
  if (trace && out.empty())
    throw InputError("--trace writes into the folder of --out: give --out DIR.");
  if (!trace && !window.empty()) throw InputError("--window belongs to --trace.");
  static_cast<void>(window_of(window));
}

jobs::SimulationDetails record(const RecordFlags& flags, const std::string& out,
                               const jobs::PointSpec& ours) {
  flags.check(out);
  jobs::SimulationDetails details;
  details.kernels = true;
  if (out.empty()) return details;
  std::error_code code;
  for (const char* name : {kOurs, kTheirs}) fs::remove(fs::path(out) / name, code);
  timing::TimelineOptions options;
  const TimeWindow window = window_of(flags.window);
  if (flags.trace) {
    // The report draws one core even where the trace holds none.
    if (flags.level == "engines") options.cores = flags.cores;
    if (window.from.value() > 0) options.from = to_time(window.from);
    if (window.to.value() < 1e9) options.to = to_time(window.to);
  }
  details.timeline = options;
  if (!flags.trace) return details;
  const fs::path folder(out);
  const bool engines = flags.level == "engines";
  details.on_result = [folder, window, engines, ours](const jobs::PointSpec& spec,
                                                      const jobs::PointResult& result,
                                                      const jobs::Machine& machine) {
    const bool recorded =
        std::any_of(result.phases.begin(), result.phases.end(),
                    [](const jobs::PhaseResult& p) { return p.step.timeline != nullptr; });
    if (!recorded) return;
    write_timeline_trace(folder / (spec == ours ? kOurs : kTheirs), result, machine, window,
                         engines);
  };
  return details;
}

void keep_timeline(const fs::path& folder, Json& run) {
  Json kept = Json::object();
  const auto take = [&](Json& side, const char* name) {
    const auto found = side.find("timeline");
    if (found == side.end()) return;
    if (!found->is_null()) kept[name] = std::move(*found);
    side.erase("timeline");
  };
  take(run, "run");
  if (run.contains("vs")) take(run["vs"], "vs");
  std::error_code code;
  fs::remove(folder / "timeline.json", code);
  if (!kept.empty()) write_file_atomically(folder / "timeline.json", kept.dump() + "\n");
}

std::vector<std::string> finish_trace(const RecordFlags& flags, const fs::path& folder,
                                      const Json& run) {
  if (!flags.trace) return {};
  std::vector<std::string> files;
  std::error_code code;
  for (const char* name : {kOurs, kTheirs}) {
    if (fs::exists(folder / name, code)) files.emplace_back(name);
  }
  if (!files.empty()) return files;
  const TimeWindow window = window_of(flags.window);
  report::TraceOptions options;
  options.from = window.from;
  options.to = window.to;
  static_cast<void>(report::write_trace(folder / kOurs, report::kernel_events(run), {}, options));
  return {kOurs};
}

}  // namespace athena::cli
