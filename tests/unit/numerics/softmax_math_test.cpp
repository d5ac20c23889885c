#include "numerics/softmax_math.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "base/rng.h"
#include "numerics/convert.h"

using namespace athena;
using namespace athena::numerics;

TEST_CASE("the exponential is within 2^-15 of e^x, and exact at 0") {
  CHECK(softmax_exp(0.0F) == 1.0F);
  CHECK(softmax_exp(-HUGE_VALF) == 0.0F);
  for (double d = -85.0; d < 0.0; d += 0.00371) {
    const double exact = std::exp(static_cast<double>(static_cast<float>(d)));
    // t is cut to 2^-16: that alone is a relative error of up to ln2 2^-16.
    REQUIRE(std::fabs(static_cast<double>(softmax_exp(static_cast<float>(d))) - exact) <=
            exact * 0x1p-15);
  }
}

TEST_CASE("the reciprocal is within 2^-21 for every leading significand") {
  for (std::uint32_t m = 0; m < (1U << 23); m += 97) {
    const float s = float_from_bits(0x3f800000U | m);
    const double exact = 1.0 / static_cast<double>(s);
    REQUIRE(std::fabs(static_cast<double>(softmax_reciprocal(s)) - exact) <= exact * 0x1p-21);
  }
  CHECK(softmax_reciprocal(0.0F) == 0.0F);
  CHECK(std::isnan(softmax_reciprocal(std::nanf(""))));
  CHECK(softmax_reciprocal(4.0F) == Approx(0.25F).epsilon(0x1p-21));
}

TEST_CASE("a row sums to one and follows the float softmax; masked elements are zero") {
  Rng rng(3);
  for (int trial = 0; trial < 300; ++trial) {
    std::vector<std::uint16_t> row(4 * (1 + rng.below(40)));
    for (auto& v : row) {
      v = rng.chance(0.2) ? 0xff80 : to_bf16(static_cast<float>(rng.normal() * 4));
    }
    row[rng.below(row.size())] = to_bf16(1.0F);
    double total = 0;
    double peak = -1e30;
    for (const auto v : row) peak = std::max(peak, static_cast<double>(from_bf16(v)));
    for (const auto v : row) total += std::exp(static_cast<double>(from_bf16(v)) - peak);
    const auto out = softmax_row(row, 4);
    for (std::size_t i = 0; i < row.size(); ++i) {
      const double exact = std::exp(static_cast<double>(from_bf16(row[i])) - peak) / total;
      REQUIRE(std::fabs(static_cast<double>(from_bf16(out[i])) - exact) <= exact * 0x1.1p-8);
      if (row[i] == 0xff80) REQUIRE(out[i] == 0);
    }
  }
}

TEST_CASE("a row with NaN or plus infinity is NaN; a row that is masked whole is zero") {
  const std::vector<std::uint16_t> nan = {0x3f80, 0x7fc0, 0, 0};
  for (const auto v : softmax_row(nan, 4)) CHECK(v == 0x7fc0);
  const std::vector<std::uint16_t> inf = {0x3f80, 0x7f80, 0, 0};
  for (const auto v : softmax_row(inf, 4)) CHECK(v == 0x7fc0);
  const std::vector<std::uint16_t> masked(8, 0xff80);
  for (const auto v : softmax_row(masked, 4)) CHECK(v == 0);
  CHECK_THROWS(softmax_row(masked, 3));
}
