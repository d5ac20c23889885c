#include "cost/manufacturing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace athena::cost {
namespace {

std::string_view module_constant(ModuleKind kind) {
  switch (kind) {
    case ModuleKind::kSxm:
      return "module_sxm";
    case ModuleKind::kPcie:
      return "module_pcie";
    case ModuleKind::kTray:
      return "module_tray";
  }
  throw InternalError("unknown module kind.");
}

/// "HBM2E-3.2Gbps-derived" -> "hbm_price_HBM2E".
std::string memory_constant(const std::string& timing, const std::string& named) {
  if (!named.empty()) return named;
  return "hbm_price_" + timing.substr(0, timing.find('-'));
}

constexpr double kBytesPerGb = 1e9;

}  // namespace

CostModel::CostModel(const config::ChipConfig& chip, const ProductConfig& product,
                     Constants& constants, const CostOptions& options)
    : name_(chip.name), options_(options), package_(product.package) {
  if (!(options.volume > 0.0)) {
    throw InputError(fmt::format("the volume must be above 0 chips, got {}.", options.volume));
  }
  if (product.purchase) purchase_ = constants.add("purchase_" + chip.name, *product.purchase);
  const bool hbm = chip.memory.timing.rfind("HBM", 0) == 0;
  stacks_ = hbm ? chip.memory.stacks : 0;
  dummies_ = product.hbm_dummies;
  const double capacity = static_cast<double>(chip.memory.capacity.value()) / kBytesPerGb;
  memory_gb_ = product.hbm_gb >= 0.0 ? product.hbm_gb : std::round(capacity);
  interposer_fixed_mm2_ = product.interposer_area.value();

  at_ = {.clustering = constants.index("clustering_logic"),
         .edge = constants.index("edge_exclusion"),
         .scribe = constants.index("scribe"),
         .sort = constants.index("wafer_sort"),
         .memory_price = constants.index(memory_constant(chip.memory.timing, product.memory_price)),
         .dummy = constants.index("hbm_dummy_stack"),
         .footprint = constants.index("hbm_footprint"),
         .interposer_factor = constants.index("interposer_area_factor"),
         .interposer_wafer = constants.index("wafer_price_interposer"),
         .interposer_defects = constants.index("defects_interposer"),
         .interposer_clustering = constants.index("clustering_interposer"),
         .substrate = constants.index("organic_substrate"),
         .substrate_yield = constants.index("substrate_yield"),
         .bond = constants.index("bond_yield"),
         .flip_chip = constants.index("flip_chip_package"),
         .test = constants.index("test_and_assembly"),
         .module = constants.index(module_constant(product.module)),
         .design = constants.index("design_" + cost_process(chip.technology.process)),
         .margin = constants.index("merchant_gross_margin"),
         .repair = constants.index("array_repair")};

  for (const DieConfig& die : product.dies) add_die(chip, product, die, constants);
  const Values nominal = constants.nominal();
  for (Die& die : dies_) {
    const double mm2 = die_mm2(die, nominal);
    components_ += die.config.count;
    die.exact_dies = dies_per_wafer(size_of(die, mm2), wafer(nominal));
    die.approximate_dies = approximate_dies_per_wafer(mm2, wafer(nominal));
    if (die.exact_dies < 1.0) {
      throw Finding(fmt::format("no die of {:.0f} mm2 fits a {:.0f} mm wafer.", mm2,
                                wafer(nominal).diameter_mm));
    }
  }
  components_ += stacks_ + dummies_;
  if (package_ == PackageKind::kInterposer) {
    const double mm2 = interposer_mm2(nominal);
    const double side = std::sqrt(mm2);
    interposers_exact_ = dies_per_wafer({side, side}, wafer(nominal));
    interposers_approximate_ = approximate_dies_per_wafer(mm2, wafer(nominal));
    if (interposers_exact_ < 1) {
      throw Finding(fmt::format("no interposer of {:.0f} mm2 fits a wafer.", mm2));
    }
  }
  collect_used();
}

void CostModel::add_die(const config::ChipConfig& chip, const ProductConfig& product,
                        const DieConfig& config, const Constants& constants) {
  Die die;
  die.config = config;
  const std::string& named = config.process.empty() ? chip.technology.process : config.process;
  die.process = cost_process(named);
  die.wafer_price = constants.index("wafer_price_" + die.process);
  die.defects = constants.index("defects_" + die.process);
  masks_.push_back(constants.index("mask_set_" + die.process));
  if (config.from_chip) {
    die.model.emplace(chip, product.area, die.process, constants);
    die.memory_terms = die.model->memory_terms();
  }
  const bool chip_figure = config.from_chip && !options_.area_from_model;
  if (!options_.area_from_model || !config.from_chip) die.published_mm2 = config.area.value();
  if (die.published_mm2 <= 0.0 && chip_figure) die.published_mm2 = chip.technology.die_area.value();
  if (die.published_mm2 <= 0.0 && !die.model) {
    throw InputError(fmt::format("die '{}' of '{}' needs its area: no chip file describes it.",
                                 config.name, chip.name));
  }
  add_harvest(die);
  dies_.push_back(std::move(die));
}

