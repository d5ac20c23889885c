/// Graphs of one operator: rows of tables of measured kernels, and lists of GEMMs.
#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "workload/build.h"

namespace athena::workload {

namespace {

Tensor make(std::string_view name, Dims dims, Dtype dtype, Role role) {
  Tensor t;
  t.name = name;
  t.dims = dims;
  t.dtype = dtype;
  t.role = role;
  return t;
}

Graph one_op(Op op) {
  Graph graph;
  graph.name = op.name;
  Block block;
  block.name = op.name;
  block.ops.push_back(std::move(op));
  graph.blocks.push_back(std::move(block));
  return graph;
}

struct RowOp {
  std::string_view name;
  OpKind kind;
  NormKind norm;
  Activation activation;
  bool gated;
  int inputs;   ///< operands of rows x width (gated: of 2 x width)
  int vectors;  ///< weights of width
};

constexpr RowOp kRowOps[] = {
    {"rmsnorm", OpKind::kNorm, NormKind::kRms, Activation::kGelu, false, 1, 1},
    {"layernorm", OpKind::kNorm, NormKind::kLayer, Activation::kGelu, false, 1, 2},
    {"silu_mul", OpKind::kActivation, NormKind::kRms, Activation::kSilu, true, 1, 0},
    {"gelu", OpKind::kActivation, NormKind::kRms, Activation::kGelu, false, 1, 0},
    {"add", OpKind::kAdd, NormKind::kRms, Activation::kGelu, false, 2, 0},
    {"softmax", OpKind::kSoftmax, NormKind::kRms, Activation::kGelu, false, 1, 0},
};

}  // namespace

Graph gemm_graph(std::int64_t m, std::int64_t n, std::int64_t k, const Precision& precision) {
  if (m < 1 || n < 1 || k < 1) {
    throw InputError(
        fmt::format("a GEMM of {} x {} x {} has no work: m, n and k must be at least "
                    "1",
                    m, n, k));
  }
  Op op;
  op.kind = OpKind::kGemm;
  op.name = "gemm";
  op.dtype = precision.activations;
  GemmShape g;
  g.m = m;
  g.n = n;
  g.k = k;
  g.a = precision.gemm_input;
  g.b = precision.weights;
  g.c = precision.activations;
  op.shape = g;
  Graph graph = one_op(std::move(op));
  const TensorId a = graph.add(make("a", {m, k}, g.a, Role::kInput));
  const TensorId b = graph.add(make("b", {k, n}, g.b, Role::kWeight));
  const TensorId c = graph.add(make("c", {m, n}, g.c, Role::kOutput));
  graph.blocks[0].ops[0].inputs = {a, b};
  graph.blocks[0].ops[0].outputs = {c};
  graph.tokens = m;
  return graph;
}

Graph row_op_graph(std::string_view op_name, std::int64_t rows, std::int64_t width, Dtype dtype) {
  const RowOp* found = nullptr;
  std::vector<std::string> names;
  for (const RowOp& candidate : kRowOps) {
    if (candidate.name == op_name) found = &candidate;
    names.emplace_back(candidate.name);
  }
  if (found == nullptr) {
    throw InputError(fmt::format("unknown operator '{}', expected one of {}.{}", op_name,
                                 join(names, " "), did_you_mean(op_name, names)));
  }
  if (rows < 1 || width < 1) {
    throw InputError(fmt::format("{} on {} rows of {} has no work", op_name, rows, width));
  }
  Op op;
  op.kind = found->kind;
  op.name = op_name;
  op.dtype = dtype;
  op.norm = found->norm;
  op.activation = found->activation;
  op.gated = found->gated;
  op.shape = RowShape{rows, width, 0};
  Graph graph = one_op(std::move(op));
  std::vector<TensorId> in;
  in.reserve(static_cast<std::size_t>(found->inputs));
  for (int i = 0; i < found->inputs; ++i) {
    in.push_back(graph.add(make(i == 0 ? "in" : "in2", {rows, found->gated ? 2 * width : width},
                                dtype, Role::kInput)));
  }
  for (int i = 0; i < found->vectors; ++i) {
    in.push_back(graph.add(make(i == 0 ? "weight" : "bias", {width}, dtype, Role::kWeight)));
  }
  graph.blocks[0].ops[0].inputs = std::move(in);
  const TensorId out = graph.add(make("out", {rows, width}, dtype, Role::kOutput));
  graph.blocks[0].ops[0].outputs = {out};
  graph.tokens = rows;
  return graph;
}

Graph attention_graph(const AttentionShape& shape, Dtype dtype, bool cached, bool backward) {
  if (shape.heads < 1 || shape.kv_heads < 1 || shape.heads % shape.kv_heads != 0 ||
      shape.qk_dim < 1 || shape.v_dim < 1 || shape.queries() < 1) {
    throw InputError(
        fmt::format("attention of {} heads over {} KV heads of {} columns has no work "
                    "or does not divide",
                    shape.heads, shape.kv_heads, shape.qk_dim));
  }
  Op op;
  op.kind = OpKind::kAttention;
  op.name = "attention";
  op.dtype = op.kv_dtype = dtype;
  op.shape = shape;
  Graph graph = one_op(std::move(op));
  std::int64_t slots = 0;
  for (const Sequences& s : shape.batch) {
    slots += s.kv_len * s.count;
    graph.sequences += s.count;
    graph.kv_capacity.push_back(s.kv_len);
  }
  const std::int64_t tokens = shape.queries();
  graph.tokens = tokens;
  graph.batch = shape.batch;
  graph.phase = cached ? Phase::kDecode : Phase::kPrefill;
  const std::int64_t width = std::int64_t{shape.heads + shape.kv_heads} * shape.qk_dim +
                             std::int64_t{shape.kv_heads} * shape.v_dim;
  const TensorId qkv = graph.add(make("qkv", {tokens, width}, dtype, Role::kInput));
  std::vector<TensorId> in = {qkv};
  if (cached) {
    in.push_back(
        graph.add(make("k_cache", {slots, shape.kv_heads, shape.qk_dim}, dtype, Role::kKvCache)));
    in.push_back(
        graph.add(make("v_cache", {slots, shape.kv_heads, shape.v_dim}, dtype, Role::kKvCache)));
  }
  const Dims out_dims = {tokens, std::int64_t{shape.heads} * shape.v_dim};
  const TensorId o = graph.add(make("o", out_dims, dtype, Role::kOutput));
  graph.blocks[0].ops[0].inputs = in;
  graph.blocks[0].ops[0].outputs = {o};
  if (!backward) return graph;

  graph.phase = Phase::kTrain;
  const TensorId lse =
      graph.add(make("lse", {tokens, shape.heads}, Dtype::kFp32, Role::kActivation));
  graph.blocks[0].ops[0].outputs.push_back(lse);
  const TensorId d_o = graph.add(make("do", out_dims, dtype, Role::kInput));
  const TensorId d_qkv = graph.add(make("dqkv", {tokens, width}, dtype, Role::kOutput));
  Op back = graph.blocks[0].ops[0];
  back.kind = OpKind::kAttentionBackward;
  back.name = "attention_backward";
  back.pass = Pass::kBackward;
  back.inputs = {d_o, qkv, o, lse};
  back.outputs = {d_qkv};
  graph.blocks[0].ops.push_back(std::move(back));
  return graph;
}

Graph collective_graph(const CollectiveShape& shape, Dtype dtype) {
  if (shape.size < 2 || shape.bytes < 1) {
    throw InputError(
        fmt::format("a collective of {} bytes over {} ranks has no work: at least 1 "
                    "byte and 2 ranks",
                    shape.bytes, shape.size));
  }
  Op op;
  const bool point_to_point = shape.kind == CollectiveKind::kSend ||
                              shape.kind == CollectiveKind::kRecv ||
                              shape.kind == CollectiveKind::kSendRecv;
  op.kind = point_to_point ? OpKind::kSendRecv : OpKind::kCollective;
  op.name = name(shape.kind);
  op.dtype = dtype;
  op.shape = shape;
  Graph graph = one_op(std::move(op));
  const std::int64_t bits = storage_bits(dtype);
  const auto elements = [&](std::int64_t bytes) { return (bytes * 8 + bits - 1) / bits; };
  const std::int64_t part = elements(shape.bytes / shape.size);
  const std::int64_t whole = elements(shape.bytes);
  const std::int64_t in = shape.kind == CollectiveKind::kAllGather ? part : whole;
  const std::int64_t out = shape.kind == CollectiveKind::kReduceScatter ? part : whole;
  graph.blocks[0].ops[0].inputs = {graph.add(make("in", {in}, dtype, Role::kInput))};
  graph.blocks[0].ops[0].outputs = {graph.add(make("out", {out}, dtype, Role::kOutput))};
  return graph;
}

}  // namespace athena::workload
