#pragma once
/// Number formats, bit for bit: conversion of FP32 to and from every format a chip can store.
///
/// Choices, the same in the model and in the RTL:
///  - rounding is to nearest, ties to even, everywhere;
///  - BF16, FP16, TF32: overflow becomes infinity, subnormals are kept, any NaN becomes the
///    canonical quiet NaN (sign 0, only the top fraction bit set);
///  - FP8 (OCP OFP8 1.0): saturating conversion. E4M3 has no infinity: |x| > 448 and infinities
///  give
///    +-448. E5M2 keeps infinities in storage but conversion of a finite or infinite overflow gives
///    +-57344. NaN stays NaN (0x7f, 0x7e);
///  - INT8, INT4: saturate at both ends; NaN gives 0;
///  - MX (OCP Microscaling 1.0, MXINT8): blocks of 32 signed bytes of weight 2^-6 under one E8M0
///    scale; saturate at +-127; a block with NaN or infinity gets the NaN scale 0xff.
/// Arithmetic on these values, with its flush-to-zero rule, is in `array_math.h`.
#include <cstdint>
#include <span>
#include <vector>

#include "base/dtype.h"

namespace athena::numerics {

inline constexpr std::uint32_t kCanonicalNan = 0x7fc00000U;
inline constexpr int kMxBlock = 32;                ///< elements under one MX scale
inline constexpr std::uint8_t kMxNanScale = 0xff;  ///< E8M0 encoding of NaN
inline constexpr int kMxFractionBits = 6;          ///< MXINT8 elements are integers times 2^-6

[[nodiscard]] std::uint32_t float_bits(float value);
[[nodiscard]] float float_from_bits(std::uint32_t bits);

/// A small binary floating-point format.
struct MiniFloat {
  int exponent_bits = 0;
  int fraction_bits = 0;
  bool has_infinity =
      true;               ///< false: the top exponent holds numbers, all ones alone is NaN (E4M3)
  bool saturate = false;  ///< overflow gives the largest finite value instead of infinity
};
inline constexpr MiniFloat kBf16{8, 7, true, false};
inline constexpr MiniFloat kFp16{5, 10, true, false};
inline constexpr MiniFloat kTf32{8, 10, true, false};
inline constexpr MiniFloat kFp8E4M3{4, 3, false, true};
inline constexpr MiniFloat kFp8E5M2{5, 2, true, true};

/// Encoding (right-aligned) of the nearest value of the format.
[[nodiscard]] std::uint32_t encode(const MiniFloat& format, float value);
/// Value of an encoding; bits above the format's width are ignored.
[[nodiscard]] float decode(const MiniFloat& format, std::uint32_t bits);
/// Largest finite value.
[[nodiscard]] float largest(const MiniFloat& format);

[[nodiscard]] std::uint16_t to_bf16(float value);
[[nodiscard]] float from_bf16(std::uint16_t bits);

/// Nearest value of `type`, as float (INT32 and INT8 and INT4: nearest integer, saturated). MX8
/// needs its block (round_mx); alone, a value is rounded as a block of one.
[[nodiscard]] float round_to(Dtype type, float value);

/// In-place round_to over an array. For MX8 the array is blocks of 32, the last one may be short.
void round_array(Dtype type, std::span<float> values);

/// Storage image of `values` (little-endian, INT4 two to a byte, low nibble first). MX8: for each
/// block its scale byte followed by 32 elements, the last block padded with zeros.
[[nodiscard]] std::vector<std::uint8_t> encode_array(Dtype type, std::span<const float> values);
/// Inverse of encode_array; `count` values.
[[nodiscard]] std::vector<float> decode_array(Dtype type, std::span<const std::uint8_t> bytes,
                                              std::size_t count);

/// One MX block: value i = elements[i] * 2^-6 * 2^(scale - 127).
struct MxBlock {
  std::uint8_t scale = 0;
  std::int8_t elements[kMxBlock] = {};
};
/// Quantises up to 32 values (missing ones are 0).
[[nodiscard]] MxBlock encode_mx(std::span<const float> values);
[[nodiscard]] float decode_mx(const MxBlock& block, int index);

}  // namespace athena::numerics
