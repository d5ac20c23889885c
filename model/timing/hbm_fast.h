#pragma once
/// HBM as capacity servers with state: the transaction tier. One pass per access, no queues and no
/// events; nothing in it is fitted, every figure comes from the timing set and the queue sizes.
///
/// What is kept: open rows (with the batching that a row-hit-first queue does), bank row cycles, tFAW
/// and tRRD, the row command bus, tCCD in a bank group, the data bus of each pseudo-channel, write
/// drain with its turnarounds, refresh, and the finite queue (an access enters when an earlier one
/// has left). What is not: the order in which a controller interleaves commands of different banks.
#include <array>
#include <cstdint>
#include <vector>

#include "base/units.h"
#include "timing/hbm_counters.h"
#include "timing/hbm_map.h"
#include "timing/hbm_spec.h"

namespace athena::timing {

class HbmFast {
 public:
  /// Throws InputError when the spec contradicts itself.
  explicit HbmFast(const HbmSpec& spec);

  /// Completion time of the last byte of [address, address + bytes), arriving at the controllers at
  /// `arrival`. Calls come in global time order; any length and alignment, split inside by the
  /// channel interleave. A span that covers every channel is handled as one transaction of all of
  /// them in lockstep. Throws InputError for an access beyond the capacity.
  Time access(Time arrival, std::uint64_t address, Bytes bytes, bool write);

  /// `rows` segments of `row_bytes`, `pitch` bytes apart: a tile of a larger matrix. One transaction
  /// that arrives at once; completion of its last byte.
  Time access_2d(Time arrival, std::uint64_t address, Bytes row_bytes, std::int64_t rows,
                 Bytes pitch, bool write);

  /// Counts up to `now`, which is not before the last completion; ticks are femtoseconds here.
  [[nodiscard]] HbmCounters counters(Time now) const;
  [[nodiscard]] HbmEnergy energy(Time now) const;
  [[nodiscard]] const HbmSpec& spec() const { return spec_; }
  [[nodiscard]] std::uint64_t capacity() const { return map_.capacity(); }
  void reset();

 private:
  using Fs = std::int64_t;  // femtoseconds
  static constexpr std::size_t kWays = 4;  // rows of one bank that a queue may batch at once

  struct Batch {
    std::uint32_t row = kNoRow;
    Fs act = 0;
    Fs last = 0;  // last column command
  };
  static constexpr std::uint32_t kNoRow = UINT32_MAX;
  struct Bank {
    std::array<Batch, kWays> batch{};  // newest first
    Fs act_ready = 0;                  // earliest ACT of the next batch
    std::uint32_t stamp = 0;           // lockstep activity seen
  };
  struct Pseudo {
    Fs data = 0;              // data bus free
    Fs act = 0;               // tFAW and tRRD server
    std::array<Fs, 16> group{};  // tCCDL server of each bank group
  };
  struct Channel {
    std::array<Pseudo, 2> pseudo{};
    Fs row_bus = 0;
    Fs next_refresh = 0;
    Fs seen = 0;               // lockstep work included in the servers above
    std::array<std::uint32_t, 2> at{};  // queue rings
    std::int32_t writes = 0;   // accesses since the last drain
    std::int32_t reads = 0;
  };
  struct Costs {
    Fs tick = 0, burst = 0, ccd_l = 0, rcd[2] = {0, 0}, rc = 0, latency[2] = {0, 0};
    Fs to_act[2] = {0, 0};  // last column command to next ACT of the bank
    Fs ras_rp = 0, act_bus = 0, pre_bus = 0, act_gap = 0, pre_act = 0;
    Fs refresh = 0, refi = 0, switch_both = 0;
    Fs bank_refresh = 0;
  };

  /// `count` column accesses of one row; returns when the last byte has passed.
  Fs touch(std::uint32_t channel, std::uint32_t bank, std::uint32_t row, std::int32_t count,
           bool write, Fs arrival);
  Fs open_row(Channel& channel, Pseudo& pseudo, Bank& bank, std::uint32_t row, Fs entry);
  Fs access_fine(Fs arrival, std::uint64_t address, std::uint64_t bytes, bool write);
  Fs access_bulk(Fs arrival, std::uint64_t address, std::uint64_t bytes, bool write);
  void refresh(Channel& channel, std::size_t index, Fs now);
  void sync(Channel& channel);
  void turn(Channel& channel, std::int32_t count, bool write);

  HbmSpec spec_;
  HbmMap map_;
  Costs k_;
  int banks_ = 0, pseudo_shift_ = 0, group_shift_ = 0, group_mask_ = 0;
  std::uint32_t bank_low_mask_ = 0;
  int sid_shift_ = 0, sid_mask_ = 0;
  std::size_t queue_ = 0;       // accesses of one queue ring
  std::int32_t drain_ = 0;      // write accesses of one drain
  std::uint64_t even_bytes_ = 0;   // smallest span that touches all channels; 0 = no lockstep
  std::uint64_t super_row_ = 0;    // bytes of one row in all banks of all channels
  double fs_per_byte_ = 0.0;       // one byte on every channel's bus

  std::vector<Channel> channels_;
  std::vector<Bank> bank_;      // channel-major
  std::vector<Fs> ring_;        // channel-major: reads then writes, finish times

  // All channels in lockstep.
  Fs group_data_ = 0;      // end of lockstep work on an otherwise idle channel
  Fs group_work_ = 0;      // data bus time given to every channel so far
  Fs ahead_ = 0;           // max over channels of (data - seen)
  Fs group_refresh_ = 0;
  double group_writes_ = 0.0, group_reads_ = 0.0;
  struct Super {
    std::uint32_t row = kNoRow;
    Fs act = 0, last = 0;
    std::uint32_t stamp = 0;
  };
  std::array<Super, 64> super_{};
  std::uint32_t stamp_ = 0;

  HbmCounters counts_;
  std::array<double, kHbmLosses> waits_{};
  Fs last_finish_ = 0, idle_ = 0;
};

}  // namespace athena::timing
