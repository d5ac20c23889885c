#pragma once
/// Silicon area of a chip, block by block, from its configuration. Counts come from the chip file,
/// densities from configs/cost/area.yaml at N7, node factors bring them to the chip's process.
/// Logic, SRAM and analog scale apart. Good to about 10 % for a whole die (see the tests'
/// hold-outs).
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "config/chip.h"
#include "cost/constants.h"
#include "cost/product.h"

namespace athena::cost {

/// One block of the floor plan; `parent` groups blocks for the picture ("cores", "memory", ...).
struct AreaBlock {
  std::string name{};
  std::string parent{};
  double mm2 = 0.0;
};

struct AreaReport {
  std::vector<AreaBlock> blocks{};
  [[nodiscard]] double total_mm2() const;
  /// Sum of the blocks whose name or parent is `name`; 0 when there is none.
  [[nodiscard]] double of(std::string_view name) const;
};

/// Transistors of what a chip file describes.
struct TransistorSplit {
  double sram_billion = 0.0;   ///< six per bit
  double logic_billion = 0.0;  ///< logic blocks at `logic_density`
  double logic_density = 0.0;  ///< millions per mm2 at the die's node, packed as GA100
};

/// Computes areas; positions of constants are looked up once.
class AreaModel {
 public:
  /// Throws InputError when a process or density has no constant.
  AreaModel(const config::ChipConfig& chip, const AreaFacts& facts, const std::string& process,
            const Constants& constants);
  /// Blocks of one compute die for one draw of the constants.
  [[nodiscard]] AreaReport evaluate(const Values& values) const;
  /// Total only: no names are built.
  [[nodiscard]] double total_mm2(const Values& values) const;
  /// Positions of the constants that the result depends on.
  [[nodiscard]] std::vector<std::size_t> used() const;
  /// Terms whose block or parent is `name`, to be summed by mm2_of(). Throws InputError when the
  /// die has no such block.
  [[nodiscard]] std::vector<std::size_t> terms_of(std::string_view name) const;
  [[nodiscard]] double mm2_of(const std::vector<std::size_t>& terms, const Values& values) const;
  /// A second opinion from a published transistor count: six transistors per SRAM bit at the
  /// arrays' area, the rest as logic at GA100's packing, PHYs as they are. 0 when no count was
  /// published.
  [[nodiscard]] double mm2_from_transistors(double billions, const Values& values) const;
  /// Transistors of the blocks, by the same packing.
  [[nodiscard]] TransistorSplit transistors(const Values& values) const;
  /// Terms of SRAM arrays (redundant rows and columns can repair them).
  [[nodiscard]] std::vector<std::size_t> memory_terms() const;

 private:
  enum class Scaling { kLogic, kSram, kAnalog };
  /// area = count * value(density) [/ value(divisor)] [* value(factor)] * scale(scaling)
  struct Term {
    std::string block;
    std::string parent;
    double count = 0.0;
    std::size_t density = 0;
    Scaling scaling = Scaling::kLogic;
    std::size_t divisor = kNone;
    std::size_t factor = kNone;
  };
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  Term& add(std::string block, std::string parent, double count, std::string_view constant,
            Scaling scaling);
  void add_core(const config::ChipConfig& chip, const AreaFacts& facts, double cores);
  void add_network(const config::ChipConfig& chip, double cores);
  void add_interfaces(const config::ChipConfig& chip, const AreaFacts& facts);
  [[nodiscard]] double term_mm2(const Term& term, const Values& values) const;

  const Constants* constants_ = nullptr;  ///< while constructing
  std::vector<Term> terms_{};
  std::size_t logic_ = kNone;
  std::size_t sram_ = kNone;
  std::size_t analog_ = kNone;
  std::size_t logic_density_ = kNone;
  double sram_megabits_ = 0.0;
};

/// Canonical node of a process name in the cost constants ("4N" -> "N4"). Throws InputError.
[[nodiscard]] std::string cost_process(std::string_view process);

/// A rectangle of a floor-plan picture, mm.
struct TreemapCell {
  std::string name{};
  std::string parent{};
  double mm2 = 0.0;
  double x = 0.0, y = 0.0, width = 0.0, height = 0.0;
};
/// Squarified treemap (Bruls, Huizing, van Wijk 2000) of the blocks, grouped by parent, in a square
/// of the same area.
[[nodiscard]] std::vector<TreemapCell> treemap(const AreaReport& report);

}  // namespace athena::cost
