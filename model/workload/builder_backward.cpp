/// The backward op of every forward op.
#include <utility>

#include "base/error.h"
#include "workload/builder.h"

namespace athena::workload {

namespace {

std::string mirrored(const Op& op, std::string_view suffix) {
  return op.name + std::string(suffix);
}

}  // namespace

TensorId Builder::gradient_of(TensorId of) const {
  const auto i = static_cast<std::size_t>(of);
  return i < gradients_.size() ? gradients_[i] : kNoTensor;
}

TensorId Builder::gradient(TensorId of) {
  const TensorId existing = gradient_of(of);
  if (existing != kNoTensor && columns_.count(of) > 0) return existing;
  const Tensor& t = graph_.tensor(of);
  const Dims dims = t.dims;
  const Dtype dtype = t.dtype;
  prefix_.clear();
  // A value read by several ops has a gradient from each, and their sums.
  const int earlier = gradient_count_[of]++;
  const std::string suffix = earlier > 0 ? "." + std::to_string(earlier) : std::string();
  return tensor("d." + t.name + suffix, dims, dtype, Role::kActivation, 1);
}

void Builder::add_gradient(TensorId of, TensorId grad) {
  const auto i = static_cast<std::size_t>(of);
  if (i >= gradients_.size()) gradients_.resize(graph_.tensors.size(), kNoTensor);
  if (gradients_[i] == kNoTensor || gradients_[i] == grad) {
    gradients_[i] = grad;
    return;
  }
  const Dims dims = graph_.tensor(of).dims;
  const std::int64_t width = dims[dims.rank - 1];
  const TensorId sum = gradient(of);
  emit(OpKind::kAdd, "grad_add", RowShape{dims.elements() / width, width, 0}, {gradients_[i], grad},
       {sum});
  gradients_[i] = sum;
}

TensorId Builder::weight_gradient(TensorId weight) {
  const auto i = static_cast<std::size_t>(weight);
  if (i >= weight_gradients_.size()) weight_gradients_.resize(i + 1, kNoTensor);
  if (weight_gradients_[i] != kNoTensor) return weight_gradients_[i];
  const Dims dims = graph_.tensor(weight).dims;
  const Dtype dtype = graph_.tensor(weight).dtype;
  const std::string label = "grad." + graph_.tensor(weight).name;
  prefix_.clear();
  const TensorId id = tensor(label, dims, dtype, Role::kGradient, copies_);
  weight_gradients_[i] = id;
  return id;
}

/// `kept`: forward values the op reads besides the incoming gradient; `targets`: tensors whose
/// gradient it writes (weights among them).
void Builder::row_backward(const Op& op, OpKind kind, const RowShape& shape,
                           const std::vector<TensorId>& kept,
                           const std::vector<TensorId>& targets) {
  std::vector<TensorId> in = {gradient_of(op.outputs.front())};
  in.insert(in.end(), kept.begin(), kept.end());
  std::vector<TensorId> out;
  out.reserve(targets.size());
  for (const TensorId t : targets) {
    out.push_back(parameters_.count(t) > 0 ? weight_gradient(t) : gradient(t));
  }
  Op& back = emit(kind, mirrored(op, ".bwd"), shape, std::move(in), out);
  back.norm = op.norm;
  back.activation = op.activation;
  back.gated = op.gated;
  back.unary = op.unary;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (parameters_.count(targets[i]) == 0) add_gradient(targets[i], out[i]);
  }
}

