#pragma once
/// Small statistics over a sweep's rows.
#include <cstddef>
#include <vector>

namespace athena::explore {

/// Spearman's rank correlation with average ranks for ties; 1 for fewer than two pairs, 0 when one
/// side is constant. Both lists have the same length.
[[nodiscard]] double spearman(const std::vector<double>& a, const std::vector<double>& b);

/// Mean of a column for each value of an axis.
struct MainEffect {
  std::size_t axis = 0;
  std::vector<double> means;        ///< per value; NaN where no row has it
  std::vector<std::size_t> counts;  ///< rows per value
  double swing = 0.0;               ///< (largest mean - smallest mean) / |overall mean|
};

/// One row for main_effects: which value of each axis, and the column's number.
struct EffectRow {
  std::vector<std::size_t> choice;
  double value = 0.0;
};

/// The effect of each axis (`levels` values each), largest swing first. In a full grid this is the
/// main effect; in a sample drawn by an optimiser other axes vary along and it is only a hint.
[[nodiscard]] std::vector<MainEffect> main_effects(const std::vector<EffectRow>& rows,
                                                   const std::vector<std::size_t>& levels);

}  // namespace athena::explore
