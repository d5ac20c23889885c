#include "cost/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace athena::cost {
namespace {

constexpr double kThirdCheaper = 2.0 / 3.0;

/// Columns of the Monte-Carlo rows of one chip.
enum Column : std::size_t {
  kManufacturing,
  kWithNre,
  kPurchase,
  kYield,
  kArea,
  kNre,
  kHour,
  kColumns
};

/// A chip with everything that its draws need.
struct Prepared {
  const CostSubject* subject;
  CostModel model;
  std::vector<std::size_t> used;
  std::optional<std::size_t> server_price;  ///< published, as a constant
};

/// Whole server with its chips: published, or the chips at the price their owner pays (purchase,
/// else with NRE) in a vendor's server or around a host of one's own.
double server_price(const Prepared& chip, const CostSample& sample, const OwnershipModel& ownership,
                    const Values& values) {
  if (chip.server_price) return values[*chip.server_price];
  const ProductConfig& product = chip.subject->product;
  if (product.purchase) {
    return product.server.chips * sample.purchase * ownership.server_overhead(values);
  }
  return product.server.chips * sample.with_nre + ownership.host_price(values);
}

Prepared prepare(const CostSubject& subject, Constants& constants, const CostOptions& options,
                 const OwnershipModel& ownership) {
  Prepared out{&subject, CostModel(subject.chip, subject.product, constants, options), {}, {}};
  out.used = out.model.used();
  out.used.insert(out.used.end(), ownership.used().begin(), ownership.used().end());
  if (subject.product.server.price) {
    out.server_price =
        constants.add("server_price_" + subject.chip.name, *subject.product.server.price);
    out.used.push_back(*out.server_price);
  } else {
    for (const char* name : {"server_overhead", "host_price", "host_power"}) {
      out.used.push_back(constants.index(name));
    }
  }
  std::sort(out.used.begin(), out.used.end());
  out.used.erase(std::unique(out.used.begin(), out.used.end()), out.used.end());
  return out;
}

double rated_watts(const CostSubject& subject, const OwnershipModel& ownership,
                   const Values& values) {
  const ServerFacts& server = subject.product.server;
  if (server.rated.value() > 0.0) return server.rated.value();
  return server.chips * subject.chip.power.cap.value() + ownership.host_power(values);
}

HourlyCost hour_of(const Prepared& chip, const CostSample& sample, const OwnershipModel& ownership,
                   const Values& values) {
  const ServerSpec server{.price_usd = server_price(chip, sample, ownership, values),
                          .chips = static_cast<double>(chip.subject->product.server.chips),
                          .rated_w = rated_watts(*chip.subject, ownership, values)};
  return hourly_cost(server, ownership.inputs(values));
}

void fill_row(const Prepared& chip, const OwnershipModel& ownership, const Values& values,
              double* row) {
  const CostSample sample = chip.model.evaluate(values);
  row[kManufacturing] = sample.manufacturing;
  row[kWithNre] = sample.with_nre;
  row[kPurchase] = sample.purchase;
  row[kYield] = sample.yield;
  row[kArea] = sample.area_mm2;
  row[kNre] = sample.nre_total;
  row[kHour] = hour_of(chip, sample, ownership, values).total();
}

PowerSummary power_summary(const config::ChipConfig& chip, double die_mm2) {
  const timing::EnergyTable table =
      timing::energies_for(chip.technology.process, chip.memory.timing);
  const double silicon = die_mm2 * std::max(chip.technology.dies, 1);
  const timing::ChipEnergy energy(chip, table, SquareMm(die_mm2));
  const timing::PowerModel model = timing::power_model(chip, table, SquareMm(silicon));
  const timing::PowerPoint quiet = timing::power_at(model, timing::Activity{}, 1.0);
  PowerSummary out;
  out.cap = chip.power.cap;
  out.idle = chip.power.idle;
  out.leakage = quiet.leakage;
  out.clock_tree = quiet.clock_tree;
  const Dtype type = chip.macs_per_cycle(Dtype::kBf16) > 0.0   ? Dtype::kBf16
                     : chip.macs_per_cycle(Dtype::kFp16) > 0.0 ? Dtype::kFp16
                                                               : Dtype::kInt8;
  const double supply = model.curve.max_voltage / model.reference_voltage;
  const double mac_j = energy.mac_j(type) * supply * supply;
  const double flops = chip.peak_flops(type);
  out.mac_pj = mac_j * 1e12;
  out.matrix_peak = Watts(mac_j * flops / 2.0);
  timing::EventCounts second;
  second.memory_bytes = chip.memory.peak.value();
  out.memory_peak = Watts(energy.energy(second).memory.value());
  out.cap_pj_per_flop = flops > 0.0 ? chip.power.cap.value() / flops * 1e12 : 0.0;
  return out;
}

ChipReport chip_report(const Prepared& chip, const std::vector<std::vector<double>>& draws,
                       std::size_t first_column, const OwnershipModel& ownership,
                       const Constants& constants) {
  const Values nominal = constants.nominal();
  const config::ChipConfig& config = chip.subject->chip;
  ChipReport out;
  out.chip = config.name;
  out.volume = chip.model.volume();
  out.nominal = chip.model.evaluate(nominal);
  out.hour = hour_of(chip, out.nominal, ownership, nominal);
  const auto column = [&](Column which, double value) {
    return distribution(draws[first_column + which], value);
  };
  out.manufacturing = column(kManufacturing, out.nominal.manufacturing);
  out.with_nre = column(kWithNre, out.nominal.with_nre);
  out.purchase = column(kPurchase, out.nominal.purchase);
  out.yield = column(kYield, out.nominal.yield);
  out.area_mm2 = column(kArea, out.nominal.area_mm2);
  out.usd_per_hour = column(kHour, out.hour.total());
  out.purchase_basis = chip.model.purchase_basis();
  out.dies = chip.model.die_lines(nominal);
  out.interposers_per_wafer = chip.model.interposers_per_wafer();
  out.area = chip.model.area(nominal);
  out.published_mm2 = chip.model.area_is_published() ? out.nominal.area_mm2 : 0.0;
  if (chip.subject->product.dies.front().from_chip) {
    out.evidence = area_evidence(config, chip.subject->product.area, out.published_mm2, constants);
  }
  out.transistors_mm2 =
      chip.model.mm2_from_transistors(config.technology.transistors_billion, nominal);
  out.tornado_manufacturing = tornado(constants, chip.model.used(), [&](const Values& values) {
    return chip.model.evaluate(values).manufacturing;
  });
  out.tornado_with_nre = tornado(constants, chip.model.used(), [&](const Values& values) {
    return chip.model.evaluate(values).with_nre;
  });
  out.power = power_summary(config, out.nominal.area_mm2);
  out.server_usd = server_price(chip, out.nominal, ownership, nominal);
  out.server_rated_w = rated_watts(*chip.subject, ownership, nominal);
  std::vector<CarbonDie> dies;
  for (const DieLine& die : out.dies) {
    dies.push_back({die.process, die.size.area_mm2(), die.yield, die.count});
  }
  const double average_w = out.server_rated_w / chip.subject->product.server.chips *
                           ownership.inputs(nominal).power_fraction;
  out.carbon = carbon(dies, chip.model.memory_gb(), average_w, constants, nominal);
  out.findings = chip.model.findings(nominal);
  return out;
}

double break_even(double nre, double manufacturing, double purchase_of_other) {
  const double saving = kThirdCheaper * purchase_of_other - manufacturing;
  return saving > 0.0 ? nre / saving : std::numeric_limits<double>::infinity();
}

ComparisonReport compare(const Prepared& a, const Prepared& b,
                         const std::vector<std::vector<double>>& draws, const Constants& constants,
                         const ChipReport& first, const ChipReport& second) {
  const std::size_t n = draws.front().size();
  std::vector<double> manufacturing(n), with_nre(n), purchase(n), volume(n);
  std::vector<std::vector<bool>> holds(4, std::vector<bool>(n));
  for (std::size_t i = 0; i < n; ++i) {
    const double ma = draws[kManufacturing][i], mb = draws[kColumns + kManufacturing][i];
    const double na = draws[kWithNre][i], nb = draws[kColumns + kWithNre][i];
    const double pb = draws[kColumns + kPurchase][i];
    manufacturing[i] = ma / mb;
    with_nre[i] = na / nb;
    purchase[i] = na / pb;
    volume[i] = break_even(draws[kNre][i], ma, pb);
    holds[0][i] = ma <= kThirdCheaper * mb;
    holds[1][i] = na <= kThirdCheaper * nb;
    holds[2][i] = ma <= kThirdCheaper * pb;
    holds[3][i] = na <= kThirdCheaper * pb;
  }
  ComparisonReport out;
  const CostSample &x = first.nominal, &y = second.nominal;
  out.manufacturing_ratio = distribution(manufacturing, x.manufacturing / y.manufacturing);
  out.with_nre_ratio = distribution(with_nre, x.with_nre / y.with_nre);
  out.against_purchase = distribution(purchase, x.with_nre / y.purchase);
  out.break_even_volume =
      distribution(volume, break_even(x.nre_total, x.manufacturing, y.purchase));
  const std::string &p = first.chip, &q = second.chip;
  const std::string at = fmt::format(" at {:.0f} chips", first.volume);
  out.statements = {
      {fmt::format("making {} costs a third less than making {}", p, q), probability(holds[0])},
      {fmt::format("{} with NRE costs a third less than {} with NRE{}", p, q, at),
       probability(holds[1])},
      {fmt::format("making {} costs a third less than buying {}", p, q), probability(holds[2])},
      {fmt::format("{} with NRE costs a third less than buying {}{}", p, q, at),
       probability(holds[3])}};
  std::vector<std::size_t> used = a.model.used();
  used.insert(used.end(), b.model.used().begin(), b.model.used().end());
  std::sort(used.begin(), used.end());
  used.erase(std::unique(used.begin(), used.end()), used.end());
  out.tornado = tornado(constants, used, [&](const Values& values) {
    return a.model.evaluate(values).with_nre / b.model.evaluate(values).purchase;
  });
  return out;
}

}  // namespace

