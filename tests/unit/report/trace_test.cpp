#include "report/trace.h"

#include <zlib.h>

#include <algorithm>
#include <map>

#include "base/rng.h"
#include "fixture.h"

namespace athena::report {
namespace {

using testing::Folder;
using testing::Json;

Json read_trace(const std::filesystem::path& path) {
  std::string text;
  gzFile file = gzopen(path.c_str(), "rb");
  REQUIRE(file != nullptr);
  char buffer[4096];
  for (int n = 0; (n = gzread(file, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(n));
  gzclose(file);
  return Json::parse(text);
}

std::vector<Json> spans(const Json& trace) {
  std::vector<Json> out;
  for (const Json& event : trace.at("traceEvents")) {
    if (event.at("ph") == "X") out.push_back(event);
  }
  return out;
}

TEST_CASE("events of one lane lie apart or inside one another") {
  const Folder folder("nesting");
  std::vector<TraceEvent> events;
  std::uint64_t state = 7;
  const auto next = [&state] {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<double>(state >> 40) / static_cast<double>(1 << 24);
  };
  for (int i = 0; i < 400; ++i) {
    events.push_back({"chip/lane " + std::to_string(i % 3),
                      "e" + std::to_string(i),
                      Seconds(next() * 1e-3),
                      Seconds(next() * 1e-4),
                      {}});
  }
  const auto summary = write_trace(folder.path() / "t.json.gz", events);
  CHECK(summary.written == 400);
  const Json trace = read_trace(folder.path() / "t.json.gz");
  std::map<int, std::vector<std::pair<double, double>>> lanes;
  for (const Json& span : spans(trace)) {
    const double from = span.at("ts").get<double>();
    lanes[span.at("tid").get<int>()].push_back({from, from + span.at("dur").get<double>()});
  }
  std::size_t seen = 0;
  constexpr double kSlack = 2e-6;  // microseconds: what the file resolves
  for (const auto& [lane, list] : lanes) {
    seen += list.size();
    for (std::size_t i = 0; i < list.size(); ++i) {
      for (std::size_t j = i + 1; j < list.size(); ++j) {
        const auto& a = list[i];
        const auto& b = list[j];
        const bool apart = b.first >= a.second - kSlack || a.first >= b.second - kSlack;
        const bool inside = (b.first >= a.first - kSlack && b.second <= a.second + kSlack) ||
                            (a.first >= b.first - kSlack && a.second <= b.second + kSlack);
        REQUIRE((apart || inside));
      }
    }
  }
  CHECK(seen == 400);
}

TEST_CASE("window and limit leave out and say so") {
  const Folder folder("window");
  std::vector<TraceEvent> events;
  for (int i = 0; i < 10; ++i)
    events.push_back({"x", std::to_string(i), Seconds(i), Seconds(0.1 * (i + 1)), {}});
  TraceOptions options;
  options.from = Seconds(2.5);
  options.to = Seconds(7.5);
  options.limit = 3;
  const auto summary = write_trace(folder.path() / "t.json.gz", events, {}, options);
  CHECK(summary.written == 3);
  CHECK(summary.left_out == 7);
  std::vector<std::string> names;
  for (const Json& span : spans(read_trace(folder.path() / "t.json.gz")))
    names.push_back(span.at("name"));
  CHECK(names == std::vector<std::string>{"5", "6", "7"});  // the longest of the window
}

TEST_CASE("names and arguments survive whatever they hold") {
  const Folder folder("names");
  const std::string name = "a \"b\" \\ \n <c>";
  (void)write_trace(folder.path() / "t.json.gz",
                    {{"p/l", name, Seconds(1e-12), Seconds(3e-12), Json{{"k", name}}}},
                    {{"p/power W", Seconds(0), 12.5}});
  const Json trace = read_trace(folder.path() / "t.json.gz");
  const Json span = spans(trace).at(0);
  CHECK(span.at("name") == name);
  CHECK(span.at("args").at("k") == name);
  CHECK(span.at("dur").get<double>() == Approx(3e-6));  // picoseconds are kept
  CHECK(std::any_of(trace.at("traceEvents").begin(), trace.at("traceEvents").end(),
                    [](const Json& e) { return e.at("ph") == "C" && e.at("name") == "power W"; }));
}

TEST_CASE("the kernels of a run fill its time, every execution once") {
  Json run = testing::run("one", 2.0);
  run["vs"] = testing::run("two", 1.0);
  const auto events = kernel_events(run);
  std::map<std::string, double> time;
  std::map<std::string, int> count;
  for (const TraceEvent& event : events) {
    time[event.track] += static_cast<double>(event.duration.value());
    ++count[event.track];
  }
  CHECK(time["one/kernels"] == Approx(2.0));
  CHECK(time["two/kernels"] == Approx(1.0));
  CHECK(time["one/phases"] == Approx(2.0));
  CHECK(count["one/kernels"] == 4 + 4 + 1);
}

TEST_CASE("what a machine recorded becomes lanes of kernels and engines, and counters that end") {
  timing::TimelineOptions options;
  options.cores = 2;
  timing::Timeline timeline(options);
  const auto us = [](double t) { return to_time(Seconds(t * 1e-6)); };
  timeline.kernel({0, "qkv", "layer", 1, us(0), us(10)});
  timeline.kernel({1, "ffn", "layer", 1, us(10), us(30)});
  timeline.work(timing::Lane::kMatrix, 0, 0, us(2), us(9), us(7));
  timeline.work(timing::Lane::kMatrix, 5, 0, us(2), us(9), us(7));  // core not recorded
  timeline.span(timing::Lane::kLoad, 1, 1, us(9), us(12));
  timeline.flow(timing::Flow::kMemoryRead, us(0), us(30), 3e6);
  for (const bool engines : {true, false}) {
    std::vector<TraceEvent> events;
    std::vector<TraceCounter> counters;
    add_timeline(timeline, "chip", 8, Seconds(1.0), engines, events, counters);
    std::map<std::string, int> count;
    for (const TraceEvent& event : events) {
      ++count[event.track];
      CHECK(event.start.value() >= 1.0);
    }
    CHECK(count["chip/kernels"] == 2);
    CHECK(count["chip core 0/matrix"] == (engines ? 1 : 0));
    CHECK(count["chip core 1/load"] == (engines ? 1 : 0));
    CHECK(count["chip core 5/matrix"] == 0);
    double read = 0;
    double last = -1;
    std::map<std::string, double> end;
    for (const TraceCounter& counter : counters) {
      end[counter.track] = counter.value;
      if (counter.track != "chip/HBM read [GB/s]") continue;
      CHECK(static_cast<double>(counter.at.value()) > last);
      last = static_cast<double>(counter.at.value());
      read +=
          counter.value * 1e9 * to_seconds(timeline.of(timing::Flow::kMemoryRead).bin()).value();
    }
    CHECK(read == Approx(3e6));
    for (const auto& [track, value] : end) CHECK(value == 0.0);
    CHECK(end.size() == 2);  // read, and the busy matrix units of all cores
  }
}

TEST_CASE("a million events stay below 20 MB") {
  const Folder folder("million");
  std::vector<TraceEvent> events;
  std::uint64_t state = 11;
  double now = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    const double length = 1e-7 + 1e-6 * static_cast<double>(state >> 40) / (1 << 24);
    events.push_back({"athena core " + std::to_string(i % 4) + "/matrix",
                      "ffn1 gelu ffn2",
                      Seconds(now),
                      Seconds(length),
                      {}});
    now += 0.3 * length;
  }
  const auto summary = write_trace(folder.path() / "t.json.gz", std::move(events));
  CHECK(summary.written == 1'000'000);
  CHECK(std::filesystem::file_size(folder.path() / "t.json.gz") < 20'000'000);
}

}  // namespace
}  // namespace athena::report
