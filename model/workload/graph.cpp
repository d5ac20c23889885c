#include "workload/graph.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace athena::workload {

std::string_view name(Phase phase) {
  switch (phase) {
    case Phase::kPrefill:
      return "prefill";
    case Phase::kDecode:
      return "decode";
    case Phase::kTrain:
      return "train";
  }
  return "?";
}

std::string_view name(Role role) {
  switch (role) {
    case Role::kWeight:
      return "weight";
    case Role::kActivation:
      return "activation";
    case Role::kSaved:
      return "saved";
    case Role::kKvCache:
      return "kv_cache";
    case Role::kInput:
      return "input";
    case Role::kOutput:
      return "output";
    case Role::kGradient:
      return "gradient";
    case Role::kOptimizer:
      return "optimizer";
  }
  return "?";
}

std::string_view name(OpKind kind) {
  switch (kind) {
    case OpKind::kEmbedding:
      return "embedding";
    case OpKind::kNorm:
      return "norm";
    case OpKind::kGemm:
      return "gemm";
    case OpKind::kRope:
      return "rope";
    case OpKind::kKvWrite:
      return "kv_write";
    case OpKind::kAttention:
      return "attention";
    case OpKind::kLinearAttention:
      return "linear_attention";
    case OpKind::kConv:
      return "conv";
    case OpKind::kActivation:
      return "activation";
    case OpKind::kAdd:
      return "add";
    case OpKind::kMul:
      return "mul";
    case OpKind::kSoftmax:
      return "softmax";
    case OpKind::kRouterTopK:
      return "router_topk";
    case OpKind::kMoeDispatch:
      return "moe_dispatch";
    case OpKind::kMoeCombine:
      return "moe_combine";
    case OpKind::kSampling:
      return "sampling";
    case OpKind::kCollective:
      return "collective";
    case OpKind::kSendRecv:
      return "send_recv";
    case OpKind::kLoss:
      return "loss";
    case OpKind::kNormBackward:
      return "norm_backward";
    case OpKind::kAttentionBackward:
      return "attention_backward";
    case OpKind::kLinearAttentionBackward:
      return "linear_attention_backward";
    case OpKind::kActivationBackward:
      return "activation_backward";
    case OpKind::kMulBackward:
      return "mul_backward";
    case OpKind::kSoftmaxBackward:
      return "softmax_backward";
    case OpKind::kEmbeddingBackward:
      return "embedding_backward";
    case OpKind::kBiasBackward:
      return "bias_backward";
    case OpKind::kConvBackward:
      return "conv_backward";
    case OpKind::kMoeDispatchBackward:
      return "moe_dispatch_backward";
    case OpKind::kMoeCombineBackward:
      return "moe_combine_backward";
    case OpKind::kOptimizerStep:
      return "optimizer_step";
  }
  return "?";
}

std::string_view name(Pass pass) {
  switch (pass) {
    case Pass::kForward:
      return "forward";
    case Pass::kRecompute:
      return "recompute";
    case Pass::kBackward:
      return "backward";
    case Pass::kUpdate:
      return "update";
  }
  return "?";
}

std::string_view name(CollectiveKind kind) {
  switch (kind) {
    case CollectiveKind::kAllReduce:
      return "all_reduce";
    case CollectiveKind::kAllGather:
      return "all_gather";
    case CollectiveKind::kReduceScatter:
      return "reduce_scatter";
    case CollectiveKind::kAllToAll:
      return "all_to_all";
    case CollectiveKind::kBroadcast:
      return "broadcast";
    case CollectiveKind::kSend:
      return "send";
    case CollectiveKind::kRecv:
      return "recv";
    case CollectiveKind::kSendRecv:
      return "send_recv";
  }
  return "?";
}

std::string_view name(GroupKind kind) {
  switch (kind) {
    case GroupKind::kTp:
      return "tp";
    case GroupKind::kCp:
      return "cp";
    case GroupKind::kEp:
      return "ep";
    case GroupKind::kDp:
      return "dp";
    case GroupKind::kPp:
      return "pp";
  }
  return "?";
}

// ------------------------------------------------------------------------------------ shapes

std::int64_t GemmShape::total_rows() const {
  if (ragged_k) return m * groups;
  if (group_rows.empty()) return m * groups;
  std::int64_t sum = 0;
  for (const GroupRows& g : group_rows) sum += g.rows * g.count;
  return sum;
}

std::int64_t GemmShape::total_depth() const {
  if (!ragged_k) return k * groups;
  std::int64_t sum = 0;
  for (const GroupRows& g : group_rows) sum += g.rows * g.count;
  return sum;
}

