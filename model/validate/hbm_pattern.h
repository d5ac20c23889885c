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
  static constexpr std::uint64_t kRequest = 64;  ///< bytes

  /// Throws InputError for an unknown name. `capacity` in bytes, a power of two or not.
  HbmPattern(const std::string& name, std::uint64_t capacity, std::uint64_t seed);
  [[nodiscard]] HbmAccess next() {
    if (kind_ == Kind::kRandom) return next_random();
    const std::uint64_t i = count_++;
    if (kind_ == Kind::kStride) return {wrapped(i * step_), false};
    if (kind_ == Kind::kMixed) return {wrapped(i * kRequest), i % 3 == 2};
    const std::uint64_t stream = i % 3;
    return {wrapped(stream * apart_ + i / 3 * kRequest), stream == 2};
  }
  [[nodiscard]] bool chase() const { return chase_; }
  [[nodiscard]] static const std::vector<std::string>& known();

 private:
  enum class Kind { kStride, kMixed, kTriad, kRandom };

  [[nodiscard]] std::uint64_t wrapped(std::uint64_t a) const {
    return a < capacity_ ? a : a % capacity_;
  }
  HbmAccess next_random() {
    if (phase_ == 0) chunk_ = rng_.below(chunks_) * step_;
    const std::uint64_t address = chunk_ + phase_;
    phase_ = phase_ + kRequest == step_ ? 0 : phase_ + kRequest;
    return {address, false};
  }

  Kind kind_ = Kind::kStride;  // the sequential one too
  bool chase_ = false;
  std::uint64_t capacity_ = 0;
  std::uint64_t step_ = kRequest;  // stride, or chunk of a random pattern
  std::uint64_t apart_ = 0;        // streams of a triad
  std::uint64_t count_ = 0;
  std::uint64_t chunks_ = 0;
  std::uint64_t chunk_ = 0;
  std::uint64_t phase_ = 0;
  Rng rng_;
};

}  // namespace athena::validate
