#include "cost/tco.h"

#include <catch2/catch.hpp>

#include "base/error.h"

using namespace athena;
using namespace athena::cost;

TEST_CASE("an A100 costs 1.21 $ per used hour", "[tco]") {
  const HourlyCost hour =
      hourly_cost({.price_usd = 148390, .chips = 8, .rated_w = 6500},
                  {.life_years = 4, .utilisation = 0.7, .pue = 1.18, .usd_per_kwh = 0.08});
  // 148390 / 8 = 18549 $ per GPU; / (1 - 0.19) = 22900 $ with its network; 4 years x 8760 h x 0.7 =
  // 24528 used hours: 0.934 $. Maintenance 22900 x 0.05 x 4 / 24528 = 0.187 $. Power 812.5 W x 0.75
  // x 1.18 x 0.08 $/kWh / 0.7 = 0.082 $.
  CHECK(hour.server + hour.network == Approx(0.934).margin(0.001));
  CHECK(hour.maintenance == Approx(0.187).margin(0.001));
  CHECK(hour.power == Approx(0.082).margin(0.001));
  CHECK(hour.total() == Approx(1.21).epsilon(0.01));
  CHECK(hour.power / hour.total() == Approx(0.05).margin(0.03));
}

TEST_CASE("ownership moves the right way", "[tco]") {
  const ServerSpec server{.price_usd = 100000, .chips = 8, .rated_w = 6000};
  const double base = hourly_cost(server, {}).total();
  CHECK(hourly_cost(server, {.life_years = 6}).total() < base);
  CHECK(hourly_cost(server, {.utilisation = 0.9}).total() < base);
  CHECK(hourly_cost(server, {.pue = 1.5}).total() > base);
  CHECK(hourly_cost(server, {.network_share = 0.0}).network == 0.0);
  CHECK_THROWS_AS(hourly_cost({.price_usd = -1, .chips = 8}, {}), InputError);
  CHECK_THROWS_AS(hourly_cost({.price_usd = 1, .chips = 0}, {}), InputError);
  CHECK_THROWS_AS(hourly_cost(server, {.utilisation = 0.0}), InputError);
  CHECK_THROWS_AS(hourly_cost(server, {.pue = 0.9}), InputError);
  CHECK_THROWS_AS(hourly_cost(server, {.network_share = 1.0}), InputError);
}

TEST_CASE("tokens and runs", "[tco]") {
  CHECK(usd_per_million_tokens(3.6, 1, 1000) == Approx(1.0));  // 0.001 $/s over 1000 tokens/s
  CHECK(usd_per_run(2.0, 8, 3600) == Approx(16.0));
  CHECK_THROWS_AS(usd_per_million_tokens(1, 1, 0), InputError);
}

TEST_CASE("carbon of an N7 die", "[tco]") {
  const Constants constants = Constants::load();
  const Values v = constants.nominal();
  const CarbonReport one = carbon({{"N7", 826, 0.8, 1}}, 80, 400, constants, v);
  // (2.15 kWh/cm2 x 0.52 + 0.275 + 0.5) kg/cm2 x 8.26 cm2 / 0.8
  CHECK(one.dies == Approx((2.15 * 0.52 + 0.275 + 0.5) * 8.26 / 0.8));
  CHECK(one.use_per_year == Approx(0.4 * 8760 * 1.18 * 0.38));
  CHECK(carbon({{"N7", 826, 0.4, 1}}, 80, 400, constants, v).dies == Approx(2 * one.dies));
  CHECK(one.embodied() < one.use_per_year);
}
