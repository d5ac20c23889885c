#include "cost/report.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "chips_fixture.h"

using namespace athena;
using namespace athena::cost;
using namespace athena::cost::test;

namespace {
CostReport compare(std::uint64_t seed = 1, std::size_t draws = 4000, double volume = 400000) {
  Constants constants = Constants::load();
  const CostSubject ours = athena_chip(), rival = a100();
  ReportOptions options;
  options.draws = {.draws = draws, .seed = seed};
  options.cost.volume = volume;
  return cost_report(ours, &rival, constants, options);
}
}  // namespace

TEST_CASE("draws repeat with their seed and agree between seeds", "[report]") {
  const std::string first = to_json(compare(1)).dump();
  CHECK(first == to_json(compare(1)).dump());
  CHECK(first != to_json(compare(2)).dump());
  CHECK(compare(1).chip.manufacturing.p50 ==
        Approx(compare(2).chip.manufacturing.p50).epsilon(0.02));
}

TEST_CASE("quantiles are ordered and hold the nominal's neighbourhood", "[report]") {
  const CostReport report = compare();
  for (const Distribution& d : {report.chip.manufacturing, report.chip.with_nre,
                                report.chip.purchase, report.other->manufacturing}) {
    CHECK(d.p5 < d.p50);
    CHECK(d.p50 < d.p95);
    CHECK(d.nominal > 0.8 * d.p5);
    CHECK(d.nominal < 1.2 * d.p95);
  }
}

TEST_CASE("common constants make the ratio narrower than its parts", "[report]") {
  const CostReport r = compare();
  const double own = r.chip.manufacturing.p95 / r.chip.manufacturing.p5;
  const Distribution& ratio = r.comparison->manufacturing_ratio;
  CHECK(ratio.p95 / ratio.p5 < own);
  CHECK(ratio.p50 > 0.77);  // published triangular estimate of this ratio: 0.77 / 0.97 / 1.22
  CHECK(ratio.p50 < 1.22);
}

TEST_CASE("break-even volume is where the statement turns true", "[report]") {
  const double volume = compare().comparison->break_even_volume.nominal;
  const auto ratio = [](double chips) {
    const CostReport r = compare(1, 10, chips);
    return r.chip.nominal.with_nre / r.other->nominal.purchase;
  };
  CHECK(ratio(volume) == Approx(2.0 / 3.0));
  CHECK(ratio(2 * volume) < 2.0 / 3.0);
  CHECK(ratio(volume / 2) > 2.0 / 3.0);
  // At 500 M$ of design and a rival of 10,000 $ about 110 to 120 thousand chips.
  const CostSample s = compare().chip.nominal;
  CHECK(s.nre_total / (10000.0 * 2 / 3 - s.manufacturing) == Approx(115000).epsilon(0.1));
}

TEST_CASE("an H100 against the published 3,320 $ estimate", "[report]") {
  Constants constants = Constants::load();
  const CostReport report = cost_report(h100(), nullptr, constants, {});
  INFO("P5 " << report.chip.manufacturing.p5 << " P95 " << report.chip.manufacturing.p95);
  CHECK(report.chip.manufacturing.p5 < 3320.0);
  CHECK(report.chip.manufacturing.p95 > 3320.0);
}

TEST_CASE("the tornado is sorted and its ends are the model's", "[report]") {
  const CostReport report = compare();
  const auto& bars = report.chip.tornado_with_nre;
  REQUIRE(bars.size() > 5);
  for (std::size_t i = 1; i < bars.size(); ++i) CHECK(bars[i - 1].swing() >= bars[i].swing());
  CHECK(bars.front().constant == "design_N5");
}

TEST_CASE("the JSON has the keys that scripts rely on", "[report]") {
  const auto json = to_json(compare());
  for (const char* key : {"manufacturing_usd", "with_nre_usd", "purchase_usd"}) {
    for (const char* part : {"p5", "p50", "p95", "nominal"}) CHECK(json[key][part].is_number());
  }
  for (const char* key : {"area_mm2", "yield", "dies_per_wafer"}) CHECK(json[key].is_number());
  CHECK(json["vs"]["manufacturing_usd"]["p50"].is_number());
  CHECK(json["area"]["treemap"].size() > 5);
  Constants constants = Constants::load();
  const auto nominal = nominal_cost_json(athena_chip(), constants);
  CHECK(nominal["manufacturing_usd"]["nominal"] == json["manufacturing_usd"]["nominal"]);
}

TEST_CASE("a changed chip costs the silicon of the change", "[report]") {
  const Constants constants = Constants::load();
  const auto shipped = config::load<config::ChipConfig>("athena", "chips");
  const CostSubject base = make_subject(shipped, constants);
  CHECK(base.chip.technology.die_area.value() == shipped.technology.die_area.value());
  config::ChipConfig larger = shipped;
  larger.core.scratch.size = larger.core.scratch.size * 2;
  const double grown = make_subject(larger, constants).chip.technology.die_area.value();
  // 64 cores x 3 MiB more x 8 bit x 0.065 um2 x 0.778
  const double expected = 64 * 3.0 * 1048576 * 8 * 0.065e-6 * 0.778;
  CHECK(grown - shipped.technology.die_area.value() == Approx(expected).epsilon(0.01));
  config::ChipConfig named = larger;
  named.technology.die_area = SquareMm(500);
  CHECK(make_subject(named, constants).chip.technology.die_area.value() == 500.0);
}
