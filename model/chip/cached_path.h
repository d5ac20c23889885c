#pragma once
/// From the cores through a hardware cache to memory (GPUs).
///
///   read:  request --half the hit latency--> cache --misses--> memory --> slices --> core port
///   write: core port --> slices; memory sees it when the line leaves the cache
#include <memory>

#include "chip/cell_cache.h"
#include "chip/memory_port.h"
#include "compute/core.h"
#include "compute/request.h"
#include "config/chip.h"
#include "sim/dispatcher.h"

namespace athena::chip {

class CachedPath : public compute::MemoryPath, private sim::Client, private MemoryClient {
 public:
  CachedPath(const config::ChipConfig& chip, sim::Dispatcher& dispatcher, MemoryPort& memory);
  void submit(compute::Request* request) override;
  void reset() override;
  /// Core and cache clocks relative to full speed.
  void set_clock_ratio(double ratio) { ratio_ = ratio; }
  /// Where flows through cache and memory go; null = nowhere.
  void set_timeline(timing::Timeline* timeline) { timeline_ = timeline; }

 private:
  void wake(std::uint32_t tag, void* item) override;
  void memory_done(void* item, Time done, std::int64_t bytes, bool write) override;
  void read(compute::Request* request);
  void write(compute::Request* request);
  void deliver(compute::Request* request);
  void write_back(const CellCache::Outcome& outcome, compute::Request* request, Time at);
  [[nodiscard]] Time fabric_cycles(double count) const;

  const config::ChipConfig& chip_;
  sim::Dispatcher& dispatcher_;
  MemoryPort& memory_;
  CellCache cache_;
  timing::Server slices_;
  double ratio_ = 1.0;
  timing::Timeline* timeline_ = nullptr;
};

}  // namespace athena::chip
