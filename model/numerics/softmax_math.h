#pragma once
/// Arithmetic of the softmax unit, bit for bit that of `rtl/vector_softmax/softmax_pkg.sv`: e^x by
/// a table of 32 entries and a quadratic (relative error below 2^-18), 1/x by a table of 32 entries
/// and two Newton steps (below 2^-21). Inputs and sums follow the FP32 contract of `array_math.h`.
#include <cstdint>
#include <span>
#include <vector>

namespace athena::numerics {

/// x - m for x <= m; an x of minus infinity stays minus infinity.
[[nodiscard]] float softmax_difference(float x, float m);
/// e^d for d <= 0.
[[nodiscard]] float softmax_exp(float d);
/// 1/s for s >= 0; 0 for 0, NaN for NaN.
[[nodiscard]] float softmax_reciprocal(float s);

/// Running maximum and sum of one row.
struct SoftmaxState {
  float maximum = 0.0F;
  float sum = 0.0F;
  bool bad = false;  ///< a NaN or plus infinity was seen: the whole row becomes NaN
  bool first = true;
};
/// Takes the next beat (one value per lane, BF16 values) of a row: the sum is rescaled by
/// e^(old - new maximum) and the lanes are added as a balanced tree.
void softmax_take(SoftmaxState& state, std::span<const float> lanes);
/// Result for one element of a finished row, as BF16 bits. `reciprocal` is of the row's sum.
[[nodiscard]] std::uint16_t softmax_element(const SoftmaxState& row, float reciprocal, float x);

/// Softmax of a row of BF16 values (a multiple of `lanes`), as the unit computes it.
[[nodiscard]] std::vector<std::uint16_t> softmax_row(std::span<const std::uint16_t> row, int lanes);

}  // namespace athena::numerics
