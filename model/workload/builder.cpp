#include "workload/builder.h"

#include <algorithm>

namespace athena::workload {

Builder::Builder(const Transformer& model, const PhaseSpec& spec)
    : model_(model),
      spec_(spec),
      precision_(spec.precision.value_or(precision_of(model))),
      share_(share_of(model, spec)),
      range_(stage_range(model, spec)),
      training_(spec.phase == Phase::kTrain) {
  graph_.name = model.name;
  graph_.phase = spec.phase;
  graph_.tokens = share_.tokens;
  graph_.sequences = share_.sequences;
  graph_.batch = share_.batch;
  for (const Sequences& s : share_.batch) {
    graph_.kv_capacity.push_back(std::max(s.kv_len, spec.kv_capacity));
  }
  graph_.tensors.reserve(64);
  graph_.blocks.reserve(8);
}

Graph Builder::build() {
  if (training_) {
    training();
  } else {
    forward();
  }
  return std::move(graph_);
}

// ---------------------------------------------------------------------------------- emission

Op& Builder::emit(OpKind kind, std::string_view label, OpShape shape, std::vector<TensorId> inputs,
                  std::vector<TensorId> outputs) {
  Op& op = graph_.blocks.back().ops.emplace_back();
  op.kind = kind;
  op.name = label;
  op.pass = pass_;
  op.layer = layer_;
  op.shape = std::move(shape);
  op.dtype = precision_.activations;
  op.kv_dtype = cached() ? precision_.kv : precision_.activations;
  op.norm = model_.norm;
  op.epsilon = model_.norm_epsilon;
  op.inputs = std::move(inputs);
  op.outputs = std::move(outputs);
  return op;
}

TensorId Builder::tensor(std::string_view label, Dims dims, Dtype dtype, Role role, int copies) {
  Tensor t;
  t.name.reserve(prefix_.size() + label.size());
  t.name.append(prefix_).append(label);
  t.dims = dims;
  t.dtype = dtype;
  t.role = role;
  t.copies = copies;
  return graph_.add(std::move(t));
}

TensorId Builder::activation(std::string_view label, std::int64_t rows, std::int64_t width) {
  return tensor(label, {rows, width}, precision_.activations, Role::kActivation, 1);
}

TensorId Builder::activation(std::string_view label, std::int64_t rows, std::int64_t width,
                             Dtype dtype) {
  return tensor(label, {rows, width}, dtype, Role::kActivation, 1);
}

TensorId Builder::weight(std::string_view label, Dims dims, Dtype dtype, bool expert) {
  const TensorId id = tensor(label, dims, dtype, Role::kWeight, copies_);
  if (!training_) return id;
  if (expert) expert_.insert(id);
  parameters_.insert(id);
  parameter_copies_[id] = copies_;
  return id;
}

void Builder::begin_block(std::string name, int repeat, int first_layer, int layers_per_repeat) {
  Block& block = graph_.blocks.emplace_back();
  block.name = std::move(name);
  block.repeat = repeat;
  block.first_layer = first_layer;
  block.layers_per_repeat = layers_per_repeat;
  block.ops.reserve(24);
  copies_ = repeat;
  layer_ = first_layer;
  prefix_.clear();
}

int Builder::group_size(GroupKind group) const {
  const Parallelism& p = spec_.parallel;
  switch (group) {
    case GroupKind::kTp:
      return p.tp;
    case GroupKind::kCp:
      return p.cp;
    case GroupKind::kEp:
      return p.ep;
    case GroupKind::kDp:
      return p.dp;
    case GroupKind::kPp:
      return p.pp;
  }
  return 1;
}

int Builder::group_stride(GroupKind group) const {
  const Parallelism& p = spec_.parallel;
  switch (group) {
    case GroupKind::kTp:
      return 1;
    case GroupKind::kCp:
      return p.tp;
    case GroupKind::kEp:
    case GroupKind::kDp:
      return p.tp * p.cp;
    case GroupKind::kPp:
      return p.tp * p.cp * p.dp;
  }
  return 1;
}

void Builder::collective(CollectiveKind kind, GroupKind group, std::string_view label,
                         std::int64_t bytes, std::vector<TensorId> inputs,
                         std::vector<TensorId> outputs, bool async) {
  CollectiveShape shape;
  shape.kind = kind;
  shape.group = group;
  shape.size = group_size(group);
  shape.stride = group_stride(group);
  shape.bytes = bytes;
  shape.async = async;
  const bool point_to_point = kind == CollectiveKind::kSend || kind == CollectiveKind::kRecv ||
                              kind == CollectiveKind::kSendRecv;
  emit(point_to_point ? OpKind::kSendRecv : OpKind::kCollective, label, shape, std::move(inputs),
       std::move(outputs));
}

}  // namespace athena::workload
