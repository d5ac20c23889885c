#include "analytic/rates.h"

#include <algorithm>
#include <cmath>

#include "timing/hbm_load.h"

namespace athena::analytic {
namespace {

/// All banks of a channel stop for a refresh: close rows, refresh, open again.
double streaming_efficiency(const timing::HbmTimingSet& set) {
  const double period = to_seconds(set.clock_period()).value();
  const double lost = (set.tRTP + set.tRP + set.tRCDRD) * period + set.tRFC.value();
  return 1.0 - lost / set.tREFI.value();
}

/// What short row segments leave of a stream's rate: products whose weights come from memory reach
/// 76 to 80 % of the data sheet's rate where long streams reach 88 to 90 % (A100; field
/// measurements of skinny products and of copies). Assumed to hold for every chip with a hardware
/// cache: the bank model's bound for segments that no controller reorders is lower (0.5), for
/// perfect reordering 1.
constexpr double kTileShare = 0.86;

void set_network(const config::ChipConfig& chip, Rates& rates) {
  const double link = chip.noc.link_bytes_per_cycle * chip.fabric_clock().value();
  const double rows = chip.noc.rows;
  const double cols = chip.noc.cols;
  rates.link = link;
  if (chip.noc.kind == config::NocKind::kCrossbar) {
    rates.network = link * chip.cluster.count;
    rates.mean_hops = 1.0;
    return;
  }
  // Memory enters at the two edge columns; half of the traffic crosses each half of the mesh.
  rates.network = 2.0 * rows * link;
  rates.mean_hops = cols / 4.0 + rows / 3.0 + 1.0;
}

}  // namespace

Rates rates_of(const config::ChipConfig& chip) {
  Rates rates;
  rates.cores = chip.cores();
  rates.core_clock = chip.clock.core.value();
  const double fabric = chip.fabric_clock().value();
  timing::HbmTimingSet set = timing::load_timing(chip.memory.timing);
  rates.memory_peak =
      chip.memory.peak.value() > 0
          ? chip.memory.peak.value()
          : set.channel_peak().value() * chip.memory.stacks * chip.memory.channels_per_stack;
  rates.memory_stream = rates.memory_peak * streaming_efficiency(set);
  rates.memory_tile = rates.memory_stream * (chip.cache.size.value() > 0 ? kTileShare : 1.0);
  rates.cache = chip.cache.size.value() > 0 ? chip.cache.bytes_per_cycle * fabric : 0.0;
  rates.cache_latency_s = chip.cache.hit_latency_cycles / fabric;
  rates.memory_latency_s = chip.cache.size.value() > 0 ? chip.cache.miss_latency_cycles / fabric
                                                       : chip.memory.latency.value();
  const double port =
      chip.cache.size.value() > 0
          ? chip.cache.core_bytes_per_cycle * fabric
          : chip.core.dma.engines * chip.core.dma.bytes_per_cycle * rates.core_clock;
  rates.core_port = port;
  rates.core_window = static_cast<double>(chip.core.dma.outstanding.value());
  rates.shared = chip.cluster.count * chip.cluster.scratch.read_bytes_per_cycle * rates.core_clock;
  set_network(chip, rates);
  return rates;
}

}  // namespace athena::analytic
