#include "numerics/convert.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "base/rng.h"

namespace {
using namespace athena;
using namespace athena::numerics;

struct Format {
  const char* name;
  MiniFloat spec;
};
const std::vector<Format> kFormats = {
    {"bf16", kBf16}, {"fp16", kFp16}, {"tf32", kTf32}, {"e4m3", kFp8E4M3}, {"e5m2", kFp8E5M2}};

int width(const MiniFloat& f) {
  return 1 + f.exponent_bits + f.fraction_bits;
}

float random_float(Rng& rng) {
  // Half over all bit patterns, half near the formats' ranges.
  if (rng.chance(0.5)) return float_from_bits(static_cast<std::uint32_t>(rng.next()));
  return static_cast<float>(rng.normal() * std::exp2(rng.uniform(-30, 18)));
}

/// Reference: the two neighbouring encodings by bisection over the ordered positive codes, compared
/// in double, ties to the even code.
std::uint32_t nearest_code(const MiniFloat& f, float value) {
  const std::uint32_t sign = std::signbit(value) ? 1U << (width(f) - 1) : 0U;
  const double magnitude = std::fabs(static_cast<double>(value));
  std::uint32_t low = 0;
  std::uint32_t high = encode(f, largest(f));
  if (magnitude >= static_cast<double>(decode(f, high))) {
    const double ulp =
        static_cast<double>(decode(f, high)) - static_cast<double>(decode(f, high - 1));
    const bool beyond = magnitude >= static_cast<double>(decode(f, high)) + ulp / 2;
    return sign | (beyond && !f.saturate ? high + 1 : high);
  }
  while (high - low > 1) {
    const std::uint32_t middle = (low + high) / 2;
    (static_cast<double>(decode(f, middle)) <= magnitude ? low : high) = middle;
  }
  const double below = magnitude - static_cast<double>(decode(f, low));
  const double above = static_cast<double>(decode(f, high)) - magnitude;
  if (below != above) return sign | (below < above ? low : high);
  return sign | ((low & 1) == 0 ? low : high);
}
}  // namespace

TEST_CASE("every encoding survives a round trip") {
  for (const auto& [name, spec] : kFormats) {
    INFO(name);
    for (std::uint32_t code = 0; code < (1U << width(spec)); ++code) {
      const float value = decode(spec, code);
      if (std::isnan(value)) {
        REQUIRE(float_bits(value) == kCanonicalNan);
        continue;
      }
      if (std::isinf(value) && spec.saturate) continue;
      if (encode(spec, value) != code) {
        CAPTURE(code, value);
        REQUIRE(encode(spec, value) == code);
      }
    }
  }
}

TEST_CASE("conversion picks the nearest value, ties to even") {
  Rng rng(11);
  for (const auto& [name, spec] : kFormats) {
    INFO(name);
    for (int i = 0; i < 40000; ++i) {
      const float value = random_float(rng);
      if (!std::isfinite(value)) continue;
      if (encode(spec, value) != nearest_code(spec, value)) {
        CAPTURE(value, encode(spec, value));
        REQUIRE(encode(spec, value) == nearest_code(spec, value));
      }
    }
    // Exact ties: halfway between neighbours.
    const std::uint32_t top = encode(spec, largest(spec));
    for (std::uint32_t code = 0; code < top; code += 1 + top / 4096) {
      const double tie =
          (static_cast<double>(decode(spec, code)) + static_cast<double>(decode(spec, code + 1))) /
          2;
      if (static_cast<double>(static_cast<float>(tie)) != tie) continue;
      REQUIRE(encode(spec, static_cast<float>(tie)) == (code % 2 == 0 ? code : code + 1));
    }
  }
}

TEST_CASE("the short BF16 path agrees with the general one on all upper halves") {
  for (std::uint64_t bits = 0; bits < (1ULL << 32); bits += 0x2fffULL) {
    const float value = float_from_bits(static_cast<std::uint32_t>(bits));
    if (to_bf16(value) != encode(kBf16, value)) {
      CAPTURE(bits);
      REQUIRE(to_bf16(value) == encode(kBf16, value));
    }
  }
}

