#pragma once
/// What an HBM channel did and why it was slow.
#include <array>
#include <cstdint>
#include <string_view>

#include "timing/hbm_spec.h"

namespace athena::timing {

/// Where a pseudo-channel's data bus time went. The shares add to 1.
enum class HbmLoss : std::uint8_t {
  kData,        ///< moving bytes
  kRefresh,     ///< blocked by refresh, until the first row is open again
  kTurnaround,  ///< between reads and writes
  kFaw,         ///< activation limits tFAW and tRRD
  kRowBus,      ///< the row command bus was taken
  kBank,        ///< row cycle of a bank: tRP, tRCD, tRC
  kColumn,      ///< tCCD within a bank group or across SIDs, column command bus
  kIdle,        ///< nothing to do
};
inline constexpr std::size_t kHbmLosses = 8;
[[nodiscard]] std::string_view name(HbmLoss loss);

/// Counts of one channel, or summed over channels. Times are in ticks of the channel.
struct HbmCounters {
  std::uint64_t requests = 0;
  std::uint64_t read_bytes = 0, write_bytes = 0;
  std::uint64_t reads = 0, writes = 0;  ///< column commands
  std::uint64_t activates = 0, precharges = 0;
  std::uint64_t refreshes = 0;  ///< all-bank refreshes of one pseudo-channel
  std::uint64_t bank_refreshes = 0;
  std::uint64_t row_hits = 0;                    ///< accesses that found their row open
  std::uint64_t row_misses = 0;                  ///< ... found the bank closed
  std::uint64_t row_conflicts = 0;               ///< ... found another row open
  std::uint64_t forwarded = 0;                   ///< read accesses answered from a waiting write
  std::array<std::int64_t, kHbmLosses> ticks{};  ///< summed over pseudo-channels
  std::int64_t span = 0;  ///< ticks of all pseudo-channels covered by `ticks`

  HbmCounters& operator+=(const HbmCounters& other);
  [[nodiscard]] double share(HbmLoss loss) const {
    return span > 0 ? static_cast<double>(ticks[static_cast<std::size_t>(loss)]) /
                          static_cast<double>(span)
                    : 0.0;
  }
};

/// Energy by cause.
struct HbmEnergy {
  Joules activate{0}, read{0}, write{0}, io{0}, refresh{0}, background{0};
  [[nodiscard]] Joules total() const { return activate + read + write + io + refresh + background; }
};

/// Energy of what was counted, over `elapsed` on `channels` channels.
[[nodiscard]] HbmEnergy energy_of(const HbmTimingSet& timing, const HbmCounters& counters,
                                  Seconds elapsed, int channels);

}  // namespace athena::timing
