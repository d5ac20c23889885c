#pragma once
/// What the ranges of the constants mean for a result: seeded draws, quantiles, the probability of
/// a statement, and which constant moves the result most.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cost/constants.h"

namespace athena::cost {

/// Quantiles of one result over the draws, beside its value at nominal constants.
struct Distribution {
  double p5 = 0.0;
  double p50 = 0.0;
  double p95 = 0.0;
  double nominal = 0.0;
};

/// Quantiles by linear interpolation; `samples` must not be empty.
[[nodiscard]] Distribution distribution(std::vector<double> samples, double nominal);

/// Writes `columns` results of one draw.
using Evaluate = std::function<void(const Values& values, double* results)>;

struct DrawOptions {
  std::size_t draws = 10000;
  std::uint64_t seed = 1;
};

/// Results of all draws, column by column. Only the constants in `used` vary; each constant has one
/// value per draw, so two chips that share it are compared under the same circumstances.
[[nodiscard]] std::vector<std::vector<double>> monte_carlo(const Constants& constants,
                                                           const std::vector<std::size_t>& used,
                                                           const Evaluate& evaluate,
                                                           std::size_t columns,
                                                           const DrawOptions& options = {});

/// Share of draws in which the statement holds.
[[nodiscard]] double probability(const std::vector<bool>& holds);

/// One constant's effect on a result, all others at nominal.
struct TornadoBar {
  std::string constant{};
  double at_low = 0.0;  ///< the constant's low value
  double at_high = 0.0;
  double result_low = 0.0;  ///< the result there
  double result_high = 0.0;
  [[nodiscard]] double swing() const;
};

/// Bars by falling swing; constants without effect are left out.
[[nodiscard]] std::vector<TornadoBar> tornado(const Constants& constants,
                                              const std::vector<std::size_t>& used,
                                              const std::function<double(const Values&)>& result);

}  // namespace athena::cost
