#include "numerics/softmax_math.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "base/error.h"
#include "numerics/array_math.h"
#include "numerics/convert.h"

namespace athena::numerics {
namespace {

/// 2^(i/32), unit 2^-24.
constexpr std::array<std::uint32_t, 32> kExp2 = {
    16777216, 17144589, 17520007, 17903645, 18295684, 18696307, 19105703, 19524063,
    19951585, 20388467, 20834917, 21291142, 21757357, 22233781, 22720638, 23218155,
    23726566, 24246111, 24777031, 25319578, 25874004, 26440571, 27019544, 27611195,
    28215802, 28833647, 29465022, 30110222, 30769550, 31443315, 32131834, 32835430};
/// 1/(1 + (i + 1/2)/32), unit 2^-16.
constexpr std::array<std::uint32_t, 32> kReciprocal = {
    64528, 62602, 60787, 59075, 57456, 55924, 54471, 53092, 51782, 50534, 49345,
    48210, 47127, 46091, 45100, 44151, 43240, 42367, 41528, 40721, 39946, 39199,
    38480, 37787, 37118, 36472, 35849, 35246, 34664, 34100, 33554, 33026};
constexpr std::uint64_t kLog2E = 12102203;       ///< log2(e), unit 2^-23
constexpr std::uint64_t kLn2 = 45426;            ///< ln 2, unit 2^-16
constexpr std::uint64_t kHalfLn2Square = 15743;  ///< (ln 2)^2 / 2, unit 2^-16
constexpr std::uint32_t kNegativeInfinity = 0xff800000U;

/// Orders BF16 and FP32 values by sign and magnitude; only numbers are compared.
bool greater(float a, float b) {
  const auto rank = [](float v) {
    const std::uint32_t bits = float_bits(v);
    return (bits >> 31) != 0 ? ~bits : bits | 0x80000000U;
  };
  return rank(a) > rank(b);
}

}  // namespace

float softmax_difference(float x, float m) {
  return float_bits(x) == kNegativeInfinity ? x : add_flushed(x, -m);
}

float softmax_exp(float d) {
  const std::uint32_t bits = float_bits(d);
  const std::uint32_t exponent = bits >> 23 & 0xffU;
  if (exponent >= 134) return 0.0F;
  const std::uint64_t product = std::uint64_t{(bits & 0x7fffffU) | 0x800000U} * kLog2E;
  const std::uint32_t shift = 157 - exponent;
  const auto t = static_cast<std::uint32_t>(shift > 47 ? 0 : product >> shift & 0xffffffU);
  const std::uint32_t fraction = t & 0xffffU;
  const std::uint32_t up = (0x10000U - fraction) & 0xffffU;
  const std::uint32_t whole = (t >> 16) + (fraction != 0 ? 1 : 0);
  if (whole >= 127) return 0.0F;
  const std::uint64_t low = up & 0x7ffU;
  const std::uint64_t poly = (1ULL << 24) + (low * kLn2 >> 8) + (low * low * kHalfLn2Square >> 24);
  const std::uint64_t mantissa = kExp2[up >> 11] * poly >> 25;
  return float_from_bits((127 - whole) << 23 | static_cast<std::uint32_t>(mantissa & 0x7fffffU));
}

float softmax_reciprocal(float s) {
  const std::uint32_t bits = float_bits(s);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return float_from_bits(kCanonicalNan);
  const std::uint32_t exponent = bits >> 23 & 0xffU;
  if (exponent == 0) return 0.0F;
  const std::uint64_t m = (bits & 0x7fffffU) | 0x800000U;
  const std::uint64_t guess = kReciprocal[m >> 18 & 31U];
  const std::uint64_t first = guess * ((2ULL << 24) - (m * guess >> 15)) >> 16;
  const std::uint64_t y = (first * ((2ULL << 24) - (m * first >> 23)) >> 24) & 0x1ffffffU;
  const std::uint32_t top = 254 - exponent;
  if ((y >> 24) != 0) return float_from_bits(top << 23);
  const std::uint32_t fraction = (y >> 23) != 0 ? static_cast<std::uint32_t>(y & 0x7fffffU) : 0;
  return float_from_bits((top - 1) << 23 | fraction);
}

void softmax_take(SoftmaxState& state, std::span<const float> lanes) {
  const float old = state.first ? float_from_bits(kNegativeInfinity) : state.maximum;
  float maximum = old;
  for (const float x : lanes) {
    if (std::isnan(x) || float_bits(x) == 0x7f800000U) state.bad = true;
    if (greater(x, maximum)) maximum = x;
  }
  std::vector<float> terms(std::bit_ceil(lanes.size()), 0.0F);
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    terms[i] = softmax_exp(softmax_difference(lanes[i], maximum));
  }
  for (std::size_t width = terms.size(); width > 1; width /= 2) {
    for (std::size_t i = 0; i < width / 2; ++i) {
      terms[i] = add_flushed(terms[2 * i], terms[2 * i + 1]);
    }
  }
  if (state.first) {
    state.sum = terms[0];
  } else {
    const float scale = softmax_exp(softmax_difference(old, maximum));
    state.sum = add_flushed(multiply_flushed(state.sum, scale), terms[0]);
  }
  state.maximum = maximum;
  state.first = false;
}

std::uint16_t softmax_element(const SoftmaxState& row, float reciprocal, float x) {
  if (row.bad) return kCanonicalNan >> 16;
  return to_bf16(multiply_flushed(softmax_exp(softmax_difference(x, row.maximum)), reciprocal));
}

std::vector<std::uint16_t> softmax_row(std::span<const std::uint16_t> row, int lanes) {
  const auto width = static_cast<std::size_t>(lanes);
  if (lanes < 1 || row.size() % width != 0) {
    throw InputError("softmax: a row must be a multiple of the unit's lanes");
  }
  std::vector<float> x(row.size());
  std::transform(row.begin(), row.end(), x.begin(), from_bf16);
  SoftmaxState state;
  for (std::size_t i = 0; i < x.size(); i += width) {
    softmax_take(state, std::span<const float>(x).subspan(i, width));
  }
  const float reciprocal = softmax_reciprocal(state.sum);
  std::vector<std::uint16_t> out(row.size());
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = softmax_element(state, reciprocal, x[i]);
  return out;
}

}  // namespace athena::numerics
