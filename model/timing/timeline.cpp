#include "timing/timeline.h"

#include <algorithm>
#include <numeric>

namespace athena::timing {
namespace {
/// The first width of a bin: 2^20 fs, about a nanosecond. A power of two, for shifts are what
/// millions of calls can afford.
constexpr int kFirstShift = 20;
}  // namespace

Series::Series(std::size_t bins)
    : shift_(kFirstShift), amounts_(std::max<std::size_t>(2, bins + bins % 2), 0.0) {}

void Series::fold() {
  const std::size_t half = amounts_.size() / 2;
  for (std::size_t i = 0; i < half; ++i) amounts_[i] = amounts_[2 * i] + amounts_[2 * i + 1];
  std::fill(amounts_.begin() + static_cast<std::ptrdiff_t>(half), amounts_.end(), 0.0);
  ++shift_;
}

void Series::add(Time start, Time end, double amount) {
  if (end < start || start.value() < 0 || amount == 0.0) return;
  const auto bins = static_cast<std::int64_t>(amounts_.size());
  while (std::max(end.value() - 1, start.value()) >> shift_ >= bins) fold();
  const auto first = static_cast<std::size_t>(start.value() >> shift_);
  const auto last = std::max(
      first, static_cast<std::size_t>(std::max<std::int64_t>(0, end.value() - 1) >> shift_));
  if (first == last) {
    amounts_[first] += amount;
    return;
  }
  const std::int64_t width = bin().value();
  const double per_time = amount / static_cast<double>((end - start).value());
  for (std::size_t i = first; i <= last; ++i) {
    const std::int64_t from = std::max(start.value(), static_cast<std::int64_t>(i) * width);
    const std::int64_t to = std::min(end.value(), static_cast<std::int64_t>(i + 1) * width);
    amounts_[i] += per_time * static_cast<double>(to - from);
  }
}

std::vector<double> Series::amounts() const {
  std::vector<double> out = amounts_;
  while (!out.empty() && out.back() == 0.0) out.pop_back();
  return out;
}

double Series::total() const {
  return std::accumulate(amounts_.begin(), amounts_.end(), 0.0);
}

void Timeline::span(Lane lane, int core, int kernel, Time start, Time end) {
  if (!wants(core) || end <= start || end < options_.from || start > options_.to) return;
  if (spans_.size() >= options_.most_spans) {
    ++left_out_;
    return;
  }
  spans_.push_back({lane, core, kernel, start, end});
}

}  // namespace athena::timing
