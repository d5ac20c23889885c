#pragma once
/// Places of the two queues that booked accesses will give up in the coming clocks.
#include <array>
#include <cstdint>

#include "timing/hbm_bits.h"

namespace athena::timing {

/// All positions are in clocks.
class HbmReleases {
 public:
  static constexpr std::int64_t kNever = INT64_MAX / 8;
  static constexpr int kReach = 64;  ///< clocks behind the last count that can be booked

  void reset() { *this = HbmReleases{}; }
  /// An access gives up its place at `clock`, less than kReach behind the last count.
  void add(std::size_t mode, std::int64_t clock) {
    held_[mode] |= std::uint64_t{1} << (clock - base_);
  }
  /// The first clock that was not counted.
  [[nodiscard]] std::int64_t base() const { return base_; }
  /// Places of both queues given up until `clock`, each counted once.
  std::array<int, 2> count(std::int64_t clock) {
    const std::int64_t by = clock + 1 - base_;
    if (by <= 0) return {0, 0};
    base_ = clock + 1;
    if (by >= kReach) {
      const std::array<int, 2> all = {count_bits(held_[0]), count_bits(held_[1])};
      held_ = {};
      return all;
    }
    const std::uint64_t due = (std::uint64_t{1} << by) - 1;
    const std::array<int, 2> some = {count_bits(held_[0] & due), count_bits(held_[1] & due)};
    held_[0] >>= by;
    held_[1] >>= by;
    return some;
  }
  /// First clock at which a place is given up; far away if none is held.
  [[nodiscard]] std::int64_t next() const {
    const std::uint64_t held = held_[0] | held_[1];
    return held == 0 ? kNever : base_ + lowest(held);
  }
  /// Asks for places one after the other: each answer goes on where the last one ended.
  class Cursor {
   public:
    Cursor(const HbmReleases& releases, std::size_t mode)
        : rest_(releases.held_[mode]), base_(releases.base_) {}
    /// Clock at which `count` (1 or more) places will have been given up; far away if fewer are
    /// held. `count` does not decrease from call to call.
    [[nodiscard]] std::int64_t of(int count) {
      rest_ = drop_bits(rest_, count - 1 - dropped_);
      dropped_ = count - 1;
      return rest_ == 0 ? kNever : base_ + lowest(rest_);
    }

   private:
    std::uint64_t rest_;
    std::int64_t base_;
    int dropped_ = 0;
  };

 private:
  std::array<std::uint64_t, 2> held_{};
  std::int64_t base_ = 0;
};

}  // namespace athena::timing
