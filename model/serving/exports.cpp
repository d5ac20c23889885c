#include "serving/exports.h"

#include <algorithm>
#include <cmath>

namespace athena::serving {

std::vector<std::int64_t> export_grid(std::int64_t first, std::int64_t last, double per_octave) {
  std::vector<std::int64_t> grid;
  const auto low = static_cast<double>(first);
  for (int i = 0;; ++i) {
    const auto point = std::llround(low * std::exp2(static_cast<double>(i) / per_octave));
    if (point >= last) break;
    if (grid.empty() || point > grid.back()) grid.push_back(point);
  }
  grid.push_back(last);
  return grid;
}

double seconds_of(const StepMeasurement& step, const std::vector<std::string>& names) {
  double sum = 0.0;
  for (const OperatorTime& op : step.operators) {
    if (std::find(names.begin(), names.end(), op.name) != names.end()) sum += op.time.value();
  }
  return sum;
}

}  // namespace athena::serving
