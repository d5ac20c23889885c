#include <fmt/format.h>

#include "report/trace.h"

namespace athena::report {
namespace {

using timing::Flow;
using timing::Timeline;

struct FlowTrack {
  Flow flow;
  const char* name;
  bool share;  ///< of all units, not an amount per second
};
constexpr FlowTrack kTracks[] = {{Flow::kMemoryRead, "HBM read [GB/s]", false},
                                 {Flow::kMemoryWrite, "HBM written [GB/s]", false},
                                 {Flow::kCache, "cache [GB/s]", false},
                                 {Flow::kNetwork, "network, all links [GB/s]", false},
                                 {Flow::kMatrix, "matrix units busy [%]", true},
                                 {Flow::kVector, "vector units busy [%]", true}};

Seconds at(Time time, Seconds offset) {
  return Seconds(to_seconds(time).value() + offset.value());
}

}  // namespace

void add_timeline(const Timeline& timeline, const std::string& chip, int cores, Seconds offset,
                  bool engines, std::vector<TraceEvent>& events,
                  std::vector<TraceCounter>& counters) {
  std::map<std::int32_t, const Timeline::Kernel*> by_number;
  for (const Timeline::Kernel& kernel : timeline.kernels()) {
    by_number[kernel.number] = &kernel;
    events.push_back({chip + "/kernels",
                      kernel.name,
                      at(kernel.start, offset),
                      to_seconds(kernel.end - kernel.start),
                      {{"block", kernel.block}, {"repeat", kernel.repeat}}});
  }
  std::map<std::pair<std::int32_t, timing::Lane>, std::string> tracks;
  if (engines) events.reserve(events.size() + timeline.spans().size());
  for (const Timeline::Span& span : timeline.spans()) {
    if (!engines) break;
    const auto kernel = by_number.find(span.kernel);
    std::string& track = tracks[{span.core, span.lane}];
    if (track.empty()) {
      track = fmt::format("{} core {}/{}", chip, span.core,
                          timing::kLaneNames[static_cast<std::size_t>(span.lane)]);
    }
    events.push_back({track,
                      kernel != by_number.end() ? kernel->second->name : "kernel",
                      at(span.start, offset),
                      to_seconds(span.end - span.start),
                      {}});
  }
  for (const FlowTrack& track : kTracks) {
    const timing::Series& series = timeline.of(track.flow);
    const double bin = to_seconds(series.bin()).value();
    const std::vector<double> amounts = series.amounts();
    for (std::size_t i = 0; i <= amounts.size() && !amounts.empty(); ++i) {
      const double amount = i < amounts.size() ? amounts[i] : 0.0;
      const double value =
          track.share ? 100.0 * amount / (static_cast<double>(series.bin().value()) * cores)
                      : amount / bin * 1e-9;
      counters.push_back(
          {chip + "/" + track.name, Seconds(offset.value() + bin * static_cast<double>(i)), value});
    }
  }
}

}  // namespace athena::report
