#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "jobs/simulation/evaluate.h"

namespace athena::jobs {
namespace {

using Json = nlohmann::ordered_json;
using timing::Timeline;

double seconds(Time time) {
  return to_seconds(time).value();
}

/// Six digits are more than a picture shows.
double rounded(double value) {
  if (value == 0.0 || !std::isfinite(value)) return 0.0;
  const double scale = std::pow(10.0, 5.0 - std::floor(std::log10(std::abs(value))));
  return std::round(value * scale) / scale;
}

/// Rates over time, of the whole chip: bytes per second, shares of all units for the engines.
Json flows_json(const Timeline& timeline, int cores) {
  Json out;
  Time bin{0};
  for (std::size_t i = 0; i < timing::kFlows; ++i)
    bin = std::max(bin, timeline.of(static_cast<timing::Flow>(i)).bin());
  for (std::size_t i = 0; i < timing::kFlows; ++i) {
    const auto flow = static_cast<timing::Flow>(i);
    const timing::Series& series = timeline.of(flow);
    const bool busy = flow == timing::Flow::kMatrix || flow == timing::Flow::kVector;
    const double unit = busy ? static_cast<double>(bin.value()) * cores : seconds(bin);
    // Flows that ended early kept narrower bins: neighbours are added up.
    const std::int64_t fold = bin.value() / series.bin().value();
    const std::vector<double> amounts = series.amounts();
    Json values = Json::array();
    for (std::size_t from = 0; from < amounts.size(); from += static_cast<std::size_t>(fold)) {
      double sum = 0;
      for (std::size_t k = from;
           k < std::min(amounts.size(), from + static_cast<std::size_t>(fold)); ++k)
        sum += amounts[k];
      values.push_back(rounded(sum / unit));
    }
    out[timing::kFlowNames[i]] = std::move(values);
  }
  return {{"bin_s", seconds(bin)}, {"rates", std::move(out)}};
}

/// The repetition of the longest block that is drawn: the second one, when memory is warm and the
/// weights of the next kernels are under way; the first where there is no other.
struct Window {
  Time from{0}, to{0};
  std::vector<const Timeline::Kernel*> kernels;
};

Window window_of(const Timeline& timeline) {
  std::map<std::string, std::int64_t> length;
  for (const Timeline::Kernel& kernel : timeline.kernels())
    length[kernel.block] += (kernel.end - kernel.start).value();
  std::string block;
  for (const auto& [name, time] : length) {
    if (block.empty() || time > length[block]) block = name;
  }
  Window window;
  for (const std::int64_t repeat : {1, 0}) {
    for (const Timeline::Kernel& kernel : timeline.kernels()) {
      if (kernel.block == block && kernel.repeat == repeat) window.kernels.push_back(&kernel);
    }
    if (!window.kernels.empty()) break;
  }
  if (window.kernels.empty()) return window;
  window.from = window.kernels.front()->start;
  window.to = window.kernels.front()->end;
  for (const Timeline::Kernel* kernel : window.kernels) {
    window.from = std::min(window.from, kernel->start);
    window.to = std::max(window.to, kernel->end);
  }
  return window;
}

/// One engine's spans of a window, neighbours closer than a picture resolves made one.
Json lane_json(std::vector<Timeline::Span> spans, const Window& window, std::size_t most,
               const std::map<std::int32_t, std::size_t>& place) {
  std::sort(spans.begin(), spans.end(), [](const Timeline::Span& a, const Timeline::Span& b) {
    return a.start != b.start ? a.start < b.start : a.end < b.end;
  });
  std::int64_t gap = (window.to - window.from).value() / 4000;
  std::vector<Timeline::Span> merged;
  for (;; gap *= 2) {
    merged.clear();
    for (const Timeline::Span& span : spans) {
      if (!merged.empty() && merged.back().kernel == span.kernel &&
          span.start.value() <= merged.back().end.value() + gap) {
        merged.back().end = std::max(merged.back().end, span.end);
      } else {
        merged.push_back(span);
      }
    }
    if (merged.size() <= most || gap > (window.to - window.from).value()) break;
    gap = std::max<std::int64_t>(gap, 1);
  }
  Json out = Json::array();
  for (const Timeline::Span& span : merged) {
    const auto found = place.find(span.kernel);
    out.push_back({rounded(seconds(std::max(span.start, window.from) - window.from)),
                   rounded(seconds(std::min(span.end, window.to) - window.from)),
                   found == place.end() ? -1 : static_cast<int>(found->second)});
  }
  return out;
}

Json window_json(const Timeline& timeline, std::size_t most) {
  const Window window = window_of(timeline);
  if (window.kernels.empty()) return Json();
  Json out;
  out["block"] = window.kernels.front()->block;
  out["repeat"] = window.kernels.front()->repeat;
  out["from_s"] = seconds(window.from);
  out["to_s"] = seconds(window.to);
  std::map<std::int32_t, std::size_t> place;
  Json kernels = Json::array();
  for (const Timeline::Kernel* kernel : window.kernels) {
    place[kernel->number] = kernels.size();
    kernels.push_back({{"name", kernel->name},
                       {"from_s", rounded(seconds(kernel->start - window.from))},
                       {"to_s", rounded(seconds(kernel->end - window.from))}});
  }
  out["kernels"] = std::move(kernels);
  std::map<std::pair<std::int32_t, timing::Lane>, std::vector<Timeline::Span>> lanes;
  for (const Timeline::Span& span : timeline.spans()) {
    if (span.end > window.from && span.start < window.to)
      lanes[{span.core, span.lane}].push_back(span);
  }
  out["lanes"] = Json::array();
  for (auto& [key, spans] : lanes) {
    out["lanes"].push_back({{"core", key.first},
                            {"engine", timing::kLaneNames[static_cast<std::size_t>(key.second)]},
                            {"spans", lane_json(std::move(spans), window, most, place)}});
  }
  return out;
}

Json links_json(const Timeline& timeline) {
  if (timeline.rows() <= 0) return Json();
  Json list = Json::array();
  for (const Timeline::Link& link : timeline.links()) {
    if (link.from >= 0 && link.to >= 0) list.push_back({link.from, link.to, rounded(link.bytes)});
  }
  return {{"rows", timeline.rows()}, {"cols", timeline.cols()}, {"bytes", std::move(list)}};
}

Json memory_json(const std::vector<MemoryUse>& map) {
  Json out = Json::array();
  for (const MemoryUse& use : map) {
    out.push_back({{"name", use.name},
                   {"role", use.role},
                   {"address", use.address},
                   {"bytes", use.bytes},
                   {"copies", use.copies},
                   {"on_chip", use.on_chip}});
  }
  return out;
}

/// What the cache's slices, or the clusters' scratchpads, could carry.
double cache_peak(const config::ChipConfig& chip) {
  if (chip.cache.size.value() > 0) return chip.cache.bytes_per_cycle * chip.fabric_clock().value();
  return chip.cluster.count * chip.cluster.scratch.read_bytes_per_cycle * chip.clock.core.value();
}

/// What all links between routers could carry; 0 where nothing is known of them.
double network_peak(const config::ChipConfig& chip, const PointResult& result) {
  double links = 0;
  for (const PhaseResult& phase : result.phases) {
    if (phase.step.timeline == nullptr || links > 0) continue;
    for (const Timeline::Link& link : phase.step.timeline->links())
      links += link.from >= 0 && link.to >= 0 ? 1 : 0;
  }
  return links * chip.noc.link_bytes_per_cycle * chip.fabric_clock().value();
}

}  // namespace

Json timeline_json(const PointResult& result, const Machine& machine, std::size_t most_spans) {
  Json phases = Json::array();
  for (const PhaseResult& phase : result.phases) {
    if (phase.step.timeline == nullptr) continue;
    const Timeline& timeline = *phase.step.timeline;
    Json item;
    item["phase"] = phase.name;
    item["flows"] = flows_json(timeline, machine.chip.cores());
    item["window"] = window_json(timeline, most_spans);
    item["links"] = links_json(timeline);
    item["memory"] = memory_json(phase.step.memory_map);
    phases.push_back(std::move(item));
  }
  if (phases.empty()) return Json();
  return {{"chip", machine.chip.name},
          {"memory_peak_bytes_per_s", machine.chip.memory.peak.value()},
          {"cache_peak_bytes_per_s", cache_peak(machine.chip)},
          {"network_peak_bytes_per_s", network_peak(machine.chip, result)},
          {"memory_bytes", machine.chip.memory.capacity.value()},
          {"phases", std::move(phases)}};
}

}  // namespace athena::jobs
