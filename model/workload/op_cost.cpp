/// FLOP and least traffic of every op kind. Element operations are counted on the arithmetic that a
/// straightforward vector implementation performs; exp, tanh, rsqrt and division count 1 each.
#include <algorithm>

#include "base/error.h"
#include "workload/graph.h"

namespace athena::workload {

namespace {

constexpr double kRmsNormOps = 4;    // square, sum, times 1/rms, times weight
constexpr double kLayerNormOps = 7;  // sum, centre, square, sum, times 1/sigma, times, plus
constexpr double kSoftmaxOps = 5;    // max, subtract, exp, sum, divide
constexpr double kGeluOps = 8;     // tanh form: cube 2, multiply-add 2, tanh, plus 1, halve, times
constexpr double kSiluOps = 4;     // negate-exp, plus 1, divide, times
constexpr double kSigmoidOps = 3;  // negate-exp, plus 1, divide
constexpr double kRopeOps = 3;     // two products and a sum per rotated element
constexpr double kBackwardFactor = 2;  // derivative and chain product: about twice the forward
constexpr double kAdamOps = 12;  // two moments 3 + 3, bias correction 2, sqrt, divide, decay, step
constexpr double kLossOps = 6;   // softmax, minus one-hot, scale
constexpr int kIndexBytes = 4;   // token ids, routes
constexpr int kRouteBytes = 8;   // expert id and gate value
constexpr int kFp32Bytes = 4;

std::int64_t bytes(std::int64_t elements, Dtype type) {
  return (elements * storage_bits(type) + 7) / 8;
}

double d(std::int64_t value) {
  return static_cast<double>(value);
}

double activation_ops(Activation activation) {
  switch (activation) {
    case Activation::kGelu:
      return kGeluOps;
    case Activation::kSilu:
      return kSiluOps;
    case Activation::kRelu:
      return 1;
  }
  return 0;
}

double elements(const RowShape& r) {
  return static_cast<double>(r.rows) * static_cast<double>(r.width);
}

double row_ops(const Op& op) {
  const RowShape& r = op.rows();
  const double n = elements(r);
  const auto inner = static_cast<double>(r.inner);
  switch (op.kind) {
    case OpKind::kNorm:
      return n *
             ((op.norm == NormKind::kRms ? kRmsNormOps : kLayerNormOps) + (op.residual ? 1 : 0));
    case OpKind::kNormBackward:
      return n * kBackwardFactor * (op.norm == NormKind::kRms ? kRmsNormOps : kLayerNormOps);
    case OpKind::kActivation:
      return n * (activation_ops(op.activation) + (op.gated ? 1 : 0));
    case OpKind::kActivationBackward:
      return n * kBackwardFactor * (activation_ops(op.activation) + (op.gated ? 1 : 0));
    case OpKind::kAdd:
    case OpKind::kBiasBackward:
    case OpKind::kEmbeddingBackward:
      return n;
    case OpKind::kMul:
      return n * (op.unary ? 1 + kSigmoidOps : 1);
    case OpKind::kMulBackward:
      return n * kBackwardFactor * (op.unary ? 1 + kSigmoidOps : 1);
    case OpKind::kSoftmax:
      return n * kSoftmaxOps;
    case OpKind::kSoftmaxBackward:
      return n * (kSoftmaxOps - 1);
    case OpKind::kSampling:
      return n;
    case OpKind::kLoss:
      return n * kLossOps;
    case OpKind::kRouterTopK:
      return n * (kSoftmaxOps + inner);
    case OpKind::kConv:
      return n * 2 * inner;
    case OpKind::kConvBackward:
      return n * 4 * inner;
    case OpKind::kMoeCombine:
      return n * 2 * inner;
    case OpKind::kMoeDispatchBackward:
      return n * inner;
    case OpKind::kMoeCombineBackward:
      return n * 3;
    default:
      return 0;
  }
}

Traffic row_traffic(const Op& op) {
  const RowShape& r = op.rows();
  const std::int64_t n = bytes(r.rows * r.width, op.dtype);
  const std::int64_t vector = bytes(r.width, op.dtype);
  switch (op.kind) {
    case OpKind::kEmbedding:
      return {n + r.rows * kIndexBytes, n};
    case OpKind::kEmbeddingBackward:
      return {2 * n + r.rows * kIndexBytes, n};
    case OpKind::kNorm: {
      const auto extras = static_cast<std::int64_t>(op.inputs.size()) - 1 - (op.residual ? 1 : 0);
      return {n * (op.residual ? 2 : 1) + vector * std::max<std::int64_t>(extras, 0),
              n * (op.residual ? 2 : 1)};
    }
    case OpKind::kNormBackward:
      return {2 * n + vector, n + 2 * vector};
    case OpKind::kActivation:
      return {n * (op.gated ? 2 : 1), n};
    case OpKind::kActivationBackward:
      return {n * (op.gated ? 3 : 2), n * (op.gated ? 2 : 1)};
    case OpKind::kAdd:
    case OpKind::kMul:
      return {2 * n, n};
    case OpKind::kMulBackward:
      return {3 * n, 2 * n};
    case OpKind::kSoftmax:
      return {n, n};
    case OpKind::kSoftmaxBackward:
      return {2 * n, n};
    case OpKind::kSampling:
      return {n, r.rows * kIndexBytes};
    case OpKind::kLoss:
      return {n + r.rows * kIndexBytes, n};
    case OpKind::kRouterTopK:
      return {n, r.rows * r.inner * kRouteBytes};
    case OpKind::kConv:
      return {n + vector * r.inner, n};
    case OpKind::kConvBackward:
      return {2 * n + vector * r.inner, n + vector * r.inner};
    case OpKind::kBiasBackward:
      return {n, vector};
    case OpKind::kMoeDispatch:
      return {n + r.rows * kIndexBytes, n};
    case OpKind::kMoeCombine:
      return {n * r.inner + r.rows * r.inner * kRouteBytes, n};
    case OpKind::kMoeDispatchBackward:
      return {n * r.inner + r.rows * r.inner * kIndexBytes, n};
    case OpKind::kMoeCombineBackward:
      return {2 * n + r.rows * kRouteBytes, n + r.rows * kFp32Bytes};
    default:
      break;
  }
  throw InternalError("op kind '" + std::string(name(op.kind)) + "' has no row shape");
}

Traffic gemm_traffic(const Op& op) {
  const GemmShape& g = op.gemm();
  const std::int64_t rows = g.total_rows();
  const std::int64_t c = bytes(rows * g.n, g.c);
  const std::int64_t extra = (g.bias ? bytes(g.n * g.b_groups, g.c) : 0) + (g.accumulate ? c : 0);
  if (g.ragged_k) {
    return {bytes(g.m * g.total_depth(), g.a) + bytes(g.n * g.total_depth(), g.b) + extra, c};
  }
  // Neighbouring groups that share a B read it once; a B without rows is not read.
  const std::int64_t b = std::min(g.active_groups(), g.b_groups);
  return {bytes(rows * g.k, g.a) + bytes(b * g.k * g.n, g.b) + extra, c};
}

Traffic attention_traffic(const Op& op) {
  const AttentionShape& a = op.attention();
  const std::int64_t q = bytes(a.queries() * a.heads * a.qk_dim, op.dtype);
  const std::int64_t o = bytes(a.queries() * a.heads * a.v_dim, op.dtype);
  const std::int64_t width = a.qk_dim + (a.shared_latent ? 0 : a.v_dim);
  const std::int64_t kv = bytes(a.keys() * a.kv_heads * width, op.kv_dtype);
  if (op.kind == OpKind::kAttentionBackward) return {q + kv + 2 * o, q + kv};
  return {q + kv, o};
}

Traffic linear_attention_traffic(const Op& op) {
  const LinearAttentionShape& a = op.linear();
  std::int64_t tokens = 0;
  std::int64_t sequences = 0;
  for (const Sequences& s : a.batch) {
    tokens += s.q_len * s.count;
    sequences += s.count;
  }
  const std::int64_t in =
      bytes(tokens * (2LL * a.key_heads * a.key_dim + 1LL * a.value_heads * a.value_dim), op.dtype);
  const std::int64_t out = bytes(tokens * a.value_heads * a.value_dim, op.dtype);
  const std::int64_t state = sequences * a.value_heads * a.key_dim * a.value_dim * kFp32Bytes;
  if (op.kind == OpKind::kLinearAttentionBackward) return {in + out + state, in};
  return {in + state, out + state};
}

Traffic collective_traffic(const CollectiveShape& c) {
  const std::int64_t share = c.bytes / std::max(c.size, 1);
  switch (c.kind) {
    case CollectiveKind::kAllGather:
      return {share, c.bytes};
    case CollectiveKind::kReduceScatter:
      return {c.bytes, share};
    case CollectiveKind::kSend:
      return {c.bytes, 0};
    case CollectiveKind::kRecv:
      return {0, c.bytes};
    default:
      return {c.bytes, c.bytes};
  }
}

/// Recurrent form: per token and value head, decay, the delta against the prediction (S^T k), the
/// rank-one update and the read-out (S^T q): three products of key_dim x value_dim. (Gated delta
/// networks, arXiv:2412.06464, eq. 10.)
double linear_attention_flops(const LinearAttentionShape& a) {
  double tokens = 0;
  for (const Sequences& s : a.batch) tokens += static_cast<double>(s.q_len * s.count);
  return tokens * a.value_heads * 3 * 2 * static_cast<double>(a.key_dim) * a.value_dim;
}

}  // namespace

double Op::matrix_flops() const {
  switch (kind) {
    case OpKind::kGemm: {
      const GemmShape& g = gemm();
      if (g.ragged_k) return 2.0 * d(g.m) * d(g.n) * d(g.total_depth());
      return 2.0 * d(g.total_rows()) * d(g.n) * d(g.k);
    }
    case OpKind::kAttention: {
      const AttentionShape& a = attention();
      return 2.0 * static_cast<double>(a.pairs()) * a.heads * (a.qk_dim + a.v_dim);
    }
    case OpKind::kAttentionBackward: {
      // QK^T again, dV = P^T dO, dP = dO V^T, dQ = dS K, dK = dS^T Q (FlashAttention-2).
      const AttentionShape& a = attention();
      return 2.0 * static_cast<double>(a.pairs()) * a.heads * (3.0 * a.qk_dim + 2.0 * a.v_dim);
    }
    case OpKind::kLinearAttention:
      return linear_attention_flops(linear());
    case OpKind::kLinearAttentionBackward:
      return 2 * linear_attention_flops(linear());
    default:
      return 0;
  }
}

double Op::vector_flops() const {
  switch (kind) {
    case OpKind::kGemm: {
      const GemmShape& g = gemm();
      const auto c = static_cast<double>(g.total_rows()) * static_cast<double>(g.n);
      return c * ((g.bias ? 1 : 0) + (g.accumulate ? 1 : 0));
    }
    case OpKind::kAttention:
    case OpKind::kAttentionBackward: {
      const AttentionShape& a = attention();
      return static_cast<double>(a.pairs()) * a.heads * kSoftmaxOps;
    }
    case OpKind::kRope: {
      const RopeShape& r = rope();
      return static_cast<double>(r.rows) * (r.heads + r.kv_heads) * r.dim * kRopeOps;
    }
    case OpKind::kOptimizerStep:
      return static_cast<double>(optimizer().parameters) * kAdamOps;
    default:
      break;
  }
  return std::holds_alternative<RowShape>(shape) ? row_ops(*this) : 0;
}

Traffic Op::traffic() const {
  switch (kind) {
    case OpKind::kGemm:
      return gemm_traffic(*this);
    case OpKind::kAttention:
    case OpKind::kAttentionBackward:
      return attention_traffic(*this);
    case OpKind::kLinearAttention:
    case OpKind::kLinearAttentionBackward:
      return linear_attention_traffic(*this);
    case OpKind::kRope: {
      const RopeShape& r = rope();
      const std::int64_t n = bytes(r.rows * (r.heads + r.kv_heads) * r.dim, dtype);
      return {n, n};
    }
    case OpKind::kKvWrite: {
      std::int64_t tokens = 0;
      for (const Sequences& s : kv_write().batch) tokens += s.q_len * s.count;
      return {bytes(tokens * kv_write().width, dtype), bytes(tokens * kv_write().width, kv_dtype)};
    }
    case OpKind::kCollective:
    case OpKind::kSendRecv:
      return collective_traffic(collective());
    case OpKind::kOptimizerStep:
      return {optimizer().read_bytes, optimizer().write_bytes};
    default:
      return row_traffic(*this);
  }
}

}  // namespace athena::workload
