#include "numerics/array_math.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/units.h"
#include "numerics/convert.h"

namespace athena::numerics {
namespace {

constexpr std::uint32_t kSignBit = 0x80000000U;
constexpr std::uint32_t kSmallestNormal = 0x00800000U;
constexpr std::uint32_t kInfinity = 0x7f800000U;

/// Branch-free, so that loops over columns vectorise.
inline float tidy(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = bits & ~kSignBit;
  const std::uint32_t flushed = magnitude < kSmallestNormal ? bits & kSignBit : bits;
  return std::bit_cast<float>(magnitude > kInfinity ? kCanonicalNan : flushed);
}

void require_size(std::size_t have, std::int64_t rows, std::int64_t cols, const char* name) {
  if (static_cast<std::int64_t>(have) >= rows * cols) return;
  throw InputError(std::string("matmul: operand ") + name + " holds fewer values than its shape");
}

/// products[d][column] -> products[0][column], pairwise over the next power of two.
void tree_add(std::vector<float>& products, int depth, std::int64_t n) {
  int width = static_cast<int>(std::bit_ceil(static_cast<unsigned>(depth)));
  std::fill(products.begin() + depth * n, products.begin() + width * n, 0.0F);
  for (; width > 1; width /= 2) {
    for (int d = 0; d < width / 2; ++d) {
      const float* left = &products[static_cast<std::size_t>(2 * d * n)];
      const float* right = &products[static_cast<std::size_t>((2 * d + 1) * n)];
      float* out = &products[static_cast<std::size_t>(d * n)];
      for (std::int64_t j = 0; j < n; ++j) out[j] = tidy(left[j] + right[j]);
    }
  }
}

}  // namespace

float flush(float value) {
  return tidy(value);
}
float add_flushed(float a, float b) {
  return tidy(tidy(a) + tidy(b));
}
float multiply_flushed(float a, float b) {
  // The double holds the product exactly: what lies below the normal range is flushed before
  // rounding.
  const double exact = static_cast<double>(tidy(a)) * static_cast<double>(tidy(b));
  if (std::fabs(exact) < 0x1p-126) return std::copysign(0.0F, static_cast<float>(exact));
  return tidy(static_cast<float>(exact));
}

float element_sum(std::span<const float> a, std::span<const float> b) {
  std::vector<float> products(std::bit_ceil(a.size()));
  for (std::size_t d = 0; d < a.size(); ++d) products[d] = multiply_flushed(a[d], b[d]);
  tree_add(products, static_cast<int>(a.size()), 1);
  return products[0];
}

void matmul(const ArrayOrder& order, std::span<const float> a, std::span<const float> b,
            std::span<float> c, std::int64_t m, std::int64_t n, std::int64_t k, bool accumulate) {
  require_size(a.size(), m, k, "a");
  require_size(b.size(), k, n, "b");
  require_size(c.size(), m, n, "c");
  const int depth = order.depth;
  const std::int64_t fold = static_cast<std::int64_t>(order.rows) * depth;
  const auto columns = static_cast<std::size_t>(n);
  const auto width = std::bit_ceil(static_cast<unsigned>(depth));
  std::vector<float> products(width * columns);
  std::vector<float> sums(columns);
  for (std::int64_t row = 0; row < m; ++row) {
    float* out = &c[static_cast<std::size_t>(row * n)];
    for (std::int64_t k0 = 0; k0 < k; k0 += fold) {
      std::fill(sums.begin(), sums.end(), 0.0F);
      // Rows beyond K hold +0 weights and add +0: they can only turn a -0 sum into +0.
      for (std::int64_t r = k0; r < k0 + fold; r += depth) {
        for (int d = 0; d < depth; ++d) {
          float* product = &products[static_cast<std::size_t>(d) * columns];
          const std::int64_t kk = r + d;
          if (kk >= k) {
            std::fill(product, product + n, 0.0F);
            continue;
          }
          const float x = tidy(a[static_cast<std::size_t>(row * k + kk)]);
          const float* w = &b[static_cast<std::size_t>(kk * n)];
          for (std::int64_t j = 0; j < n; ++j) product[j] = tidy(x * tidy(w[j]));
        }
        if (depth > 1) tree_add(products, depth, n);
        for (std::size_t j = 0; j < columns; ++j) sums[j] = tidy(sums[j] + products[j]);
        if (r >= k) break;  // every further padded row adds the same +0
      }
      const bool first = k0 == 0 && !accumulate;
      for (std::size_t j = 0; j < columns; ++j) {
        out[j] = first ? sums[j] : tidy(tidy(out[j]) + sums[j]);
      }
    }
  }
}

void matmul_int8(std::span<const std::int8_t> a, std::span<const std::int8_t> b,
                 std::span<std::int32_t> c, std::int64_t m, std::int64_t n, std::int64_t k,
                 bool accumulate) {
  require_size(a.size(), m, k, "a");
  require_size(b.size(), k, n, "b");
  require_size(c.size(), m, n, "c");
  std::vector<std::uint32_t> sums(static_cast<std::size_t>(n));
  for (std::int64_t row = 0; row < m; ++row) {
    std::fill(sums.begin(), sums.end(), 0U);
    for (std::int64_t kk = 0; kk < k; ++kk) {
      const auto x = static_cast<std::int32_t>(a[static_cast<std::size_t>(row * k + kk)]);
      const std::int8_t* w = &b[static_cast<std::size_t>(kk * n)];
      for (std::size_t j = 0; j < sums.size(); ++j) sums[j] += static_cast<std::uint32_t>(x * w[j]);
    }
    std::int32_t* out = &c[static_cast<std::size_t>(row * n)];
    for (std::size_t j = 0; j < sums.size(); ++j) {
      const std::uint32_t start = accumulate ? static_cast<std::uint32_t>(out[j]) : 0U;
      out[j] = static_cast<std::int32_t>(start + sums[j]);
    }
  }
}

float scale_mx(std::int32_t sum, std::uint8_t scale_a, std::uint8_t scale_b) {
  if (scale_a == kMxNanScale || scale_b == kMxNanScale) return float_from_bits(kCanonicalNan);
  const int exponent = static_cast<int>(scale_a) + scale_b - 254 - 2 * kMxFractionBits;
  // ldexp is exact until it leaves the normal range, and what leaves it is flushed.
  return tidy(std::ldexp(static_cast<float>(sum), exponent));
}

void matmul_mx(const ArrayOrder& order, std::span<const std::int8_t> a,
               std::span<const std::uint8_t> a_scales, std::span<const std::int8_t> b,
               std::span<const std::uint8_t> b_scales, std::span<float> c, std::int64_t m,
               std::int64_t n, std::int64_t k, bool accumulate) {
  const std::int64_t fold = static_cast<std::int64_t>(order.rows) * order.depth;
  if (kMxBlock % fold != 0 && fold % kMxBlock != 0) {
    throw InputError("MX8 needs rows x depth to divide 32 or be a multiple of it");
  }
  const std::int64_t blocks = ceil_div<std::int64_t>(k, kMxBlock);
  require_size(a.size(), m, k, "a");
  require_size(b.size(), k, n, "b");
  require_size(c.size(), m, n, "c");
  require_size(a_scales.size(), m, blocks, "a_scales");
  require_size(b_scales.size(), blocks, n, "b_scales");
  const std::int64_t group = std::min<std::int64_t>(fold, kMxBlock);
  std::vector<std::int32_t> sums(static_cast<std::size_t>(n));
  for (std::int64_t row = 0; row < m; ++row) {
    float* out = &c[static_cast<std::size_t>(row * n)];
    for (std::int64_t k0 = 0; k0 < k; k0 += group) {
      std::fill(sums.begin(), sums.end(), 0);
      for (std::int64_t kk = k0; kk < std::min(k, k0 + group); ++kk) {
        const auto x = static_cast<std::int32_t>(a[static_cast<std::size_t>(row * k + kk)]);
        const std::int8_t* w = &b[static_cast<std::size_t>(kk * n)];
        for (std::size_t j = 0; j < sums.size(); ++j) sums[j] += x * w[j];
      }
      const std::int64_t block = k0 / kMxBlock;
      const std::uint8_t sa = a_scales[static_cast<std::size_t>(row * blocks + block)];
      for (std::int64_t j = 0; j < n; ++j) {
        const std::uint8_t sb = b_scales[static_cast<std::size_t>(block * n + j)];
        const float part = scale_mx(sums[static_cast<std::size_t>(j)], sa, sb);
        out[j] = k0 == 0 && !accumulate ? part : tidy(tidy(out[j]) + part);
      }
    }
  }
}

}  // namespace athena::numerics
