/// Feed-forward networks: dense and mixture of experts.
#include <algorithm>

#include "workload/builder.h"

namespace athena::workload {

namespace {

/// Stable names in tables of operators.
std::string_view activation_label(const Transformer& model) {
  switch (model.activation) {
    case Activation::kGelu:
      return model.gated ? "gelu_mul" : "gelu";
    case Activation::kSilu:
      return model.gated ? "silu_mul" : "silu";
    case Activation::kRelu:
      return model.gated ? "relu_mul" : "relu";
  }
  return "activation";
}

}  // namespace

TensorId Builder::ffn(TensorId h, LayerKind kind) {
  return kind.moe ? moe(h) : dense_ffn(h, share_.ffn, "");
}

TensorId Builder::dense_ffn(TensorId h, std::int64_t inner, std::string_view prefix) {
  const std::string p(prefix);
  const std::int64_t width = model_.gated ? 2 * inner : inner;
  const TensorId up = linear(h, p + "ffn1", share_.tokens, model_.hidden, width, model_.ffn_bias);
  // The activation of inference overwrites its input only where shapes allow it (not gated).
  const bool in_place = !training_ && !model_.gated;
  const TensorId act = in_place ? up : activation(p + "act.out", share_.tokens, inner);
  Op& op = emit(OpKind::kActivation, p + std::string(activation_label(model_)),
                RowShape{share_.tokens, inner, 0}, {up}, {act});
  op.activation = model_.activation;
  op.gated = model_.gated;
  return linear(act, p + "ffn2", share_.tokens, inner, model_.hidden, model_.ffn_bias);
}

TensorId Builder::moe(TensorId h) {
  const Moe& m = model_.moe;
  const int ep = spec_.parallel.ep;
  const std::int64_t tokens = share_.tokens;
  const Dtype dtype = precision_.activations;
  const std::vector<GroupRows> rows = expert_rows(m, tokens, ep, spec_.ep_rank, spec_.routing);
  std::int64_t mine = 0;
  std::int64_t most = 0;
  for (const GroupRows& r : rows) {
    mine += r.rows * r.count;
    most = std::max(most, r.rows);
  }

  GemmShape router;
  router.m = tokens;
  router.n = m.experts;
  router.k = model_.hidden;
  router.a = router.b = router.c = dtype;
  router.bias = m.router_bias;
  std::vector<TensorId> in = {h, weight("router.weight", {model_.hidden, m.experts}, dtype)};
  if (m.router_bias) in.push_back(weight("router.bias", {m.experts}, dtype));
  const TensorId scores = gemm("router", router, std::move(in), tokens, m.experts);
  const TensorId routes =
      tensor("routes", {tokens, m.top_k, 2}, Dtype::kInt32, Role::kActivation, 1);
  emit(OpKind::kRouterTopK, "router_topk", RowShape{tokens, m.experts, m.top_k}, {scores},
       {routes});

  const std::int64_t sent = tokens * m.top_k;
  TensorId x = activation("dispatch.out", sent, model_.hidden);
  emit(OpKind::kMoeDispatch, "moe_dispatch", RowShape{sent, model_.hidden, 0}, {h, routes}, {x});
  if (ep > 1) {
    const TensorId received = activation("expert_in", mine, model_.hidden);
    collective(CollectiveKind::kAllToAll, GroupKind::kEp, "all_to_all_in", graph_.tensor(x).bytes,
               {x}, {received});
    x = received;
  }
  const auto grouped = [&](std::string_view label, TensorId a, std::int64_t k, std::int64_t n) {
    GemmShape g;
    g.m = most;
    g.n = n;
    g.k = k;
    g.groups = g.b_groups = share_.experts;
    g.group_rows = rows;
    g.bias = model_.ffn_bias;
    g.a = precision_.gemm_input;
    g.b = precision_.weights;
    g.c = dtype;
    const std::string base(label);
    std::vector<TensorId> inputs = {
        a, weight(base + ".weight", {share_.experts, k, n}, precision_.weights, true)};
    if (g.bias) inputs.push_back(weight(base + ".bias", {share_.experts, n}, dtype, true));
    return gemm(label, g, std::move(inputs), mine, n);
  };
  const std::int64_t inner = share_.expert_ffn;
  const TensorId up = grouped("expert_ffn1", x, model_.hidden, model_.gated ? 2 * inner : inner);
  const TensorId act = activation("expert_act.out", mine, inner);
  Op& op = emit(OpKind::kActivation, "expert_" + std::string(activation_label(model_)),
                RowShape{mine, inner, 0}, {up}, {act});
  op.activation = model_.activation;
  op.gated = model_.gated;
  TensorId y = grouped("expert_ffn2", act, inner, model_.hidden);
  if (ep > 1) {
    const TensorId back = activation("expert_out", sent, model_.hidden);
    collective(CollectiveKind::kAllToAll, GroupKind::kEp, "all_to_all_out",
               graph_.tensor(back).bytes, {y}, {back});
    y = back;
  }
  TensorId out = activation("combine.out", tokens, model_.hidden);
  emit(OpKind::kMoeCombine, "moe_combine", RowShape{tokens, model_.hidden, m.top_k}, {y, routes},
       {out});
  if (m.shared_ffn == 0) return out;

  TensorId shared = dense_ffn(h, share_.shared_ffn, "shared_");
  if (m.shared_gate) {
    GemmShape g;
    g.m = tokens;
    g.n = 1;
    g.k = model_.hidden;
    g.a = g.b = g.c = dtype;
    const TensorId gate = gemm(
        "shared_gate", g, {h, weight("shared_gate.weight", {model_.hidden, 1}, dtype)}, tokens, 1);
    const TensorId gated = training_ ? activation("shared_gated", tokens, model_.hidden) : shared;
    emit(OpKind::kMul, "shared_gate_mul", RowShape{tokens, model_.hidden, 0}, {shared, gate},
         {gated})
        .unary = true;
    shared = gated;
  }
  const TensorId sum = training_ ? activation("moe_sum", tokens, model_.hidden) : out;
  emit(OpKind::kAdd, "add_shared", RowShape{tokens, model_.hidden, 0}, {out, shared}, {sum});
  return sum;
}

}  // namespace athena::workload
