/// A training step of one micro-batch: the forward blocks, their mirror images in reverse, and the
/// update. Which activations are kept follows from what the backward ops read.
#include <algorithm>

#include "workload/builder.h"

namespace athena::workload {

namespace {

/// Vocabulary-parallel cross entropy exchanges maximum, target logit and sum of exponentials of
/// each token in fp32 (Megatron-LM, arXiv:1909.08053, section 3).
constexpr int kLossExchangeBytes = 3 * 4;

/// What selective recomputation repeats: the attention matrix (arXiv:2205.05198, section 5). Fused
/// attention never stores it, so nothing is left to repeat.
bool selective(const Op& op) {
  return op.kind == OpKind::kSoftmax || (op.kind == OpKind::kGemm && !op.gemm().weights);
}

bool contains(const std::vector<TensorId>& list, TensorId id) {
  return std::find(list.begin(), list.end(), id) != list.end();
}

}  // namespace

void Builder::training() {
  forward();
  const std::size_t forward_blocks = graph_.blocks.size();
  graph_.blocks.reserve(2 * forward_blocks + 1);
  pass_ = Pass::kBackward;
  if (spec_.layers_only && range_.last) {
    // Layers on their own: the gradient of their output is given from outside.
    incoming_ =
        tensor("d.y", {share_.stream_rows, model_.hidden}, precision_.activations, Role::kInput, 1);
  }
  for (std::size_t i = forward_blocks; i-- > 0;) backward_block(i);
  const std::size_t backward_end = graph_.blocks.size();
  if (spec_.part == TrainPart::kWhole || spec_.part == TrainPart::kUpdate) update();

  const auto begin = graph_.blocks.begin();
  const auto at_index = [&](std::size_t i) { return begin + static_cast<std::ptrdiff_t>(i); };
  switch (spec_.part) {
    case TrainPart::kWhole:
      break;
    case TrainPart::kForward:
      graph_.blocks.erase(at_index(forward_blocks), graph_.blocks.end());
      break;
    case TrainPart::kBackward:
      graph_.blocks.erase(begin, at_index(forward_blocks));
      break;
    case TrainPart::kUpdate:
      graph_.blocks.erase(begin, at_index(backward_end));
      break;
  }
}

void Builder::loss(TensorId logits) {
  const std::int64_t tokens = share_.tokens;
  if (spec_.parallel.tp > 1) {
    const TensorId sums = activation("loss_sums", tokens, 3, Dtype::kFp32);
    collective(CollectiveKind::kAllReduce, GroupKind::kTp, "all_reduce_loss",
               tokens * kLossExchangeBytes, {logits}, {sums});
  }
  if (ids_ == kNoTensor) ids_ = tensor("token_ids", {tokens}, Dtype::kInt32, Role::kInput, 1);
  // Leaves the gradient where the logits were.
  emit(OpKind::kLoss, "loss", RowShape{tokens, share_.vocab, 0}, {logits, ids_}, {logits});
}

void Builder::backward_block(std::size_t index) {
  const Block forward = graph_.blocks[index];  // a copy: the list grows below
  const Ends ends = ends_[index];
  begin_block(forward.name + ".backward", forward.repeat, forward.first_layer,
              forward.layers_per_repeat);
  graph_.blocks.back().reverse = true;
  gradients_.assign(graph_.tensors.size(), kNoTensor);
  regathered_.clear();

  const bool in_stack = forward.layers_per_repeat > 0;
  TensorId out_gradient = incoming_;
  if (ends.out != kNoTensor) {
    if (in_stack) {
      out_gradient = gradient(ends.out);
      graph_.blocks.back().entry.push_back({incoming_, out_gradient});
    }
    add_gradient(ends.out, out_gradient);
  }
  if (spec_.parallel.zero == 3) gather_weights(index, forward);
  if (in_stack) append_recompute(forward);
  for (auto op = forward.ops.rbegin(); op != forward.ops.rend(); ++op) {
    layer_ = op->layer;
    backward_op(*op);
  }
  reduce_gradients(forward);
  mark_saved(forward, ends.in);
  if (ends.in == kNoTensor) return;
  incoming_ = gradient_of(ends.in);
  if (in_stack) graph_.blocks.back().carried.push_back({incoming_, out_gradient});
}

void Builder::append_recompute(const Block& forward) {
  if (spec_.recompute == Recompute::kNone) return;
  for (const Op& op : forward.ops) {
    if (spec_.recompute == Recompute::kSelective && !selective(op)) continue;
    Op again = op;
    again.pass = Pass::kRecompute;
    graph_.blocks.back().ops.push_back(std::move(again));
  }
}

void Builder::mark_saved(const Block& forward, TensorId block_input) {
  const auto save = [&](TensorId id) {
    Tensor& t = at(id);
    if (t.role != Role::kActivation) return;
    t.role = Role::kSaved;
    t.copies = forward.repeat;
  };
  const bool in_stack = forward.layers_per_repeat > 0;
  if (in_stack && block_input != kNoTensor) save(block_input);
  if (in_stack && spec_.recompute == Recompute::kFull) return;

  std::vector<TensorId> produced;
  for (const Op& op : forward.ops) {
    if (spec_.recompute == Recompute::kSelective && selective(op) && op.name != "av") continue;
    for (const TensorId id : op.outputs) {
      if (regathered_.count(id) == 0) produced.push_back(id);
    }
  }
  if (block_input != kNoTensor) produced.push_back(block_input);
  for (const Op& op : graph_.blocks.back().ops) {
    if (op.pass != Pass::kBackward) continue;
    for (const TensorId id : op.inputs) {
      if (contains(produced, id)) save(id);
    }
  }
}

}  // namespace athena::workload
