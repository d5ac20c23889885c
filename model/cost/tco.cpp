#include "cost/tco.h"

#include <fmt/format.h>

#include "base/error.h"

namespace athena::cost {
namespace {

void check(bool fine, std::string_view what, double value) {
  if (!fine) throw InputError(fmt::format("{}, got {}.", what, value));
}

constexpr double kWattsPerKilowatt = 1000.0;
constexpr double kMm2PerCm2 = 100.0;

}  // namespace

HourlyCost hourly_cost(const ServerSpec& server, const OwnershipInputs& in) {
  check(server.price_usd >= 0.0, "a server's price cannot be negative", server.price_usd);
  check(server.chips > 0.0, "a server needs at least one chip", server.chips);
  check(in.life_years > 0.0, "the life must be above 0 years", in.life_years);
  check(in.utilisation > 0.0 && in.utilisation <= 1.0, "utilisation must be above 0 and at most 1",
        in.utilisation);
  check(in.network_share >= 0.0 && in.network_share < 1.0,
        "the network's share must be at least 0 and below 1", in.network_share);
  check(in.usd_per_kwh >= 0.0, "the price of electricity cannot be negative", in.usd_per_kwh);
  check(in.pue >= 1.0, "PUE cannot be below 1", in.pue);
  const double used_hours = in.life_years * kHoursPerYear * in.utilisation;
  const double per_chip = server.price_usd / server.chips;
  // The share is of the whole cluster, so the cluster costs server / (1 - share).
  const double cluster = per_chip / (1.0 - in.network_share);
  HourlyCost hour;
  hour.server = per_chip / used_hours;
  hour.network = (cluster - per_chip) / used_hours;
  hour.maintenance = cluster * in.maintenance_rate * in.life_years / used_hours;
  const double kilowatts = server.rated_w * in.power_fraction / server.chips / kWattsPerKilowatt;
  hour.power = kilowatts * in.pue * in.usd_per_kwh / in.utilisation;
  return hour;
}

OwnershipModel::OwnershipModel(const Constants& constants) {
  for (const char* name : {"server_life", "utilisation", "pue", "electricity_price",
                           "maintenance_rate", "network_share", "server_power_fraction"}) {
    used_.push_back(constants.index(name));
  }
  overhead_ = constants.index("server_overhead");
  host_price_ = constants.index("host_price");
  host_power_ = constants.index("host_power");
}

OwnershipInputs OwnershipModel::inputs(const Values& values) const {
  return {.life_years = values[used_[0]],
          .utilisation = values[used_[1]],
          .pue = values[used_[2]],
          .usd_per_kwh = values[used_[3]],
          .maintenance_rate = values[used_[4]],
          .network_share = values[used_[5]],
          .power_fraction = values[used_[6]]};
}

double usd_per_million_tokens(double usd_per_chip_hour, double chips, double tokens_per_s) {
  check(tokens_per_s > 0.0, "tokens per second must be above 0", tokens_per_s);
  return usd_per_chip_hour * chips / 3600.0 / tokens_per_s * 1e6;
}

double usd_per_run(double usd_per_chip_hour, double chips, double seconds) {
  return usd_per_chip_hour * chips * seconds / 3600.0;
}

CarbonReport carbon(const std::vector<CarbonDie>& dies, double memory_gb, double average_w,
                    const Constants& constants, const Values& values) {
  const auto value = [&](const std::string& name) { return values[constants.index(name)]; };
  CarbonReport report;
  for (const CarbonDie& die : dies) {
    const double per_cm2 = value("fab_energy_" + die.process) * value("fab_grid") +
                           value("fab_gas_" + die.process) + value("fab_material");
    report.dies += die.count * per_cm2 * die.area_mm2 / kMm2PerCm2 / die.yield;
  }
  report.memory = memory_gb * value("hbm_carbon");
  report.package = value("package_carbon");
  report.use_per_year =
      average_w / kWattsPerKilowatt * kHoursPerYear * value("pue") * value("use_grid");
  return report;
}

}  // namespace athena::cost