void Builder::backward_op(const Op& op) {
  if (op.kind == OpKind::kLoss) {
    add_gradient(op.outputs.front(), op.outputs.front());
    return;
  }
  if (op.kind == OpKind::kCollective || op.kind == OpKind::kSendRecv) {
    collective_backward(op);
    return;
  }
  const TensorId g = gradient_of(op.outputs.front());
  if (g == kNoTensor) return;  // nothing downstream depends on it (routing indices)
  switch (op.kind) {
    case OpKind::kAdd:
      add_gradient(op.inputs[0], g);
      add_gradient(op.inputs[1], g);
      return;
    case OpKind::kNorm:
      if (tp_inputs_.count(op.outputs[0]) > 0 && !model_.post_norm) {
        collective(CollectiveKind::kAllReduce, GroupKind::kTp, mirrored(op, ".all_reduce"),
                   graph_.tensor(g).bytes, {g}, {g});
      }
      row_backward(op, OpKind::kNormBackward, op.rows(), {op.inputs[0], op.inputs[1]}, op.inputs);
      return;
    case OpKind::kRope: {
      std::vector<TensorId> rotated;
      for (const TensorId t : op.outputs) rotated.push_back(gradient_of(t));
      emit(OpKind::kRope, mirrored(op, ".bwd"), op.rope(), rotated, rotated);
      return;
    }
    case OpKind::kGemm:
      if (op.gemm().weights) {
        gemm_backward(op);
      } else {
        matrix_backward(op);
      }
      return;
    case OpKind::kActivation:
      row_backward(op, OpKind::kActivationBackward, op.rows(), {op.inputs[0]}, {op.inputs[0]});
      return;
    case OpKind::kMul:
      row_backward(op, OpKind::kMulBackward, op.rows(), op.inputs, op.inputs);
      return;
    case OpKind::kSoftmax:
      row_backward(op, OpKind::kSoftmaxBackward, op.rows(), {op.outputs[0]}, {op.inputs[0]});
      return;
    case OpKind::kConv:
      row_backward(op, OpKind::kConvBackward, op.rows(), op.inputs, op.inputs);
      return;
    case OpKind::kEmbedding:
      emit(OpKind::kEmbeddingBackward, mirrored(op, ".bwd"), op.rows(), {g, op.inputs[0]},
           {weight_gradient(op.inputs[1])});
      return;
    case OpKind::kRouterTopK:
      row_backward(op, OpKind::kSoftmaxBackward, {op.rows().rows, op.rows().width, 0},
                   {op.inputs[0]}, {op.inputs[0]});
      return;
    case OpKind::kMoeDispatch: {
      const RowShape& r = op.rows();
      row_backward(op, OpKind::kMoeDispatchBackward,
                   {r.rows / model_.moe.top_k, r.width, model_.moe.top_k}, {op.inputs[1]},
                   {op.inputs[0]});
      return;
    }
    case OpKind::kMoeCombine: {
      const RowShape& r = op.rows();
      row_backward(op, OpKind::kMoeCombineBackward, {r.rows * r.inner, r.width, 0}, op.inputs,
                   op.inputs);
      return;
    }
    case OpKind::kAttention:
    case OpKind::kLinearAttention: {
      std::vector<TensorId> in = {g};
      in.insert(in.end(), op.inputs.begin(), op.inputs.end());
      in.insert(in.end(), op.outputs.begin(), op.outputs.end());
      std::vector<TensorId> out;
      for (const TensorId t : op.inputs) {
        const bool is_weight = parameters_.count(t) > 0;
        out.push_back(is_weight ? weight_gradient(t) : gradient(t));
      }
      const std::vector<TensorId> made = out;
      const bool fused = op.kind == OpKind::kAttention;
      emit(fused ? OpKind::kAttentionBackward : OpKind::kLinearAttentionBackward,
           mirrored(op, ".bwd"), op.shape, std::move(in), std::move(out));
      for (std::size_t t = 0; t < made.size(); ++t) {
        if (parameters_.count(op.inputs[t]) == 0) add_gradient(op.inputs[t], made[t]);
      }
      return;
    }
    default:
      break;
  }
  throw InternalError("no backward form of op kind '" + std::string(name(op.kind)) + "'");
}

void Builder::gemm_backward(const Op& op) {
  const GemmShape& f = op.gemm();
  const TensorId a = op.inputs[0];
  const TensorId w = op.inputs[1];
  const TensorId g = gradient_of(op.outputs[0]);
  const Dtype dtype = precision_.activations;

  GemmShape dx = f;
  dx.n = f.k;
  dx.k = f.n;
  dx.transpose_b = !f.transpose_b;
  dx.bias = false;
  dx.a = dx.c = dtype;
  const TensorId da = gradient(a);
  emit(OpKind::kGemm, mirrored(op, ".dx"), dx, {g, w}, {da});
  if (model_.post_norm && tp_inputs_.count(a) > 0) {
    collective(CollectiveKind::kAllReduce, GroupKind::kTp, mirrored(op, ".all_reduce"),
               graph_.tensor(da).bytes, {da}, {da});
  }
  add_gradient(a, da);
  regather(a);

  GemmShape dw = f;
  dw.m = f.transpose_b ? f.n : f.k;
  dw.n = f.transpose_b ? f.k : f.n;
  dw.k = f.m;
  dw.ragged_k = !f.group_rows.empty();
  dw.b_groups = f.groups;
  dw.transpose_a = true;
  dw.transpose_b = false;
  dw.weights = false;
  dw.bias = false;
  // A matrix used twice in a step (tied embedding) adds its second gradient to its first.
  const auto i = static_cast<std::size_t>(w);
  const bool used_before = i < weight_gradients_.size() && weight_gradients_[i] != kNoTensor;
  dw.accumulate = spec_.accumulate || used_before;
  dw.a = dw.b = dtype;
  dw.c = dtype;
  std::vector<TensorId> in = {a, g};
  if (f.transpose_b) std::swap(in[0], in[1]);
  emit(OpKind::kGemm, mirrored(op, ".dw"), std::move(dw), std::move(in), {weight_gradient(w)});
  if (f.bias) {
    emit(OpKind::kBiasBackward, mirrored(op, ".db"), RowShape{f.total_rows(), f.n, 0}, {g},
         {weight_gradient(op.inputs[2])});
  }
}

