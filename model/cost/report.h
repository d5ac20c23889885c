#pragma once
/// Everything `athena cost` says about one chip or two, as data: computed once, shown as text, JSON
/// or pictures by others.
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cost/area_evidence.h"
#include "cost/manufacturing.h"
#include "cost/tco.h"
#include "cost/uncertainty.h"
#include "timing/power_governor.h"

namespace athena::cost {

/// Energy and power of a chip at its nominal clock, for the power table.
struct PowerSummary {
  Watts cap{0};
  Watts idle{0};
  Watts leakage{0};              ///< at the top voltage
  Watts clock_tree{0};           ///< all cores busy
  Watts matrix_peak{0};          ///< all matrix units at their widest 16-bit format
  Watts memory_peak{0};          ///< at peak bandwidth
  double mac_pj = 0.0;           ///< one 16-bit multiply-accumulate with operands, top voltage
  double cap_pj_per_flop = 0.0;  ///< cap over peak
};

/// One chip.
struct ChipReport {
  std::string chip{};
  double volume = 0.0;
  CostSample nominal;
  Distribution manufacturing;
  Distribution with_nre;
  Distribution purchase;
  std::string purchase_basis{};
  Distribution yield;
  Distribution area_mm2;
  std::vector<DieLine> dies{};
  int interposers_per_wafer = 0;
  AreaReport area;               ///< modelled blocks of the compute die
  double published_mm2 = 0.0;    ///< 0 = the model's area is used
  AreaEvidence evidence;         ///< of the compute die, where a chip file describes it
  double transistors_mm2 = 0.0;  ///< second opinion from the transistor count; 0 = no count
  std::vector<TornadoBar> tornado_manufacturing{};
  std::vector<TornadoBar> tornado_with_nre{};
  PowerSummary power;
  HourlyCost hour;  ///< owning it, nominal
  Distribution usd_per_hour;
  double server_usd = 0.0;
  double server_rated_w = 0.0;
  CarbonReport carbon;
  std::vector<std::string> findings{};
};

/// A statement about two chips and how often it holds.
struct Statement {
  std::string text{};
  double probability = 0.0;
};

struct ComparisonReport {
  Distribution manufacturing_ratio;  ///< first / second
  Distribution with_nre_ratio;
  Distribution against_purchase;  ///< first with NRE / second's purchase price
  std::vector<Statement> statements{};
  Distribution break_even_volume;   ///< first with NRE = 2/3 of second's purchase; infinity = never
  std::vector<TornadoBar> tornado;  ///< of against_purchase
};

struct CostReport {
  ChipReport chip;
  std::optional<ChipReport> other;
  std::optional<ComparisonReport> comparison;
};

struct ReportOptions {
  CostOptions cost;
  DrawOptions draws;
};

/// A chip with its product, ready to be costed.
struct CostSubject {
  config::ChipConfig chip;
  ProductConfig product;
};

/// The subject for a resolved chip. Where the chip ships with a published die area and was changed
/// since (--set, a sweep), the area grows by the modelled difference between the two, so that a
/// larger scratchpad costs silicon although the published figure knows nothing of it. A changed
/// die_area is taken as it is. `product_sets` override keys of the product.
[[nodiscard]] CostSubject make_subject(const config::ChipConfig& chip, const Constants& constants,
                                       const std::vector<std::string>& product_sets = {});

/// Computes the report of one chip, or of two under the same draws. `constants` gains the purchase
/// prices of the products.
[[nodiscard]] CostReport cost_report(const CostSubject& subject, const CostSubject* other,
                                     Constants& constants, const ReportOptions& options = {});

/// The JSON object of `athena cost --json` (treemaps of both dies included).
[[nodiscard]] nlohmann::ordered_json to_json(const CostReport& report);
/// The cost keys of one chip at nominal constants only, for results of single points: no draws.
[[nodiscard]] nlohmann::ordered_json nominal_cost_json(const CostSubject& subject,
                                                       Constants& constants,
                                                       const CostOptions& options = {});

}  // namespace athena::cost
