#include "cost/constants.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "base/error.h"

using namespace athena;
using namespace athena::cost;

namespace {
Constants one(const std::string& body) {
  return Constants::from(config::parse_text("constants:\n  price: {" + body + "}\n", "test.yaml"));
}
}  // namespace

TEST_CASE("every shipped constant has a range and a source", "[constants]") {
  const Constants constants = Constants::load();
  CHECK(constants.size() > 100);
  for (std::size_t i = 0; i < constants.size(); ++i) {
    const Constant& c = constants.at(i);
    INFO(constants.name(i));
    CHECK(c.low <= c.nominal);
    CHECK(c.nominal <= c.high);
    CHECK_FALSE(c.unit.empty());
    CHECK((!c.source.empty() || !c.assumed.empty()));
  }
}

TEST_CASE("a bad constant is refused with its place", "[constants]") {
  CHECK_THROWS_WITH(one("low: 3, nominal: 2, high: 4, unit: USD, source: x"),
                    Catch::Contains("test.yaml:2") && Catch::Contains("low <= nominal <= high"));
  CHECK_THROWS_WITH(one("low: -1, nominal: 2, high: 4, unit: USD/wafer, source: x"),
                    Catch::Contains("a price cannot be negative"));
  CHECK_THROWS_WITH(one("low: 1, nominal: 2, high: 4, unit: USD"), Catch::Contains("source"));
  CHECK_THROWS_WITH(one("low: 0, nominal: 2, high: 4, unit: x, shape: lognormal, source: x"),
                    Catch::Contains("lognormal"));
  CHECK_THROWS_WITH(one("low: 1, nominal: 2, high: 4, unit: USD, sorce: x"),
                    Catch::Contains("source"));
  CHECK_THROWS_WITH(Constants::load().index("wafer_price_N55"),
                    Catch::Contains("Did you mean 'wafer_price_N5'"));
}

TEST_CASE("an override reaches its constant, a misspelled one is refused", "[constants]") {
  CHECK(Constants::load({"wafer_price_N5.nominal=15000"}).at("wafer_price_N5").nominal == 15000);
  CHECK_THROWS_AS(Constants::load({"wafer_price_N5.nominal=1"}), InputError);  // below low
  CHECK_THROWS_WITH(Constants::load({"wafer_prize_N5.nominal=15000"}),
                    Catch::Contains("Did you mean 'wafer_price_N5'"));
}

TEST_CASE("draws follow their shape", "[constants]") {
  Rng rng(7);
  const Constant triangular{.low = 1, .nominal = 2, .high = 6, .unit = "x", .source = "test"};
  const Constant lognormal{.low = 50,
                           .nominal = 100,
                           .high = 400,
                           .unit = "x",
                           .shape = Shape::kLognormal,
                           .source = "test"};
  constexpr int kDraws = 100000;
  double mean = 0.0;
  int below_median = 0, below_low = 0, above_high = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double t = triangular.draw(rng);
    REQUIRE(t >= 1.0);
    REQUIRE(t <= 6.0);
    mean += t / kDraws;
    const double l = lognormal.draw(rng);
    below_median += l < 100 ? 1 : 0;
    below_low += l < 50 ? 1 : 0;
    above_high += l > 400 ? 1 : 0;
  }
  CHECK(mean == Approx((1 + 2 + 6) / 3.0).epsilon(0.01));  // mean of a triangle
  CHECK(below_median / double(kDraws) == Approx(0.5).margin(0.01));
  CHECK(below_low / double(kDraws) == Approx(0.05).margin(0.005));
  CHECK(above_high / double(kDraws) == Approx(0.05).margin(0.005));
  const Constant fixed{.low = 3, .nominal = 3, .high = 3, .unit = "x", .source = "test"};
  CHECK(fixed.draw(rng) == 3.0);
}
