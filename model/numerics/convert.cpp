#include "numerics/convert.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"

namespace athena::numerics {
namespace {

constexpr int kFp32Bias = 127;
constexpr int kFp32Fraction = 23;

int bias(const MiniFloat& f) {
  return (1 << (f.exponent_bits - 1)) - 1;
}

std::uint32_t nan_bits(const MiniFloat& f) {
  const std::uint32_t exponent = ((1U << f.exponent_bits) - 1) << f.fraction_bits;
  if (!f.has_infinity) return exponent | ((1U << f.fraction_bits) - 1);
  return exponent | (1U << (f.fraction_bits - 1));
}

/// Encoding of the largest finite magnitude.
std::uint32_t largest_bits(const MiniFloat& f) {
  const std::uint32_t exponent = ((1U << f.exponent_bits) - 1) << f.fraction_bits;
  return f.has_infinity ? exponent - 1 : (exponent | ((1U << f.fraction_bits) - 1)) - 1;
}

std::uint32_t overflow_bits(const MiniFloat& f) {
  if (f.saturate) return largest_bits(f);
  return ((1U << f.exponent_bits) - 1) << f.fraction_bits;
}

/// value >> shift, to nearest, ties to even. shift in [0, 63].
std::uint64_t round_shift(std::uint64_t value, int shift) {
  if (shift == 0) return value;
  const std::uint64_t half = std::uint64_t{1} << (shift - 1);
  const std::uint64_t rest = value & ((half << 1) - 1);
  std::uint64_t result = value >> shift;
  if (rest > half || (rest == half && (result & 1) != 0)) ++result;
  return result;
}

float round_integer(float value, float low, float high) {
  if (std::isnan(value)) return 0.0F;
  if (value <= low) return low;
  if (value >= high) return high;
  // Ties to even by hand: independent of the process's rounding mode.
  const float down = std::floor(value);
  const float rest = value - down;
  const bool odd = std::fmod(down, 2.0F) != 0.0F;
  if (rest > 0.5F || (rest == 0.5F && odd)) return down + 1.0F;
  return down;
}

const MiniFloat* mini_float(Dtype type) {
  switch (type) {
    case Dtype::kBf16:
      return &kBf16;
    case Dtype::kFp16:
      return &kFp16;
    case Dtype::kTf32:
      return &kTf32;
    case Dtype::kFp8E4M3:
      return &kFp8E4M3;
    case Dtype::kFp8E5M2:
      return &kFp8E5M2;
    default:
      return nullptr;
  }
}

std::uint32_t element_bits(Dtype type, float value) {
  switch (type) {
    case Dtype::kFp32:
      return float_bits(value);
    case Dtype::kTf32:  // stored as FP32 with a short fraction
      return encode(kTf32, value) << (kFp32Fraction - kTf32.fraction_bits);
    case Dtype::kInt32:
      return static_cast<std::uint32_t>(
          static_cast<std::int32_t>(round_integer(value, -2147483648.0F, 2147483520.0F)));
    case Dtype::kInt8:
    case Dtype::kInt4:
      return static_cast<std::uint32_t>(static_cast<std::int32_t>(round_to(type, value)));
    default:
      return encode(*mini_float(type), value);
  }
}

float element_value(Dtype type, std::uint32_t bits) {
  switch (type) {
    case Dtype::kFp32:
      return float_from_bits(bits);
    case Dtype::kTf32:
      return decode(kTf32, bits >> (kFp32Fraction - kTf32.fraction_bits));
    case Dtype::kInt32:
      return static_cast<float>(static_cast<std::int32_t>(bits));
    case Dtype::kInt8:
      return static_cast<float>(static_cast<std::int8_t>(bits));
    case Dtype::kInt4:
      return static_cast<float>(static_cast<std::int32_t>(bits << 28) >> 28);
    default:
      return decode(*mini_float(type), bits);
  }
}

}  // namespace

std::uint32_t float_bits(float value) {
  return std::bit_cast<std::uint32_t>(value);
}
float float_from_bits(std::uint32_t bits) {
  return std::bit_cast<float>(bits);
}

std::uint32_t encode(const MiniFloat& f, float value) {
  const std::uint32_t bits = float_bits(value);
  const std::uint32_t sign = (bits >> 31) << (f.exponent_bits + f.fraction_bits);
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return nan_bits(f);
  if (magnitude == 0x7f800000U) return sign | overflow_bits(f);
  if (magnitude == 0) return sign;

  std::uint64_t significand = magnitude & 0x7fffffU;
  int exponent = static_cast<int>(magnitude >> kFp32Fraction);
  if (exponent == 0) {
    exponent = 1;
  } else {
    significand |= 0x800000U;
  }
  const int target = exponent - kFp32Bias + bias(f);  // biased exponent in the new format
  // A normal number keeps fraction_bits; below the smallest normal, the grid stays where it is.
  const int drop = kFp32Fraction - f.fraction_bits + std::max(0, 1 - target);
  if (drop > 62) return sign;
  const std::uint64_t rounded = round_shift(significand, drop);
  // Adding (not or-ing) the significand lets a rounding carry run into the exponent.
  const std::uint64_t base = static_cast<std::uint64_t>(std::max(target, 1) - 1) << f.fraction_bits;
  const std::uint64_t code = base + rounded;
  if (code > largest_bits(f)) return sign | overflow_bits(f);
  return sign | static_cast<std::uint32_t>(code);
}

float decode(const MiniFloat& f, std::uint32_t bits) {
  const std::uint32_t fraction = bits & ((1U << f.fraction_bits) - 1);
  const std::uint32_t top = (1U << f.exponent_bits) - 1;
  const std::uint32_t exponent = (bits >> f.fraction_bits) & top;
  const bool negative = ((bits >> (f.fraction_bits + f.exponent_bits)) & 1) != 0;
  const float sign = negative ? -1.0F : 1.0F;
  if (exponent == top && f.has_infinity) {
    if (fraction != 0) return float_from_bits(kCanonicalNan);
    return sign * HUGE_VALF;
  }
  if (exponent == top && fraction == (1U << f.fraction_bits) - 1) {
    return float_from_bits(kCanonicalNan);
  }
  const int scale = std::max(static_cast<int>(exponent), 1) - bias(f) - f.fraction_bits;
  const std::uint32_t significand = exponent == 0 ? fraction : fraction | (1U << f.fraction_bits);
  return sign * std::ldexp(static_cast<float>(significand), scale);
}

float largest(const MiniFloat& f) {
  return decode(f, largest_bits(f));
}

std::uint16_t to_bf16(float value) {
  const std::uint32_t bits = float_bits(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return kCanonicalNan >> 16;
  // Round to nearest even by adding half an ulp, less one when the kept part is even.
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

float from_bf16(std::uint16_t bits) {
  if ((bits & 0x7fffU) > 0x7f80U) return float_from_bits(kCanonicalNan);
  return float_from_bits(static_cast<std::uint32_t>(bits) << 16);
}

float round_to(Dtype type, float value) {
  switch (type) {
    case Dtype::kFp32:
      return std::isnan(value) ? float_from_bits(kCanonicalNan) : value;
    case Dtype::kBf16:
      return from_bf16(to_bf16(value));
    case Dtype::kInt32:
      return round_integer(value, -2147483648.0F, 2147483648.0F);
    case Dtype::kInt8:
      return round_integer(value, -128.0F, 127.0F);
    case Dtype::kInt4:
      return round_integer(value, -8.0F, 7.0F);
    case Dtype::kMx8:
      return decode_mx(encode_mx(std::span<const float>(&value, 1)), 0);
    default:
      return decode(*mini_float(type), encode(*mini_float(type), value));
  }
}

void round_array(Dtype type, std::span<float> values) {
  if (type != Dtype::kMx8) {
    for (float& v : values) v = round_to(type, v);
    return;
  }
  for (std::size_t i = 0; i < values.size(); i += kMxBlock) {
    const auto part = values.subspan(i, std::min<std::size_t>(kMxBlock, values.size() - i));
    const MxBlock block = encode_mx(part);
    for (std::size_t j = 0; j < part.size(); ++j) part[j] = decode_mx(block, static_cast<int>(j));
  }
}

std::vector<std::uint8_t> encode_array(Dtype type, std::span<const float> values) {
  std::vector<std::uint8_t> out;
  if (type == Dtype::kMx8) {
    for (std::size_t i = 0; i < values.size(); i += kMxBlock) {
      const auto size = std::min<std::size_t>(kMxBlock, values.size() - i);
      const MxBlock block = encode_mx(values.subspan(i, size));
      out.push_back(block.scale);
      for (const auto e : block.elements) out.push_back(static_cast<std::uint8_t>(e));
    }
    return out;
  }
  const int bits = storage_bits(type);
  out.assign((values.size() * static_cast<std::size_t>(bits) + 7) / 8, 0);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint32_t word = element_bits(type, values[i]);
    if (bits == 4) {
      out[i / 2] = static_cast<std::uint8_t>(out[i / 2] | ((word & 0xfU) << (4 * (i % 2))));
      continue;
    }
    const auto size = static_cast<std::size_t>(bits / 8);
    std::memcpy(&out[i * size], &word, size);
  }
  return out;
}

std::vector<float> decode_array(Dtype type, std::span<const std::uint8_t> bytes,
                                std::size_t count) {
  std::vector<float> out(count);
  if (type == Dtype::kMx8) {
    const std::size_t blocks = (count + kMxBlock - 1) / kMxBlock;
    if (bytes.size() < blocks * (kMxBlock + 1)) {
      throw InputError("MX array: fewer bytes than its blocks need");
    }
    MxBlock block;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint8_t* image = &bytes[i / kMxBlock * (kMxBlock + 1)];
      if (i % kMxBlock == 0) {
        block.scale = image[0];
        std::memcpy(block.elements, image + 1, kMxBlock);
      }
      out[i] = decode_mx(block, static_cast<int>(i % kMxBlock));
    }
    return out;
  }
  const auto bits = static_cast<std::size_t>(storage_bits(type));
  if (bytes.size() * 8 < count * bits) {
    throw InputError("number array: fewer bytes than its elements need");
  }
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t word = 0;
    if (bits == 4) {
      word = static_cast<std::uint32_t>(bytes[i / 2] >> (4 * (i % 2))) & 0xfU;
    } else {
      std::memcpy(&word, &bytes[i * (bits / 8)], bits / 8);
    }
    out[i] = element_value(type, word);
  }
  return out;
}

MxBlock encode_mx(std::span<const float> values) {
  MxBlock block;
  float peak = 0.0F;
  for (const float v : values) {
    if (!std::isfinite(v)) {
      block.scale = kMxNanScale;
      return block;
    }
    peak = std::max(peak, std::fabs(v));
  }
  if (peak == 0.0F) return block;
  // MXINT8 elements reach just below 2, so the scale is the largest power of two not above the
  // peak.
  const int exponent = std::clamp(std::ilogb(peak), -kFp32Bias, kFp32Bias);
  block.scale = static_cast<std::uint8_t>(exponent + kFp32Bias);
  for (std::size_t i = 0; i < values.size() && i < kMxBlock; ++i) {
    const float scaled = std::ldexp(values[i], kMxFractionBits - exponent);
    block.elements[i] = static_cast<std::int8_t>(round_integer(scaled, -127.0F, 127.0F));
  }
  return block;
}

float decode_mx(const MxBlock& block, int index) {
  if (block.scale == kMxNanScale) return float_from_bits(kCanonicalNan);
  return std::ldexp(static_cast<float>(block.elements[index]),
                    static_cast<int>(block.scale) - kFp32Bias - kMxFractionBits);
}

}  // namespace athena::numerics