void CostModel::add_harvest(Die& die) const {
  for (const HarvestGroup& harvest : die.config.harvest) {
    Group group;
    group.fixed_mm2 = harvest.area.value();
    for (const std::string& block : harvest.blocks) {
      if (!die.model) {
        throw InputError(
            fmt::format("die '{}': harvest by block needs a chip file; give the group's area.",
                        die.config.name));
      }
      const auto terms = die.model->terms_of(block);
      group.terms.insert(group.terms.end(), terms.begin(), terms.end());
    }
    group.spare = {.area_mm2 = 0.0,
                   .copies = harvest.copies,
                   .needed = harvest.needed,
                   .shared_fraction = harvest.shared};
    for (const std::size_t term : group.terms) {
      die.memory_terms.erase(std::remove(die.memory_terms.begin(), die.memory_terms.end(), term),
                             die.memory_terms.end());
    }
    die.groups.push_back(std::move(group));
  }
}

void CostModel::collect_used() {
  used_ = {at_.clustering, at_.edge,   at_.scribe, at_.sort,  at_.test,
           at_.module,     at_.design, at_.bond,   at_.repair};
  if (memory_gb_ > 0.0) used_.push_back(at_.memory_price);
  if (dummies_ > 0) used_.push_back(at_.dummy);
  if (package_ == PackageKind::kInterposer) {
    used_.insert(used_.end(), {at_.footprint, at_.interposer_factor, at_.interposer_wafer,
                               at_.interposer_defects, at_.interposer_clustering, at_.substrate,
                               at_.substrate_yield});
  } else {
    used_.push_back(at_.flip_chip);
  }
  used_.push_back(purchase_ ? *purchase_ : at_.margin);
  used_.insert(used_.end(), masks_.begin(), masks_.end());
  for (const Die& die : dies_) {
    used_.push_back(die.wafer_price);
    used_.push_back(die.defects);
    const bool blocks_matter =
        die.model && (die.published_mm2 <= 0.0 || !die.groups.empty() || die.config.repairable > 0);
    if (!blocks_matter) continue;
    const auto positions = die.model->used();
    used_.insert(used_.end(), positions.begin(), positions.end());
  }
  std::sort(used_.begin(), used_.end());
  used_.erase(std::unique(used_.begin(), used_.end()), used_.end());
}

WaferGeometry CostModel::wafer(const Values& values) const {
  return {.edge_exclusion_mm = values[at_.edge], .scribe_mm = values[at_.scribe]};
}

DieSize CostModel::size_of(const Die& die, double mm2) const {
  if (die.config.width_mm > 0.0) return {die.config.width_mm, mm2 / die.config.width_mm};
  return default_size(SquareMm(mm2));
}

double CostModel::die_mm2(const Die& die, const Values& values) const {
  return die.published_mm2 > 0.0 ? die.published_mm2 : die.model->total_mm2(values);
}

DefectMap CostModel::defect_map(const Die& die, const Values& values) const {
  DefectMap map;
  const double mm2 = die_mm2(die, values);
  double left = mm2;
  // Blocks are computed; the die may be published: keep their proportions.
  const double scale = die.model && !die.groups.empty() ? mm2 / die.model->total_mm2(values) : 1.0;
  for (const Group& group : die.groups) {
    SpareGroup spare = group.spare;
    spare.area_mm2 = group.fixed_mm2;
    if (!group.terms.empty()) spare.area_mm2 += scale * die.model->mm2_of(group.terms, values);
    left -= spare.area_mm2;
    map.groups.push_back(spare);
  }
  if (die.config.repairable > 0.0) {
    const double arrays =
        die.model && !die.memory_terms.empty()
            ? mm2 / die.model->total_mm2(values) * die.model->mm2_of(die.memory_terms, values)
            : mm2;
    map.repaired_mm2 = std::min(left, arrays * die.config.repairable * values[at_.repair]);
  }
  map.critical_mm2 = std::max(0.0, left - map.repaired_mm2);
  return map;
}

double CostModel::die_yield(const Die& die, const Values& values) const {
  const double density = values[die.defects];
  const double clustering = values[at_.clustering];
  const DefectMap map = defect_map(die, values);
  if (map.groups.empty()) {
    return values[at_.sort] * yield_of(options_.law, map.critical_mm2, density, clustering);
  }
  const bool clustered = options_.law == YieldLaw::kNegativeBinomial;
  return values[at_.sort] *
         harvest_yield(map, density, clustered ? std::optional<double>(clustering) : std::nullopt);
}

