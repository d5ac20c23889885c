#include "numerics/array_math.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "base/rng.h"
#include "numerics/convert.h"

namespace {
using namespace athena;
using namespace athena::numerics;

std::vector<float> random_bf16(Rng& rng, std::size_t count) {
  std::vector<float> out(count);
  for (float& v : out) v = round_to(Dtype::kBf16, static_cast<float>(rng.normal()));
  return out;
}

/// The contract, written element by element.
float scalar_dot(const ArrayOrder& order, const std::vector<float>& a,
                 const std::vector<float>& b) {
  const std::size_t fold = static_cast<std::size_t>(order.rows * order.depth);
  float total = 0.0F;
  for (std::size_t k0 = 0; k0 < a.size(); k0 += fold) {
    float sum = 0.0F;
    for (int r = 0; r < order.rows; ++r) {
      std::vector<float> x(static_cast<std::size_t>(order.depth));
      std::vector<float> w(x.size());
      for (std::size_t d = 0; d < x.size(); ++d) {
        const std::size_t kk = k0 + static_cast<std::size_t>(r) * x.size() + d;
        x[d] = kk < a.size() ? a[kk] : 0.0F;
        w[d] = kk < a.size() ? b[kk] : 0.0F;
      }
      sum = add_flushed(sum, element_sum(x, w));
    }
    total = k0 == 0 ? sum : add_flushed(total, sum);
  }
  return total;
}
}  // namespace

TEST_CASE("BF16 products are exact or flushed, for every pair of significands") {
  // All significand pairs at exponents that meet every class: both ends, subnormal, middle.
  for (const int ea : {0, 1, 64, 127, 190, 254, 255}) {
    for (const int eb : {0, 1, 63, 126, 191, 254, 255}) {
      for (std::uint32_t fa = 0; fa < 128; fa += 3) {
        for (std::uint32_t fb = 0; fb < 128; ++fb) {
          const float a = from_bf16(static_cast<std::uint16_t>((ea << 7) | static_cast<int>(fa)));
          const float b = -from_bf16(static_cast<std::uint16_t>((eb << 7) | static_cast<int>(fb)));
          const float product = multiply_flushed(a, b);
          const double za = std::fpclassify(a) == FP_SUBNORMAL ? 0.0 : static_cast<double>(a);
          const double zb = std::fpclassify(b) == FP_SUBNORMAL ? -0.0 : static_cast<double>(b);
          const double exact = za * zb;
          if (std::isnan(exact)) {
            REQUIRE(float_bits(product) == kCanonicalNan);
          } else if (std::fabs(exact) < 0x1p-126) {
            REQUIRE((product == 0.0F && std::signbit(product) == std::signbit(exact)));
          } else if (std::fabs(exact) >= 0x1p128) {
            REQUIRE(std::isinf(product));
          } else {
            REQUIRE(static_cast<double>(product) == exact);
          }
        }
      }
    }
  }
}

TEST_CASE("the matrix product follows the array's order bit for bit") {
  Rng rng(3);
  for (const ArrayOrder order :
       {ArrayOrder{16, 1}, ArrayOrder{4, 4}, ArrayOrder{8, 3}, ArrayOrder{1, 1}}) {
    for (const std::int64_t k : {1, 5, 16, 33, 70}) {
      const std::int64_t m = 3;
      const std::int64_t n = 7;
      const auto a = random_bf16(rng, static_cast<std::size_t>(m * k));
      const auto b = random_bf16(rng, static_cast<std::size_t>(k * n));
      std::vector<float> c(static_cast<std::size_t>(m * n));
      matmul(order, a, b, c, m, n, k, false);
      for (std::int64_t i = 0; i < m; ++i) {
        for (std::int64_t j = 0; j < n; ++j) {
          std::vector<float> x;
          std::vector<float> w;
          for (std::int64_t kk = 0; kk < k; ++kk) {
            x.push_back(a[static_cast<std::size_t>(i * k + kk)]);
            w.push_back(b[static_cast<std::size_t>(kk * n + j)]);
          }
          REQUIRE(float_bits(c[static_cast<std::size_t>(i * n + j)]) ==
                  float_bits(scalar_dot(order, x, w)));
        }
      }
    }
  }
}

