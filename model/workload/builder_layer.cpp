/// The forward pass: the ends of the model, and a layer as norms, attention, FFN and residuals.
#include <fmt/format.h>

#include "workload/builder.h"

namespace athena::workload {

void Builder::forward() {
  prologue();
  for (const LayerRun& run : model_.layer_runs(range_.begin, range_.end)) {
    begin_block("layers", run.repeat, run.first_layer, static_cast<int>(run.period.size()));
    Ends ends;
    const TensorId before = stream_;
    if (training_) {
      prefix_ = fmt::format("L{}.", layer_);
      ends.in = stream_ = activation("x", share_.stream_rows, model_.hidden);
      graph_.blocks.back().entry.push_back({before, stream_});
    }
    for (std::size_t i = 0; i < run.period.size(); ++i) {
      layer_ = run.first_layer + static_cast<int>(i);
      prefix_ = fmt::format("L{}.", layer_);
      layer(run.period[i]);
    }
    ends.out = stream_;
    if (training_) graph_.blocks.back().carried.push_back({ends.out, ends.in});
    ends_.push_back(ends);
  }
  epilogue();
}

void Builder::prologue() {
  begin_block("embedding", 1, -1, 0);
  const std::int64_t rows = share_.stream_rows;
  if (!range_.first) {
    stream_ = tensor("x", {rows, model_.hidden}, precision_.activations,
                     training_ ? Role::kActivation : Role::kInput, 1);
    collective(CollectiveKind::kRecv, GroupKind::kPp, "recv", graph_.tensor(stream_).bytes, {},
               {stream_});
    ends_.push_back({kNoTensor, stream_});
    return;
  }
  if (spec_.layers_only) {
    stream_ = tensor("x", {rows, model_.hidden}, precision_.activations, Role::kInput, 1);
    graph_.blocks.pop_back();
    return;
  }
  const Dtype dtype = precision_.activations;
  ids_ = tensor("token_ids", {share_.tokens}, Dtype::kInt32, Role::kInput, 1);
  table_ = weight("embedding.weight", {share_.vocab, model_.hidden}, dtype);
  stream_ = activation("x", share_.tokens, model_.hidden);
  emit(OpKind::kEmbedding, "embedding", RowShape{share_.tokens, model_.hidden, 0}, {ids_, table_},
       {stream_});
  // The vocabulary is split over TP: every rank looks up its own part and the parts are added.
  stream_ = leave_tp(stream_, "all_reduce_embed");
  const auto add_table = [&](const std::string& label, std::int64_t entries) {
    const TensorId table = weight(label + ".weight", {entries, model_.hidden}, dtype);
    const TensorId row = activation(label, rows, model_.hidden);
    emit(OpKind::kEmbedding, label, RowShape{rows, model_.hidden, 0}, {ids_, table}, {row});
    stream_ = residual(stream_, row, "add_" + label);
  };
  if (model_.positions == Positions::kLearned) add_table("position", model_.max_context);
  if (model_.token_types > 0) add_table("segment", model_.token_types);
  if (model_.embedding_norm) stream_ = norm(stream_, "embed_norm", rows, model_.hidden);
  ends_.push_back({kNoTensor, stream_});
}

void Builder::epilogue() {
  prefix_.clear();
  layer_ = -1;
  if (!range_.last) {
    begin_block("send", 1, -1, 0);
    collective(CollectiveKind::kSend, GroupKind::kPp, "send", graph_.tensor(stream_).bytes,
               {stream_}, {});
    ends_.push_back({stream_, kNoTensor});
    return;
  }
  if (spec_.layers_only) {
    if (!training_) graph_.tensors[static_cast<std::size_t>(stream_)].role = Role::kOutput;
    return;
  }
  begin_block("head", 1, -1, 0);
  const TensorId in = stream_;
  const bool last_tokens_only =
      !training_ && !spec_.all_logits && model_.head != Head::kNone && model_.causal;
  const std::int64_t rows = last_tokens_only ? share_.sequences : share_.stream_rows;
  TensorId h = stream_;
  if (model_.final_norm) {
    h = norm(stream_, "final_norm", rows, model_.hidden);
  }
  if (!last_tokens_only) h = enter_tp(h, "all_gather_head");
  head(h);
  ends_.push_back({in, kNoTensor});
}

void Builder::head(TensorId hidden) {
  const Dtype dtype = precision_.activations;
  if (model_.head == Head::kPooler && !training_) {
    const std::int64_t rows = share_.sequences;
    GemmShape g;
    g.m = rows;
    g.n = g.k = model_.hidden;
    g.bias = true;
    g.a = g.b = g.c = dtype;
    const TensorId w = weight("pooler.weight", {model_.hidden, model_.hidden}, dtype);
    const TensorId b = weight("pooler.bias", {model_.hidden}, dtype);
    const TensorId out = gemm("pooler", g, {hidden, w, b}, rows, model_.hidden);
    graph_.tensors[static_cast<std::size_t>(out)].role = Role::kOutput;
    return;
  }
  if (model_.head == Head::kNone) {
    graph_.tensors[static_cast<std::size_t>(hidden)].role = Role::kOutput;
    return;
  }
  const bool every_token = training_ || spec_.all_logits || !model_.causal;
  const std::int64_t rows = every_token ? share_.tokens : share_.sequences;
  // Training an encoder means predicting masked words: its head is the tied embedding.
  const bool tied = model_.tied || model_.head == Head::kPooler;
  const TensorId table = tied && table_ != kNoTensor
                             ? table_
                             : weight("head.weight", {share_.vocab, model_.hidden}, dtype);
  if (table != table_) head_table_ = table;
  GemmShape g;
  g.m = rows;
  g.n = share_.vocab;
  g.k = model_.hidden;
  g.transpose_b = true;
  g.bias = model_.head_bias;
  g.a = g.b = g.c = dtype;
  std::vector<TensorId> in = {hidden, table};
  if (g.bias) in.push_back(weight("head.bias", {share_.vocab}, dtype));
  TensorId logits = gemm("lm_head", g, std::move(in), rows, share_.vocab);
  if (training_) {
    loss(logits);
    return;
  }
  const int tp = spec_.parallel.tp;
  if (tp > 1) {
    const TensorId part = logits;
    logits = activation("logits_all", rows, share_.vocab * tp);
    collective(CollectiveKind::kAllGather, GroupKind::kTp, "all_gather_logits",
               graph_.tensor(logits).bytes, {part}, {logits});
  }
  const TensorId next = tensor("tokens", {rows}, Dtype::kInt32, Role::kOutput, 1);
  emit(OpKind::kSampling, "sampling", RowShape{rows, share_.vocab * tp, 0}, {logits}, {next});
}

void Builder::layer(LayerKind kind) {
  if (model_.parallel_block) {
    parallel_layer(kind);
  } else {
    sequential_layer(kind);
  }
}

void Builder::sequential_layer(LayerKind kind) {
  const std::int64_t rows = share_.stream_rows;
  const TensorId x = stream_;
  TensorId h = model_.post_norm ? x : norm(x, "layernorm_attn", rows, model_.hidden);
  TensorId y = leave_tp(attention(enter_tp(h, "all_gather_attn"), kind), "all_reduce_attn");
  TensorId mid = residual(x, y, "add_attn");
  if (model_.post_norm) mid = norm(mid, "layernorm_attn", rows, model_.hidden);

  h = model_.post_norm ? mid : norm(mid, "layernorm_ffn", rows, model_.hidden);
  y = leave_tp(ffn(enter_tp(h, "all_gather_ffn"), kind), "all_reduce_ffn");
  stream_ = residual(mid, y, "add_ffn");
  if (!model_.post_norm) return;
  stream_ = norm(stream_, "layernorm_ffn", rows, model_.hidden, training_ ? kNoTensor : x);
}

void Builder::parallel_layer(LayerKind kind) {
  const std::int64_t rows = share_.stream_rows;
  const TensorId x = stream_;
  const TensorId h = enter_tp(norm(x, "layernorm_attn", rows, model_.hidden), "all_gather_attn");
  const TensorId h2 = model_.shared_norm ? h
                                         : enter_tp(norm(x, "layernorm_ffn", rows, model_.hidden),
                                                    "all_gather_ffn");
  const TensorId a = attention(h, kind);
  const TensorId f = ffn(h2, kind);
  TensorId sum = a;
  if (training_) sum = activation("branches", share_.tokens, model_.hidden);
  emit(OpKind::kAdd, "add_branches", RowShape{share_.tokens, model_.hidden, 0}, {a, f}, {sum});
  stream_ = residual(x, leave_tp(sum, "all_reduce_attn"), "add_attn");
}

TensorId Builder::norm(TensorId x, std::string_view label, std::int64_t rows, std::int64_t width,
                       TensorId out) {
  const std::string base(label);
  const TensorId y = out == kNoTensor ? activation(base + ".out", rows, width) : out;
  std::vector<TensorId> in = {x, weight(base + ".weight", {width}, precision_.activations)};
  if (model_.norm == NormKind::kLayer && model_.norm_bias) {
    in.push_back(weight(base + ".bias", {width}, precision_.activations));
  }
  emit(OpKind::kNorm, label, RowShape{rows, width, 0}, std::move(in), {y});
  return y;
}

TensorId Builder::enter_tp(TensorId h, std::string_view label) {
  if (spec_.parallel.tp == 1) return h;
  if (!spec_.parallel.sequence_parallel) {
    tp_inputs_.insert(h);
    return h;
  }
  const TensorId whole = activation(label, share_.tokens, model_.hidden);
  gathered_[whole] = h;
  collective(CollectiveKind::kAllGather, GroupKind::kTp, label, graph_.tensor(whole).bytes, {h},
             {whole});
  return whole;
}

TensorId Builder::leave_tp(TensorId partial, std::string_view label) {
  if (spec_.parallel.tp == 1) return partial;
  const std::int64_t bytes = graph_.tensor(partial).bytes;
  if (!spec_.parallel.sequence_parallel) {
    collective(CollectiveKind::kAllReduce, GroupKind::kTp, label, bytes, {partial}, {partial});
    return partial;
  }
  const TensorId mine = activation(std::string(label) + ".part", share_.stream_rows, model_.hidden);
  collective(CollectiveKind::kReduceScatter, GroupKind::kTp, label, bytes, {partial}, {mine});
  return mine;
}

TensorId Builder::residual(TensorId x, TensorId y, std::string_view label) {
  TensorId sum = x;  // in place: see graph.h
  if (training_) sum = activation(label, share_.stream_rows, model_.hidden);
  emit(OpKind::kAdd, label, RowShape{share_.stream_rows, model_.hidden, 0}, {x, y}, {sum});
  return sum;
}

TensorId Builder::gemm(std::string_view label, const GemmShape& shape, std::vector<TensorId> inputs,
                       std::int64_t rows, std::int64_t width) {
  const TensorId out = activation(std::string(label) + ".out", rows, width, shape.c);
  emit(OpKind::kGemm, label, shape, std::move(inputs), {out});
  return out;
}

TensorId Builder::linear(TensorId a, std::string_view label, std::int64_t rows, std::int64_t in,
                         std::int64_t out, bool bias) {
  GemmShape g;
  g.m = rows;
  g.n = out;
  g.k = in;
  g.bias = bias;
  g.a = precision_.gemm_input;
  g.b = precision_.weights;
  g.c = precision_.activations;
  const std::string base(label);
  std::vector<TensorId> inputs = {a, weight(base + ".weight", {in, out}, precision_.weights)};
  if (bias) inputs.push_back(weight(base + ".bias", {out}, precision_.activations));
  return gemm(label, g, std::move(inputs), rows, out);
}

}  // namespace athena::workload
