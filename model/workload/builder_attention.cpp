/// Attention in its forms: multi-head with grouped keys (fused or as three ops), latent (MLA,
/// expanded for prompts and absorbed for decode), and the gated delta rule.
#include <cmath>

#include "workload/builder.h"

namespace athena::workload {

namespace {

std::int64_t total_keys(const std::vector<Sequences>& batch) {
  std::int64_t sum = 0;
  for (const Sequences& s : batch) sum += s.kv_len * s.count;
  return sum;
}

std::int64_t total_queries(const std::vector<Sequences>& batch) {
  std::int64_t sum = 0;
  for (const Sequences& s : batch) sum += s.q_len * s.count;
  return sum;
}

}  // namespace

std::int64_t Builder::cache_slots() const {
  std::int64_t slots = 0;
  for (std::size_t i = 0; i < share_.batch.size(); ++i) {
    slots += graph_.kv_capacity[i] * share_.batch[i].count;
  }
  return slots;
}

TensorId Builder::attention(TensorId h, LayerKind kind) {
  if (kind.linear_attention) return linear_attention(h);
  if (model_.is_mla()) return mla(h);
  return mha(h, kind);
}

TensorId Builder::mha(TensorId h, LayerKind kind) {
  const std::int64_t d = model_.head_dim;
  const std::int64_t gate = model_.attention_gate ? share_.heads * d : 0;
  const std::int64_t width = (share_.heads + 2 * share_.kv_heads) * d;
  TensorId qkv = linear(h, "qkv", share_.tokens, model_.hidden, width + gate, model_.qkv_bias);
  const TensorId gate_of = qkv;
  if (gate > 0) columns_.insert(qkv);
  if (model_.qk_norm) {
    const std::int64_t rows = share_.tokens * (share_.heads + share_.kv_heads);
    const TensorId w = weight("qk_norm.weight", {2, d}, precision_.activations);
    const TensorId out = training_ ? activation("qk_norm.out", share_.tokens, width + gate) : qkv;
    emit(OpKind::kNorm, "qk_norm", RowShape{rows, d, 0}, {qkv, w}, {out});
    qkv = out;
  }
  if (model_.positions == Positions::kRope) {
    emit(
        OpKind::kRope, "rope",
        RopeShape{share_.tokens, share_.heads, share_.kv_heads, model_.rope_dim, model_.rope_theta},
        {qkv}, {qkv});
  }
  TensorId o = fused_attention(qkv, kind);
  if (gate > 0) {
    const TensorId gated = training_ ? activation("attn_gate.out", share_.tokens, gate) : o;
    emit(OpKind::kMul, "attn_gate", RowShape{share_.tokens, gate, 0}, {o, gate_of}, {gated}).unary =
        true;
    o = gated;
  }
  return linear(o, "out_proj", share_.tokens, share_.heads * d, model_.hidden, model_.out_bias);
}

TensorId Builder::fused_attention(TensorId qkv, LayerKind kind) {
  const std::int64_t d = model_.head_dim;
  const std::int64_t kv_width = share_.kv_heads * d;
  std::vector<TensorId> in = {qkv};
  if (spec_.parallel.cp > 1) {
    // Every rank of the CP group gathers the keys and values of the whole prompt.
    const std::int64_t rows = share_.tokens * spec_.parallel.cp;
    in.push_back(activation("kv_all", rows, 2 * kv_width));
    collective(CollectiveKind::kAllGather, GroupKind::kCp, "all_gather_kv",
               graph_.tensor(in.back()).bytes, {qkv}, {in.back()});
  }
  if (cached()) {
    const std::int64_t slots = cache_slots();
    const TensorId k =
        tensor("k_cache", {slots, share_.kv_heads, d}, precision_.kv, Role::kKvCache, copies_);
    const TensorId v =
        tensor("v_cache", {slots, share_.kv_heads, d}, precision_.kv, Role::kKvCache, copies_);
    emit(OpKind::kKvWrite, "kv_write", KvWriteShape{share_.batch, 2 * kv_width}, {qkv}, {k, v});
    if (spec_.parallel.cp == 1) {
      in.push_back(k);
      in.push_back(v);
    }
  }
  if (in.size() > 1 || !spec_.fused_attention) columns_.insert(qkv);
  if (!spec_.fused_attention) return unfused_attention(qkv, in.size() > 2 ? in[1] : qkv, in.back());
  AttentionShape a;
  a.batch = share_.batch;
  a.heads = share_.heads;
  a.kv_heads = share_.kv_heads;
  a.qk_dim = a.v_dim = model_.head_dim;
  a.causal = model_.causal;
  a.window = kind.windowed ? model_.window : 0;
  a.alibi = model_.positions == Positions::kAlibi;
  std::vector<TensorId> out = {activation("attention.out", share_.tokens, share_.heads * d)};
  // The log-sum-exp of every row is what the backward pass needs to rebuild the weights.
  if (training_)
    out.push_back(activation("attention.lse", share_.tokens, share_.heads, Dtype::kFp32));
  const TensorId o = out.front();
  emit(OpKind::kAttention, "attention", std::move(a), std::move(in), std::move(out));
  return o;
}

TensorId Builder::unfused_attention(TensorId qkv, TensorId keys, TensorId values) {
  const std::int64_t d = model_.head_dim;
  const Dtype dtype = precision_.activations;
  const TensorId o = activation("av.out", share_.tokens, share_.heads * d);
  int entry = 0;
  for (const Sequences& s : share_.batch) {
    const std::string which = entry++ > 0 ? "." + std::to_string(entry) : std::string();
    GemmShape g;
    g.groups = s.count * share_.heads;
    g.b_groups = s.count * share_.kv_heads;
    g.m = s.q_len;
    g.n = s.kv_len;
    g.k = d;
    g.weights = false;
    g.transpose_b = true;
    g.a = g.c = dtype;
    g.b = cached() ? precision_.kv : dtype;
    const std::int64_t rows = g.groups * s.q_len;
    const TensorId scores = activation("qk.out" + which, rows, s.kv_len);
    emit(OpKind::kGemm, "qk", g, {qkv, keys}, {scores});
    const TensorId weights = training_ ? activation("softmax.out" + which, rows, s.kv_len) : scores;
    emit(OpKind::kSoftmax, "softmax", RowShape{rows, s.kv_len, 0}, {scores}, {weights});
    g.n = d;
    g.k = s.kv_len;
    g.transpose_b = false;
    emit(OpKind::kGemm, "av", g, {weights, values}, {o});
  }
  return o;
}

TensorId Builder::mla(TensorId h) {
  const Mla& a = model_.mla;
  const std::int64_t tokens = share_.tokens;
  const std::int64_t q_width = std::int64_t{share_.heads} * (a.qk_nope_dim + a.qk_rope_dim);
  const std::int64_t latent_width = a.kv_lora_rank + a.qk_rope_dim;
  TensorId q = kNoTensor;
  if (a.q_lora_rank > 0) {
    // The low-rank projections are small and kept whole on every TP rank.
    const TensorId low = linear(h, "q_a", tokens, model_.hidden, a.q_lora_rank, model_.qkv_bias);
    const TensorId normed = norm(low, "q_a_norm", tokens, a.q_lora_rank);
    q = linear(normed, "q_b", tokens, a.q_lora_rank, q_width, false);
  } else {
    q = linear(h, "q", tokens, model_.hidden, q_width, model_.qkv_bias);
  }
  const TensorId raw = linear(h, "kv_a", tokens, model_.hidden, latent_width, model_.qkv_bias);
  const TensorId latent = training_ ? activation("kv_a_norm.out", tokens, latent_width) : raw;
  columns_.insert({raw, latent});
  emit(OpKind::kNorm, "kv_a_norm", RowShape{tokens, a.kv_lora_rank, 0},
       {raw, weight("kv_a_norm.weight", {a.kv_lora_rank}, precision_.activations)}, {latent});
  emit(OpKind::kRope, "rope", RopeShape{tokens, share_.heads, 1, a.qk_rope_dim, model_.rope_theta},
       {q, latent}, {q, latent});
  TensorId cache = kNoTensor;
  if (cached()) {
    cache = tensor("latent_cache", {cache_slots(), latent_width}, precision_.kv, Role::kKvCache,
                   copies_);
    emit(OpKind::kKvWrite, "kv_write", KvWriteShape{share_.batch, latent_width}, {latent}, {cache});
  }
  std::vector<Sequences> prompts;
  std::vector<Sequences> steps;
  for (const Sequences& s : share_.batch) {
    (s.q_len == 1 && !training_ ? steps : prompts).push_back(s);
  }
  TensorId o = kNoTensor;
  if (!prompts.empty()) o = mla_expanded(q, latent, cache, prompts);
  if (!steps.empty()) {
    const TensorId stepped = mla_absorbed(q, cache, steps);
    // Both write rows of one matrix of all tokens; the tensor of the prompts stands for it.
    o = o == kNoTensor ? stepped : o;
  }
  return linear(o, "out_proj", tokens, std::int64_t{share_.heads} * a.v_dim, model_.hidden,
                model_.out_bias);
}

TensorId Builder::mla_expanded(TensorId q, TensorId latent, TensorId cache,
                               const std::vector<Sequences>& batch) {
  const Mla& m = model_.mla;
  const bool fresh = total_keys(batch) == total_queries(batch);
  const std::int64_t kv_width = std::int64_t{share_.heads} * (m.qk_nope_dim + m.v_dim);
  TensorId source = fresh || cache == kNoTensor ? latent : cache;
  const std::int64_t rows = total_keys(batch);
  if (spec_.parallel.cp > 1) {
    const TensorId all = activation("latent_all", rows, m.kv_lora_rank + m.qk_rope_dim);
    collective(CollectiveKind::kAllGather, GroupKind::kCp, "all_gather_kv",
               graph_.tensor(all).bytes, {latent}, {all});
    source = all;
  }
  const TensorId kv = linear(source, "kv_b", rows, m.kv_lora_rank, kv_width, false);
  AttentionShape a;
  a.batch = batch;
  a.heads = a.kv_heads = share_.heads;
  a.qk_dim = m.qk_nope_dim + m.qk_rope_dim;
  a.v_dim = m.v_dim;
  a.causal = model_.causal;
  std::vector<TensorId> out = {
      activation("attention.out", share_.tokens, std::int64_t{share_.heads} * m.v_dim)};
  if (training_)
    out.push_back(activation("attention.lse", share_.tokens, share_.heads, Dtype::kFp32));
  const TensorId o = out.front();
  Op& op = emit(OpKind::kAttention, "attention", std::move(a), {q, kv, source}, std::move(out));
  op.kv_dtype = precision_.activations;  // expanded keys and values are activations
  return o;
}

TensorId Builder::mla_absorbed(TensorId q, TensorId cache, const std::vector<Sequences>& batch) {
  const Mla& m = model_.mla;
  const std::int64_t tokens = total_queries(batch);
  const auto per_head = [&](std::string_view label, std::int64_t in, std::int64_t out, TensorId a) {
    GemmShape g;
    g.m = tokens;
    g.n = out;
    g.k = in;
    g.groups = g.b_groups = share_.heads;
    g.a = precision_.gemm_input;
    g.b = precision_.weights;
    g.c = precision_.activations;
    const TensorId w =
        weight(std::string(label) + ".weight", {share_.heads, in, out}, precision_.weights);
    return gemm(label, g, {a, w}, tokens, share_.heads * out);
  };
  // W_UK moves from the keys to the query, W_UV from the values to the output (DeepSeek-V2,
  // arXiv:2405.04434, section 2.1.2), so that attention runs on the latent itself.
  const TensorId absorbed = per_head("q_absorb", m.qk_nope_dim, m.kv_lora_rank, q);
  AttentionShape a;
  a.batch = batch;
  a.heads = share_.heads;
  a.kv_heads = 1;
  a.qk_dim = m.kv_lora_rank + m.qk_rope_dim;
  a.v_dim = m.kv_lora_rank;
  a.causal = true;
  a.shared_latent = true;
  a.scale = 1 / std::sqrt(static_cast<double>(m.qk_nope_dim + m.qk_rope_dim));
  const TensorId latent_out =
      activation("attention_mla.out", tokens, std::int64_t{share_.heads} * m.kv_lora_rank);
  emit(OpKind::kAttention, "attention", std::move(a), {absorbed, q, cache}, {latent_out});
  return per_head("v_absorb", m.kv_lora_rank, m.v_dim, latent_out);
}

TensorId Builder::linear_attention(TensorId h) {
  const LinearAttention& l = model_.linear;
  const int tp = spec_.parallel.tp;
  LinearAttentionShape shape;
  shape.batch = share_.batch;
  shape.key_heads = l.key_heads / tp;
  shape.value_heads = l.value_heads / tp;
  shape.key_dim = l.key_dim;
  shape.value_dim = l.value_dim;
  const std::int64_t keys = std::int64_t{shape.key_heads} * l.key_dim;
  const std::int64_t values = std::int64_t{shape.value_heads} * l.value_dim;
  const std::int64_t tokens = share_.tokens;
  const TensorId qkvz = linear(h, "qkvz", tokens, model_.hidden, 2 * keys + 2 * values, false);
  const TensorId ba = linear(h, "ba", tokens, model_.hidden, 2 * shape.value_heads, false);
  columns_.insert(qkvz);
  const std::int64_t conv_width = 2 * keys + values;
  const TensorId taps = weight("conv.weight", {conv_width, l.conv_kernel}, precision_.activations);
  const TensorId mixed = training_ ? activation("conv.out", tokens, 2 * keys + 2 * values) : qkvz;
  emit(OpKind::kConv, "conv", RowShape{tokens, conv_width, l.conv_kernel}, {qkvz, taps}, {mixed});
  const TensorId decay = weight("decay", {2, shape.value_heads}, precision_.activations);
  std::vector<TensorId> in = {mixed, ba, decay};
  std::vector<TensorId> out = {activation("delta.out", tokens, values)};
  if (cached()) {
    const TensorId state =
        tensor("state", {share_.sequences, shape.value_heads, l.key_dim, l.value_dim}, Dtype::kFp32,
               Role::kKvCache, copies_);
    in.push_back(state);
    out.push_back(state);
  }
  const TensorId o = out.front();
  emit(OpKind::kLinearAttention, "delta_rule", std::move(shape), std::move(in), std::move(out));
  const TensorId normed = activation("delta_norm.out", tokens, values);
  emit(OpKind::kNorm, "delta_norm", RowShape{tokens * (values / l.value_dim), l.value_dim, 0},
       {o, weight("delta_norm.weight", {l.value_dim}, precision_.activations)}, {normed});
  const TensorId gated = training_ ? activation("delta_gate.out", tokens, values) : normed;
  Op& gate = emit(OpKind::kMul, "delta_gate", RowShape{tokens, values, 0}, {normed, qkvz}, {gated});
  gate.unary = true;
  gate.activation = Activation::kSilu;
  return linear(gated, "out_proj", tokens, values, model_.hidden, false);
}

}  // namespace athena::workload
