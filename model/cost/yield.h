#pragma once
/// How many dies work: the four usual laws, and what harvesting adds when identical tiles may fail.
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace athena::cost {

enum class YieldLaw { kPoisson, kMurphy, kSeeds, kNegativeBinomial };
inline constexpr std::array<std::pair<YieldLaw, std::string_view>, 4> kYieldLawNames{
    {{YieldLaw::kPoisson, "poisson"},
     {YieldLaw::kMurphy, "murphy"},
     {YieldLaw::kSeeds, "seeds"},
     {YieldLaw::kNegativeBinomial, "negative-binomial"}}};
[[nodiscard]] constexpr const auto& enum_names(const YieldLaw*) {
  return kYieldLawNames;
}

/// Parses a law's name; throws InputError with the nearest.
[[nodiscard]] YieldLaw yield_law_from_name(std::string_view name);

/// Share of dies of `area_mm2` without a defect at `d0_per_cm2`, x = area * D0 / 100:
/// Poisson e^-x, Murphy ((1 - e^-x)/x)^2, Seeds 1/(1+x), negative binomial (1 + x/alpha)^-alpha.
/// Throws InputError when the negative binomial law is asked without its clustering parameter, or
/// for a negative area or density.
[[nodiscard]] double yield_of(YieldLaw law, double area_mm2, double d0_per_cm2,
                              std::optional<double> alpha = std::nullopt);

/// Identical copies of a block, of which some may be lost.
struct SpareGroup {
  double area_mm2 = 0.0;  ///< of all copies together
  int copies = 1;
  int needed = 1;                ///< copies that must work
  double shared_fraction = 0.0;  ///< part of the area whose defect no spare can repair
};

/// What a defect does to a die.
struct DefectMap {
  double critical_mm2 = 0.0;  ///< a defect here kills the die
  double repaired_mm2 = 0.0;  ///< memory arrays with redundant rows and columns: no defect kills
  std::vector<SpareGroup> groups{};
  [[nodiscard]] double area_mm2() const;
};

/// Share of dies that can be sold: no defect in critical area and enough good copies in each group.
/// Defects are a Poisson process whose density varies from die to die as a gamma distribution with
/// shape alpha (that is the negative binomial law), integrated by quadrature; a missing alpha means
/// no clustering. With every group needing all copies this equals yield_of on the unrepaired area.
[[nodiscard]] double harvest_yield(const DefectMap& die, double d0_per_cm2,
                                   std::optional<double> alpha);

}  // namespace athena::cost
