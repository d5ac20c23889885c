#pragma once
/// The arithmetic of the matrix array, bit for bit, and the order in which it adds.
///
/// Contract (identical in `rtl/common/fp32_pkg.sv`):
///  - subnormal operands count as zeros of their sign, and a subnormal result becomes a zero of its
///    sign (flush to zero); every NaN result is the canonical quiet NaN 0x7fc00000;
///  - a product of two operands of at most 12 significant bits is exact before that flush; FP32
///    products are rounded once, and added in a second rounding (not fused);
///  - inside an element of depth D the D products are added pairwise, as a balanced tree over the
///    next power of two with +0 in the empty places; row r adds its element's sum to the partial
///    sum from row r - 1 (row 0 starts from +0); each fold of R * D values of K thus gives one
///    partial sum, and the accumulator adds the folds in order (the first fold is stored as it is);
///  - INT8 (and INT4 weights, widened): exact products, sums modulo 2^32;
///  - MX8: exact integer sums over the elements under one pair of scales (a fold, when R * D is at
///    most 32), converted to FP32 with the scales applied, then FP32 accumulation.
#include <cstdint>
#include <span>

#include "base/dtype.h"

namespace athena::numerics {

/// Shape of the reduction: rows and products per element of the array that adds.
struct ArrayOrder {
  int rows = 16;
  int depth = 1;
};

/// Subnormal to zero of the same sign, NaN to the canonical one.
[[nodiscard]] float flush(float value);
[[nodiscard]] float add_flushed(float a, float b);
[[nodiscard]] float multiply_flushed(float a, float b);

/// Sum of one element's `depth` products, as the tree adds them.
[[nodiscard]] float element_sum(std::span<const float> a, std::span<const float> b);

/// c[m][n] (+)= a[m][k] * b[k][n], row-major, in the array's order. `a` and `b` hold values already
/// rounded to a floating-point format. With `accumulate` the accumulator starts from c, otherwise
/// from the first fold. Throws InputError when a span is smaller than its shape.
void matmul(const ArrayOrder& order, std::span<const float> a, std::span<const float> b,
            std::span<float> c, std::int64_t m, std::int64_t n, std::int64_t k, bool accumulate);

/// As matmul, for INT8 operands (INT4 weights widened) and INT32 sums.
void matmul_int8(std::span<const std::int8_t> a, std::span<const std::int8_t> b,
                 std::span<std::int32_t> c, std::int64_t m, std::int64_t n, std::int64_t k,
                 bool accumulate);

/// MX8: `a_scales` is m x ceil(k/32) and `b_scales` ceil(k/32) x n, E8M0. Folds of R * D values;
/// R * D must divide 32 or be a multiple of it (then the fold adds its blocks in order).
void matmul_mx(const ArrayOrder& order, std::span<const std::int8_t> a,
               std::span<const std::uint8_t> a_scales, std::span<const std::int8_t> b,
               std::span<const std::uint8_t> b_scales, std::span<float> c, std::int64_t m,
               std::int64_t n, std::int64_t k, bool accumulate);

/// An integer sum of MXINT8 products under two scales, as FP32: sum * 2^(sa + sb - 254 - 12),
/// rounded to nearest even, flushed; NaN when either scale is NaN.
[[nodiscard]] float scale_mx(std::int32_t sum, std::uint8_t scale_a, std::uint8_t scale_b);

}  // namespace athena::numerics
