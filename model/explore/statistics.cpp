#include "explore/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace athena::explore {
namespace {

std::vector<double> ranks(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> out(values.size());
  for (std::size_t i = 0; i < order.size();) {
    std::size_t end = i + 1;
    while (end < order.size() && values[order[end]] == values[order[i]]) ++end;
    const double shared = 0.5 * static_cast<double>(i + end - 1);
    for (; i < end; ++i) out[order[i]] = shared;
  }
  return out;
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

double spearman(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() < 2) return 1.0;
  const std::vector<double> x = ranks(a);
  const std::vector<double> y = ranks(b);
  const double mean_x = mean(x);
  const double mean_y = mean(y);
  double xy = 0.0;
  double xx = 0.0;
  double yy = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mean_x) * (y[i] - mean_y);
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    yy += (y[i] - mean_y) * (y[i] - mean_y);
  }
  if (xx == 0.0 || yy == 0.0) return 0.0;
  return xy / std::sqrt(xx * yy);
}

std::vector<MainEffect> main_effects(const std::vector<EffectRow>& rows,
                                     const std::vector<std::size_t>& levels) {
  double overall = 0.0;
  for (const EffectRow& row : rows) overall += row.value;
  if (!rows.empty()) overall /= static_cast<double>(rows.size());
  std::vector<MainEffect> effects;
  for (std::size_t axis = 0; axis < levels.size(); ++axis) {
    MainEffect effect{axis, std::vector<double>(levels[axis], 0.0),
                      std::vector<std::size_t>(levels[axis], 0), 0.0};
    for (const EffectRow& row : rows) {
      effect.means[row.choice[axis]] += row.value;
      ++effect.counts[row.choice[axis]];
    }
    double low = std::numeric_limits<double>::infinity();
    double high = -low;
    for (std::size_t i = 0; i < levels[axis]; ++i) {
      if (effect.counts[i] == 0) {
        effect.means[i] = std::numeric_limits<double>::quiet_NaN();
        continue;
      }
      effect.means[i] /= static_cast<double>(effect.counts[i]);
      low = std::min(low, effect.means[i]);
      high = std::max(high, effect.means[i]);
    }
    if (high > low && overall != 0.0) effect.swing = (high - low) / std::abs(overall);
    effects.push_back(std::move(effect));
  }
  std::stable_sort(effects.begin(), effects.end(),
                   [](const MainEffect& a, const MainEffect& b) { return a.swing > b.swing; });
  return effects;
}

}  // namespace athena::explore
