#pragma once
/// Random traffic for a block's port: obeys the valid/ready protocol (an offer once made is kept
/// until it is taken), stalls every channel at random, and counts what was finished.
#include <cstdint>
#include <memory>

#include "base/rng.h"

namespace athena::cosim {

class Stimulus {
 public:
  virtual ~Stimulus() = default;
  /// Sets the inputs of the coming cycle; `in` still holds those of the cycle before.
  virtual void drive(std::uint32_t* in) = 0;
  /// What the block answered in the cycle just driven.
  virtual void observe(const std::uint32_t* in, const std::uint32_t* out) = 0;
  /// Finished transactions: tiles, descriptors, rows, packets, requests.
  [[nodiscard]] virtual std::uint64_t completed() const = 0;
};

/// Decides cycle by cycle whether a channel is held back: single stalls with the given probability,
/// and now and then a long one.
class Stall {
 public:
  Stall(double probability, std::uint64_t seed) : probability_(probability), rng_(seed) {}
  /// True when the channel may move this cycle.
  bool go() {
    if (pause_ > 0) {
      --pause_;
      return false;
    }
    if (probability_ <= 0.0) return true;
    if (rng_.chance(probability_ * 0.01)) pause_ = static_cast<int>(rng_.below(60));
    return !rng_.chance(probability_);
  }

 private:
  double probability_;
  int pause_ = 0;
  Rng rng_;
};

}  // namespace athena::cosim
