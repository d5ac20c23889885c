#pragma once
/// Cycles of the vector unit, from the arithmetic of each function and the rates of the unit.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/units.h"
#include "config/chip.h"

namespace athena::timing {

/// What the vector unit does to rows x columns elements. exec/ gives each its meaning.
enum class VectorFn : std::uint8_t {
  kConvert,           ///< change of format
  kAdd,               ///< element-wise sum
  kAddRow,            ///< adds one row to every row (bias)
  kMul,               ///< element-wise product
  kScale,             ///< product with a constant
  kSigmoidMul,        ///< a * sigmoid(b)
  kGelu,              ///< tanh form
  kSilu,              ///< x * sigmoid(x)
  kSiluMul,           ///< silu(a) * b
  kGeluMul,           ///< gelu(a) * b
  kRelu,              ///<
  kRmsNorm,           ///< x / rms(x) * weight
  kLayerNorm,         ///< (x - mean) / std * weight + bias
  kRope,              ///< rotation of pairs of columns by the row's position
  kSoftmaxOnline,     ///< one block of a running softmax: scale, mask, maximum, exp, sum, rescale
  kSoftmaxFinish,     ///< divides the accumulated rows by their sums
  kSoftmax,           ///< of whole rows
  kAttentionCombine,  ///< merges partial results of a split context
  kSumParts,          ///< adds partial sums (split K)
  kTopK,              ///< largest k of a row, and their softmax
  kArgmax,            ///< position of the largest
  kWeightedSum,       ///< sum of k rows with weights (expert combine)
  kDotProducts,       ///< multiply-adds on the vector unit (products too thin for the matrix unit)
  kConv,              ///< depth-wise causal convolution
  kDeltaRule,         ///< one step of a gated linear-attention state
  kActivationBackward,
  kNormBackward,
  kSoftmaxBackward,
  kColumnSum,  ///< sums over rows (bias gradients)
  kScatterAdd,
  kLoss,  ///< softmax cross entropy and its gradient
  kAdam,  ///< one optimizer update
};
inline constexpr std::size_t kVectorFns = 32;

[[nodiscard]] std::string_view name(VectorFn fn);
/// Inverse of name().
[[nodiscard]] std::optional<VectorFn> vector_fn_from_name(std::string_view text);

/// Arithmetic of one element: results on the ordinary lanes, on the special-function lanes, and
/// changes of format; and cross-lane reductions per row.
struct VectorWork {
  double lane = 0;
  double special = 0;
  double convert = 0;
  double reductions = 0;
};
/// Counted from the arithmetic of each function (a fused multiply-add is one lane result).
[[nodiscard]] VectorWork work_of(VectorFn fn);

/// Cycles to run `fn` over rows x cols elements on one core. `extra` is the function's further
/// extent (parts summed, experts combined, depth of dot products), multiplying the work per
/// element. The three kinds of lanes work side by side; the slowest counts. Eight rows' reductions
/// are in flight at once, as many as independent warps or row groups hide. Unit: core cycles.
[[nodiscard]] double vector_cycles(const config::VectorConfig& unit, VectorFn fn, std::int64_t rows,
                                   std::int64_t cols, std::int64_t extra = 1);

}  // namespace athena::timing
