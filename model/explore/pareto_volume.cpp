#include <algorithm>
#include <cmath>
#include <pagmo/utils/hypervolume.hpp>

#include "explore/pareto.h"

namespace athena::explore {
namespace {
constexpr double kMargin = 1.1;  // the reference point lies a tenth beyond the worst seen
}  // namespace

double hypervolume(const std::vector<Objectives>& designs, const ObjectiveBox& box) {
  std::vector<pagmo::vector_double> scaled;
  for (const std::size_t index : pareto_front(designs)) {
    pagmo::vector_double point = designs[index];
    for (std::size_t i = 0; i < point.size(); ++i) {
      const double span = box.worst[i] - box.best[i];
      point[i] = span > 0.0 ? (point[i] - box.best[i]) / span : 0.0;
    }
    const bool inside =
        std::all_of(point.begin(), point.end(), [](double x) { return x < kMargin; });
    if (inside) scaled.push_back(std::move(point));
  }
  if (scaled.empty()) return 0.0;
  std::sort(scaled.begin(), scaled.end());
  scaled.erase(std::unique(scaled.begin(), scaled.end()), scaled.end());
  const std::size_t count = scaled.front().size();
  const double whole = std::pow(kMargin, static_cast<double>(count));
  if (count == 1) return (kMargin - scaled.front()[0]) / whole;
  const pagmo::vector_double reference(count, kMargin);
  return pagmo::hypervolume(scaled, true).compute(reference) / whole;
}

}  // namespace athena::explore