std::int64_t GemmShape::active_groups() const {
  if (group_rows.empty()) return m > 0 ? groups : 0;
  std::int64_t sum = 0;
  for (const GroupRows& g : group_rows) sum += g.rows > 0 ? g.count : 0;
  return sum;
}

Dtype GemmShape::compute() const {
  return storage_bits(a) >= storage_bits(b) ? a : b;
}

std::int64_t AttentionShape::queries() const {
  std::int64_t sum = 0;
  for (const Sequences& s : batch) sum += s.q_len * s.count;
  return sum;
}

std::int64_t AttentionShape::keys() const {
  std::int64_t sum = 0;
  for (const Sequences& s : batch) {
    // The first query of a causal window starts window - 1 keys back, the last one ends at kv_len.
    const std::int64_t reach = causal ? window + s.q_len - 1 : window;
    sum += (window > 0 ? std::min(s.kv_len, reach) : s.kv_len) * s.count;
  }
  return sum;
}

std::int64_t AttentionShape::pairs() const {
  std::int64_t sum = 0;
  for (const Sequences& s : batch) {
    const std::int64_t q = s.q_len;
    const std::int64_t past = s.kv_len - q;
    std::int64_t one = 0;
    if (!causal) {
      one = q * (window > 0 ? std::min(s.kv_len, window) : s.kv_len);
    } else if (window == 0) {
      one = q * past + q * (q + 1) / 2;
    } else {
      // Query j sees past + 1 + j keys until that reaches the window.
      const std::int64_t growing = std::clamp(window - past, std::int64_t{0}, q);
      one = growing * past + growing * (growing + 1) / 2 + (q - growing) * window;
    }
    sum += one * s.count;
  }
  return sum;
}

// ------------------------------------------------------------------------------------- graph

TensorId Graph::add(Tensor tensor) {
  tensor.bytes = (tensor.dims.elements() * storage_bits(tensor.dtype) + 7) / 8;
  tensors.push_back(std::move(tensor));
  return static_cast<TensorId>(tensors.size() - 1);
}

double Graph::matrix_flops() const {
  double sum = 0;
  for (const Block& block : blocks) {
    for (const Op& op : block.ops) sum += op.matrix_flops() * block.repeat;
  }
  return sum;
}

double Graph::flops() const {
  double sum = 0;
  for (const Block& block : blocks) {
    for (const Op& op : block.ops) sum += op.flops() * block.repeat;
  }
  return sum;
}

std::int64_t Graph::min_bytes() const {
  std::int64_t sum = 0;
  for (const Block& block : blocks) {
    for (const Op& op : block.ops) sum += op.min_bytes() * block.repeat;
  }
  return sum;
}

std::int64_t Graph::op_count() const {
  std::int64_t sum = 0;
  for (const Block& block : blocks) {
    sum += static_cast<std::int64_t>(block.ops.size()) * block.repeat;
  }
  return sum;
}

std::int64_t Graph::bytes_of(Role role) const {
  std::int64_t sum = 0;
  for (const Tensor& t : tensors) sum += t.role == role ? t.bytes * t.copies : 0;
  return sum;
}

void Graph::set_kv_len(const std::vector<std::int64_t>& kv_len) {
  if (kv_len.size() != kv_capacity.size()) {
    throw InputError(fmt::format("{} KV lengths given for a batch of {} entries", kv_len.size(),
                                 kv_capacity.size()));
  }
  for (std::size_t i = 0; i < kv_len.size(); ++i) {
    if (kv_len[i] < 1 || kv_len[i] > kv_capacity[i]) {
      throw InputError(
          fmt::format("KV length {} is outside 1 to {}, the capacity the graph was "
                      "built with",
                      kv_len[i], kv_capacity[i]));
    }
  }
  const bool fixed = std::any_of(blocks.begin(), blocks.end(), [](const Block& block) {
    return std::any_of(block.ops.begin(), block.ops.end(),
                       [](const Op& op) { return op.kind == OpKind::kGemm && !op.gemm().weights; });
  });
  if (fixed || phase != Phase::kDecode) {
    throw InternalError("only a decode graph with fused attention has a launch-time KV length");
  }
  const auto set = [&](std::vector<Sequences>& entries) {
    if (entries.size() != kv_len.size()) {
      throw InternalError("an op of a decode graph holds a part of the batch");
    }
    for (std::size_t i = 0; i < entries.size(); ++i) entries[i].kv_len = kv_len[i];
  };
  set(batch);
  for (Block& block : blocks) {
    for (Op& op : block.ops) {
      if (auto* a = std::get_if<AttentionShape>(&op.shape)) set(a->batch);
      if (auto* w = std::get_if<KvWriteShape>(&op.shape)) set(w->batch);
    }
  }
}

}  // namespace athena::workload
