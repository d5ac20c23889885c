#pragma once
/// A service's result as data: JSON for scripts, CSV for plots.
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "serving/metrics.h"

namespace athena::serving {

/// Keys end in their unit; shares are fractions. `usd_per_mtok` (dollars per million output tokens)
/// is null without a price.
[[nodiscard]] nlohmann::ordered_json to_json(const ServiceResult& result,
                                             std::optional<double> usd_per_chip_hour);

/// One row per bin: time_s, then rates and means over the bin.
[[nodiscard]] std::string series_csv(const ServiceResult& result);

}  // namespace athena::serving
