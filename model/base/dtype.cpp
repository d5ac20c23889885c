#include "base/dtype.h"

#include <array>
#include <utility>

namespace athena {
namespace {
constexpr std::array kNames{std::pair{Dtype::kFp32, std::string_view("fp32")},
                            std::pair{Dtype::kTf32, std::string_view("tf32")},
                            std::pair{Dtype::kFp16, std::string_view("fp16")},
                            std::pair{Dtype::kBf16, std::string_view("bf16")},
                            std::pair{Dtype::kFp8E4M3, std::string_view("fp8")},
                            std::pair{Dtype::kFp8E5M2, std::string_view("fp8-e5m2")},
                            std::pair{Dtype::kMx8, std::string_view("mx8")},
                            std::pair{Dtype::kInt8, std::string_view("int8")},
                            std::pair{Dtype::kInt4, std::string_view("int4")},
                            std::pair{Dtype::kInt32, std::string_view("int32")}};
}  // namespace

std::string_view name(Dtype type) {
  for (const auto& [value, text] : kNames) {
    if (value == type) return text;
  }
  return "?";
}

std::optional<Dtype> dtype_from_name(std::string_view text) {
  for (const auto& [value, known] : kNames) {
    if (known == text) return value;
  }
  return std::nullopt;
}

}  // namespace athena
