#include "explore/statistics.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "base/rng.h"
#include "explore/sobol.h"

using namespace athena;
using namespace athena::explore;

TEST_CASE("rank correlation sees order only") {
  Rng rng(5);
  std::vector<double> a;
  for (int i = 0; i < 50; ++i) a.push_back(rng.uniform());
  std::vector<double> rising;
  std::vector<double> falling;
  for (const double x : a) {
    rising.push_back(std::exp(5 * x));
    falling.push_back(-x * x * x);
  }
  CHECK(spearman(a, rising) == Approx(1.0));
  CHECK(spearman(a, falling) == Approx(-1.0));
  CHECK(spearman(a, std::vector<double>(50, 1.0)) == 0.0);
  CHECK(spearman({1.0}, {2.0}) == 1.0);
  CHECK(spearman({1, 2, 3, 4}, {1, 3, 2, 4}) == Approx(0.8));
  CHECK(spearman({1, 2, 2, 3}, {1, 2, 3, 4}) == Approx(0.9486833));
}

TEST_CASE("main effects of a full grid are those of an additive model") {
  std::vector<EffectRow> rows;
  for (std::size_t a = 0; a < 3; ++a) {
    for (std::size_t b = 0; b < 4; ++b) {
      for (std::size_t c = 0; c < 2; ++c) {
        rows.push_back(
            {{a, b, c}, 100.0 + 10.0 * static_cast<double>(a) + 1.0 * static_cast<double>(b)});
      }
    }
  }
  const auto effects = main_effects(rows, {3, 4, 2});
  REQUIRE(effects.size() == 3);
  CHECK(effects[0].axis == 0);
  CHECK(effects[1].axis == 1);
  CHECK(effects[2].axis == 2);
  CHECK(effects[0].swing == Approx(20.0 / 111.5));
  CHECK(effects[1].swing == Approx(3.0 / 111.5));
  CHECK(effects[2].swing == 0.0);
  CHECK(effects[0].means[2] - effects[0].means[0] == Approx(20.0));
  CHECK(effects[0].counts[1] == 8);
  CHECK(std::isnan(main_effects({{{0}, 1.0}}, {2})[0].means[1]));
}

TEST_CASE("Sobol points fill every dyadic stretch of every axis equally") {
  constexpr std::size_t kDimensions = 21;
  constexpr std::size_t kPoints = 1024;
  Sobol sequence(kDimensions);
  std::vector<std::vector<int>> hits(kDimensions, std::vector<int>(kPoints, 0));
  for (auto& axis : hits) axis[0] = 1;  // the origin, which the sequence leaves out
  for (std::size_t i = 1; i < kPoints; ++i) {
    const auto& point = sequence.next();
    for (std::size_t d = 0; d < kDimensions; ++d) {
      ++hits[d][static_cast<std::size_t>(point[d] * kPoints)];
    }
  }
  for (const auto& axis : hits) {
    for (const int count : axis) REQUIRE(count == 1);
  }
}

TEST_CASE("Sobol's first points are the published ones, and padding stays in the box") {
  Sobol sequence(30);
  CHECK(sequence.next()[2] == 0.5);
  const std::vector<double> second = sequence.next();
  CHECK(second[0] == 0.75);
  CHECK(second[1] == 0.25);
  const std::vector<double> third = sequence.next();
  CHECK(third[0] == 0.25);
  CHECK(third[1] == 0.75);
  for (int i = 0; i < 1000; ++i) {
    for (const double x : sequence.next()) REQUIRE((x >= 0.0 && x < 1.0));
  }
}