void Builder::matrix_backward(const Op& op) {
  const GemmShape& f = op.gemm();
  const TensorId g = gradient_of(op.outputs[0]);
  GemmShape da = f;
  da.n = f.k;
  da.k = f.n;
  da.transpose_b = !f.transpose_b;
  const TensorId a_gradient = gradient(op.inputs[0]);
  add_gradient(op.inputs[0], a_gradient);
  emit(OpKind::kGemm, mirrored(op, ".da"), std::move(da), {g, op.inputs[1]}, {a_gradient});

  // Heads that share keys or values add their gradients: one long product per shared B.
  GemmShape db = f;
  db.groups = db.b_groups = f.b_groups;
  db.k = f.m * (f.groups / f.b_groups);
  db.m = f.transpose_b ? f.n : f.k;
  db.n = f.transpose_b ? f.k : f.n;
  db.transpose_a = true;
  db.transpose_b = false;
  const TensorId b_gradient = gradient(op.inputs[1]);
  add_gradient(op.inputs[1], b_gradient);
  std::vector<TensorId> in = {op.inputs[0], g};
  if (f.transpose_b) std::swap(in[0], in[1]);
  emit(OpKind::kGemm, mirrored(op, ".db"), std::move(db), std::move(in), {b_gradient});
}

void Builder::collective_backward(const Op& op) {
  CollectiveShape back = op.collective();
  switch (back.kind) {
    case CollectiveKind::kAllReduce:
    case CollectiveKind::kBroadcast:
      // Same tensor in and out: its gradient is already whole on every rank.
      return;
    case CollectiveKind::kSend: {
      const TensorId in = op.inputs[0];
      const TensorId g = gradient(in);
      back.kind = CollectiveKind::kRecv;
      emit(OpKind::kSendRecv, "recv.bwd", back, {}, {g});
      add_gradient(in, g);
      return;
    }
    case CollectiveKind::kRecv:
      back.kind = CollectiveKind::kSend;
      emit(OpKind::kSendRecv, "send.bwd", back, {gradient_of(op.outputs[0])}, {});
      return;
    case CollectiveKind::kAllGather:
      back.kind = CollectiveKind::kReduceScatter;
      break;
    case CollectiveKind::kReduceScatter:
      back.kind = CollectiveKind::kAllGather;
      break;
    default:
      break;  // all-to-all is its own mirror image
  }
  const TensorId g = gradient_of(op.outputs[0]);
  if (g == kNoTensor) return;
  const TensorId target = gradient(op.inputs[0]);
  emit(OpKind::kCollective, mirrored(op, ".bwd"), back, {g}, {target});
  add_gradient(op.inputs[0], target);
}

/// With sequence parallelism the gathered input of a TP region is not kept: it is gathered again
/// for the weight gradient, beside the input gradient (arXiv:2205.05198, section 4.2.2).
void Builder::regather(TensorId whole) {
  if (!spec_.parallel.sequence_parallel || spec_.parallel.tp == 1) return;
  const auto source = gathered_.find(whole);
  if (source == gathered_.end() || !regathered_.insert(whole).second) return;
  if (spec_.recompute == Recompute::kFull && layer_ >= 0) return;  // recomputed with the layer
  collective(CollectiveKind::kAllGather, GroupKind::kTp, "regather", graph_.tensor(whole).bytes,
             {source->second}, {whole}, true);
}

}  // namespace athena::workload