TEST_CASE("splitting K at fold boundaries and accumulating changes no bit") {
  Rng rng(4);
  const ArrayOrder order{8, 2};
  const std::int64_t m = 4;
  const std::int64_t n = 5;
  const std::int64_t k = 48;
  const auto a = random_bf16(rng, static_cast<std::size_t>(m * k));
  const auto b = random_bf16(rng, static_cast<std::size_t>(k * n));
  std::vector<float> whole(static_cast<std::size_t>(m * n));
  matmul(order, a, b, whole, m, n, k, false);
  std::vector<float> parts(whole.size());
  for (std::int64_t k0 = 0; k0 < k; k0 += 16) {
    std::vector<float> ap;
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t kk = k0; kk < k0 + 16; ++kk)
        ap.push_back(a[static_cast<std::size_t>(i * k + kk)]);
    }
    const std::vector<float> bp(b.begin() + k0 * n, b.begin() + (k0 + 16) * n);
    matmul(order, ap, bp, parts, m, n, 16, k0 != 0);
  }
  REQUIRE(parts == whole);
}

TEST_CASE("the sum stays within the textbook bound of the exact one") {
  Rng rng(8);
  const std::int64_t k = 300;
  const auto a = random_bf16(rng, static_cast<std::size_t>(k));
  const auto b = random_bf16(rng, static_cast<std::size_t>(k));
  std::vector<float> c(1);
  matmul({16, 1}, a, b, c, 1, 1, k, false);
  double exact = 0;
  double magnitude = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    exact += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    magnitude += std::fabs(static_cast<double>(a[i]) * static_cast<double>(b[i]));
  }
  REQUIRE(std::fabs(static_cast<double>(c[0]) - exact) <=
          static_cast<double>(k) * 0x1p-24 * magnitude);
}

TEST_CASE("specials in a sum") {
  const float inf = HUGE_VALF;
  CHECK(float_bits(add_flushed(inf, -inf)) == kCanonicalNan);
  CHECK(float_bits(multiply_flushed(inf, 0.0F)) == kCanonicalNan);
  CHECK(add_flushed(inf, 1.0F) == inf);
  CHECK(float_bits(add_flushed(1e-40F, 0.0F)) == 0);
  CHECK(float_bits(add_flushed(-1e-40F, -1e-40F)) == 0x80000000U);
  CHECK(float_bits(add_flushed(0x1.8p-126F, -0x1p-126F)) == 0);  // 2^-127 is flushed
  CHECK(float_bits(add_flushed(1.0F, -1.0F)) == 0);
}

TEST_CASE("INT8 sums are exact and wrap at 32 bits") {
  std::vector<std::int8_t> a = {-128, -128, 127};
  std::vector<std::int8_t> b = {-128, 127, -128};
  std::vector<std::int32_t> c = {0};
  matmul_int8(a, b, c, 1, 1, 3, false);
  CHECK(c[0] == 16384 - 16256 - 16256);
  c[0] = 2147483647;
  std::vector<std::int8_t> one = {1};
  matmul_int8(one, one, c, 1, 1, 1, true);
  CHECK(c[0] == INT32_MIN);
}

TEST_CASE("an MX product equals the product of the decoded values") {
  Rng rng(6);
  const std::int64_t k = 64;
  std::vector<float> a(64);
  std::vector<float> b(64);
  std::vector<std::int8_t> qa;
  std::vector<std::int8_t> qb;
  std::vector<std::uint8_t> sa;
  std::vector<std::uint8_t> sb;
  double exact = 0;
  for (auto& v : a) v = static_cast<float>(rng.normal());
  for (auto& v : b) v = static_cast<float>(rng.normal());
  for (std::size_t i = 0; i < 64; i += 32) {
    const auto ba = encode_mx(std::span<const float>(a).subspan(i, 32));
    const auto bb = encode_mx(std::span<const float>(b).subspan(i, 32));
    sa.push_back(ba.scale);
    sb.push_back(bb.scale);
    for (int j = 0; j < 32; ++j) {
      qa.push_back(ba.elements[j]);
      qb.push_back(bb.elements[j]);
      exact += static_cast<double>(decode_mx(ba, j)) * static_cast<double>(decode_mx(bb, j));
    }
  }
  for (const ArrayOrder order : {ArrayOrder{16, 1}, ArrayOrder{8, 4}, ArrayOrder{64, 1}}) {
    std::vector<float> c(1);
    matmul_mx(order, qa, sa, qb, sb, c, 1, 1, k, false);
    REQUIRE(static_cast<double>(c[0]) == Approx(exact).epsilon(1e-6));
  }
  CHECK(std::isnan(scale_mx(1, kMxNanScale, 127)));
  CHECK(scale_mx(64 * 64, 127, 127) == 1.0F);
  CHECK(scale_mx(-1, 0, 0) == 0.0F);
  CHECK(std::isinf(scale_mx(1 << 20, 254, 254)));
  std::vector<float> c(1);
  CHECK_THROWS(matmul_mx({5, 1}, qa, sa, qb, sb, c, 1, 1, k, false));
}
