#pragma once
/// What stands in the place of the softmax of a chip's vector units when it is not the closed form
/// of timing/vector_unit.h and the fp32 arithmetic of exec/vector_meaning.h.
#include <cstdint>
#include <limits>
#include <span>

namespace athena::exec {

class SoftmaxEngine {
 public:
  SoftmaxEngine() = default;
  SoftmaxEngine(const SoftmaxEngine&) = delete;
  SoftmaxEngine& operator=(const SoftmaxEngine&) = delete;
  virtual ~SoftmaxEngine() = default;

  /// An element that counts for nothing: its weight is 0.
  static constexpr float kMasked = -std::numeric_limits<float>::infinity();

  /// Core cycles from the first value's entry to the last result's exit for rows x cols values.
  [[nodiscard]] virtual double cycles(std::int64_t rows, std::int64_t cols) = 0;
  /// e^(x - L) of one row of `core`, L being the logarithm of the row's sum of e^x, which is
  /// returned (minus infinity for a row that is masked whole; its weights are 0). Values are
  /// rounded to the engine's format first. Throws Contradiction when model and RTL differ.
  virtual float row(int core, std::span<const float> values, std::span<float> weights) = 0;
};

}  // namespace athena::exec
