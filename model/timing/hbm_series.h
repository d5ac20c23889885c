#pragma once
/// Counts of one channel over time, in bounded memory: when the samples are full, every other one
/// is dropped and the interval doubles.
#include <array>
#include <cstdint>
#include <vector>

#include "timing/hbm_counters.h"
#include "timing/hbm_ticks.h"

namespace athena::timing {

/// Counts since the start, at one moment.
struct HbmSample {
  Tick tick = 0;
  std::uint64_t reads = 0, writes = 0;  ///< column commands
  std::uint64_t row_hits = 0, row_misses = 0, row_conflicts = 0;
  std::array<std::int64_t, kHbmLosses> ticks{};  ///< of the data buses, by cause
};

class HbmSeries {
 public:
  static constexpr std::size_t kSamples = 256;

  void reset(Tick interval) {
    interval_ = interval;
    next_ = interval;
    samples_.clear();
    samples_.reserve(kSamples);
  }
  /// When the next sample is due.
  [[nodiscard]] Tick next() const { return next_; }
  void add(Tick now, const HbmCounters& counts);
  /// In the order of time; differences of neighbours are what happened between them.
  [[nodiscard]] const std::vector<HbmSample>& samples() const { return samples_; }
  [[nodiscard]] Tick interval() const { return interval_; }

 private:
  std::vector<HbmSample> samples_;
  Tick interval_ = 1;
  Tick next_ = 1;
};

}  // namespace athena::timing
