#include "timing/vector_unit.h"

#include <algorithm>
#include <array>

namespace athena::timing {
namespace {

struct Row {
  VectorFn fn;
  std::string_view name;
  VectorWork work;
};

// Work per element, counted by hand from the usual kernels:
//  gelu(tanh): x^2, poly (2), tanh as exp + reciprocal (2 special), 4 combine;  silu: negate, exp,
//  add, reciprocal, multiply;  norm: two passes (statistics 2, scale 2), one reduction of two sums;
//  rope: 2 multiply-adds and one multiply per element, sine and cosine from a table;
//  online softmax: scale+mask 2, running max 1, subtract folded into one multiply-add, exp 1
//  special, sum 1, conversion to the second product's format 1;  adam: 2 moments (4), bias
//  correction folded into constants, sqrt and reciprocal, decay and update (3), conversions of
//  gradient and weight.
constexpr std::array<Row, kVectorFns> kTable{{
    {VectorFn::kConvert, "convert", {0, 0, 1, 0}},
    {VectorFn::kAdd, "add", {1, 0, 0, 0}},
    {VectorFn::kAddRow, "add_row", {1, 0, 0, 0}},
    {VectorFn::kMul, "mul", {1, 0, 0, 0}},
    {VectorFn::kScale, "scale", {1, 0, 0, 0}},
    {VectorFn::kSigmoidMul, "sigmoid_mul", {3, 2, 0, 0}},
    {VectorFn::kGelu, "gelu", {8, 2, 0, 0}},
    {VectorFn::kSilu, "silu", {3, 2, 0, 0}},
    {VectorFn::kSiluMul, "silu_mul", {4, 2, 0, 0}},
    {VectorFn::kGeluMul, "gelu_mul", {9, 2, 0, 0}},
    {VectorFn::kRelu, "relu", {1, 0, 0, 0}},
    {VectorFn::kRmsNorm, "rms_norm", {3, 0, 0, 1}},
    {VectorFn::kLayerNorm, "layer_norm", {4, 0, 0, 1}},
    {VectorFn::kRope, "rope", {3, 0, 0, 0}},
    {VectorFn::kSoftmaxOnline, "softmax_online", {5, 1, 1, 0}},
    {VectorFn::kSoftmaxFinish, "softmax_finish", {1, 0, 1, 0}},
    {VectorFn::kSoftmax, "softmax", {4, 1, 0, 2}},
    {VectorFn::kAttentionCombine, "attention_combine", {2, 0, 0, 0}},
    {VectorFn::kSumParts, "sum_parts", {1, 0, 0, 0}},
    {VectorFn::kTopK, "top_k", {2, 0.1, 0, 2}},
    {VectorFn::kArgmax, "argmax", {2, 0, 0, 1}},
    {VectorFn::kWeightedSum, "weighted_sum", {1, 0, 0, 0}},
    {VectorFn::kDotProducts, "dot_products", {1, 0, 0, 0}},
    {VectorFn::kConv, "conv", {1, 0, 0, 0}},
    {VectorFn::kDeltaRule, "delta_rule", {4, 0, 0, 0}},
    {VectorFn::kActivationBackward, "activation_backward", {10, 2, 0, 0}},
    {VectorFn::kNormBackward, "norm_backward", {8, 0, 0, 2}},
    {VectorFn::kSoftmaxBackward, "softmax_backward", {4, 1, 1, 1}},
    {VectorFn::kColumnSum, "column_sum", {1, 0, 0, 0}},
    {VectorFn::kScatterAdd, "scatter_add", {1, 0, 0, 0}},
    {VectorFn::kLoss, "loss", {6, 1, 0, 2}},
    {VectorFn::kAdam, "adam", {10, 2, 2, 0}},
}};

const Row& row_of(VectorFn fn) {
  return kTable[static_cast<std::size_t>(fn)];
}

}  // namespace

std::string_view name(VectorFn fn) {
  return row_of(fn).name;
}

std::optional<VectorFn> vector_fn_from_name(std::string_view text) {
  for (const Row& row : kTable) {
    if (row.name == text) return row.fn;
  }
  return std::nullopt;
}

VectorWork work_of(VectorFn fn) {
  return row_of(fn).work;
}

double vector_cycles(const config::VectorConfig& unit, VectorFn fn, std::int64_t rows,
                     std::int64_t cols, std::int64_t extra) {
  const VectorWork work = work_of(fn);
  const double elements =
      static_cast<double>(rows) * static_cast<double>(cols) * static_cast<double>(extra);
  const double lanes = work.lane > 0 ? elements * work.lane / unit.lanes : 0.0;
  const double special = work.special > 0 ? elements * work.special / unit.special : 0.0;
  const double convert = work.convert > 0 ? elements * work.convert / unit.convert : 0.0;
  // Rows reduce side by side as long as each has lanes of its own.
  const double side_by_side =
      std::max(1.0, unit.lanes / static_cast<double>(std::max<std::int64_t>(cols, 1)));
  const double reductions = work.reductions * unit.reduce_latency *
                            std::max(1.0, static_cast<double>(rows) / side_by_side / 8.0);
  return std::max({lanes, special, convert}) + (work.reductions > 0 ? reductions : 0.0) +
         unit.latency_cycles;
}

}  // namespace athena::timing
