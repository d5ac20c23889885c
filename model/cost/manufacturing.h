#pragma once
/// What one good package costs: dies, memory, interposer, substrate, what bonding loses, test and
/// module; then the share of development at a volume; then what it sells for. Three prices, never
/// mixed.
#include <optional>
#include <string>
#include <vector>

#include "config/chip.h"
#include "cost/area.h"
#include "cost/constants.h"
#include "cost/product.h"
#include "cost/wafer.h"
#include "cost/yield.h"

namespace athena::cost {

struct CostOptions {
  double volume = 400000;        ///< chips over which development is spread; above 0
  bool area_from_model = false;  ///< ignore published die areas
  YieldLaw law = YieldLaw::kNegativeBinomial;
};

/// One die of the package, for tables.
struct DieLine {
  std::string name{};
  std::string process{};
  int count = 1;
  DieSize size;
  int dies_per_wafer = 0;
  double yield_perfect = 0.0;  ///< no defect at all
  double yield = 0.0;          ///< saleable: harvest, repair, binning
  double usd_each = 0.0;
};

/// US dollars of one good package in one draw. The first seven add up to `manufacturing`.
struct CostSample {
  double dies = 0.0;
  double memory = 0.0;
  double interposer = 0.0;
  double substrate = 0.0;
  double bonding_loss = 0.0;
  double test = 0.0;
  double module = 0.0;
  double manufacturing = 0.0;
  double nre_per_chip = 0.0;
  double with_nre = 0.0;
  double purchase = 0.0;
  double nre_total = 0.0;
  double area_mm2 = 0.0;  ///< of the first (compute) die
  double yield = 0.0;     ///< saleable share of the compute die
};

/// Cost of one product. Construction looks everything up; evaluate() is a few microseconds.
class CostModel {
 public:
  /// Adds the product's purchase price to `constants`. Throws InputError (volume not above 0,
  /// unknown process, harvest of a block that the die does not have).
  CostModel(const config::ChipConfig& chip, const ProductConfig& product, Constants& constants,
            const CostOptions& options);

  [[nodiscard]] CostSample evaluate(const Values& values) const;
  /// Constants that the result depends on, ascending.
  [[nodiscard]] const std::vector<std::size_t>& used() const { return used_; }
  [[nodiscard]] std::vector<DieLine> die_lines(const Values& values) const;
  /// Area blocks of the compute die, scaled to its published area if there is one.
  [[nodiscard]] AreaReport area(const Values& values) const;
  /// One sentence per die that no exposure can print, with the largest that fits.
  [[nodiscard]] std::vector<std::string> findings(const Values& values) const;
  [[nodiscard]] const std::string& name() const { return name_; }
  /// "published" or "with NRE at a merchant's gross margin".
  [[nodiscard]] std::string purchase_basis() const;
  [[nodiscard]] bool area_is_published() const { return dies_.front().published_mm2 > 0.0; }
  [[nodiscard]] double volume() const { return options_.volume; }
  /// Dies, stacks and blanks that are bonded.
  [[nodiscard]] int components() const { return components_; }
  /// Packages whose interposers fit one wafer, and their yield; 0 and 1 without an interposer.
  [[nodiscard]] int interposers_per_wafer() const { return interposers_exact_; }
  [[nodiscard]] double interposer_mm2(const Values& values) const;
  [[nodiscard]] double memory_gb() const { return memory_gb_; }
  /// See AreaModel; of the compute die, 0 when no chip file describes it.
  [[nodiscard]] double mm2_from_transistors(double billions, const Values& values) const;

 private:
  struct Group {
    std::vector<std::size_t> terms;
    double fixed_mm2 = 0.0;
    SpareGroup spare;
  };
  struct Die {
    DieConfig config;
    std::string process;
    double published_mm2 = 0.0;
    std::optional<AreaModel> model;
    std::vector<std::size_t> memory_terms;
    std::vector<Group> groups;
    std::size_t wafer_price = 0;
    std::size_t defects = 0;
    double exact_dies = 0.0;
    double approximate_dies = 1.0;
  };

  void add_die(const config::ChipConfig& chip, const ProductConfig& product,
               const DieConfig& config, const Constants& constants);
  void add_harvest(Die& die) const;
  void collect_used();
  [[nodiscard]] double die_mm2(const Die& die, const Values& values) const;
  [[nodiscard]] DefectMap defect_map(const Die& die, const Values& values) const;
  [[nodiscard]] double die_yield(const Die& die, const Values& values) const;
  [[nodiscard]] double wafer_count(const Die& die, const Values& values) const;
  [[nodiscard]] double die_usd(const Die& die, const Values& values) const;
  [[nodiscard]] double interposer_usd(const Values& values) const;
  [[nodiscard]] double nre_usd(const Values& values) const;
  [[nodiscard]] WaferGeometry wafer(const Values& values) const;
  [[nodiscard]] DieSize size_of(const Die& die, double mm2) const;

  std::string name_{};
  CostOptions options_;
  std::vector<Die> dies_{};
  PackageKind package_ = PackageKind::kInterposer;
  double interposer_fixed_mm2_ = 0.0;
  int stacks_ = 0;
  int dummies_ = 0;
  int components_ = 0;
  double memory_gb_ = 0.0;
  int interposers_exact_ = 0;
  double interposers_approximate_ = 1.0;
  std::optional<std::size_t> purchase_;
  std::vector<std::size_t> masks_;  ///< one per kind of die
  std::vector<std::size_t> used_{};
  // Positions of the constants that every product uses.
  struct Positions {
    std::size_t clustering, edge, scribe, sort, memory_price, dummy, footprint, interposer_factor,
        interposer_wafer, interposer_defects, interposer_clustering, substrate, substrate_yield,
        bond, flip_chip, test, module, design, margin, repair;
  } at_{};
};

}  // namespace athena::cost
