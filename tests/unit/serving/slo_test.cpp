#include "serving/slo.h"

#include <catch2/catch.hpp>

#include "base/error.h"
#include "serving/metrics.h"
#include "serving/time_series.h"

using namespace athena;
using namespace athena::serving;

TEST_CASE("An SLO is read with its units") {
  const Slo slo = parse_slo("ttft.p90=2s,tpot.p99.9=100ms,e2e.mean=1 min,e2e.max=1h");
  REQUIRE(slo.terms.size() == 4);
  CHECK(slo.terms[0].limit.value() == Approx(2.0));
  CHECK(slo.terms[1].quantile == Approx(0.999));
  CHECK(slo.terms[1].limit.value() == Approx(0.1));
  CHECK(slo.terms[2].quantile == SloTerm::kMean);
  CHECK(slo.terms[2].limit.value() == Approx(60.0));
  CHECK(slo.terms[3].quantile == 1.0);
}

TEST_CASE("A wrong SLO is refused") {
  for (const char* text :
       {"ttft.p90=2", "ttft=2s", "ttft.p90", "", "ttft.p90=2s,", "foo.p90=2s", "ttft.p=2s",
        "ttft.p100=2s", "ttft.90=2s", "ttft.p90=-1s", "ttft.p90=0s", "ttft.p90=2GB"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_slo(text), InputError);
  }
}

TEST_CASE("Quantiles are linear between ranks") {
  std::vector<double> values = {4.0, 1.0, 3.0, 2.0, 5.0};
  const Percentiles p = percentiles_of(values);
  CHECK(p.p50 == 3.0);
  CHECK(p.p90 == Approx(4.6));
  CHECK(p.mean == 3.0);
  CHECK(quantile_of_sorted({}, 0.5) == 0.0);
}

TEST_CASE("A time series keeps its sums while its bins widen") {
  TimeSeries series;
  double sum = 0.0;
  for (int i = 0; i < 3000; ++i) {
    SeriesBin bin;
    bin.output_tokens = i;
    bin.busy_s = 1.5;
    series.over(i * 1.7, i * 1.7 + 1.5, bin);
    sum += i;
  }
  CHECK(series.bins().size() <= TimeSeries::kMaxBins);
  double found = 0.0, busy = 0.0;
  for (const SeriesBin& bin : series.bins()) {
    found += bin.output_tokens;
    busy += bin.busy_s;
    CHECK(bin.busy_s <= series.bin_width() * 1.0001);
  }
  CHECK(found == Approx(sum));
  CHECK(busy == Approx(4500.0));
}
