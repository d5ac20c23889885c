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

}  // namespace
}  // namespace athena::report
