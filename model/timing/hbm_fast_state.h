#pragma once
/// What the transaction tier of HBM remembers of a channel between accesses. Times in ticks.
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "timing/hbm_ticks.h"

namespace athena::timing::hbm_fast {

/// By value: std::max hands out references, which compilers turn into jumps nobody can foresee.
inline Tick later(Tick a, Tick b) {
  return a < b ? b : a;
}

inline constexpr std::size_t kWays = 4;  ///< rows of one bank that a queue may batch at once
inline constexpr std::uint32_t kNoRow = UINT32_MAX;
inline constexpr int kPlace = 2;  ///< accesses of one queue place and of one bus slot

/// A bank: the open row and those before it that may still wait in the queue, newest first.
struct alignas(64) Bank {
  std::array<std::uint32_t, kWays> batch{kNoRow, kNoRow, kNoRow, kNoRow};  ///< row, opened to write
  std::uint32_t stamp = 0;        ///< lockstep activity seen
  Tick act_ready = 0;             ///< earliest ACT of the next batch
  std::array<Tick, kWays> act{};  ///< of each batch

  static std::uint32_t key(std::uint32_t row, bool write) { return row * 2 + (write ? 1 : 0); }
  [[nodiscard]] bool closed() const { return batch[0] == kNoRow; }
  /// Whether the open row is that of `key`, whatever it was opened for.
  [[nodiscard]] bool open_at(std::uint32_t key) const { return (batch[0] ^ key) <= 1; }
  void open(std::uint32_t key, Tick at) {
    static_assert(kWays == 4);
    std::uint64_t two = 0;  // the newest two at once
    std::memcpy(&two, &batch[0], sizeof(two));
    batch[3] = batch[2];
    std::memcpy(&batch[1], &two, sizeof(two));
    for (std::size_t w = kWays - 1; w > 0; --w) act[w] = act[w - 1];
    batch[0] = key;
    act[0] = at;
  }
  /// The batch behind the newest that takes an access to `key` along at `entry`: until the
  /// precharge for the batch behind it goes out, `lead` before that one's ACT. kWays: none.
  [[nodiscard]] std::size_t waiting(std::uint32_t key, Tick entry, Tick lead) const {
    static_assert(kWays == 4);
    // Mostly none: one jump that can be foreseen.
    const int hits = static_cast<int>(batch[1] == key) | static_cast<int>(batch[2] == key) |
                     static_cast<int>(batch[3] == key);
    if (hits == 0) [[likely]]
      return kWays;
    std::size_t way = 1;
    while (way < kWays && !(batch[way] == key && entry + lead <= act[way - 1])) ++way;
    return way;
  }
};

/// What serves one thing at a time: its next 64 slots, taken or free, so that what is ready early
/// goes before what was given a later slot.
struct Slots {
  static constexpr Tick kSlots = 64;
  Tick base = 0;            ///< number of the first slot
  std::uint64_t taken = 0;  ///< bit i: slot base + i

  /// First free slot not before `slot`; takes it. Slots before `now` are past: nobody asks for
  /// them.
  Tick take(Tick slot, Tick now) {
    Tick i = later(slot - base, 0);
    if (i >= kSlots) [[unlikely]]
      return take_far(slot, now);
    const std::uint64_t free = ~(taken >> i);
    if (free == 0) [[unlikely]]
      return take_far(slot, now);
    i += static_cast<unsigned>(__builtin_ctzll(free));
    if (i >= kSlots) [[unlikely]]
      return take_far(slot, now);
    taken |= std::uint64_t{1} << i;
    return base + i;
  }
  /// The same where the slots in sight do not suffice: they move on.
  [[gnu::noinline]] Tick take_far(Tick slot, Tick now) {
    move_on(later(now - base, 0));
    slot = later(slot, base);
    if (slot >= base + kSlots) move_on(slot - (kSlots - 1) - base);
    slot += std::countr_one(taken >> (slot - base));
    if (slot >= base + kSlots) move_on(16);
    taken |= std::uint64_t{1} << (slot - base);
    return slot;
  }
  /// First slot behind everything taken.
  [[nodiscard]] Tick end() const { return base + std::bit_width(taken); }
  /// No slot before `slot` is left; `count` more go to somebody else.
  void block(Tick slot, Tick count) {
    base = later(slot, end()) + count;
    taken = 0;
  }

