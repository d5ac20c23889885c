#include "report/trace.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <numeric>
#include <unordered_map>

#include "base/error.h"

namespace athena::report {
namespace {

namespace fs = std::filesystem;

/// A gzip file that appears under its name only when it is complete.
class GzipWriter {
 public:
  explicit GzipWriter(const fs::path& path) : path_(path), part_(path.string() + ".part") {
    std::error_code failure;
    if (path.has_parent_path()) fs::create_directories(path.parent_path(), failure);
    file_ = gzopen(part_.c_str(), "wb2");
    if (file_ == nullptr) fail();
  }
  GzipWriter(const GzipWriter&) = delete;
  GzipWriter& operator=(const GzipWriter&) = delete;
  ~GzipWriter() {
    if (file_ == nullptr) return;
    gzclose(file_);
    std::error_code failure;
    fs::remove(part_, failure);
  }

  void write(const std::string& text) {
    if (text.empty()) return;
    const auto size = static_cast<unsigned>(text.size());
    if (gzwrite(file_, text.data(), size) != static_cast<int>(size)) fail();
  }

  void finish() {
    const int code = gzclose(file_);
    file_ = nullptr;
    std::error_code failure;
    if (code == Z_OK) fs::rename(part_, path_, failure);
    if (code != Z_OK || failure) {
      fs::remove(part_, failure);
      fail();
    }
  }

 private:
  [[noreturn]] void fail() const {
    throw MachineError(fmt::format("cannot write {}", path_.string()));
  }

