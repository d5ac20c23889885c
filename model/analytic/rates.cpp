#include "analytic/rates.h"

#include <algorithm>
#include <cmath>

#include "timing/hbm_load.h"
#include "timing/hbm_tiles.h"

namespace athena::analytic {
namespace {

/// All banks of a channel stop for a refresh: close rows, refresh, open again.
double streaming_efficiency(const timing::HbmTimingSet& set) {
  const double period = to_seconds(set.clock_period()).value();
  const double lost = (set.tRTP + set.tRP + set.tRCDRD) * period + set.tRFC.value();
  return 1.0 - lost / set.tREFI.value();
}

/// What tile fetches take against a stream, from the bank model: mean over row segments of one, two
/// and four cache lines, which is what tiles of a product have along either of their sides.
double mean_tile_stretch(const timing::HbmSpec& spec, std::int64_t line) {
  double sum = 0;
  for (const std::int64_t lines : {1, 2, 4}) sum += timing::tile_stretch(spec, lines * line);
  return sum / 3.0;
}

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
  const timing::HbmSpec spec = timing::memory_spec(chip);
  const timing::HbmTimingSet& set = spec.timing;
  rates.memory_peak =
      chip.memory.peak.value() > 0
          ? chip.memory.peak.value()
          : set.channel_peak().value() * chip.memory.stacks * chip.memory.channels_per_stack;
  rates.memory_stream = rates.memory_peak * streaming_efficiency(set);
  rates.memory_tile = chip.cache.size.value() > 0
                          ? rates.memory_stream / mean_tile_stretch(spec, chip.cache.line.value())
                          : rates.memory_stream;
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
