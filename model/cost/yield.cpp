#include "cost/yield.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"

namespace athena::cost {
namespace {

constexpr double kMm2PerCm2 = 100.0;
// The gamma mixture is sampled at equal steps of the logarithm of the relative density, where its
// density is smooth; the trapezoid rule then converges exponentially (tests: 1e-4 of the closed
// form).
constexpr int kNodes = 20;

void check_inputs(double area, double d0) {
  if (area < 0.0) throw InputError(fmt::format("a die area of {} mm2 is negative.", area));
  if (d0 < 0.0) throw InputError(fmt::format("a defect density of {} per cm2 is negative.", d0));
}

/// P(at least `needed` of `copies` good) when each is good with probability `good`.
double enough_good(int copies, int needed, double good) {
  if (needed <= 0 || good >= 1.0) return 1.0;
  if (good <= 0.0) return 0.0;
  double term = std::pow(good, copies);  // no bad copy
  double sum = term;
  const double odds = (1.0 - good) / good;
  for (int bad = 1; bad <= copies - needed; ++bad) {
    term *= odds * (copies - bad + 1) / bad;
    sum += term;
  }
  return std::min(sum, 1.0);
}

/// Yield of a die whose defect density is `density` per mm^2 everywhere.
double yield_at_density(const DefectMap& die, double density) {
  double critical = die.critical_mm2;
  double product = 1.0;
  for (const SpareGroup& group : die.groups) {
    critical += group.area_mm2 * group.shared_fraction;
    const double copy_area =
        group.area_mm2 * (1.0 - group.shared_fraction) / std::max(group.copies, 1);
    product *= enough_good(group.copies, group.needed, std::exp(-density * copy_area));
  }
  return product * std::exp(-density * critical);
}

}  // namespace

YieldLaw yield_law_from_name(std::string_view name) {
  std::vector<std::string> names;
  for (const auto& [law, text] : kYieldLawNames) {
    if (text == name) return law;
    names.emplace_back(text);
  }
  throw InputError(fmt::format("unknown yield law '{}'; expected one of {}.{}", name,
                               join(names, ", "), did_you_mean(name, names)));
}

double yield_of(YieldLaw law, double area_mm2, double d0_per_cm2, std::optional<double> alpha) {
  check_inputs(area_mm2, d0_per_cm2);
  const double x = area_mm2 * d0_per_cm2 / kMm2PerCm2;
  switch (law) {
    case YieldLaw::kPoisson:
      return std::exp(-x);
    case YieldLaw::kMurphy: {
      if (x < 1e-9) return 1.0 - x;
      const double share = -std::expm1(-x) / x;
      return share * share;
    }
    case YieldLaw::kSeeds:
      return 1.0 / (1.0 + x);
    case YieldLaw::kNegativeBinomial:
      if (!alpha || *alpha <= 0.0) {
        throw InputError(
            "the negative binomial yield law needs its clustering parameter alpha above 0 (10 is "
            "usual for logic).");
      }
      return std::pow(1.0 + x / *alpha, -*alpha);
  }
  throw InternalError("unknown yield law.");
}

double DefectMap::area_mm2() const {
  double sum = critical_mm2 + repaired_mm2;
  for (const SpareGroup& group : groups) sum += group.area_mm2;
  return sum;
}

double harvest_yield(const DefectMap& die, double d0_per_cm2, std::optional<double> alpha) {
  check_inputs(die.area_mm2(), d0_per_cm2);
  for (const SpareGroup& group : die.groups) {
    if (group.needed > group.copies || group.copies < 1) {
      throw InputError(fmt::format("harvest: {} copies are needed of {}; expected 1 to {}.",
                                   group.needed, group.copies, group.copies));
    }
  }
  const double mean = d0_per_cm2 / kMm2PerCm2;
  if (!alpha) return yield_at_density(die, mean);
  if (*alpha <= 0.0) throw InputError("the clustering parameter alpha must be above 0.");
  // g = density / mean follows gamma(alpha, 1/alpha); in t = log g its density is
  // exp(alpha (t - e^t)) up to a constant. The mass lies within about 7 standard deviations.
  const double sigma = 1.0 / std::sqrt(*alpha);
  const double low = -5.5 * sigma - 1.0 / *alpha;
  const double high = std::min(4.5 * sigma, std::log1p(6.0 * sigma + 4.0 / *alpha));
  double weight_sum = 0.0;
  double yield = 0.0;
  for (int i = 0; i < kNodes; ++i) {
    const double t = low + (high - low) * i / (kNodes - 1);
    const double g = std::exp(t);
    const double weight = std::exp(*alpha * (t - g + 1.0));
    weight_sum += weight;
    yield += weight * yield_at_density(die, mean * g);
  }
  return yield / weight_sum;
}

}  // namespace athena::cost
