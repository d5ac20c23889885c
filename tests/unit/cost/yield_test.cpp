#include "cost/yield.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "base/error.h"

using namespace athena;
using namespace athena::cost;

TEST_CASE("negative binomial at 820 mm2", "[yield]") {
  // x = 820 mm2 x 0.09 / 100 = 0.738; (1 + 0.0738)^-10 = 0.491
  CHECK(yield_of(YieldLaw::kNegativeBinomial, 820, 0.09, 10.0) == Approx(0.491).margin(5e-4));
  CHECK(yield_of(YieldLaw::kPoisson, 820, 0.09) == Approx(std::exp(-0.738)));
  CHECK(yield_of(YieldLaw::kSeeds, 820, 0.09) == Approx(1 / 1.738));
}

TEST_CASE("laws order as clustering does and start at one", "[yield]") {
  for (const double area : {1.0, 100.0, 400.0, 858.0}) {
    const double poisson = yield_of(YieldLaw::kPoisson, area, 0.1);
    const double murphy = yield_of(YieldLaw::kMurphy, area, 0.1);
    const double seeds = yield_of(YieldLaw::kSeeds, area, 0.1);
    CHECK(poisson < murphy);
    CHECK(murphy < seeds);
    CHECK(yield_of(YieldLaw::kNegativeBinomial, area, 0.1, 1.0) == Approx(seeds));
    CHECK(yield_of(YieldLaw::kNegativeBinomial, area, 0.1, 1e7) == Approx(poisson).epsilon(1e-5));
  }
  for (const auto& [law, text] : kYieldLawNames) {
    CHECK(yield_of(law, 0.0, 0.1, 10.0) == Approx(1.0));
    CHECK(yield_law_from_name(text) == law);
  }
}

TEST_CASE("bad input is refused in a sentence", "[yield]") {
  CHECK_THROWS_WITH(yield_of(YieldLaw::kNegativeBinomial, 820, 0.09),
                    Catch::Contains("clustering parameter"));
  CHECK_THROWS_AS(yield_of(YieldLaw::kPoisson, -1, 0.09), InputError);
  CHECK_THROWS_AS(yield_of(YieldLaw::kPoisson, 1, -0.09), InputError);
  CHECK_THROWS_WITH(yield_law_from_name("poison"), Catch::Contains("Did you mean 'poisson'"));
  DefectMap map;
  map.groups = {{100.0, 4, 5, 0.0}};
  CHECK_THROWS_AS(harvest_yield(map, 0.1, 10.0), InputError);
}

TEST_CASE("without spares harvest is the negative binomial law", "[yield]") {
  for (const double alpha : {2.0, 3.0, 10.0, 50.0}) {
    for (const double area : {100.0, 820.0}) {
      DefectMap whole;
      whole.critical_mm2 = area;
      const double law = yield_of(YieldLaw::kNegativeBinomial, area, 0.1, alpha);
      CHECK(harvest_yield(whole, 0.1, alpha) == Approx(law).epsilon(1e-3));
      DefectMap split;  // all of 8 copies needed: the same die
      split.critical_mm2 = area / 2;
      split.groups = {{area / 2, 8, 8, 0.0}};
      CHECK(harvest_yield(split, 0.1, alpha) == Approx(law).epsilon(1e-3));
    }
  }
}

TEST_CASE("spares, repair and cleaner lines only help", "[yield]") {
  DefectMap die;
  die.critical_mm2 = 300;
  double previous = 0.0;
  for (int needed = 64; needed >= 56; --needed) {
    die.groups = {{500, 64, needed, 0.0}};
    const double yield = harvest_yield(die, 0.1, 10.0);
    CHECK(yield > previous);
    CHECK(yield <= 1.0);
    previous = yield;
  }
  DefectMap repaired = die;
  repaired.critical_mm2 = 200;
  repaired.repaired_mm2 = 100;
  CHECK(harvest_yield(repaired, 0.1, 10.0) > harvest_yield(die, 0.1, 10.0));
  CHECK(harvest_yield(die, 0.05, 10.0) > harvest_yield(die, 0.1, 10.0));
  CHECK(harvest_yield(die, 0.0, 10.0) == Approx(1.0));
}

TEST_CASE("an A100 sold with 108 of 128 SMs yields 0.74 to 0.85", "[yield]") {
  // Published parts of GA100: 476.25 mm2 of cores, 209 mm2 of L2 and memory interfaces in six
  // slices of which five are enabled, 137 mm2 of the rest; a tenth of the cores' area is shared.
  DefectMap die;
  die.critical_mm2 = 826.0 - 476.25 - 209.1;
  die.groups = {{476.25, 128, 108, 0.1}, {209.1, 6, 5, 0.0}};
  const double yield = harvest_yield(die, 0.09, 10.0);
  CHECK(yield > 0.74);
  CHECK(yield < 0.85);
  CHECK(yield_of(YieldLaw::kNegativeBinomial, 826, 0.09, 10.0) == Approx(0.49).margin(0.005));
}
