#include "cost/wafer.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "cost/manufacturing.h"

using namespace athena;
using namespace athena::cost;

namespace {

/// Counts by trying every offset of a coarse grid, die by die: slow and obviously right.
int brute_force(const DieSize& die, const WaferGeometry& wafer, int steps) {
  const double radius = wafer.diameter_mm / 2 - wafer.edge_exclusion_mm;
  const double px = die.width_mm + wafer.scribe_mm, py = die.height_mm + wafer.scribe_mm;
  int best = 0;
  for (int a = 0; a < steps; ++a) {
    for (int b = 0; b < steps; ++b) {
      int count = 0;
      for (double x = -radius - px + px * a / steps; x < radius; x += px) {
        for (double y = -radius - py + py * b / steps; y < radius; y += py) {
          bool inside = true;
          for (const double cx : {x, x + die.width_mm}) {
            for (const double cy : {y, y + die.height_mm}) {
              inside = inside && std::hypot(cx, cy) <= radius + 1e-9;
            }
          }
          count += inside ? 1 : 0;
        }
      }
      best = std::max(best, count);
    }
  }
  return best;
}

}  // namespace

TEST_CASE("66 dies of 25.5 x 32.4 mm on a 300 mm wafer", "[wafer]") {
  // 3 mm edge, 0.1 mm scribe: the analytic formula says pi 147^2 / 826.2 - pi 294 / sqrt(1652.4) =
  // 59.4; a square of the same area loses one die to the grid.
  CHECK(dies_per_wafer({25.5, 32.4}) == 66);
  const double side = std::sqrt(25.5 * 32.4);
  CHECK(dies_per_wafer({side, side}) == 65);
  CHECK(approximate_dies_per_wafer(826.2, {}) < 66);
}

TEST_CASE("the exact count is never below a brute-force search and never above the area",
          "[wafer]") {
  for (const DieSize& die : {DieSize{25.5, 32.4}, DieSize{10, 10}, DieSize{41.3, 41.3},
                             DieSize{7, 31}, DieSize{60, 90}}) {
    const WaferGeometry wafer{.edge_exclusion_mm = 4.0, .scribe_mm = 0.2};
    const int exact = dies_per_wafer(die, wafer);
    CHECK(exact >= brute_force(die, wafer, 24));
    CHECK(exact * die.area_mm2() < 3.1416 * 146.0 * 146.0);
    CHECK(exact == dies_per_wafer({die.height_mm, die.width_mm}, wafer));
  }
}

TEST_CASE("more edge, wider streets, larger dies: never more dies", "[wafer]") {
  const DieSize die{25.5, 32.4};
  CHECK(dies_per_wafer(die, {.edge_exclusion_mm = 5}) <= dies_per_wafer(die));
  CHECK(dies_per_wafer(die, {.scribe_mm = 0.3}) <= dies_per_wafer(die));
  CHECK(dies_per_wafer({26, 33}) <= dies_per_wafer(die));
  CHECK(dies_per_wafer({400, 400}) == 0);
}

TEST_CASE("the reticle is 26 x 33 mm either way round", "[wafer]") {
  const Reticle reticle;
  CHECK(reticle.area_mm2() == Approx(858));
  CHECK(reticle.fits(26, 33));
  CHECK(reticle.fits(33, 26));
  CHECK_FALSE(reticle.fits(26.1, 33));
  const DieSize large = default_size(SquareMm(858));
  CHECK(reticle.fits(large.width_mm, large.height_mm));
  const DieSize larger = default_size(SquareMm(859));
  CHECK_FALSE(reticle.fits(larger.width_mm, larger.height_mm));
}
