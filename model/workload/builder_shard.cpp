/// Data parallelism: where weights, gradients and optimizer state live (ZeRO stages), and the
/// collectives that this takes. Stage 0 all-reduces gradients; 1 scatters them and gathers the
/// updated weights; 2 keeps only a shard of the gradients; 3 gathers weights for every pass (FSDP).
/// (Rajbhandari et al., ZeRO, arXiv:1910.02054.)
#include "base/units.h"
#include "workload/builder.h"

namespace athena::workload {

namespace {

constexpr int kFp32Bytes = 4;
constexpr int kMoments = 2;

/// Unique among blocks: several may be called "layers".
std::string block_label(const Block& block) {
  return block.first_layer < 0 ? block.name : "L" + std::to_string(block.first_layer);
}

}  // namespace

int Builder::replicas(bool expert) const {
  const Parallelism& p = spec_.parallel;
  return expert ? p.dp * p.cp / p.ep : p.dp * p.cp;
}

void Builder::replica_collective(CollectiveKind kind, bool expert, std::string_view label,
                                 std::int64_t bytes, std::vector<TensorId> inputs,
                                 std::vector<TensorId> outputs) {
  const Parallelism& p = spec_.parallel;
  CollectiveShape shape;
  shape.kind = kind;
  shape.group = GroupKind::kDp;
  shape.size = replicas(expert);
  shape.stride = expert ? p.tp * p.ep : p.tp;
  shape.bytes = bytes;
  shape.async = true;
  emit(OpKind::kCollective, label, shape, std::move(inputs), std::move(outputs));
}

std::int64_t Builder::bytes_sum(const std::vector<TensorId>& ids) const {
  std::int64_t sum = 0;
  for (const TensorId id : ids) sum += graph_.tensor(id).bytes;
  return sum;
}

std::vector<TensorId> Builder::weights_of(const Block& block, bool expert) const {
  std::vector<TensorId> found;
  std::set<TensorId> seen;
  const bool is_head = block.name == "head";
  for (const Op& op : block.ops) {
    for (const TensorId id : op.inputs) {
      const bool borrowed = is_head && id == table_;  // belongs to the embedding's block
      if (parameters_.count(id) > 0 && !borrowed && (expert_.count(id) > 0) == expert &&
          seen.insert(id).second) {
        found.push_back(id);
      }
    }
  }
  return found;
}

void Builder::gather_weights(std::size_t index, const Block& forward) {
  for (const bool expert : {false, true}) {
    const std::vector<TensorId> weights = weights_of(forward, expert);
    const int ways = replicas(expert);
    if (weights.empty() || ways == 1) continue;
    const std::int64_t bytes = bytes_sum(weights);
    std::int64_t elements = 0;
    for (const TensorId id : weights) elements += graph_.tensor(id).dims.elements();
    prefix_.clear();
    const TensorId shard =
        tensor(block_label(forward) + (expert ? ".expert_shard" : ".shard"),
               {ceil_div<std::int64_t>(elements, ways)}, graph_.tensor(weights.front()).dtype,
               Role::kWeight, forward.repeat);
    shards_.push_back(shard);
    for (const TensorId id : weights) {
      at(id).role = Role::kActivation;  // gathered for as long as a block needs it
      at(id).copies = 1;
    }
    const std::string label = expert ? "all_gather_expert_weights" : "all_gather_weights";
    replica_collective(CollectiveKind::kAllGather, expert, label, bytes, {shard}, weights);
    Op gather = graph_.blocks.back().ops.back();
    gather.pass = Pass::kForward;
    auto& ops = graph_.blocks[index].ops;
    ops.insert(ops.begin(), std::move(gather));
  }
}

void Builder::reduce_gradients(const Block& forward) {
  const int zero = spec_.parallel.zero;
  for (const bool expert : {false, true}) {
    std::vector<TensorId> grads;
    std::int64_t elements = 0;
    for (const TensorId w : weights_of(forward, expert)) {
      const TensorId g = weight_gradient(w);
      grads.push_back(g);
      elements += graph_.tensor(g).dims.elements();
    }
    if (grads.empty()) continue;
    const int ways = replicas(expert);
    // Stages 2 and 3 scatter after every micro-batch, so that no rank keeps a whole gradient.
    if (ways == 1 || (zero < 2 && !spec_.sync_gradients)) {
      kept_gradients_.insert(kept_gradients_.end(), grads.begin(), grads.end());
      continue;
    }
    const std::int64_t bytes = bytes_sum(grads);
    const std::string suffix = expert ? "_expert_grads" : "_grads";
    if (zero == 0) {
      replica_collective(CollectiveKind::kAllReduce, expert, "all_reduce" + suffix, bytes, grads,
                         grads);
      kept_gradients_.insert(kept_gradients_.end(), grads.begin(), grads.end());
      continue;
    }
    std::vector<TensorId> out = grads;  // stage 1 scatters within the buffer it has
    if (zero >= 2) {
      for (const TensorId g : grads) {
        at(g).role = Role::kActivation;
        at(g).copies = 1;
      }
      prefix_.clear();
      out = {tensor("grad." + block_label(forward) + (expert ? ".expert_shard" : ".shard"),
                    {ceil_div<std::int64_t>(elements, ways)}, graph_.tensor(grads.front()).dtype,
                    Role::kGradient, forward.repeat)};
    }
    kept_gradients_.insert(kept_gradients_.end(), out.begin(), out.end());
    replica_collective(CollectiveKind::kReduceScatter, expert, "reduce_scatter" + suffix, bytes,
                       grads, std::move(out));
  }
}

void Builder::update() {
  pass_ = Pass::kUpdate;
  begin_block("update", 1, -1, 0);
  const Parallelism& p = spec_.parallel;
  if (p.pp > 1 && model_.tied && (range_.first || range_.last)) {
    // First and last stage each hold the tied matrix and add their gradients (Megatron-LM).
    const TensorId table = table_ != kNoTensor ? table_ : head_table_;
    const TensorId g = weight_gradient(table);
    CollectiveShape shape;
    shape.kind = CollectiveKind::kAllReduce;
    shape.group = GroupKind::kPp;
    shape.size = 2;
    shape.stride = group_stride(GroupKind::kPp) * (p.pp - 1);
    shape.bytes = graph_.tensor(g).bytes;
    emit(OpKind::kCollective, "all_reduce_tied", shape, {g}, {g});
  }
  std::vector<TensorId> weights;
  std::int64_t parameters = 0;     // whose state this rank keeps
  std::int64_t bytes[2] = {0, 0};  // of the weights, dense and experts
  for (const TensorId id : parameters_) {
    const Tensor& t = graph_.tensor(id);
    const bool expert = expert_.count(id) > 0;
    const std::int64_t n = t.dims.elements() * parameter_copies_.at(id);
    bytes[expert ? 1 : 0] += t.bytes * parameter_copies_.at(id);
    parameters += p.zero >= 1 ? ceil_div<std::int64_t>(n, replicas(expert)) : n;
    if (t.role == Role::kWeight) weights.push_back(id);
  }
  weights.insert(weights.end(), shards_.begin(), shards_.end());
  if (parameters == 0) return;

  const std::int64_t weight_bytes = storage_bits(precision_.weights) / 8;
  const bool master = weight_bytes < kFp32Bytes;
  const std::int64_t states = kMoments + (master ? 1 : 0);
  prefix_.clear();
  const TensorId state =
      tensor("adam.states", {parameters, states}, Dtype::kFp32, Role::kOptimizer, 1);
  OptimizerShape shape;
  shape.parameters = parameters;
  shape.read_bytes = parameters * (states * kFp32Bytes + weight_bytes + (master ? 0 : kFp32Bytes));
  shape.write_bytes = parameters * (states * kFp32Bytes + weight_bytes);
  std::vector<TensorId> in = kept_gradients_;
  in.push_back(state);
  std::vector<TensorId> out = weights;
  out.push_back(state);
  emit(OpKind::kOptimizerStep, "adam", shape, std::move(in), std::move(out));
  if (p.zero != 1 && p.zero != 2) return;
  for (const bool expert : {false, true}) {
    if (bytes[expert ? 1 : 0] == 0 || replicas(expert) == 1) continue;
    replica_collective(CollectiveKind::kAllGather, expert,
                       expert ? "all_gather_expert_weights" : "all_gather_weights",
                       bytes[expert ? 1 : 0], weights, weights);
  }
}

}  // namespace athena::workload
