#pragma once
/// What the chip of a point costs, for results that weigh speed against money.
#include <nlohmann/json.hpp>

#include "jobs/point.h"
#include "jobs/simulation/machine.h"

namespace athena::jobs {

/// The chip's area, yield and prices at nominal constants (keys of `athena cost --json`, each price
/// as {nominal}). Sets of the point that start with `cost.product.` change the product file, other
/// `cost.` sets change constants (`cost.wafer-N5.nominal=16000`). Throws InputError.
[[nodiscard]] nlohmann::ordered_json point_cost(const PointSpec& spec, const Machine& machine);

/// Dollars per million tokens of owning `chips` chips that make `tokens_per_s` together.
[[nodiscard]] double usd_per_mtok(const nlohmann::ordered_json& cost, double chips,
                                  double tokens_per_s);

}  // namespace athena::jobs
