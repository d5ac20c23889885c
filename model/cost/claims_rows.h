#pragma once
/// The rows of `athena claims`, by subject. Internal to claims*.cpp.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/system.h"
#include "cost/claims.h"

namespace athena::cost::claims {

/// What every row needs. `hour` is the A100's ownership cost per used chip-hour.
struct Context {
  const ClaimsPlan& plan;
  Constants& constants;
  const RunSource& source;
  DrawOptions draws;
  Values nominal;
  /// Nominal value of a constant.
  [[nodiscard]] double value(std::string_view name) const { return nominal[constants.index(name)]; }
};

/// A row with its claim and source, not yet judged.
[[nodiscard]] ClaimRow titled(std::string_view id);

/// A figure without uncertainty.
[[nodiscard]] ClaimFigure exact(std::string what, double value, std::string unit);
[[nodiscard]] ClaimFigure spread(std::string what, const Distribution& d, std::string unit);

[[nodiscard]] CostSubject load_subject(const std::string& chip, const Constants& constants);

// Money: claims_money.cpp
[[nodiscard]] ClaimRow third_cheaper(Context& context);
[[nodiscard]] std::vector<ClaimRow> query_rows(Context& context);
[[nodiscard]] ClaimRow capital_row(const Context& context);
// Machines: claims_machines.cpp
[[nodiscard]] ClaimRow tpu_row(const Context& context);
[[nodiscard]] ClaimRow training_row(const Context& context);
[[nodiscard]] ClaimRow dgx_row(const Context& context);
[[nodiscard]] ClaimRow packages_row(Context& context);
[[nodiscard]] ClaimRow capping_row(const Context& context);
[[nodiscard]] ClaimRow teardown_row(Context& context);
[[nodiscard]] ClaimRow cowos_row(Context& context);

}  // namespace athena::cost::claims