TEST_CASE("specials are as documented") {
  const float inf = HUGE_VALF;
  const float nan = std::nanf("");
  CHECK(encode(kFp16, inf) == 0x7c00);
  CHECK(encode(kFp16, 65520.0F) == 0x7c00);
  CHECK(encode(kFp16, 65519.0F) == 0x7bff);
  CHECK(encode(kBf16, -inf) == 0xff80);
  CHECK(encode(kBf16, nan) == 0x7fc0);
  CHECK(encode(kFp8E4M3, inf) == 0x7e);
  CHECK(encode(kFp8E4M3, -1e9F) == 0xfe);
  CHECK(encode(kFp8E4M3, nan) == 0x7f);
  CHECK(largest(kFp8E4M3) == 448.0F);
  CHECK(largest(kFp8E5M2) == 57344.0F);
  CHECK(encode(kFp8E5M2, inf) == 0x7b);
  CHECK(std::isinf(decode(kFp8E5M2, 0x7c)));
  CHECK(round_to(Dtype::kInt8, nan) == 0.0F);
  CHECK(round_to(Dtype::kInt8, 1000.0F) == 127.0F);
  CHECK(round_to(Dtype::kInt8, -2.5F) == -2.0F);
  CHECK(round_to(Dtype::kInt8, 3.5F) == 4.0F);
  CHECK(round_to(Dtype::kInt4, -77.0F) == -8.0F);
}

TEST_CASE("rounding is idempotent, odd and monotone") {
  Rng rng(5);
  const auto types = {Dtype::kFp32,    Dtype::kTf32,    Dtype::kFp16, Dtype::kBf16,
                      Dtype::kFp8E4M3, Dtype::kFp8E5M2, Dtype::kMx8,  Dtype::kInt32};
  for (const Dtype type : types) {
    INFO(name(type));
    for (int i = 0; i < 5000; ++i) {
      const float x = random_float(rng);
      const float y = random_float(rng);
      if (!std::isfinite(x) || !std::isfinite(y)) continue;
      const float rx = round_to(type, x);
      REQUIRE(round_to(type, rx) == rx);
      if (type != Dtype::kInt32) REQUIRE(round_to(type, -x) == -rx);
      if (x <= y && type != Dtype::kMx8) REQUIRE(rx <= round_to(type, y));
    }
  }
}

TEST_CASE("arrays: what is stored is what was rounded") {
  Rng rng(9);
  const auto types = {Dtype::kFp32,    Dtype::kTf32, Dtype::kFp16, Dtype::kBf16, Dtype::kFp8E4M3,
                      Dtype::kFp8E5M2, Dtype::kMx8,  Dtype::kInt8, Dtype::kInt4, Dtype::kInt32};
  for (const Dtype type : types) {
    INFO(name(type));
    for (const std::size_t count : {1U, 31U, 32U, 33U, 77U}) {
      std::vector<float> values(count);
      for (float& v : values) v = static_cast<float>(rng.normal() * 5);
      auto rounded = values;
      round_array(type, rounded);
      const auto bytes = encode_array(type, values);
      REQUIRE(decode_array(type, bytes, count) == rounded);
      REQUIRE_THROWS(decode_array(type, bytes, count + 64));
    }
  }
}

TEST_CASE("an MX block keeps each value within half a step of its scale") {
  Rng rng(21);
  for (int trial = 0; trial < 2000; ++trial) {
    std::vector<float> values(kMxBlock);
    const double size = std::exp2(rng.uniform(-60, 60));
    for (float& v : values) v = static_cast<float>(rng.normal() * size);
    const MxBlock block = encode_mx(values);
    const double step = std::ldexp(1.0, block.scale - 127 - kMxFractionBits);
    for (int i = 0; i < kMxBlock; ++i) {
      const double error = std::fabs(static_cast<double>(decode_mx(block, i)) -
                                     static_cast<double>(values[static_cast<std::size_t>(i)]));
      REQUIRE(error <= step);  // half a step, or up to one where +-127 saturates
    }
  }
  std::vector<float> bad(kMxBlock, 1.0F);
  bad[7] = HUGE_VALF;
  CHECK(encode_mx(bad).scale == kMxNanScale);
}
