#include "validate/hbm_pattern.h"

#include <charconv>

#include "base/error.h"
#include "base/text.h"

namespace athena::validate {
namespace {

/// Between the arrays of a triad, beside an eighth of the memory: padding that keeps them off each
/// other's banks. Where the reference's arrays lie is not published; assumed, as its rows come out
/// best.
constexpr std::uint64_t kTriadPadding = std::uint64_t{20} << 10;

/// The number after `prefix`, or 0 when `name` is no such pattern.
std::uint64_t suffix(const std::string& name, std::string_view prefix) {
  if (name.rfind(prefix, 0) != 0) return 0;
  std::uint64_t value = 0;
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + prefix.size(), end, value);
  if (error != std::errc{} || rest != end || value < HbmPattern::kRequest ||
      value % HbmPattern::kRequest != 0)
    return 0;
  return value;
}

}  // namespace

const std::vector<std::string>& HbmPattern::known() {
  static const std::vector<std::string> kNames = {
      "seq",         "seqmix21", "triad",   "stride256", "stride1024", "stride4096",
      "stride16384", "rand64",   "rand512", "rand2048",  "chase"};
  return kNames;
}

HbmPattern::HbmPattern(const std::string& name, std::uint64_t capacity, std::uint64_t seed)
    : capacity_(capacity), rng_(seed) {
  if (name == "seq") {
    kind_ = Kind::kStride;
  } else if (name == "seqmix21") {
    kind_ = Kind::kMixed;
  } else if (name == "triad") {
    kind_ = Kind::kTriad;
    apart_ = capacity_ / 8 + kTriadPadding;
  } else if (name == "chase") {
    kind_ = Kind::kRandom;  // each in a chunk of its own
    chase_ = true;
    chunks_ = capacity_ / kRequest;
  } else if (const std::uint64_t stride = suffix(name, "stride"); stride != 0) {
    kind_ = Kind::kStride;
    step_ = stride;
  } else if (const std::uint64_t chunk = suffix(name, "rand"); chunk != 0) {
    kind_ = Kind::kRandom;
    step_ = chunk;
    chunks_ = capacity_ / step_;
  } else {
    throw InputError("unknown memory pattern '" + name +
                     "'; expected seq, seqmix21, triad, strideN, randN or chase." +
                     did_you_mean(name, known()));
  }
}

}  // namespace athena::validate
