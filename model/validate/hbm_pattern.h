#pragma once
/// The access patterns of the HBM reference runs: 64 B requests in a fixed order.
#include <cstdint>
#include <string>
#include <vector>

#include "base/rng.h"

namespace athena::validate {

struct HbmAccess {
  std::uint64_t address = 0;
  bool write = false;
};

/// `seq`; `seqmix21` every third request a write; `triad` two read streams and a write stream;
/// `strideN` 64 B every N bytes; `randN` random aligned chunks of N bytes in 64 B pieces; `chase`
/// one random read at a time (the driver keeps one outstanding).
class HbmPattern {
 public:
  /// Throws InputError for an unknown name. `capacity` in bytes, a power of two or not.
  HbmPattern(const std::string& name, std::uint64_t capacity, std::uint64_t seed);
  [[nodiscard]] HbmAccess next();
  [[nodiscard]] bool chase() const { return kind_ == Kind::kChase; }
  [[nodiscard]] static const std::vector<std::string>& known();

 private:
  enum class Kind { kSequential, kMixed, kTriad, kStride, kRandom, kChase };
  Kind kind_ = Kind::kSequential;
  std::uint64_t capacity_ = 0;
  std::uint64_t step_ = 64;  // stride, or chunk of a random pattern
  std::uint64_t count_ = 0;
  std::uint64_t chunk_ = 0;
  std::uint64_t phase_ = 0;
  Rng rng_;
};

}  // namespace athena::validate
