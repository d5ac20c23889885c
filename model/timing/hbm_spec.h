#pragma once
/// What an HBM memory system is: its timing set (from configs/memory/), its organisation, its
/// address map and its controller. The queued core, the fast tier and the SystemC module all stand
/// on these.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "config/memory_controller.h"

namespace athena::timing {

/// One speed and density of one standard. Counts named `t..` are clock periods (tCK) at `gbps`;
/// JEDEC measures them between the last cycles of two commands. Values and sources:
/// configs/memory/.
struct HbmTimingSet {
  std::string name;
  std::string standard;     ///< HBM2, HBM2E, HBM3
  double gbps = 2.0;        ///< data rate of one pin, Gb/s
  int bits_per_clock = 2;   ///< per pin and tCK: 2 for HBM2 (burst 4 in 2 tCK), 4 for HBM3
  int half_clock_rows = 0;  ///< 1: row commands count in half clocks (HBM3: ACT 1.5, PRE 0.5 tCK)
  int pseudo_channels = 2;  ///< of one channel
  int stack_ids = 1;        ///< SIDs (ranks of dies) of one pseudo-channel
  int bank_groups = 4;      ///< of one SID
  int banks_per_group = 4;
  int rows = 1 << 16;     ///< of one bank
  int columns = 32;       ///< accesses of one row (page bytes / access bytes)
  int access_bytes = 32;  ///< one column access
  int tBL = 2;            ///< data bus occupancy of one access
  int tCL = 14, tCWL = 5;
  int tRCDRD = 14, tRCDWR = 12, tRP = 14, tRAS = 34, tRC = 48;
  int tWR = 16, tRTP = 5;
  int tCCDS = 2, tCCDL = 4, tCCDR = 2;  ///< other bank group, same bank group, other SID
  int tRRDS = 4, tRRDL = 4, tFAW = 15;
  int tWTRS = 6, tWTRL = 8;
  int tRTW = 13;           ///< read to write command
  int tPPD = 1;            ///< precharge to precharge in one pseudo-channel
  Seconds tRFC{350e-9};    ///< all-bank refresh
  Seconds tREFI{3.9e-6};   ///< average interval of all-bank refresh
  Seconds tRFCpb{160e-9};  ///< per-bank refresh
  Seconds tRREFD{8e-9};    ///< per-bank refresh to ACT of another bank
  // Energy of one command, and of one bit moved.
  Joules energy_activate{909e-12};  ///< ACT and PRE of one row
  double access_pj_per_bit = 2.24;  ///< array to I/O: column access and on-die movement
  double io_pj_per_bit = 0.30;      ///< across the interposer
  Joules energy_refresh{0};         ///< one all-bank refresh of one pseudo-channel
  Watts background_per_channel{0};  ///< standing power of one channel

  [[nodiscard]] Time clock_period() const;  ///< tCK
  /// Peak of one channel (all pseudo-channels), bytes/s.
  [[nodiscard]] BytesPerSecond channel_peak() const;
  [[nodiscard]] int banks_per_pseudo_channel() const {
    return stack_ids * bank_groups * banks_per_group;
  }
  [[nodiscard]] int banks() const { return pseudo_channels * banks_per_pseudo_channel(); }
  [[nodiscard]] Bytes channel_capacity() const;
};

using HbmRefresh = config::MemoryRefresh;
using HbmPagePolicy = config::PagePolicy;
using HbmScheduler = config::MemoryScheduler;

/// A field of the address, from the least significant bit upwards.
enum class HbmField {
  kOffset,
  kColumn,
  kPseudoChannel,
  kChannel,
  kBankGroup,
  kBank,
  kStackId,
  kRow
};

inline constexpr int kHbmFields = 8;
/// As users write it in an address map.
[[nodiscard]] std::string_view name(HbmField field);

struct HbmMapSlice {
  HbmField field = HbmField::kOffset;
  int bits = 0;
};

/// The memory system of one chip.
struct HbmSpec {
  HbmTimingSet timing;
  int stacks = 1;
  int channels_per_stack = 8;
  /// Consecutive bytes on one channel: 32 B to 4 KiB, a power of two.
  Bytes interleave{128};
  /// XOR of pseudo-channel, bank group, bank and channel with higher bits; breaks strides.
  bool hash = true;
  /// Explicit map, least significant first; empty = built from `interleave`. Without a channel
  /// field the channel bits go in at `interleave`, without a SID that goes in below the row; a row
  /// of 0 bits takes what the organisation has.
  std::vector<HbmMapSlice> map;
  HbmRefresh refresh = HbmRefresh::kAllBank;
  HbmPagePolicy page = HbmPagePolicy::kOpen;
  HbmScheduler scheduler = HbmScheduler::kRowHitFirst;
  int read_queue = 64;  ///< column accesses waiting in one channel's controller
  int write_queue = 64;
  double drain_high = 0.8;  ///< writes are drained when the write queue is fuller than this ...
  double drain_low = 0.2;   ///< ... until it is emptier than this

  [[nodiscard]] int channels() const { return stacks * channels_per_stack; }
  [[nodiscard]] BytesPerSecond peak() const;
  [[nodiscard]] Bytes capacity() const;
};

/// Keeps the nanoseconds of `base` at another data rate, rounding every count up to the new clock
/// (tBL, tCCD and tPPD are clock counts by definition and stay). tRTW follows from tCL, tBL, tCWL.
[[nodiscard]] HbmTimingSet derive_timing(const HbmTimingSet& base, std::string standard,
                                         double gbps);

/// Throws InputError, one sentence, when the set or the system contradicts itself.
void check(const HbmTimingSet& timing);
void check(const HbmSpec& spec);

}  // namespace athena::timing
