#pragma once
/// The column bus of one channel in the coming clocks: which bank groups may still get a column
/// command in each of them.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "timing/hbm_bits.h"
#include "timing/hbm_spec.h"

namespace athena::timing {

/// All positions are in clocks. A booking takes the bus for its clock, keeps its pseudo-channel at
/// tCCDS, its bank group at tCCDL and, if it reads, the other SIDs at tCCDR, on both sides.
class HbmSlots {
 public:
  static constexpr int kMaxGroups = 32;  ///< of all SIDs and pseudo-channels
  static constexpr int kMaxSpacing = 8;  ///< longest tCCD

  explicit HbmSlots(const HbmTimingSet& timing) : left_(table(timing)) {
    const int across = timing.stack_ids > 1 ? timing.tCCDR : 0;
    far_ = std::max({timing.tCCDS, timing.tCCDL, across}) > kFour;
    reset();
  }
  void reset() {
    base_ = -kPast;
    allowed_.fill(kAll);
  }
  /// Forgets what lies further behind than spacings reach. To be called before what follows, with a
  /// clock that never decreases.
  void move_to(std::int64_t clock) {
    if (clock - base_ >= kWindow / 2) shift(clock - kPast);
  }
  /// Groups that may get a column command in this clock, from the one moved to to far behind it.
  [[nodiscard]] std::uint32_t allowed(std::int64_t clock) const {
    return allowed_[static_cast<std::size_t>(clock - base_)];
  }
  /// The first clock from `clock` on in which one of `groups` may.
  [[nodiscard]] std::int64_t first(std::int64_t clock, std::uint32_t groups) const {
    const std::int64_t at = clock - base_;
    if (at >= kWindow) return clock;
    const std::uint32_t* slot = &allowed_[static_cast<std::size_t>(at)];
    const std::uint32_t* begin = slot;
    while ((*slot & groups) == 0) ++slot;  // ends at the last, which is never booked
    return clock + (slot - begin);
  }
  void book(int group, bool write, std::int64_t clock) {
    std::uint32_t* around = &allowed_[static_cast<std::size_t>(clock - base_ - kPast)];
    const std::uint32_t* left = (*left_)[write ? 1U : 0U][at(group)].data();
    take(around + kFour, left + kFour);
    take(around + 2 * kFour, left + 2 * kFour);
    if (!far_) return;
    take(around, left);
    take(around + 3 * kFour, left + 3 * kFour);
  }

 private:
  static constexpr std::uint32_t kAll = ~std::uint32_t{0};
  static constexpr int kFour = 4;
  static constexpr int kPast = kMaxSpacing;
  static constexpr int kSpan = 2 * kMaxSpacing;  // clocks around a booking that it may affect
  static_assert(kPast == 2 * kFour);             // as book() takes them
  static constexpr int kWindow = 128;            // clocks

  /// Four clocks at once.
  static void take(std::uint32_t* slots, const std::uint32_t* left) {
    using Four = std::uint32_t __attribute__((vector_size(16)));
    Four now, rest;
    std::memcpy(&now, slots, sizeof now);
    std::memcpy(&rest, left, sizeof rest);
    now &= rest;
    std::memcpy(slots, &now, sizeof now);
  }
  /// Of a booking's direction and group: the groups that may still be served in the clocks around.
  using Table = std::array<std::array<std::array<std::uint32_t, kSpan>, kMaxGroups>, 2>;

  static std::shared_ptr<const Table> table(const HbmTimingSet& timing) {
    const auto result = std::make_shared<Table>();
    Table& left = *result;
    const int sids = timing.stack_ids;
    const auto of_sid = static_cast<std::uint32_t>((std::uint64_t{1} << timing.bank_groups) - 1);
    const int groups = timing.pseudo_channels * sids * timing.bank_groups;
    for (int group = 0; group < groups; ++group) {
      const int rank = group / timing.bank_groups;
      const std::uint32_t here = of_sid << (rank * timing.bank_groups);
      std::uint32_t pseudo = 0;
      for (int s = 0; s < sids; ++s) {
        pseudo |= of_sid << ((rank / sids * sids + s) * timing.bank_groups);
      }
      for (const bool write : {false, true}) {
        const int across = write || sids == 1 ? timing.tCCDS : timing.tCCDR;
        for (int d = 0; d < kSpan; ++d) {
          const int away = std::abs(d - kPast);
          std::uint32_t taken = 0;
          if (away == 0) taken = kAll;
          if (away < timing.tCCDS) taken |= here;
          if (away < across) taken |= pseudo & ~here;
          if (away < timing.tCCDL) taken |= std::uint32_t{1} << group;
          left[write ? 1U : 0U][at(group)][at(d)] = ~taken;
        }
      }
    }
    return result;
  }

  void shift(std::int64_t base) {
    const auto by = static_cast<std::size_t>(std::min<std::int64_t>(base - base_, kWindow));
    base_ = base;
    std::copy(allowed_.begin() + static_cast<std::ptrdiff_t>(by), allowed_.begin() + kWindow,
              allowed_.begin());
    std::fill(allowed_.begin() + static_cast<std::ptrdiff_t>(kWindow - by), allowed_.end(), kAll);
  }

  std::array<std::uint32_t, kWindow + kSpan + 1> allowed_{};
  std::int64_t base_ = -kPast;
  bool far_ = false;                   // spacings longer than four clocks
  std::shared_ptr<const Table> left_;  // one for all channels
};

}  // namespace athena::timing
