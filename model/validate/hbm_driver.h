#pragma once
/// Drives an HBM model with the patterns of the reference runs and measures what they measured.
#include <cstdint>
#include <string>

#include "timing/hbm_counters.h"
#include "timing/hbm_spec.h"

namespace athena::validate {

/// One run of 64 B requests. `offered_load` as a fraction of peak: Poisson arrivals; 0: a closed
/// loop with `outstanding` requests per channel in flight (`chase` has one in all).
struct HbmRun {
  std::string pattern = "seq";
  double offered_load = 0.0;
  std::uint64_t requests = 60000;
  std::uint64_t seed = 1;
  int outstanding = 256;
};

/// The first tenth of the requests is dropped, as in the reference.
struct HbmMeasured {
  double bandwidth = 0.0;        ///< fraction of peak
  double read_latency_ns = 0.0;  ///< arrival to last byte, mean
  double controller_latency_ns =
      0.0;  ///< accepted by the controller to last byte; 0 in the fast tier
  double simulated_s = 0.0;
  double cpu_s = 0.0;
  timing::HbmCounters counters;
};

[[nodiscard]] HbmMeasured drive_queued(const timing::HbmSpec& spec, const HbmRun& run);
[[nodiscard]] HbmMeasured drive_fast(const timing::HbmSpec& spec, const HbmRun& run);

}  // namespace athena::validate
