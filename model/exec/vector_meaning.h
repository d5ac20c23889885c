#pragma once
/// What each function of the vector unit computes. Arithmetic is fp32; results are rounded to the
/// format of the buffer they go to.
#include <cstdint>

#include "base/dtype.h"
#include "exec/softmax_engine.h"
#include "timing/vector_unit.h"

namespace athena::exec {

/// A buffer's stage as rows of floats.
struct VectorOperand {
  float* values = nullptr;
  std::int64_t pitch = 0;  ///< elements from row to row
  Dtype dtype = Dtype::kFp32;
  [[nodiscard]] float* row(std::int64_t r) const { return values + r * pitch; }
  [[nodiscard]] bool present() const { return values != nullptr; }
};

/// One vector instruction with everything evaluated; see program::Instruction.
struct VectorCall {
  std::int64_t rows = 0, cols = 0, extra = 1;
  VectorOperand a, b, c, d;
  double scalar = 0;
  std::int64_t position = 0, limit = 0, row_factor = 1;
  std::int64_t part_rows = 0;  ///< rows of a between the parts of a split result
  bool causal = false;
  bool fresh = false;
  SoftmaxEngine* softmax = nullptr;  ///< computes softmax rows; null = FP32
  int core = 0;
};

/// Throws InputError for a function that is timed but has no functional meaning.
void run_vector(timing::VectorFn fn, const VectorCall& call);

}  // namespace athena::exec
