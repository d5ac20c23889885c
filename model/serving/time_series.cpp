#include "serving/time_series.h"

#include <algorithm>

namespace athena::serving {
namespace {

SeriesBin scaled(const SeriesBin& bin, double f) {
  return {bin.arrivals * f,      bin.finished * f,    bin.prompt_tokens * f,
          bin.output_tokens * f, bin.busy_s * f,      bin.sequence_s * f,
          bin.kv_share_s * f,    bin.in_system_s * f, bin.energy_j * f};
}

}  // namespace

void SeriesBin::add(const SeriesBin& other) {
  arrivals += other.arrivals;
  finished += other.finished;
  prompt_tokens += other.prompt_tokens;
  output_tokens += other.output_tokens;
  busy_s += other.busy_s;
  sequence_s += other.sequence_s;
  kv_share_s += other.kv_share_s;
  in_system_s += other.in_system_s;
  energy_j += other.energy_j;
}

std::size_t TimeSeries::bin_of(double time) {
  while (time >= width_ * static_cast<double>(kMaxBins)) {
    for (std::size_t i = 0; 2 * i < bins_.size(); ++i) {
      SeriesBin merged = bins_[2 * i];
      if (2 * i + 1 < bins_.size()) merged.add(bins_[2 * i + 1]);
      bins_[i] = merged;
    }
    bins_.resize((bins_.size() + 1) / 2);
    width_ *= 2.0;
  }
  const auto index = static_cast<std::size_t>(std::max(0.0, time) / width_);
  if (index >= bins_.size()) bins_.resize(index + 1);
  return index;
}

void TimeSeries::at(double time, const SeriesBin& amount) {
  bins_[bin_of(time)].add(amount);
}

void TimeSeries::over(double begin, double end, const SeriesBin& amount) {
  const std::size_t last = bin_of(end);  // may widen the bins, so it is asked first
  const std::size_t first = bin_of(begin);
  if (first == last || !(end > begin)) {
    bins_[last].add(amount);
    return;
  }
  for (std::size_t i = first; i <= last; ++i) {
    const double from = std::max(begin, static_cast<double>(i) * width_);
    const double to = std::min(end, static_cast<double>(i + 1) * width_);
    if (to > from) bins_[i].add(scaled(amount, (to - from) / (end - begin)));
  }
}

}  // namespace athena::serving
