#pragma once
/// HBM as capacity servers with state: the transaction tier. One pass per access, no queues and no
/// events; nothing in it is fitted, every figure comes from the timing set and the queue sizes.
///
/// What is kept: open rows (with the batching that a row-hit-first queue does), bank row cycles,
/// tFAW and tRRD, the row command bus, tCCD in a bank group, the data bus of each pseudo-channel,
/// write drain with its turnarounds, refresh, and the finite queue (an access enters when an
/// earlier one has left). What is not: the order in which a controller interleaves commands of
/// different banks.
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/units.h"
#include "timing/hbm_counters.h"
#include "timing/hbm_fast_state.h"
#include "timing/hbm_map.h"
#include "timing/hbm_spec.h"
#include "timing/hbm_ticks.h"

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

  /// `rows` segments of `row_bytes`, `pitch` bytes apart: a tile of a larger matrix. One
  /// transaction that arrives at once; completion of its last byte.
  Time access_2d(Time arrival, std::uint64_t address, Bytes row_bytes, std::int64_t rows,
                 Bytes pitch, bool write);

  /// `bytes` in short segments that scatter over all channels alike (a tile of a large matrix among
  /// tiles of many cores): one transaction of all channels in lockstep, of any length. `address` is
  /// that of the first segment. With per-bank refresh: as access().
  Time spread(Time arrival, std::uint64_t address, Bytes bytes, bool write);

  /// Counts up to `now`, which is not before the last completion; ticks are those of HbmTicks.
  [[nodiscard]] HbmCounters counters(Time now) const;
  [[nodiscard]] HbmEnergy energy(Time now) const;
  [[nodiscard]] const HbmSpec& spec() const { return spec_; }
  [[nodiscard]] std::uint64_t capacity() const { return map_.capacity(); }
  void reset();

 private:
  static constexpr double kAlmostOne = 1.0 - 1e-6;  // rounds up, forgiving rounding errors

  struct Served {
    Tick end = 0;     // last byte
    Tick leaves = 0;  // its place in the queue is free again
  };

  /// Column accesses of one row; returns when the last byte has passed. `kUsual`: see
  /// usual_bytes_; `kMode`: 0 read, 1 write.
  template <bool kUsual, std::size_t kMode>
  Tick touch(std::uint32_t channel, const hbm_fast::Access& access, Tick arrival);
  template <bool kUsual, std::size_t kMode>
  Served serve(hbm_fast::Channel& channel, const hbm_fast::Access& access, Tick entry);
  Tick touch_any(std::uint32_t channel, std::uint32_t bank, std::uint32_t row, Tick count,
                 bool write, Tick arrival);
  template <bool kUsual>
  void open_row(hbm_fast::Channel& channel, hbm_fast::Pseudo& pseudo, hbm_fast::Bank& bank,
                std::uint32_t key, Tick entry);
  Time finish(Tick arrival, Tick end) {
    ++counts_.requests;
    if (arrival > last_finish_) idle_ += arrival - last_finish_;  // mostly it is one or the other
    last_finish_ = hbm_fast::later(last_finish_, end);
    return Time(end * period_);
  }
  /// Number of the slot of rows to be opened at `t`: a division by act_gap, exact.
  [[nodiscard]] Tick act_slot(Tick t) const {
    __extension__ using Wide = unsigned __int128;
    return static_cast<Tick>((Wide{static_cast<std::uint64_t>(t)} * k_.act_slot) >> 64);
  }
  Tick access_any(Tick arrival, std::uint64_t address, Bytes bytes, bool write);
  Tick access_fine(Tick arrival, std::uint64_t address, std::uint64_t bytes, bool write);
  Tick access_spread(Tick arrival, std::uint64_t bytes, bool write);
  void begin_lockstep();
  void advance_all(Tick arrival, std::uint64_t bytes, bool write);
  Tick serve_all(Tick arrival, std::uint64_t bytes, Tick& demand);
  Tick access_bulk(Tick arrival, std::uint64_t address, std::uint64_t bytes, bool write);
  [[gnu::noinline]] void adopt_lockstep(std::uint32_t bank, bool write);
  /// The rows that all channels open in lockstep, as one: that of this bank.
  [[nodiscard]] std::size_t super_of(std::uint32_t bank) const {
    return ((bank >> sid_shift_ & sid_mask_) << group_shift_) | (bank & bank_low_mask_);
  }
  void refresh(std::size_t channel, Tick now);
  void refresh_until(std::size_t channel, Tick now);
  void sync(std::size_t channel);
  [[nodiscard]] std::span<hbm_fast::Pseudo> pseudos(std::size_t channel);
  [[nodiscard]] Tick ticks_of(Time t) const {
    return static_cast<Tick>(static_cast<double>(t.value()) * per_period_ + kAlmostOne);
  }
  void turn(std::size_t channel, Tick count);
  Tick post_write(std::size_t channel, std::uint32_t bank, std::uint32_t row, Tick count,
                  Tick entry);
  void drain(std::size_t channel, Tick now);

  HbmSpec spec_;
  HbmMap map_;
  hbm_fast::Costs k_;
  // A bank is known by its number among those of all channels: channel, pseudo-channel, SID, bank
  // group, bank from the top. Shifted right it is the number of its group and pseudo-channel.
  std::uint32_t banks_ = 0;  // of one channel
  int pseudo_shift_ = 0, group_shift_ = 0, sid_shift_ = 0, across_shift_ = 0;
  std::uint32_t bank_low_mask_ = 0, sid_mask_ = 0, across_mask_ = 0;
  int slot_shift_ = 0;  // log2 of the ticks of one slot
  Tick period_ = 1;     // femtoseconds of one tick
  double per_period_ = 1.0;
  std::array<std::uint32_t, 2> look_{};  // places of each queue in no order, up to kLook
  std::array<std::uint32_t, 2> rest_{};  // its other places
  int access_shift_ = 0;
  bool whole_ = true;  // refresh never stops a single bank
  bool closed_page_ = false;
  bool hits_first_ = true;
  /// Bytes of an access that has to ask for nothing unusual, if it is aligned: one queue place and
  /// one bus slot in one row. 0 where all have to: per-bank refresh, closed pages, another
  /// scheduler, queues of an unusual size, or lockstep work so far.
  std::uint64_t usual_bytes_ = 0;
  Tick drain_ = 0;                // write accesses of one drain
  std::uint64_t even_bytes_ = 0;  // smallest span that touches all channels; 0 = no lockstep
  std::uint64_t super_row_ = 0;   // bytes of one row in all banks of all channels
  double ticks_per_byte_ = 0.0;   // one byte on every channel's bus

  std::vector<hbm_fast::Channel> channels_;
  std::vector<hbm_fast::Pseudo> pseudo_;
  std::vector<Tick> group_;   // tCCDL server of each bank group of each SID
  std::vector<Tick> across_;  // tCCDR server of each bank group over all SIDs
  std::vector<hbm_fast::Bank> bank_;
  std::vector<Tick> last_;  // last column command by bank; of closed pages
  std::vector<std::vector<hbm_fast::Access>> posted_;  // by channel: writes that wait for a drain
  std::vector<Tick> ring_;                             // channel-major: reads then writes

  // All channels in lockstep.
  Tick group_data_ = 0;  // end of lockstep work on an otherwise idle channel
  Tick group_work_ = 0;  // data bus time given to every channel so far
  Tick ahead_ = 0;       // max over channels of (data - seen)
  Tick group_refresh_ = 0;
  double group_writes_ = 0.0, group_reads_ = 0.0;
  double group_carry_ = 0.0;  // fractions of a tick owed to the bus
  struct Super {
    std::uint32_t row = hbm_fast::kNoRow;
    Tick act = 0, last = 0;
    std::uint32_t stamp = 0;
  };
  std::array<Super, 64> super_{};
  std::uint32_t stamp_ = 0;  // 0: no lockstep work yet

  HbmCounters counts_;                    // without what follows from the rest: see counters()
  std::array<Tick, kHbmLosses> waits_{};  // of rows for each server
  Tick last_finish_ = 0, idle_ = 0;
};

}  // namespace athena::timing
