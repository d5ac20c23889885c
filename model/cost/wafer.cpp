#include "cost/wafer.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace athena::cost {
namespace {

constexpr int kVerticalOffsets = 256;
constexpr double kTolerance = 1e-9;  // mm; a die that touches the usable edge counts

/// A row of dies: its left-most and right-most x inside the circle.
double half_chord(double radius, double y_low, double y_high) {
  const double farthest = std::max(std::abs(y_low), std::abs(y_high));
  if (farthest >= radius) return -1.0;
  return std::sqrt(radius * radius - farthest * farthest);
}

/// Dies of one row whose grid starts at `offset` (mod pitch).
int row_count(double half, double width, double pitch, double offset) {
  // Left edges x = offset + k * pitch with -half <= x and x + width <= half.
  const double first = std::ceil((-half - offset) / pitch - kTolerance);
  const double last = std::floor((half - width - offset) / pitch + kTolerance);
  return last >= first ? static_cast<int>(last - first) + 1 : 0;
}

int best_of_horizontal_offsets(const std::vector<double>& halves, double width, double pitch) {
  // Counts change only where a row's first or last die touches the circle.
  std::vector<double> offsets{0.0};
  for (const double half : halves) {
    offsets.push_back(std::fmod(-half, pitch));
    offsets.push_back(std::fmod(half - width, pitch));
  }
  int best = 0;
  for (const double offset : offsets) {
    int count = 0;
    for (const double half : halves) count += row_count(half, width, pitch, offset);
    best = std::max(best, count);
  }
  return best;
}

int count_upright(double width, double height, const WaferGeometry& wafer) {
  const double radius = wafer.diameter_mm / 2.0 - wafer.edge_exclusion_mm;
  const double pitch_x = width + wafer.scribe_mm;
  const double pitch_y = height + wafer.scribe_mm;
  int best = 0;
  for (int i = 0; i < kVerticalOffsets; ++i) {
    const double offset = pitch_y * i / kVerticalOffsets;
    std::vector<double> halves;
    const double start = std::ceil((-radius - offset) / pitch_y) * pitch_y + offset;
    for (double y = start; y + height <= radius + kTolerance; y += pitch_y) {
      const double half = half_chord(radius, y, y + height);
      if (2.0 * half + kTolerance >= width) halves.push_back(half);
    }
    best = std::max(best, best_of_horizontal_offsets(halves, width, pitch_x));
  }
  return best;
}

}  // namespace

bool Reticle::fits(double width, double height) const {
  const double tolerance = 1e-6;
  return (width <= width_mm + tolerance && height <= height_mm + tolerance) ||
         (height <= width_mm + tolerance && width <= height_mm + tolerance);
}

DieSize default_size(SquareMm area, const Reticle& reticle) {
  const double side = std::sqrt(std::max(area.value(), 0.0));
  if (side <= reticle.width_mm) return {side, side};
  return {reticle.width_mm, area.value() / reticle.width_mm};
}

int dies_per_wafer(const DieSize& die, const WaferGeometry& wafer) {
  return std::max(count_upright(die.width_mm, die.height_mm, wafer),
                  count_upright(die.height_mm, die.width_mm, wafer));
}

double approximate_dies_per_wafer(double die_area_mm2, const WaferGeometry& wafer) {
  const double radius = wafer.diameter_mm / 2.0 - wafer.edge_exclusion_mm;
  const double side = std::sqrt(die_area_mm2) + wafer.scribe_mm;
  const double area = side * side;
  const double count = std::numbers::pi * radius * radius / area -
                       std::numbers::pi * 2.0 * radius / std::sqrt(2.0 * area);
  return std::max(count, 1e-3);
}

}  // namespace athena::cost
