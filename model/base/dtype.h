#pragma once
/// Names and widths of the number formats a chip can compute in. The bit-exact arithmetic of each
/// is in `numerics/`.
#include <optional>
#include <string_view>

namespace athena {

enum class Dtype { kFp32, kTf32, kFp16, kBf16, kFp8E4M3, kFp8E5M2, kMx8, kInt8, kInt4, kInt32 };

/// Bits that one element takes in memory (block scales of MX not counted: see numerics).
[[nodiscard]] constexpr int storage_bits(Dtype type) {
  switch (type) {
    case Dtype::kFp32:
    case Dtype::kTf32:
    case Dtype::kInt32:
      return 32;
    case Dtype::kFp16:
    case Dtype::kBf16:
      return 16;
    case Dtype::kFp8E4M3:
    case Dtype::kFp8E5M2:
    case Dtype::kMx8:
    case Dtype::kInt8:
      return 8;
    case Dtype::kInt4:
      return 4;
  }
  return 0;
}

/// Lower-case name as written in configs and on the command line ("bf16", "fp8", ...).
[[nodiscard]] std::string_view name(Dtype type);
/// Inverse of name(); "fp8" is E4M3. Empty when unknown.
[[nodiscard]] std::optional<Dtype> dtype_from_name(std::string_view text);

}  // namespace athena