CostSubject make_subject(const config::ChipConfig& chip, const Constants& constants,
                         const std::vector<std::string>& product_sets) {
  CostSubject subject{chip, load_product(chip, product_sets)};
  const std::vector<std::string> shipped = config::list_documents("chips");
  if (std::find(shipped.begin(), shipped.end(), chip.name) == shipped.end()) return subject;
  const auto original = config::load<config::ChipConfig>(chip.name, "chips");
  const double published = chip.technology.die_area.value();
  const bool own_area = original.technology.die_area.value() != published ||
                        original.technology.process != chip.technology.process;
  if (published <= 0.0 || own_area) return subject;
  const Values nominal = constants.nominal();
  const auto modelled = [&](const config::ChipConfig& config) {
    return AreaModel(config, subject.product.area, config.technology.process, constants)
        .total_mm2(nominal);
  };
  const double grown = modelled(chip) - modelled(original);
  if (std::abs(grown) < 1e-9) return subject;
  const double scale = std::max(published + grown, 1.0) / published;
  subject.chip.technology.die_area = SquareMm(published * scale);
  for (DieConfig& die : subject.product.dies) {
    if (!die.from_chip) continue;
    die.area = die.area * scale;
    die.width_mm = 0.0;  // the published sides no longer hold
  }
  return subject;
}

