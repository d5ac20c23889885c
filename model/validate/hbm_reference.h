#pragma once
/// An HBM reference file against the model: one run per row.
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "validate/error_table.h"
#include "validate/hbm_driver.h"

namespace athena::validate {

enum class HbmFidelity { kQueued, kFast };

/// One row: what was simulated elsewhere. `offered_load` 0 = saturated.
struct HbmReferenceRow {
  int line = 0;
  std::string config, mapping, pattern;
  int channels = 1;
  double offered_load = 0.0;
  double bandwidth = 0.0;  ///< fraction of peak
  double latency_ns = 0.0;
  std::uint64_t requests = 60000;
};

/// Columns config, channels, mapping, pattern, offered_load, bw_frac, read_lat_ns and n_req64 by
/// name, in any order. Rows that cannot be read go to `skipped`. Throws InputError for a missing
/// column.
[[nodiscard]] std::vector<HbmReferenceRow> read_hbm_reference(const std::filesystem::path& file,
                                                              std::vector<Skipped>& skipped);

/// Runs every row. In `overall`: saturated bandwidth, and mean latency of rows that offer less than
/// 90 % of what saturates (the reference's own saturated row says what that is). `progress` is told
/// the fraction done.
[[nodiscard]] ErrorTable validate_hbm(const std::filesystem::path& file, HbmFidelity fidelity,
                                      const std::function<void(double)>& progress = {});

}  // namespace athena::validate
