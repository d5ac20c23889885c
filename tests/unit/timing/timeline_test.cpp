#include "timing/timeline.h"

#include <catch2/catch.hpp>

#include "base/rng.h"

using namespace athena;
using namespace athena::timing;

TEST_CASE("a series keeps every amount, however long the run grows", "[timeline]") {
  Rng rng(7);
  Series series(64);
  double total = 0;
  std::int64_t now = 0;
  for (int i = 0; i < 2000; ++i) {
    now += static_cast<std::int64_t>(rng.uniform() * 5e9);
    const auto length = static_cast<std::int64_t>(rng.uniform() * 2e10);
    const double amount = 1.0 + rng.uniform();
    series.add(Time(now), Time(now + length), amount);
    total += amount;
    CHECK(series.total() == Approx(total));
  }
  CHECK(series.amounts().size() <= 64);
  CHECK(static_cast<std::int64_t>(series.amounts().size()) * series.bin().value() >= now);
}

TEST_CASE("a series puts an amount where its time is", "[timeline]") {
  Series series(8);
  const std::int64_t bin = series.bin().value();
  // Half of the amount in each of two bins, a third one untouched.
  series.add(Time(bin / 2), Time(bin + bin / 2), 10.0);
  series.add(Time(3 * bin), Time(3 * bin), 4.0);
  const std::vector<double> amounts = series.amounts();
  REQUIRE(amounts.size() == 4);
  CHECK(amounts[0] == Approx(5.0));
  CHECK(amounts[1] == Approx(5.0));
  CHECK(amounts[2] == 0.0);
  CHECK(amounts[3] == Approx(4.0));
  // Twice as long as the bins reach: they fold, and the amounts stay side by side.
  series.add(Time(15 * bin), Time(16 * bin), 1.0);
  CHECK(series.bin() == Time(2 * bin));
  CHECK(series.amounts().at(0) == Approx(10.0));
  CHECK(series.amounts().at(1) == Approx(4.0));
  CHECK(series.amounts().at(7) == Approx(1.0));
  // An end before its start is no time at all.
  series.add(Time(100), Time(50), 1.0);
  CHECK(series.total() == Approx(15.0));
}

TEST_CASE("a timeline keeps the spans that were asked for and counts the others", "[timeline]") {
  TimelineOptions options;
  options.cores = 2;
  options.from = Time(100);
  options.to = Time(1000);
  options.most_spans = 3;
  Timeline timeline(options);
  timeline.span(Lane::kMatrix, 0, 0, Time(0), Time(50));      // before the window
  timeline.span(Lane::kMatrix, 2, 0, Time(200), Time(300));   // another core
  timeline.span(Lane::kVector, 1, 0, Time(300), Time(300));   // no time
  timeline.span(Lane::kStore, 1, 4, Time(2000), Time(2100));  // behind the window
  CHECK(timeline.spans().empty());
  timeline.span(Lane::kMatrix, 0, 0, Time(50), Time(150));
  timeline.span(Lane::kLoad, 1, 1, Time(900), Time(1200));
  timeline.span(Lane::kStore, 1, 1, Time(400), Time(500));
  timeline.span(Lane::kStore, 1, 1, Time(500), Time(600));
  REQUIRE(timeline.spans().size() == 3);
  CHECK(timeline.spans_left_out() == 1);
  CHECK(timeline.spans()[1].lane == Lane::kLoad);
  CHECK(timeline.spans()[1].core == 1);
}
