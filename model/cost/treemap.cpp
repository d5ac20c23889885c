#include <algorithm>
#include <cmath>
#include <map>

#include "cost/area.h"

namespace athena::cost {
namespace {

struct Rectangle {
  double x = 0.0, y = 0.0, width = 0.0, height = 0.0;
};

/// Worst aspect ratio of a row of areas along a side.
double worst_aspect(const std::vector<double>& row, double side) {
  double sum = 0.0;
  for (const double area : row) sum += area;
  const double thickness = sum / side;
  double worst = 1.0;
  for (const double area : row) {
    const double length = area / thickness;
    worst = std::max(worst, std::max(length / thickness, thickness / length));
  }
  return worst;
}

/// Places one row along the shorter side of `free` and shrinks it.
void place_row(const std::vector<double>& row, Rectangle& free, std::vector<Rectangle>& out) {
  double sum = 0.0;
  for (const double area : row) sum += area;
  const bool upright = free.width >= free.height;
  const double thickness = sum / (upright ? free.height : free.width);
  double offset = 0.0;
  for (const double area : row) {
    const double length = area / thickness;
    out.push_back(upright ? Rectangle{free.x, free.y + offset, thickness, length}
                          : Rectangle{free.x + offset, free.y, length, thickness});
    offset += length;
  }
  if (upright) {
    free.x += thickness;
    free.width -= thickness;
  } else {
    free.y += thickness;
    free.height -= thickness;
  }
}

/// Rectangles for areas in falling order that fill `free`.
std::vector<Rectangle> squarify(const std::vector<double>& areas, Rectangle free) {
  std::vector<Rectangle> out;
  std::vector<double> row;
  for (const double area : areas) {
    const double side = std::min(free.width, free.height);
    std::vector<double> longer = row;
    longer.push_back(area);
    if (!row.empty() && worst_aspect(longer, side) > worst_aspect(row, side)) {
      place_row(row, free, out);
      row.assign(1, area);
    } else {
      row = std::move(longer);
    }
  }
  if (!row.empty()) place_row(row, free, out);
  return out;
}

}  // namespace

std::vector<TreemapCell> treemap(const AreaReport& report) {
  std::map<std::string, std::vector<AreaBlock>> groups;
  std::map<std::string, double> sums;
  for (const AreaBlock& block : report.blocks) {
    if (block.mm2 <= 0.0) continue;
    groups[block.parent].push_back(block);
    sums[block.parent] += block.mm2;
  }
  std::vector<std::pair<std::string, double>> order(sums.begin(), sums.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<double> areas;
  areas.reserve(order.size());
  for (const auto& [parent, mm2] : order) areas.push_back(mm2);
  const double side = std::sqrt(report.total_mm2());
  const std::vector<Rectangle> outer = squarify(areas, {0.0, 0.0, side, side});

  std::vector<TreemapCell> cells;
  for (std::size_t i = 0; i < order.size(); ++i) {
    std::vector<AreaBlock> blocks = groups[order[i].first];
    std::stable_sort(blocks.begin(), blocks.end(),
                     [](const AreaBlock& a, const AreaBlock& b) { return a.mm2 > b.mm2; });
    std::vector<double> inner;
    inner.reserve(blocks.size());
    for (const AreaBlock& block : blocks) inner.push_back(block.mm2);
    const std::vector<Rectangle> places = squarify(inner, outer[i]);
    for (std::size_t j = 0; j < blocks.size(); ++j) {
      cells.push_back({blocks[j].name, blocks[j].parent, blocks[j].mm2, places[j].x, places[j].y,
                       places[j].width, places[j].height});
    }
  }
  return cells;
}

}  // namespace athena::cost
