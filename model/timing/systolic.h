#pragma once
/// Closed forms for matrix products on a systolic array: cycles as a function of geometry, dataflow
/// and the few pipeline parameters that the RTL in `rtl/systolic_array` settles.
///
/// Two settings are covered by one set of formulas:
///  - folds that do not overlap, with combinational accumulation, are SCALE-Sim's
///    (Samajdar et al., ISPASS 2020):  WS ceil(K/R) ceil(N/C) (2R + C + M - 2), and IS, OS alike;
///  - double-buffered weights and overlapped drain: a fold costs max(M, weight load) once the
///    pipeline is full. This is what the RTL does, cycle for cycle (`athena cosim`).
///
/// An array is R x C x D: R rows x C columns of elements, each of which adds D products a cycle
/// (D = 1 is systolic, D > 1 a dot-product unit). All results are cycles of the array's clock.
#include <cstdint>

#include "base/units.h"

namespace athena::timing {

enum class Dataflow { kWeightStationary, kInputStationary, kOutputStationary };

/// C[m][n] += A[m][k] * B[k][n].
struct GemmShape {
  std::int64_t m = 1;
  std::int64_t n = 1;
  std::int64_t k = 1;
};

/// Rows x columns of elements, `depth` products per element and cycle.
struct ArrayGeometry {
  int rows = 16;
  int cols = 16;
  int depth = 1;
  bool operator==(const ArrayGeometry&) const = default;
};

/// The pipeline of the array. The defaults are those of `rtl/systolic_array` for BF16 and INT8.
struct SystolicTiming {
  bool double_buffer = true;    ///< the next stationary tile loads while this one is used
  bool drain_overlap = true;    ///< a fold enters while the one before it drains
  int load_rows_per_cycle = 1;  ///< rows of stationary values that enter per cycle
  int psum_hop = 1;             ///< registers a partial sum passes per row
  int mac_latency = 2;          ///< cycles from operands at an element to its sum, at least 1
  int accumulate_latency = 1;   ///< cycles from the last row to the output port
  bool operator==(const SystolicTiming&) const = default;
};

/// An array with its dataflow.
struct SystolicConfig {
  ArrayGeometry geometry;
  Dataflow dataflow = Dataflow::kWeightStationary;
  SystolicTiming timing;
};

/// SCALE-Sim's setting: nothing overlaps and the sums ripple combinationally into the drain.
[[nodiscard]] SystolicTiming scale_sim_timing();

/// What one matrix product costs.
struct GemmCycles {
  Cycles total;   ///< first stationary row enters .. cycle in which the last output is seen
  Cycles fill;    ///< part of `total` before the first output
  Cycles period;  ///< cycles from one fold's start to the next
  std::int64_t folds = 0;  ///< stationary tiles
  double utilization = 0;  ///< useful products / (R * C * D * total): padding and bubbles count
};

/// Cycles from a streamed row's entry to its output: hops down the rows, across the columns, the
/// element's own pipeline and the accumulator.
[[nodiscard]] Cycles pipeline_latency(const ArrayGeometry& geometry, const SystolicTiming& timing);

/// Cycles to load one stationary tile (all rows of the array, padded or not).
[[nodiscard]] Cycles load_cycles(const ArrayGeometry& geometry, const SystolicTiming& timing);

/// Cycles of a whole product. `rate` is the throughput of the number format relative to the array's
/// own: 2 doubles the products per element (FP8 on a BF16 array), 0.25 takes four cycles per row
/// (FP32). Throws InputError for non-positive sizes or parameters.
[[nodiscard]] GemmCycles gemm_cycles(const SystolicConfig& config, const GemmShape& shape,
                                     double rate = 1.0);

}  // namespace athena::timing
