#pragma once
/// What an hour of a chip, a million tokens and a training run cost to own, and their carbon.
#include <optional>
#include <string>
#include <vector>

#include "cost/constants.h"

namespace athena::cost {

/// A server as an operator buys it.
struct ServerSpec {
  double price_usd = 0.0;  ///< whole server, chips included
  double chips = 8.0;      ///< accelerators in it
  double rated_w = 0.0;    ///< maximum power of the whole server
};

/// What an operator decides or pays.
struct OwnershipInputs {
  double life_years = 4.0;
  double utilisation = 0.7;  ///< share of hours that are sold or serve
  double pue = 1.18;
  double usd_per_kwh = 0.08;
  double maintenance_rate = 0.05;  ///< of capital cost, per year
  double network_share = 0.19;     ///< network's part of the cluster's capital cost
  double power_fraction = 0.75;    ///< average over rated server power
};

/// US dollars per used chip-hour, by part.
struct HourlyCost {
  double server = 0.0;
  double network = 0.0;
  double maintenance = 0.0;
  double power = 0.0;
  [[nodiscard]] double total() const { return server + network + maintenance + power; }
};

/// Per used chip-hour. Throws InputError for a negative price, no chips, a life, utilisation or
/// share out of range.
[[nodiscard]] HourlyCost hourly_cost(const ServerSpec& server, const OwnershipInputs& inputs);

/// Ownership inputs from the constants of configs/cost/datacenter.yaml.
class OwnershipModel {
 public:
  explicit OwnershipModel(const Constants& constants);
  [[nodiscard]] OwnershipInputs inputs(const Values& values) const;
  /// Positions of the constants behind them.
  [[nodiscard]] const std::vector<std::size_t>& used() const { return used_; }
  /// A server built around bought or made chips: chips x price x overhead factor for merchant
  /// parts.
  [[nodiscard]] double server_overhead(const Values& values) const { return values[overhead_]; }
  [[nodiscard]] double host_price(const Values& values) const { return values[host_price_]; }
  [[nodiscard]] double host_power(const Values& values) const { return values[host_power_]; }

 private:
  std::vector<std::size_t> used_;
  std::size_t overhead_ = 0;
  std::size_t host_price_ = 0;
  std::size_t host_power_ = 0;
};

/// US dollars per million tokens of `chips` chips that make `tokens_per_s` together.
[[nodiscard]] double usd_per_million_tokens(double usd_per_chip_hour, double chips,
                                            double tokens_per_s);
/// US dollars of a run of `seconds` on `chips` chips.
[[nodiscard]] double usd_per_run(double usd_per_chip_hour, double chips, double seconds);

inline constexpr double kHoursPerYear = 8760.0;

/// Carbon of making one package and of using it, kg CO2 equivalent (after ACT, Gupta et al. 2022).
struct CarbonReport {
  double dies = 0.0;
  double memory = 0.0;
  double package = 0.0;
  double use_per_year = 0.0;
  [[nodiscard]] double embodied() const { return dies + memory + package; }
};

/// One die for the carbon sum.
struct CarbonDie {
  std::string process;  ///< canonical ("N5")
  double area_mm2 = 0.0;
  double yield = 1.0;
  int count = 1;
};

/// Embodied: (energy per area x grid + gases + materials) x area / yield per die, memory by GB,
/// package. Use: average watts x PUE x grid of the site.
[[nodiscard]] CarbonReport carbon(const std::vector<CarbonDie>& dies, double memory_gb,
                                  double average_w, const Constants& constants,
                                  const Values& values);

}  // namespace athena::cost
