#pragma once
/// A function of one or two whole numbers that is expensive to evaluate, interpolated from as few
/// points as keep the error measured inside every cell used below a tolerance.
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

namespace athena::serving {

/// Values that are interpolated together; the first decides where more points are needed.
using TableValues = std::array<double, 8>;

/// One evaluation. `scale` is what an error is measured against: the part of a sum may be allowed
/// an error of so much of the sum.
struct TablePoint {
  TableValues values{};
  double scale = 1.0;
};

/// Bilinear in each cell of a tree of cells. Cells come from a fixed grid and are halved until the
/// values measured inside (the middle, and a point off it where the cell is wide) agree with the
/// interpolation. What is returned for a place depends on nothing but the function: the order of
/// asking does not matter.
class AdaptiveTable {
 public:
  /// Evaluates the function; empty where it has no value. Pure.
  using Measure = std::function<std::optional<TablePoint>(std::int64_t x, std::int64_t y)>;

  /// Grid lines in ascending order. One y line: a function of x alone.
  AdaptiveTable(Measure measure, std::vector<std::int64_t> x_lines,
                std::vector<std::int64_t> y_lines, double tolerance);

  struct Sample {
    TableValues values{};
    TableValues slope{};  ///< per unit of y, constant from y up to y_end
    double y_end = 0.0;
  };
  /// Throws Finding where the function has no value; InternalError outside the grid.
  [[nodiscard]] Sample at(double x, double y);

  /// Errors measured inside the cells that are used, as a share of the scale.
  struct Error {
    std::int64_t cells = 0;
    double mean = 0.0;
    double max = 0.0;
  };
  [[nodiscard]] Error error() const;

 private:
  struct Cell {
    std::int64_t x0, x1, y0, y1;
    std::array<TablePoint, 4> corner{};  ///< (x0,y0) (x1,y0) (x0,y1) (x1,y1)
    bool whole = true;                   ///< every corner has a value
    int low = -1;                        ///< children; -1 in a leaf
    int high = -1;
    bool split_x = true;
    bool examined = false;
    double error = 0.0;
  };
  [[nodiscard]] int make_cell(std::int64_t x0, std::int64_t x1, std::int64_t y0, std::int64_t y1);
  void examine(int index);
  [[nodiscard]] TableValues interpolate(const Cell& cell, double x, double y) const;
  [[nodiscard]] double deviation(const Cell& cell, std::int64_t x, std::int64_t y);
  [[nodiscard]] bool worth_splitting_x(const Cell& cell);
  [[nodiscard]] std::optional<TablePoint> point(std::int64_t x, std::int64_t y);

  Measure measure_;
  std::vector<std::int64_t> x_lines_;
  std::vector<std::int64_t> y_lines_;
  double tolerance_;
  std::unordered_map<std::int64_t, int> roots_;
  std::vector<Cell> cells_;
};

}  // namespace athena::serving
