#include <catch2/catch.hpp>

#include "jobs/simulation/evaluate.h"

using namespace athena;
using namespace athena::jobs;

namespace {

PointResult recorded(const Machine& machine, int spans) {
  timing::TimelineOptions options;
  auto timeline = std::make_shared<timing::Timeline>(options);
  const auto us = [](double t) { return to_time(Seconds(t * 1e-6)); };
  for (int repeat = 0; repeat < 3; ++repeat) {
    timeline->kernel({2 * repeat, "qkv", "layer", repeat, us(100 * repeat), us(100 * repeat + 40)});
    timeline->kernel(
        {2 * repeat + 1, "ffn", "layer", repeat, us(100 * repeat + 40), us(100 * repeat + 100)});
  }
  timeline->kernel({6, "head", "end", 0, us(300), us(350)});
  for (int i = 0; i < spans; ++i) {
    const double at = 100.0 + 100.0 * i / spans;
    timeline->work(timing::Lane::kMatrix, 0, at < 140.0 ? 2 : 3, us(at), us(at + 40.0 / spans),
                   us(40.0 / spans));
  }
  timeline->flow(timing::Flow::kMemoryRead, us(0), us(350), 7e6);
  timeline->grid(4, 4);
  timeline->link({0, 1, -1, 5e6});
  timeline->link({-1, 0, 0, 9e6});  // a terminal's own link: not on the map
  PhaseResult phase;
  phase.name = "prefill";
  phase.step.timeline = timeline;
  phase.step.memory_map = {{"weights", "weights", 0, 1 << 20, 1, false}};
  PointResult result;
  result.phases.push_back(phase);
  (void)machine;
  return result;
}

Machine athena_machine() {
  PointSpec spec;
  spec.on = "athena";
  return resolve_machine(spec);
}

}  // namespace

TEST_CASE("a timeline's summary keeps amounts and draws the second repetition") {
  const Machine machine = athena_machine();
  const auto json = timeline_json(recorded(machine, 10), machine);
  const auto& phase = json.at("phases").at(0);
  const auto& window = phase.at("window");
  CHECK(window.at("block") == "layer");
  CHECK(window.at("repeat") == 1);
  CHECK(window.at("from_s").get<double>() == Approx(100e-6));
  CHECK(window.at("to_s").get<double>() == Approx(200e-6));
  CHECK(window.at("kernels").size() == 2);
  REQUIRE(window.at("lanes").size() == 1);
  CHECK(window.at("lanes").at(0).at("spans").size() == 10);
  for (const auto& span : window.at("lanes").at(0).at("spans")) {
    CHECK(span.at(0).get<double>() >= 0.0);
    CHECK(span.at(1).get<double>() <= 100.1e-6);
    const bool first = span.at(0).get<double>() < 40e-6;
    CHECK(span.at(2).get<int>() == (first ? 0 : 1));
  }
  double read = 0;
  for (const auto& rate : phase.at("flows").at("rates").at("memory_read"))
    read += rate.get<double>() * phase.at("flows").at("bin_s").get<double>();
  CHECK(read == Approx(7e6).epsilon(1e-3));
  CHECK(phase.at("links").at("bytes").size() == 1);
  CHECK(phase.at("memory").at(0).at("bytes") == 1 << 20);
}

TEST_CASE("a lane has no more spans than a picture can use, and loses no stretch of time") {
  const Machine machine = athena_machine();
  const auto json = timeline_json(recorded(machine, 5000), machine, 200);
  const auto& spans = json.at("phases").at(0).at("window").at("lanes").at(0).at("spans");
  CHECK(spans.size() <= 200);
  REQUIRE_FALSE(spans.empty());
  CHECK(spans.front().at(0).get<double>() == Approx(0.0).margin(1e-9));
  CHECK(spans.back().at(1).get<double>() == Approx(100e-6).epsilon(1e-3));
}

TEST_CASE("without timelines there is no summary") {
  const Machine machine = athena_machine();
  PointResult result;
  result.phases.push_back({"prefill", {}, 0, 1});
  CHECK(timeline_json(result, machine).is_null());
}
