#pragma once
/// Service level objectives: `ttft.p90=2s,tpot.p99=100ms`.
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"

namespace athena::serving {

/// What a user feels: time to the first token, time per further token, time to the last token.
enum class Latency { kTtft, kTpot, kE2e };
[[nodiscard]] std::string_view name(Latency latency);

/// One promise: this quantile of this latency stays at or below the limit.
struct SloTerm {
  Latency latency = Latency::kTtft;
  double quantile = 0.9;  ///< 0.9 = p90; kMean for the mean
  Seconds limit{0.0};
  std::string text;  ///< as written
  static constexpr double kMean = -1.0;
};

/// All terms must hold.
struct Slo {
  std::vector<SloTerm> terms;
  [[nodiscard]] bool empty() const { return terms.empty(); }
  /// Whether a single request keeps every limit (a request with one token has no TPOT and keeps
  /// it). Such requests are the goodput.
  [[nodiscard]] bool kept_by(double ttft, double tpot, double e2e) const;
};

/// Parses LATENCY.QUANTILE=TIME, comma-separated; QUANTILE is pNN, pNN.N, mean or max; TIME carries
/// its unit. Throws InputError with the part that is wrong.
[[nodiscard]] Slo parse_slo(std::string_view text);

/// A duration with its unit, such as "90s", "10min" or "2h"; `what` names the flag in the error.
[[nodiscard]] Seconds parse_duration(std::string_view text, std::string_view what);

}  // namespace athena::serving
