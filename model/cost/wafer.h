#pragma once
/// How many rectangles fit on a round wafer, and what fits in one exposure.
#include "base/units.h"

namespace athena::cost {

/// A wafer and its unusable parts, mm.
struct WaferGeometry {
  double diameter_mm = 300.0;
  double edge_exclusion_mm = 3.0;
  double scribe_mm = 0.1;  ///< street between dies
};

/// Largest field that a scanner exposes: 26 x 33 mm.
struct Reticle {
  double width_mm = 26.0;
  double height_mm = 33.0;
  [[nodiscard]] double area_mm2() const { return width_mm * height_mm; }
  /// True when a rectangle fits, turned either way.
  [[nodiscard]] bool fits(double width, double height) const;
};

/// Sides of a die, mm.
struct DieSize {
  double width_mm = 0.0;
  double height_mm = 0.0;
  [[nodiscard]] double area_mm2() const { return width_mm * height_mm; }
};

/// The size of a die of `area` whose sides nobody published: square, unless that would not fit the
/// reticle, then as near to square as fits.
[[nodiscard]] DieSize default_size(SquareMm area, const Reticle& reticle = {});

/// Whole dies in the best position of a regular grid, both orientations tried. Exact: for every
/// vertical offset of a fine sweep the best horizontal offset is found among all positions at which
/// a row's count changes. Sizes must be above zero.
[[nodiscard]] int dies_per_wafer(const DieSize& die, const WaferGeometry& wafer = {});

/// The usual formula pi R^2 / A - pi 2R / sqrt(2A), with R and A after exclusions: smooth, within
/// about 10 % of the exact count; used to carry the exact count over small changes in a draw.
[[nodiscard]] double approximate_dies_per_wafer(double die_area_mm2, const WaferGeometry& wafer);

}  // namespace athena::cost
