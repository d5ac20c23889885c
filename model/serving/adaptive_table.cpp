#include "serving/adaptive_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace athena::serving {
namespace {

/// A cell narrower than this share of its place is not halved further: a staircase narrower than
/// that moves no result.
constexpr std::int64_t kFinest = 128;
/// Cells wider than this ratio are looked at in a second place, so that a staircase that happens to
/// agree in the middle is found.
constexpr double kWide = 1.25;

bool divisible(std::int64_t a, std::int64_t b) {
  return b - a > 1 && b - a > a / kFinest;
}

bool wide(std::int64_t a, std::int64_t b) {
  return b - a > 3 && static_cast<double>(b) > kWide * static_cast<double>(a);
}

std::int64_t between(std::int64_t a, std::int64_t b, double share) {
  return a + static_cast<std::int64_t>(std::llround(share * static_cast<double>(b - a)));
}

/// A place near the middle whose low bits read 0101.. or 1010..: a third or two thirds of the way
/// between the steps of any staircase with a power of two for its width. Hardware rounds up to such
/// widths, and points at their multiples would all see the staircase at its foot.
std::int64_t middle_of(std::int64_t a, std::int64_t b) {
  const std::int64_t middle = a + (b - a) / 2;
  std::int64_t width = 1;
  while (width * 8 <= b - a) width *= 2;
  const std::int64_t pattern = (middle / width) % 2 == 0 ? 0x5555555555555555 : 0x2AAAAAAAAAAAAAAA;
  const std::int64_t place = (middle & ~(width - 1)) | (pattern & (width - 1));
  return std::clamp(place, a, b);
}

/// Index of the line at or below `value`, such that a line follows (unless there is only one).
std::size_t line_below(const std::vector<std::int64_t>& lines, double value) {
  if (lines.size() == 1) return 0;
  if (value < static_cast<double>(lines.front()) || value > static_cast<double>(lines.back())) {
    throw InternalError(fmt::format("a step table was asked for {} outside {} to {}.", value,
                                    lines.front(), lines.back()));
  }
  const auto above =
      std::upper_bound(lines.begin(), lines.end(), value,
                       [](double v, std::int64_t line) { return v < static_cast<double>(line); });
  const auto index = static_cast<std::size_t>(above - lines.begin()) - 1;
  return std::min(index, lines.size() - 2);
}

}  // namespace

AdaptiveTable::AdaptiveTable(Measure measure, std::vector<std::int64_t> x_lines,
                             std::vector<std::int64_t> y_lines, double tolerance)
    : measure_(std::move(measure)),
      x_lines_(std::move(x_lines)),
      y_lines_(std::move(y_lines)),
      tolerance_(tolerance) {
  if (x_lines_.empty() || y_lines_.empty()) throw InternalError("a table needs grid lines.");
}

std::optional<TablePoint> AdaptiveTable::point(std::int64_t x, std::int64_t y) {
  return measure_(x, y);
}

int AdaptiveTable::make_cell(std::int64_t x0, std::int64_t x1, std::int64_t y0, std::int64_t y1) {
  Cell cell{x0, x1, y0, y1};
  const std::int64_t xs[] = {x0, x1, x0, x1};
  const std::int64_t ys[] = {y0, y0, y1, y1};
  for (std::size_t i = 0; i < 4; ++i) {
    const auto value = point(xs[i], ys[i]);
    cell.whole = cell.whole && value.has_value();
    if (value) cell.corner[i] = *value;
  }
  cells_.push_back(cell);
  return static_cast<int>(cells_.size()) - 1;
}

TableValues AdaptiveTable::interpolate(const Cell& cell, double x, double y) const {
  const double u = cell.x1 > cell.x0
                       ? (x - static_cast<double>(cell.x0)) / static_cast<double>(cell.x1 - cell.x0)
                       : 0.0;
  const double v = cell.y1 > cell.y0
                       ? (y - static_cast<double>(cell.y0)) / static_cast<double>(cell.y1 - cell.y0)
                       : 0.0;
  TableValues out{};
  for (std::size_t k = 0; k < out.size(); ++k) {
    out[k] = (1 - u) * (1 - v) * cell.corner[0].values[k] + u * (1 - v) * cell.corner[1].values[k] +
             (1 - u) * v * cell.corner[2].values[k] + u * v * cell.corner[3].values[k];
  }
  return out;
}

double AdaptiveTable::deviation(const Cell& cell, std::int64_t x, std::int64_t y) {
  const auto measured = point(x, y);
  if (!measured) return std::numeric_limits<double>::infinity();
  const double guess = interpolate(cell, static_cast<double>(x), static_cast<double>(y))[0];
  return std::abs(guess - measured->values[0]) / measured->scale;
}