  fs::path path_;
  fs::path part_;
  gzFile file_ = nullptr;
};

std::string json_text(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// The format counts in microseconds; six decimals are picoseconds.
std::string microseconds(Seconds time) {
  return fmt::format("{:.6f}", static_cast<double>(time.value()) * 1e6);
}

double end_of(const TraceEvent& event) {
  return static_cast<double>(event.start.value() + event.duration.value());
}

std::size_t keep_chosen(std::vector<TraceEvent>& events, const TraceOptions& options) {
  const std::size_t before = events.size();
  const auto dropped = [&](const TraceEvent& event) {
    return end_of(event) < static_cast<double>(options.from.value()) ||
           event.start.value() > options.to.value() ||
           event.duration.value() < options.shortest.value();
  };
  events.erase(std::remove_if(events.begin(), events.end(), dropped), events.end());
  if (events.size() > options.limit) {
    const auto longer = [](const TraceEvent& a, const TraceEvent& b) {
      return a.duration.value() > b.duration.value();
    };
    std::stable_sort(events.begin(), events.end(), longer);
    events.resize(options.limit);
  }
  return before - events.size();
}

/// Numbers of processes and lanes, announced to the viewer at first use.
class Lanes {
 public:
  struct Place {
    int process = 0;
    int lane = 0;
  };

  Place place(const std::string& track, std::size_t copy, std::string& announcement) {
    const std::size_t slash = track.find('/');
    const std::string process = track.substr(0, slash);
    std::string lane = slash == std::string::npos ? track : track.substr(slash + 1);
    if (copy > 0) lane += fmt::format(" ({})", copy + 1);
    const auto [owner, new_process] =
        processes_.try_emplace(process, static_cast<int>(processes_.size()) + 1);
    const int pid = owner->second;
    if (new_process) {
      announcement += fmt::format(
          "{{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":{},\"args\":{{\"name\":{}}}}},\n", pid,
          json_text(process));
    }
    const auto [found, new_lane] =
        lanes_.try_emplace({pid, lane}, static_cast<int>(lanes_.size()) + 1);
    if (new_lane) {
      announcement += fmt::format(
          "{{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":{},\"tid\":{},\"args\":{{\"name\":{}}}"
          "}},\n",
          pid, found->second, json_text(lane));
    }
    return {pid, found->second};
  }

 private:
  std::map<std::string, int> processes_;
  std::map<std::pair<int, std::string>, int> lanes_;
};

/// For each lane of one track the ends of the events that are open, outermost first.
class Nesting {
 public:
  /// The first lane in which [start, end] lies after or inside everything that is open.
  std::size_t lane_for(double start, double end) {
    for (std::size_t i = 0; i < open_.size(); ++i) {
      std::vector<double>& ends = open_[i];
      while (!ends.empty() && ends.back() <= start + kSlack) ends.pop_back();
      if (!ends.empty() && end > ends.back() + kSlack) continue;
      ends.push_back(end);
      return i;
    }
    open_.push_back({end});
    return open_.size() - 1;
  }

 private:
  static constexpr double kSlack = 5e-13;  // half of what the file resolves
  std::vector<std::vector<double>> open_;
};

/// Names repeat by the hundred thousand: each is escaped once.
class Names {
 public:
  const std::string& quoted(const std::string& name) {
    std::string& text = known_[name];
    if (text.empty()) text = json_text(name);
    return text;
  }

 private:
  std::unordered_map<std::string, std::string> known_;
};

void add_event(std::string& text, const TraceEvent& event, const std::string& name,
               Lanes::Place place) {
  fmt::format_to(std::back_inserter(text),
                 "{{\"ph\":\"X\",\"name\":{},\"pid\":{},\"tid\":{},\"ts\":{:.6f},\"dur\":{:.6f}",
                 name, place.process, place.lane, static_cast<double>(event.start.value()) * 1e6,
                 static_cast<double>(event.duration.value()) * 1e6);
  if (!event.args.is_null()) text += ",\"args\":" + event.args.dump();
  text += "},\n";
}

/// One track: which of its lanes are open, and where they stand in the file.
struct Track {
  Nesting nesting;
  std::vector<Lanes::Place> places;
};

}  // namespace

TraceSummary write_trace(const fs::path& path, std::vector<TraceEvent> events,
                         const std::vector<TraceCounter>& counters, const TraceOptions& options) {
  TraceSummary summary;
  summary.left_out = keep_chosen(events, options);
  // Outer events first, as nesting is read; the order is otherwise that of time.
  std::stable_sort(events.begin(), events.end(), [](const TraceEvent& a, const TraceEvent& b) {
    if (a.start.value() != b.start.value()) return a.start.value() < b.start.value();
    return a.duration.value() > b.duration.value();
  });
  GzipWriter file(path);
  file.write("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n");
  Lanes lanes;
  std::unordered_map<std::string, Track> tracks;
  Names names;
  std::string text;
  constexpr std::size_t kPiece = 1 << 18;  // written at once
  for (const TraceEvent& event : events) {
    Track& track = tracks[event.track];
    const std::size_t copy =
        track.nesting.lane_for(static_cast<double>(event.start.value()), end_of(event));
    while (track.places.size() <= copy)
      track.places.push_back(lanes.place(event.track, track.places.size(), text));
    add_event(text, event, names.quoted(event.name), track.places[copy]);
    ++summary.written;
    if (text.size() < kPiece) continue;
    file.write(text);
    text.clear();
  }
  file.write(text);
  for (const TraceCounter& counter : counters) {
    if (counter.at.value() < options.from.value() || counter.at.value() > options.to.value())
      continue;
    text.clear();
    const Lanes::Place place = lanes.place(counter.track, 0, text);
    const std::string name = counter.track.substr(counter.track.find('/') + 1);
    file.write(text + fmt::format("{{\"ph\":\"C\",\"name\":{},\"pid\":{},\"ts\":{},\"args\":{{"
                                  "\"value\":{}}}}},\n",
                                  json_text(name), place.process, microseconds(counter.at),
                                  counter.value));
  }
  // The format has no trailing comma; the last event says who wrote it.
  file.write(
      "{\"ph\":\"M\",\"name\":\"trace_writer\",\"pid\":0,\"args\":{\"name\":\"athena\"}}\n]}\n");
  file.finish();
  return summary;
}

}  // namespace athena::report
