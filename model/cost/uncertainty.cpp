#include "cost/uncertainty.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace athena::cost {
namespace {

double quantile(const std::vector<double>& sorted, double share) {
  const double position = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double part = position - static_cast<double>(below);
  return sorted[below] * (1.0 - part) + sorted[above] * part;
}

}  // namespace

Distribution distribution(std::vector<double> samples, double nominal) {
  if (samples.empty()) throw InternalError("distribution of no samples.");
  std::sort(samples.begin(), samples.end());
  return {.p5 = quantile(samples, 0.05),
          .p50 = quantile(samples, 0.50),
          .p95 = quantile(samples, 0.95),
          .nominal = nominal};
}

std::vector<std::vector<double>> monte_carlo(const Constants& constants,
                                             const std::vector<std::size_t>& used,
                                             const Evaluate& evaluate, std::size_t columns,
                                             const DrawOptions& options) {
  if (options.draws == 0) throw InputError("the number of draws must be above 0.");
  std::vector<std::vector<double>> out(columns, std::vector<double>(options.draws));
  std::vector<double> row(columns);
  Values values = constants.nominal();
  Rng rng(options.seed);
  for (std::size_t draw = 0; draw < options.draws; ++draw) {
    for (const std::size_t position : used) values[position] = constants.at(position).draw(rng);
    evaluate(values, row.data());
    for (std::size_t column = 0; column < columns; ++column) out[column][draw] = row[column];
  }
  return out;
}

double probability(const std::vector<bool>& holds) {
  if (holds.empty()) return 0.0;
  return static_cast<double>(std::count(holds.begin(), holds.end(), true)) /
         static_cast<double>(holds.size());
}

double TornadoBar::swing() const {
  return std::abs(result_high - result_low);
}

std::vector<TornadoBar> tornado(const Constants& constants, const std::vector<std::size_t>& used,
                                const std::function<double(const Values&)>& result) {
  std::vector<TornadoBar> bars;
  Values values = constants.nominal();
  for (const std::size_t position : used) {
    const Constant& constant = constants.at(position);
    TornadoBar bar{
        .constant = constants.name(position), .at_low = constant.low, .at_high = constant.high};
    values[position] = constant.low;
    bar.result_low = result(values);
    values[position] = constant.high;
    bar.result_high = result(values);
    values[position] = constant.nominal;
    if (bar.swing() > 0.0) bars.push_back(bar);
  }
  std::stable_sort(bars.begin(), bars.end(),
                   [](const TornadoBar& a, const TornadoBar& b) { return a.swing() > b.swing(); });
  return bars;
}

}  // namespace athena::cost