bool AdaptiveTable::worth_splitting_x(const Cell& cell) {
  if (!divisible(cell.y0, cell.y1)) return true;
  if (!divisible(cell.x0, cell.x1)) return false;
  if (!cell.whole) {
    return static_cast<double>(cell.x1) / static_cast<double>(std::max<std::int64_t>(1, cell.x0)) >
           static_cast<double>(cell.y1) / static_cast<double>(std::max<std::int64_t>(1, cell.y0));
  }
  const std::int64_t x = middle_of(cell.x0, cell.x1), y = middle_of(cell.y0, cell.y1);
  const double along_x = std::max(deviation(cell, x, cell.y0), deviation(cell, x, cell.y1));
  const double along_y = std::max(deviation(cell, cell.x0, y), deviation(cell, cell.x1, y));
  return along_x >= along_y;
}

/// Measures inside the cell, and halves it where the interpolation is not good enough.
void AdaptiveTable::examine(int index) {
  Cell cell = cells_[static_cast<std::size_t>(index)];  // make_cell moves the vector
  cell.examined = true;
  const bool can_split = divisible(cell.x0, cell.x1) || divisible(cell.y0, cell.y1);
  cell.error = cell.whole ? 0.0 : std::numeric_limits<double>::infinity();
  if (cell.whole && can_split) {
    cell.error = deviation(cell, middle_of(cell.x0, cell.x1), middle_of(cell.y0, cell.y1));
    const bool look_twice = wide(cell.x0, cell.x1) || wide(cell.y0, cell.y1);
    if (cell.error <= tolerance_ && look_twice) {
      // assumed: 0.3 and 0.7 share no period with halving, nor with each other
      cell.error = std::max(cell.error, deviation(cell, between(cell.x0, cell.x1, 0.3),
                                                  between(cell.y0, cell.y1, 0.7)));
    }
  }
  if (cell.error > tolerance_ && can_split) {
    cell.split_x = worth_splitting_x(cell);
    if (cell.split_x) {
      const std::int64_t x = middle_of(cell.x0, cell.x1);
      cell.low = make_cell(cell.x0, x, cell.y0, cell.y1);
      cell.high = make_cell(x, cell.x1, cell.y0, cell.y1);
    } else {
      const std::int64_t y = middle_of(cell.y0, cell.y1);
      cell.low = make_cell(cell.x0, cell.x1, cell.y0, y);
      cell.high = make_cell(cell.x0, cell.x1, y, cell.y1);
    }
  }
  cells_[static_cast<std::size_t>(index)] = cell;
}

AdaptiveTable::Sample AdaptiveTable::at(double x, double y) {
  const std::size_t ix = line_below(x_lines_, x), iy = line_below(y_lines_, y);
  const auto key = static_cast<std::int64_t>(ix * y_lines_.size() + iy);
  auto root = roots_.find(key);
  if (root == roots_.end()) {
    const std::int64_t x1 = x_lines_[std::min(ix + 1, x_lines_.size() - 1)];
    const std::int64_t y1 = y_lines_[std::min(iy + 1, y_lines_.size() - 1)];
    root = roots_.emplace(key, make_cell(x_lines_[ix], x1, y_lines_[iy], y1)).first;
  }
  int index = root->second;
  while (true) {
    if (!cells_[static_cast<std::size_t>(index)].examined) examine(index);
    const Cell& cell = cells_[static_cast<std::size_t>(index)];
    if (cell.low < 0) break;
    const double middle =
        static_cast<double>(cell.split_x ? cells_[static_cast<std::size_t>(cell.low)].x1
                                         : cells_[static_cast<std::size_t>(cell.low)].y1);
    index = (cell.split_x ? x : y) < middle ? cell.low : cell.high;
  }
  const Cell& leaf = cells_[static_cast<std::size_t>(index)];
  if (!leaf.whole) {
    // At the border of what fits: the nearest whole place, if that fits.
    const auto exact = point(static_cast<std::int64_t>(std::llround(x)),
                             static_cast<std::int64_t>(std::llround(y)));
    if (!exact) throw Finding(fmt::format("a step of {:.0f} x {:.0f} does not fit.", x, y));
    return {exact->values, TableValues{}, y};
  }
  Sample sample;
  sample.values = interpolate(leaf, x, y);
  sample.y_end = static_cast<double>(leaf.y1);
  if (leaf.y1 > leaf.y0) {
    const TableValues bottom = interpolate(leaf, x, static_cast<double>(leaf.y0));
    const TableValues top = interpolate(leaf, x, static_cast<double>(leaf.y1));
    for (std::size_t k = 0; k < sample.slope.size(); ++k) {
      sample.slope[k] = (top[k] - bottom[k]) / static_cast<double>(leaf.y1 - leaf.y0);
    }
  }
  return sample;
}

AdaptiveTable::Error AdaptiveTable::error() const {
  Error out;
  for (const Cell& cell : cells_) {
    if (!cell.examined || cell.low >= 0 || !cell.whole) continue;
    ++out.cells;
    out.mean += cell.error;
    out.max = std::max(out.max, cell.error);
  }
  if (out.cells > 0) out.mean /= static_cast<double>(out.cells);
  return out;
}

}  // namespace athena::serving
