#include "timing/systolic.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace athena::timing {
namespace {

void require(bool condition, const char* sentence) {
  if (!condition) throw InputError(sentence);
}

void check(const SystolicConfig& config, const GemmShape& shape, double rate) {
  const auto& g = config.geometry;
  const auto& t = config.timing;
  require(g.rows > 0 && g.cols > 0 && g.depth > 0,
          "a systolic array needs at least one row, one column and one product per element");
  require(t.load_rows_per_cycle > 0, "systolic array: load_rows_per_cycle must be at least 1");
  require(t.psum_hop > 0, "systolic array: psum_hop must be at least 1 register per row");
  require(t.mac_latency > 0, "systolic array: mac_latency must be at least 1 cycle");
  require(t.accumulate_latency >= 0, "systolic array: accumulate_latency must not be negative");
  require(shape.m > 0 && shape.n > 0 && shape.k > 0,
          "a matrix product needs m, n and k of at least 1");
  require(rate > 0, "systolic array: the rate of a number format must be above 0");
}

/// Cycles that `rows` streamed rows take at the entrance.
std::int64_t stream_cycles(std::int64_t rows, double rate) {
  if (rate >= 1.0) return rows;
  return static_cast<std::int64_t>(std::ceil(static_cast<double>(rows) / rate));
}

/// Products along K that one element adds per cycle.
std::int64_t effective_depth(int depth, double rate) {
  if (rate <= 1.0) return depth;
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::floor(depth * rate)));
}

}  // namespace

SystolicTiming scale_sim_timing() {
  SystolicTiming t;
  t.double_buffer = false;
  t.drain_overlap = false;
  t.psum_hop = 1;
  t.mac_latency = 1;
  t.accumulate_latency = 0;
  return t;
}

Cycles pipeline_latency(const ArrayGeometry& g, const SystolicTiming& t) {
  const std::int64_t down = static_cast<std::int64_t>(t.psum_hop) * (g.rows - 1);
  const std::int64_t across = g.cols - 1;
  return Cycles(t.mac_latency + (t.psum_hop - 1) + down + across + t.accumulate_latency);
}

Cycles load_cycles(const ArrayGeometry& g, const SystolicTiming& t) {
  return Cycles(ceil_div(g.rows, t.load_rows_per_cycle));
}

GemmCycles gemm_cycles(const SystolicConfig& config, const GemmShape& shape, double rate) {
  check(config, shape, rate);
  const auto& g = config.geometry;
  const auto& t = config.timing;
  const std::int64_t depth = effective_depth(g.depth, rate);
  const std::int64_t latency = pipeline_latency(g, t).value();
  const bool output_stationary = config.dataflow == Dataflow::kOutputStationary;

  // The stationary operand's extent along the columns, and the rows that stream past it.
  const bool inputs_stay = config.dataflow == Dataflow::kInputStationary;
  const std::int64_t across = inputs_stay ? shape.m : shape.n;
  const std::int64_t streamed = inputs_stay ? shape.n : shape.m;

  GemmCycles out;
  std::int64_t load = 0;
  std::int64_t stream = 0;
  std::int64_t period = 0;
  if (output_stationary) {
    out.folds = ceil_div<std::int64_t>(shape.m, g.rows) * ceil_div<std::int64_t>(shape.n, g.cols);
    stream = stream_cycles(ceil_div(shape.k, depth), rate);
    // The finished sums leave one row per cycle while the next fold's operands enter.
    const std::int64_t drain = g.rows;
    period = t.drain_overlap ? std::max(stream, drain) : stream + latency - 1;
  } else {
    out.folds =
        ceil_div<std::int64_t>(shape.k, g.rows * depth) * ceil_div<std::int64_t>(across, g.cols);
    load = load_cycles(g, t).value();
    stream = stream_cycles(streamed, rate);
    if (!t.drain_overlap) {
      period = load + stream + latency - 1;
    } else {
      period = t.double_buffer ? std::max(stream, load) : load + stream;
    }
  }
  out.period = Cycles(period);
  out.fill = Cycles(load + latency);
  out.total = Cycles((out.folds - 1) * period + load + stream + latency - 1);
  const double slots = static_cast<double>(g.rows) * g.cols * static_cast<double>(depth) *
                       static_cast<double>(out.total.value());
  out.utilization = static_cast<double>(shape.m) * static_cast<double>(shape.n) *
                    static_cast<double>(shape.k) / slots;
  return out;
}

}  // namespace athena::timing
