#include "serving/step_time.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

namespace athena::serving {

std::int64_t StepShape::tokens() const {
  std::int64_t sum = 0;
  for (const auto& g : groups) sum += g.q_len * g.count;
  return sum;
}

std::int64_t StepShape::sequences() const {
  std::int64_t sum = 0;
  for (const auto& g : groups) sum += g.count;
  return sum;
}

std::int64_t StepShape::decodes() const {
  std::int64_t sum = 0;
  for (const auto& g : groups) sum += g.q_len == 1 ? g.count : 0;
  return sum;
}

StepShape StepShape::canonical() const {
  StepShape result{groups, sampled};
  auto& list = result.groups;
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) {
    return std::tie(a.q_len, a.kv_len) < std::tie(b.q_len, b.kv_len);
  });
  std::size_t kept = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (kept > 0 && list[kept - 1].q_len == list[i].q_len &&
        list[kept - 1].kv_len == list[i].kv_len) {
      list[kept - 1].count += list[i].count;
    } else {
      list[kept++] = list[i];
    }
  }
  list.resize(kept);
  return result;
}

std::string StepShape::text() const {
  std::string out;
  for (const auto& g : groups) {
    if (!out.empty()) out += ';';
    out += fmt::format("q={},kv={}x{}", g.q_len, g.kv_len, g.count);
  }
  return out;
}

namespace {
double sum_of(double first, double growth, std::int64_t n) {
  const auto steps = static_cast<double>(n);
  return steps * first + growth * (steps * (steps - 1.0) / 2.0);
}
}  // namespace

Seconds StepSegment::time_of(std::int64_t n) const {
  return Seconds(sum_of(first.time.value(), growth.time.value(), n));
}

Joules StepSegment::energy_of(std::int64_t n) const {
  return Joules(sum_of(first.energy.value(), growth.energy.value(), n));
}

std::int64_t StepSegment::steps_beginning_before(Seconds limit) const {
  // Step n begins at time_of(n). The sum is increasing (every step takes time), so bisect.
  if (steps <= 1 || time_of(steps - 1) < limit) return std::max<std::int64_t>(steps, 1);
  std::int64_t low = 0;           // step `low` begins before the limit (or is the first)
  std::int64_t high = steps - 1;  // step `high` does not
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (time_of(middle) < limit ? low : high) = middle;
  }
  return low + 1;
}

StepSegment StepTime::segment(const StepShape& shape, std::int64_t /*max_steps*/) {
  return {cost(shape), StepCost{}, 1};
}

}  // namespace athena::serving
