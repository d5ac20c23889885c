#pragma once
/// What stands in the place of the matrix units of a chip's cores when they are not the closed form
/// of timing/matrix_unit.h: the seam through which RTL comes into a chip.
#include <cstdint>
#include <span>

#include "base/dtype.h"
#include "timing/matrix_unit.h"

namespace athena::exec {

/// c[m][n] (+)= a[m][k] * b[k][n] on the matrix unit of one core; all row-major, without gaps.
struct Product {
  int core = 0;
  Dtype type = Dtype::kBf16;  ///< format in which the unit takes its operands
  std::int64_t m = 0, n = 0, k = 0;
  std::span<const float> a;
  std::span<const float> b;
  std::span<float> c;
  bool fresh = true;  ///< c starts from zero, not from what it holds
};

class MatrixEngine {
 public:
  MatrixEngine() = default;
  MatrixEngine(const MatrixEngine&) = delete;
  MatrixEngine& operator=(const MatrixEngine&) = delete;
  virtual ~MatrixEngine() = default;
  /// Core cycles of a product, as timing::matmul_cycles. Throws InputError for a format that the
  /// unit does not compute.
  [[nodiscard]] virtual timing::MatmulCycles cycles(Dtype type, std::int64_t m, std::int64_t n,
                                                    std::int64_t k) = 0;
  /// Computes c in the unit's own arithmetic and order of addition. Throws Contradiction when model
  /// and RTL differ.
  virtual void multiply(const Product& product) = 0;
};

}  // namespace athena::exec
