#pragma once
/// The rates of a chip's shared resources as the closed forms need them, derived once per chip.
#include "base/units.h"
#include "config/chip.h"

namespace athena::analytic {

/// Bytes per second unless said otherwise; all at full clock.
struct Rates {
  int cores = 1;
  double core_clock = 1e9;      ///< Hz
  double memory_peak = 0;       ///< datasheet
  double memory_stream = 0;     ///< long sequential bursts, refresh and turnaround paid
  double memory_tile = 0;       ///< short row segments of many tiles at once, as products fetch
  double memory_latency_s = 0;  ///< first byte, unloaded, seen from a core
  double cache = 0;             ///< all slices; 0 = no hardware cache
  double cache_latency_s = 0;
  double core_port = 0;    ///< into one core
  double core_window = 0;  ///< bytes in flight per core
  double network = 0;      ///< memory to cores over the whole network, unicast
  double link = 0;         ///< one network link
  double mean_hops = 0;    ///< memory port to cluster
  double shared = 0;       ///< cluster scratchpads together
};

/// Memory efficiency comes from the timing set (timing/hbm_*), everything else from the parts.
[[nodiscard]] Rates rates_of(const config::ChipConfig& chip);

}  // namespace athena::analytic
