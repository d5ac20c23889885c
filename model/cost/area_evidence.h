#pragma once
/// How far the blocks of a die explain its published area, and what the published transistor count
/// says about the rest. Chip files describe what their makers published; a die holds more.
#include <string>
#include <utility>
#include <vector>

#include "config/chip.h"
#include "cost/area.h"
#include "cost/constants.h"
#include "cost/product.h"

namespace athena::cost {

struct AreaEvidence {
  double published_mm2 = 0.0;      ///< 0 = no published area
  double described_mm2 = 0.0;      ///< sum of the blocks
  double published_billion = 0.0;  ///< transistors; 0 = no published count
  double sram_billion = 0.0;       ///< six per bit of the described memories
  double logic_billion = 0.0;      ///< of the described logic, at `logic_density`
  double logic_density = 0.0;      ///< millions per mm2: GA100's packing at this die's node
  /// Sum of the blocks if all scratchpads were built as the named kind: raw cells to GPU cache.
  std::vector<std::pair<std::string, double>> by_sram{};

  [[nodiscard]] double missing_mm2() const { return published_mm2 - described_mm2; }
  [[nodiscard]] double missing_billion() const {
    return published_billion - sram_billion - logic_billion;
  }
  /// Room that the undescribed transistors would take at `logic_density`.
  [[nodiscard]] double missing_logic_mm2() const {
    return logic_density > 0.0 ? missing_billion() * 1e3 / logic_density : 0.0;
  }
};

/// Evidence about one compute die. Throws InputError when a process or density has no constant.
[[nodiscard]] AreaEvidence area_evidence(const config::ChipConfig& chip, const AreaFacts& facts,
                                         double published_mm2, const Constants& constants);

/// What the evidence means, one sentence each; empty when the blocks are within a tenth of the
/// published area, the accuracy of such models.
[[nodiscard]] std::vector<std::string> explain(const AreaEvidence& evidence);

}  // namespace athena::cost
