#pragma once
/// Bit masks of the coming clocks: which carry a column command, and which bank becomes free when.
#include <array>
#include <bit>
#include <cstdint>

#include "timing/hbm_ticks.h"

namespace athena::timing {

/// Column commands of one channel, booked a few dozen clocks ahead, by pseudo-channel and SID. All
/// positions are in clocks.
class HbmCalendar {
 public:
  static constexpr int kHistory = 8;  ///< clocks kept behind the present: tCCD reaches back
  static constexpr int kReach = 42;   ///< clocks ahead of the present that can be booked

  /// Spacings in clocks: tCCDS, and tCCDR between SIDs (reads; 0 = no such rule).
  void reset(int ccd_s, int ccd_r, int sids) {
    *this = HbmCalendar{};
    ccd_s_ = ccd_s;
    ccd_r_ = ccd_r;
    sids_ = sids;
  }
  /// Makes room ahead of `clock`: at least kReach clocks can be booked from there on.
  void move_to(std::int64_t clock) {
    if (clock - base_ <= 64 - kReach) return;
    const std::int64_t base = clock - kHistory;
    const std::int64_t by = base - base_;
    base_ = base;
    const auto shift = [by](std::uint64_t& m) { m = by < 64 ? m >> by : 0; };
    for (auto& pc : taken_) {
      for (int s = 0; s < sids_; ++s) shift(pc[static_cast<std::size_t>(s)]);
    }
    shift(bus_);
    shift(held_[0]);
    shift(held_[1]);
  }
  /// Clocks at which a column command to this SID of this pseudo-channel may start, as bits behind
  /// base(). Clocks beyond the reach appear free.
  [[nodiscard]] std::uint64_t free_slots(std::size_t pseudo, std::size_t sid, bool read) const {
    std::uint64_t own = 0, other = 0;
    for (std::size_t s = 0; s < static_cast<std::size_t>(sids_); ++s) {
      (s == sid || !read ? own : other) |= taken_[pseudo][s];
    }
    std::uint64_t blocked = bus_ | own | other;
    for (int d = 1; d < ccd_s_; ++d) blocked |= (own << d) | (own >> d);
    if (other != 0) {
      for (int d = 1; d < ccd_r_; ++d) blocked |= (other << d) | (other >> d);
    }
    return ~blocked;
  }
  [[nodiscard]] std::int64_t base() const { return base_; }
  /// Books `clock`; `held`: the access keeps its queue place until then.
  void book(std::size_t pseudo, std::size_t sid, std::size_t mode, std::int64_t clock, bool held) {
    const std::uint64_t bit = std::uint64_t{1} << (clock - base_);
    taken_[pseudo][sid] |= bit;
    bus_ |= bit;
    if (held) held_[mode] |= bit;
  }
  /// Number of queue places given up until `clock`, each counted once.
  int released(std::size_t mode, std::int64_t clock) {
    const std::int64_t last = clock - base_;
    std::uint64_t due =
        held_[mode] & (last >= 63 ? ~std::uint64_t{0} : (std::uint64_t{2} << last) - 1);
    held_[mode] &= ~due;
    int count = 0;
    for (; due != 0; due &= due - 1) ++count;
    return count;
  }
  /// First clock at which a place is given up; far away if none is held.
  [[nodiscard]] std::int64_t next_release() const {
    const std::uint64_t held = held_[0] | held_[1];
    return held == 0 ? INT64_MAX / 8 : base_ + std::countr_zero(held);
  }

 private:
  std::array<std::array<std::uint64_t, 4>, 2> taken_{};
  std::uint64_t bus_ = 0;
  std::array<std::uint64_t, 2> held_{};
  std::int64_t base_ = -kHistory;
  int ccd_s_ = 1, ccd_r_ = 0, sids_ = 1;
};

/// Banks by the tick at which they become ripe for an ACT or a PRE. An event further ahead than the
/// wheel, or one whose bank has been put off meanwhile, is put in again when it comes round.
class HbmWheel {
 public:
  static constexpr Tick kSize = 256;
  struct Bucket {
    std::uint64_t act = 0, pre = 0;
  };

  void reset() { *this = HbmWheel{}; }
  void add_act(int bank, Tick at) { slot(at).act |= std::uint64_t{1} << bank; }
  void add_pre(int bank, Tick at) { slot(at).pre |= std::uint64_t{1} << bank; }
  /// Calls fire(bucket) for everything due up to `now`.
  template <class Fire>
  void advance(Tick now, Fire&& fire) {
    while (soonest_ <= now) {
      time_ = soonest_;
      const Bucket due = buckets_[index(time_)];
      buckets_[index(time_)] = {};
      used_[index(time_) >> 6] &= ~(std::uint64_t{1} << (index(time_) & 63));
      soonest_ = next_after(time_, kFar);
      fire(due);
    }
    if (time_ < now) time_ = now;
  }
  /// First tick behind time() at which a bank of these sets becomes ripe; `limit` if none before.
  [[nodiscard]] Tick next(std::uint64_t act, std::uint64_t pre, Tick limit) const {
    for (Tick at = soonest_; at < limit; at = next_after(at, limit)) {
      const Bucket& b = buckets_[index(at)];
      if (((b.act & act) | (b.pre & pre)) != 0) return at;
      if (at - time_ >= kSize - 1) return at;
    }
    return limit;
  }

 private:
  [[nodiscard]] static std::size_t index(Tick at) {
    return static_cast<std::size_t>(at) & (kSize - 1);
  }
  Bucket& slot(Tick at) {
    if (at > time_ + kSize - 1) at = time_ + kSize - 1;
    if (at <= time_) at = time_ + 1;
    if (at < soonest_) soonest_ = at;
    used_[index(at) >> 6] |= std::uint64_t{1} << (index(at) & 63);
    return buckets_[index(at)];
  }
  /// First occupied tick behind `from`, at most `limit`.
  [[nodiscard]] Tick next_after(Tick from, Tick limit) const {
    Tick at = from + 1;
    const Tick end = from + kSize < limit ? from + kSize : limit;
    while (at < end) {
      const std::uint64_t word = used_[index(at) >> 6] >> (index(at) & 63);
      if (word != 0) {
        at += std::countr_zero(word);
        return at < limit ? at : limit;
      }
      at += 64 - static_cast<Tick>(index(at) & 63);
    }
    return limit;
  }

  std::array<Bucket, kSize> buckets_{};
  std::array<std::uint64_t, kSize / 64> used_{};
  static constexpr Tick kFar = INT64_MAX / 4;
  Tick time_ = -1;
  Tick soonest_ = kFar;  // first occupied tick behind time_
};

}  // namespace athena::timing