 private:
  void move_on(Tick slots) {
    taken = slots < kSlots ? taken >> slots : 0;
    base += slots;
  }
};

struct alignas(32) Pseudo {
  Slots data;  ///< the data bus, two accesses a slot
  Slots acts;  ///< rows that tRRD and tFAW let it open, one a slot
};

/// When the places of a queue become free: the next half of them, up to kLook, in no order (row
/// hits and ready banks pass those that wait; assumed, as results hardly depend on how many), the
/// rest in the order in which they were taken (a ring).
struct Queue {
  static constexpr int kLookBits = 4;
  static constexpr std::size_t kLook = std::size_t{1} << kLookBits;
  static constexpr std::size_t kGroup = 4;
  static constexpr double kNever = 0x1p52;  ///< of a place that does not exist

  /// Times of kLook places each, behind them the place's own number. As doubles: exact below 2^53,
  /// which two and a half hours of simulated time do not reach, and the least of several is found
  /// without jumps that nobody could foresee.
  std::array<double, kLook> front{};
  std::array<double, kLook / kGroup> first{};  ///< the least of each group of places
  std::uint32_t at = 0, begin = 0, end = 0;    ///< of the ring: next, first, behind the last

  /// The place that becomes free first: when, in kLook-ths of a tick, and its number.
  [[nodiscard]] Tick soonest() const { return static_cast<Tick>(least(first.data())); }
  /// Place `number` becomes free at `free`.
  void refill(std::size_t number, Tick free) {
    front[number] = static_cast<double>(free << kLookBits | static_cast<Tick>(number));
    const std::size_t group = number / kGroup;
    first[group] = least(&front[group * kGroup]);
  }

 private:
  static double least(const double* of_four) {
    static_assert(kGroup == 4 && kLook / kGroup == 4);
    const auto sooner = [](double a, double b) { return a < b ? a : b; };
    return sooner(sooner(of_four[0], of_four[1]), sooner(of_four[2], of_four[3]));
  }
};

struct Channel {
  Tick row_bus = 0;
  Tick next_refresh = 0;
  Tick quiet = 0;                ///< slots of the bus before this one are in front of any refresh
  Tick seen = 0;                 ///< lockstep work included in the data buses
  std::array<Queue, 2> queue{};  ///< of reads, of writes
  Tick writes = 0;               ///< accesses since the last drain
  bool reads = false;            ///< there were some since the last drain
  Tick mode_floor = 0;           ///< earliest ACT for a read: the end of the last write drain
};

/// A timing set as sums that the servers need.
struct Costs {
  Tick tick = 0, burst = 0, ccd_l = 0, ccd_r = 0, rcd[2] = {0, 0}, rc = 0, latency[2] = {0, 0};
  Tick to_act[2] = {0, 0};  ///< last column command to next ACT of the bank
  Tick act_bus = 0, pre_bus = 0, pre_act = 0;
  Tick act_gap = 1;            ///< between rows opened in a pseudo-channel
  std::uint64_t act_slot = 0;  ///< 2^64 / act_gap, rounded up
  Tick refresh = 0, refi = 0, bank_refresh = 0;
  Tick switch_both = 0, to_write = 0, to_read = 0;
};

/// Column accesses of one row.
struct Access {
  std::uint32_t bank = 0;  ///< among those of all channels
  std::uint32_t row = 0;
  Tick count = 0;

  [[nodiscard]] bool same_row(const Access& other) const {
    return ((bank ^ other.bank) | (row ^ other.row)) == 0;
  }
};

}  // namespace athena::timing::hbm_fast
