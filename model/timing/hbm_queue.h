#pragma once
/// What waits in one direction of a channel's controller, as bit masks over places in the order of
/// age: the oldest piece of any kind is the lowest bit of a mask.
#include <algorithm>
#include <array>
#include <cstdint>

#include "timing/hbm_bits.h"
#include "timing/hbm_slots.h"
#include "timing/hbm_ticks.h"

namespace athena::timing {

class HbmQueue {
 public:
  static constexpr int kPlaces = 64;  ///< pieces that the scheduler looks at
  static constexpr int kMaxBanks = 64;
  static constexpr int kMaxRanks = 8;  ///< SIDs of all pseudo-channels

  struct Entry {
    Tick arrival = 0, accept = 0;
    std::uint32_t seq = 0;  ///< age across both directions; wraps round
    std::uint32_t row = 0, tag = 0;
    std::uint16_t left = 0;  ///< column accesses not yet booked
    std::uint16_t column = 0;
    std::uint8_t bank = 0;
  };

  /// Banks of one group, and of one SID of one pseudo-channel, as shifts of a bank's number.
  void reset(int banks, int group_shift, int rank_shift) {
    *this = HbmQueue{};
    banks_ = banks;
    group_shift_ = group_shift;
    rank_shift_ = rank_shift;
  }
  [[nodiscard]] bool empty() const { return live_ == 0; }
  [[nodiscard]] bool full() const { return live_ == ~std::uint64_t{0}; }
  [[nodiscard]] Entry& operator[](int place) { return entries_[at(place)]; }
  [[nodiscard]] const Entry& operator[](int place) const { return entries_[at(place)]; }
  /// Places whose pieces go to a bank, to a group, to a SID of a pseudo-channel.
  [[nodiscard]] std::uint64_t of_bank(int bank) const { return of_bank_[at(bank)]; }
  [[nodiscard]] std::uint64_t of_group(int group) const { return of_group_[at(group)]; }
  [[nodiscard]] std::uint64_t of_rank(int rank) const { return of_rank_[at(rank)]; }

  /// The place of a new, youngest piece for a bank; the caller writes the piece. Not when full.
  int append(int bank) {
    if (end_ == kPlaces) close_up();
    const int place = end_++;
    entries_[at(place)].bank = static_cast<std::uint8_t>(bank);
    note(place, bank);
    return place;
  }
  void remove(int place) {
    const std::uint64_t keep = ~bit(place);
    const int bank = entries_[at(place)].bank;
    const int group = bank >> group_shift_;
    live_ &= keep;
    of_bank_[at(bank)] &= keep;
    of_group_[at(group)] &= keep;
    of_rank_[at(bank >> rank_shift_)] &= keep;
    hits_ &= keep;
    note_hits(group);
    activate &= keep;
    precharge &= keep;
  }

  /// Places of pieces whose row is open, and not still being opened.
  [[nodiscard]] std::uint64_t hits() const { return hits_; }
  /// The groups of these, as bits.
  [[nodiscard]] std::uint32_t hit_groups() const { return hit_groups_; }
  void add_hits(int bank, std::uint64_t places) {
    hits_ |= places;
    note_hits(bank >> group_shift_);
  }
  void drop_hits(int bank) {
    hits_ &= ~of_bank(bank);
    note_hits(bank >> group_shift_);
  }
  /// The oldest of `places` whose group is in `groups`, or kPlaces.
  [[nodiscard]] int oldest(std::uint64_t places, std::uint32_t groups) const {
    for (; places != 0; places &= places - 1) {
      const int place = lowest(places);
      if (((groups >> group_[at(place)]) & 1) != 0) return place;
    }
    return kPlaces;
  }
  /// Of a bank's pieces those that want `row`.
  [[nodiscard]] std::uint64_t wanting(int bank, std::uint32_t row) const {
    std::uint64_t found = 0;
    for (std::uint64_t mask = of_bank(bank); mask != 0; mask &= mask - 1) {
      const int place = lowest(mask);
      found |= static_cast<std::uint64_t>(entries_[at(place)].row == row) << place;
    }
    return found;
  }

  // Kept by the channel.
  std::uint64_t activate = 0;   ///< of closed banks: who asks for its row
  std::uint64_t precharge = 0;  ///< of open banks: who asks for another row

 private:
  void note_hits(int group) {
    const std::uint32_t one = std::uint32_t{1} << group;
    hit_groups_ = (hits_ & of_group(group)) != 0 ? hit_groups_ | one : hit_groups_ & ~one;
  }
  void note(int place, int bank) {
    live_ |= bit(place);
    of_bank_[at(bank)] |= bit(place);
    const int group = bank >> group_shift_;
    group_[at(place)] = static_cast<std::uint8_t>(group);
    of_group_[at(group)] |= bit(place);
    of_rank_[at(bank >> rank_shift_)] |= bit(place);
  }
  /// Moves everybody to the lowest places, in the same order.
  void close_up() {
    const std::uint64_t live = live_;
    const std::uint64_t hit = hits_, act = activate, pre = precharge;
    live_ = hits_ = activate = precharge = 0;
    std::fill_n(of_bank_.begin(), banks_, 0);
    std::fill_n(of_group_.begin(), ((banks_ - 1) >> group_shift_) + 1, 0);
    of_rank_ = {};
    end_ = 0;
    for (std::uint64_t mask = live; mask != 0; mask &= mask - 1) {
      const int from = lowest(mask);
      const int to = end_++;
      entries_[at(to)] = entries_[at(from)];
      note(to, entries_[at(to)].bank);
      hits_ |= ((hit >> from) & 1) << to;
      activate |= ((act >> from) & 1) << to;
      precharge |= ((pre >> from) & 1) << to;
    }
  }

  std::array<std::uint64_t, kMaxBanks> of_bank_{};
  std::array<std::uint64_t, HbmSlots::kMaxGroups> of_group_{};
  std::array<std::uint64_t, kMaxRanks> of_rank_{};
  std::uint64_t live_ = 0, hits_ = 0;
  std::uint32_t hit_groups_ = 0;
  int end_ = 0;  // places from here on were never used since the last closing up
  int banks_ = 0, group_shift_ = 0, rank_shift_ = 0;
  std::array<std::uint8_t, kPlaces> group_{};
  std::array<Entry, kPlaces> entries_{};
};

}  // namespace athena::timing
