#include "timing/matrix_unit.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/units.h"
#include "timing/systolic.h"

namespace athena::timing {
namespace {

double rate_of(const config::MatrixConfig& unit, Dtype type) {
  const auto found = unit.rate.find(std::string(name(type)));
  if (found != unit.rate.end() && found->second > 0) return found->second;
  std::string known;
  for (const auto& [format, rate] : unit.rate) known += (known.empty() ? "" : ", ") + format;
  throw InputError("the chip's matrix units cannot multiply " + std::string(name(type)) +
                   " (core.matrix.rate has " + known + "); choose another --dtype.");
}

SystolicConfig systolic_of(const config::MatrixConfig& unit) {
  SystolicConfig config;
  config.geometry = {unit.rows, unit.cols, unit.depth};
  config.dataflow = static_cast<Dataflow>(unit.dataflow);
  config.timing.double_buffer = unit.double_buffered_weights;
  config.timing.drain_overlap = unit.double_buffered_weights;
  config.timing.psum_hop = unit.hop_registers;
  config.timing.accumulate_latency = unit.accumulate_latency;
  return config;
}

MatmulCycles systolic_cycles(const config::MatrixConfig& unit, double rate, std::int64_t m,
                             std::int64_t n, std::int64_t k) {
  const std::int64_t per_unit = ceil_div<std::int64_t>(n, unit.units);
  const GemmCycles cycles = gemm_cycles(systolic_of(unit), {.m = m, .n = per_unit, .k = k}, rate);
  const double occupied =
      static_cast<double>(cycles.folds) * static_cast<double>(cycles.period.value());
  return {occupied, std::max(0.0, static_cast<double>(cycles.total.value()) - occupied)};
}

MatmulCycles dot_product_cycles(const config::MatrixConfig& unit, double rate, std::int64_t m,
                                std::int64_t n, std::int64_t k) {
  const double steps = static_cast<double>(ceil_div<std::int64_t>(m, unit.rows)) *
                       static_cast<double>(ceil_div<std::int64_t>(n, unit.cols)) *
                       static_cast<double>(ceil_div<std::int64_t>(k, unit.depth));
  return {steps / (rate * unit.units), static_cast<double>(unit.accumulate_latency)};
}

double operand_cycles(const config::MatrixConfig& unit, Dtype type, std::int64_t m, std::int64_t n,
                      std::int64_t k) {
  if (unit.operand_bytes_per_cycle <= 0) return 0.0;
  // The same port takes in the next operands.
  const double writes = static_cast<double>(m + n) * storage_bits(type) / 8.0;
  return (operand_bytes(type, m, n) + writes) * static_cast<double>(k) /
         unit.operand_bytes_per_cycle;
}

}  // namespace

double operand_bytes(Dtype type, std::int64_t m, std::int64_t n) {
  const std::int64_t sub_tile = m * n >= 4 * 64 * 64 ? 64 : 32;
  const double reads = static_cast<double>(m) * static_cast<double>(ceil_div(n, sub_tile)) +
                       static_cast<double>(n) * static_cast<double>(ceil_div(m, sub_tile));
  return reads * storage_bits(type) / 8.0;
}

MatmulCycles matmul_cycles(const config::MatrixConfig& unit, Dtype type, std::int64_t m,
                           std::int64_t n, std::int64_t k) {
  const double rate = rate_of(unit, type);
  if (m <= 0 || n <= 0 || k <= 0) return {};
  MatmulCycles cycles = unit.depth == 1 ? systolic_cycles(unit, rate, m, n, k)
                                        : dot_product_cycles(unit, rate, m, n, k);
  cycles.occupied =
      std::max(cycles.occupied, operand_cycles(unit, type, m, n, k)) + unit.issue_cycles;
  return cycles;
}

}  // namespace athena::timing