double CostModel::wafer_count(const Die& die, const Values& values) const {
  return die.exact_dies * approximate_dies_per_wafer(die_mm2(die, values), wafer(values)) /
         die.approximate_dies;
}

double CostModel::die_usd(const Die& die, const Values& values) const {
  return values[die.wafer_price] / (wafer_count(die, values) * die_yield(die, values));
}

double CostModel::interposer_mm2(const Values& values) const {
  if (interposer_fixed_mm2_ > 0.0) return interposer_fixed_mm2_;
  double silicon = (stacks_ + dummies_) * values[at_.footprint];
  for (const Die& die : dies_) silicon += die.config.count * die_mm2(die, values);
  return silicon * values[at_.interposer_factor];
}

double CostModel::interposer_usd(const Values& values) const {
  const double mm2 = interposer_mm2(values);
  const double per_wafer = interposers_exact_ * approximate_dies_per_wafer(mm2, wafer(values)) /
                           interposers_approximate_;
  const double yield = yield_of(YieldLaw::kNegativeBinomial, mm2, values[at_.interposer_defects],
                                values[at_.interposer_clustering]);
  return values[at_.interposer_wafer] / (per_wafer * yield);
}

double CostModel::nre_usd(const Values& values) const {
  double sum = values[at_.design];
  for (const std::size_t mask : masks_) sum += values[mask];
  return sum;
}

CostSample CostModel::evaluate(const Values& values) const {
  CostSample sample;
  for (const Die& die : dies_) sample.dies += die.config.count * die_usd(die, values);
  sample.memory = memory_gb_ * values[at_.memory_price] + dummies_ * values[at_.dummy];
  double package_yield = std::pow(values[at_.bond], components_);
  if (package_ == PackageKind::kInterposer) {
    sample.interposer = interposer_usd(values);
    sample.substrate = values[at_.substrate];
    package_yield *= values[at_.substrate_yield];
  } else {
    sample.substrate = values[at_.flip_chip];
  }
  const double at_risk = sample.dies + (stacks_ > 0 ? sample.memory : 0.0) + sample.interposer;
  sample.bonding_loss = at_risk * (1.0 / package_yield - 1.0);
  sample.test = values[at_.test];
  sample.module = values[at_.module];
  sample.manufacturing = sample.dies + sample.memory + sample.interposer + sample.substrate +
                         sample.bonding_loss + sample.test + sample.module;
  sample.nre_total = nre_usd(values);
  sample.nre_per_chip = sample.nre_total / options_.volume;
  sample.with_nre = sample.manufacturing + sample.nre_per_chip;
  sample.purchase = purchase_ ? values[*purchase_] : sample.with_nre / (1.0 - values[at_.margin]);
  sample.area_mm2 = die_mm2(dies_.front(), values);
  sample.yield = die_yield(dies_.front(), values);
  return sample;
}

std::vector<DieLine> CostModel::die_lines(const Values& values) const {
  std::vector<DieLine> out;
  for (const Die& die : dies_) {
    const double mm2 = die_mm2(die, values);
    const double perfect = yield_of(options_.law, mm2, values[die.defects], values[at_.clustering]);
    out.push_back({.name = die.config.name,
                   .process = die.process,
                   .count = die.config.count,
                   .size = size_of(die, mm2),
                   .dies_per_wafer = static_cast<int>(die.exact_dies),
                   .yield_perfect = perfect,
                   .yield = die_yield(die, values),
                   .usd_each = die_usd(die, values)});
  }
  return out;
}

AreaReport CostModel::area(const Values& values) const {
  const Die& die = dies_.front();
  if (!die.model) return {{{die.config.name, die.config.name, die_mm2(die, values)}}};
  return die.model->evaluate(values);
}

std::vector<std::string> CostModel::findings(const Values& values) const {
  const Reticle reticle;
  std::vector<std::string> out;
  for (const Die& die : dies_) {
    const double mm2 = die_mm2(die, values);
    const DieSize size = size_of(die, mm2);
    if (reticle.fits(size.width_mm, size.height_mm)) continue;
    out.push_back(fmt::format(
        "{}: die '{}' of {:.0f} mm2 ({:.1f} x {:.1f} mm) exceeds the reticle; the largest that "
        "fits is {:.0f} x {:.0f} mm = {:.0f} mm2, {:.0f} % of it.",
        name_, die.config.name, mm2, size.width_mm, size.height_mm, reticle.width_mm,
        reticle.height_mm, reticle.area_mm2(), 100.0 * reticle.area_mm2() / mm2));
  }
  return out;
}

double CostModel::mm2_from_transistors(double billions, const Values& values) const {
  const Die& die = dies_.front();
  if (!die.model) return 0.0;
  return die.model->mm2_from_transistors(billions / die.config.count, values);
}

std::string CostModel::purchase_basis() const {
  return purchase_ ? "published" : "with NRE at a merchant's gross margin";
}

}  // namespace athena::cost
