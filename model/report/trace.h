#pragma once
/// Timelines in the Chrome trace format (JSON array, gzip), which Perfetto and chrome://tracing
/// open.
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/units.h"
#include "timing/timeline.h"

namespace athena::report {

/// Something that took time. `track` is "process/lane" ("athena/matrix 0.3"); without a '/', the
/// lane stands in a process of its own name.
struct TraceEvent {
  std::string track;
  std::string name;
  Seconds start{0};
  Seconds duration{0};
  nlohmann::ordered_json args;  ///< null = none
};

/// A number over time ("athena/power", unit in the name), drawn as a step curve.
struct TraceCounter {
  std::string track;
  Seconds at{0};
  double value = 0;
};

struct TraceOptions {
  Seconds from{0};
  Seconds to{1e30};               ///< events that do not touch [from, to] are left out
  Seconds shortest{0};            ///< events shorter than this are left out
  std::size_t limit = 1'000'000;  ///< keep the longest when there are more
};

/// How many of the events were written, so that nothing is lost silently.
struct TraceSummary {
  std::size_t written = 0;
  std::size_t left_out = 0;
};

/// Writes `path` (gzip) atomically. On a lane of the format, events must nest: one that overlaps
/// another without lying inside it goes to a further lane "LANE (2)". Throws MachineError when
/// the file cannot be written.
TraceSummary write_trace(const std::filesystem::path& path, std::vector<TraceEvent> events,
                         const std::vector<TraceCounter>& counters = {},
                         const TraceOptions& options = {});

/// The kernels of a run's result.json as one lane per chip: every execution with its mean
/// duration, block after block, the phases above them. A phase of more than 20,000 executions is
/// drawn with one event per kernel.
[[nodiscard]] std::vector<TraceEvent> kernel_events(const nlohmann::ordered_json& run);

/// Adds what a machine recorded: a lane of kernels, one process per recorded core with a lane per
/// engine (unless `engines` is false), flows as counters. `offset`: when the recorded step began.
/// `cores`: of the whole chip.
void add_timeline(const timing::Timeline& timeline, const std::string& chip, int cores,
                  Seconds offset, bool engines, std::vector<TraceEvent>& events,
                  std::vector<TraceCounter>& counters);

}  // namespace athena::report
