#pragma once
/// How a matrix product is cut for the array, and its operands as the array takes them: shared by
/// the closed form and by whoever drives the port.
#include <cstdint>
#include <span>
#include <vector>

#include "cosim/array_port.h"
#include "timing/systolic_step.h"

namespace athena::cosim {

/// One weight tile against one chunk of operand rows.
struct Fold {
  std::int64_t m0, rows, n0, k0;
  bool first, last;
};

/// Order of execution: columns, chunks of accumulator rows, then K, so that sums stay in the array.
[[nodiscard]] std::vector<Fold> folds_of(const timing::SystolicRtlParams& p, std::int64_t m,
                                         std::int64_t n, std::int64_t k);
/// Closed form of folds back to back.
[[nodiscard]] Cycles cycles_of(const timing::SystolicRtlParams& p, std::span<const Fold> folds);
/// A product and the same one behind it.
[[nodiscard]] std::vector<Fold> twice(const std::vector<Fold>& folds);
/// Groups of folds that end in the same sums.
[[nodiscard]] std::vector<std::span<const Fold>> groups_of(const std::vector<Fold>& folds);

/// Throws InputError for a product without a size or with too few operands.
void check_job(const TileJob& job);

/// Operands as the array takes them: codes of 8 or 16 bits, and MX scales.
struct Coded {
  std::vector<std::uint16_t> a, b;
  std::vector<std::uint8_t> a_scales, b_scales;  ///< m x blocks, blocks x n
  std::int64_t blocks = 0;
};
[[nodiscard]] Coded encode(const timing::SystolicRtlParams& p, const TileJob& job);

}  // namespace athena::cosim