CostReport cost_report(const CostSubject& subject, const CostSubject* other, Constants& constants,
                       const ReportOptions& options) {
  const OwnershipModel ownership(constants);
  const Prepared first = prepare(subject, constants, options.cost, ownership);
  std::optional<Prepared> second;
  std::vector<std::size_t> used = first.used;
  if (other != nullptr) {
    second.emplace(prepare(*other, constants, options.cost, ownership));
    used.insert(used.end(), second->used.begin(), second->used.end());
    std::sort(used.begin(), used.end());
    used.erase(std::unique(used.begin(), used.end()), used.end());
  }
  const auto draws = monte_carlo(
      constants, used,
      [&](const Values& values, double* row) {
        fill_row(first, ownership, values, row);
        if (second) fill_row(*second, ownership, values, row + kColumns);
      },
      second ? 2 * kColumns : kColumns, options.draws);
  CostReport report;
  report.chip = chip_report(first, draws, 0, ownership, constants);
  if (second) {
    report.other = chip_report(*second, draws, kColumns, ownership, constants);
    report.comparison = compare(first, *second, draws, constants, report.chip, *report.other);
  }
  return report;
}

nlohmann::ordered_json nominal_cost_json(const CostSubject& subject, Constants& constants,
                                         const CostOptions& options) {
  const OwnershipModel ownership(constants);
  const Prepared chip = prepare(subject, constants, options, ownership);
  const Values nominal = constants.nominal();
  const CostSample sample = chip.model.evaluate(nominal);
  const auto only = [](double value) { return nlohmann::ordered_json{{"nominal", value}}; };
  nlohmann::ordered_json out;
  out["manufacturing_usd"] = only(sample.manufacturing);
  out["with_nre_usd"] = only(sample.with_nre);
  out["purchase_usd"] = only(sample.purchase);
  out["area_mm2"] = sample.area_mm2;
  out["yield"] = sample.yield;
  out["dies_per_wafer"] = chip.model.die_lines(nominal).front().dies_per_wafer;
  out["usd_per_chip_hour"] = hour_of(chip, sample, ownership, nominal).total();
  return out;
}

}  // namespace athena::cost
