#include "workload/import/onnx_view.h"

// Both must be set before any header of ONNX, as its build does.
#define ONNX_NAMESPACE onnx
#define ONNX_ML 1
#include <onnx/onnx_pb.h>
#include <onnx/shape_inference/implementation.h>

#include <cstring>

#include "base/error.h"
#include "base/file.h"

namespace athena::workload {

namespace {

/// Integer constants up to this size are kept: shapes of reshapes, axes, not weights.
constexpr std::int64_t kSmallConstant = 16;
/// Values are followed through at most this many shape-neutral nodes.
constexpr int kMaxChain = 8;

OnnxConstant constant_of(const onnx::TensorProto& tensor) {
  OnnxConstant c;
  c.dims.assign(tensor.dims().begin(), tensor.dims().end());
  switch (tensor.data_type()) {
    case onnx::TensorProto::FLOAT:
      c.is_float = true;
      break;
    case onnx::TensorProto::FLOAT16:
      c.is_float = true, c.bits = 16;
      break;
    case onnx::TensorProto::BFLOAT16:
      c.is_float = c.is_bf16 = true, c.bits = 16;
      break;
    case onnx::TensorProto::DOUBLE:
      c.is_float = true, c.bits = 64;
      break;
    default:
      break;
  }
  if (tensor.data_type() == onnx::TensorProto::INT64 && c.elements() <= kSmallConstant) {
    if (tensor.has_raw_data()) {
      c.values.resize(tensor.raw_data().size() / sizeof(std::int64_t));
      std::memcpy(c.values.data(), tensor.raw_data().data(),
                  c.values.size() * sizeof(std::int64_t));
    } else {
      c.values.assign(tensor.int64_data().begin(), tensor.int64_data().end());
    }
  }
  return c;
}

std::vector<std::int64_t> shape_of(const onnx::ValueInfoProto& value) {
  std::vector<std::int64_t> dims;
  for (const auto& d : value.type().tensor_type().shape().dim()) {
    dims.push_back(d.has_dim_value() ? d.dim_value() : -1);
  }
  return dims;
}

void add_node(const onnx::NodeProto& proto, OnnxView& view) {
  OnnxNode node;
  node.type = proto.op_type();
  node.name = proto.name().empty() && proto.output_size() > 0 ? proto.output(0) : proto.name();
  node.inputs.assign(proto.input().begin(), proto.input().end());
  node.outputs.assign(proto.output().begin(), proto.output().end());
  for (const auto& attribute : proto.attribute()) {
    if (attribute.type() == onnx::AttributeProto::INT) {
      node.integers[attribute.name()] = attribute.i();
    }
    if (node.type == "Constant" && attribute.has_t()) {
      view.constants[proto.output(0)] = constant_of(attribute.t());
    }
  }
  const std::size_t index = view.nodes.size();
  for (const std::string& out : node.outputs) view.producer[out] = index;
  for (const std::string& in : node.inputs) view.consumers[in].push_back(index);
  view.nodes.push_back(std::move(node));
}

}  // namespace

std::int64_t OnnxConstant::elements() const {
  std::int64_t n = 1;
  for (const std::int64_t d : dims) n *= d;
  return n;
}

const OnnxNode* OnnxView::made_by(const std::string& value) const {
  const auto it = producer.find(value);
  return it == producer.end() ? nullptr : &nodes[it->second];
}

const OnnxConstant* OnnxView::weight(const std::string& value, std::string* origin,
                                     bool* transposed) const {
  std::string at = value;
  bool odd = false;
  for (int step = 0; step < kMaxChain; ++step) {
    if (const auto it = constants.find(at); it != constants.end()) {
      if (origin != nullptr) *origin = at;
      if (transposed != nullptr) *transposed = odd;
      return &it->second;
    }
    const OnnxNode* node = made_by(at);
    if (node == nullptr || node->inputs.empty()) return nullptr;
    if (node->type != "Transpose" && node->type != "Identity" && node->type != "Cast") {
      return nullptr;
    }
    odd = odd != (node->type == "Transpose");
    at = node->inputs.front();
  }
  return nullptr;
}

OnnxView read_onnx(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  onnx::ModelProto model;
  if (!model.ParseFromString(bytes) || model.graph().node_size() == 0) {
    throw InputError(path.string() + ": this is no ONNX model, or the file is not complete");
  }
  try {
    onnx::shape_inference::InferShapes(model);
  } catch (const std::exception& error) {
    throw InputError(path.string() + ": the graph's shapes do not fit together: " + error.what());
  }
  OnnxView view;
  for (const auto& tensor : model.graph().initializer()) {
    view.constants[tensor.name()] = constant_of(tensor);
  }
  for (const auto* list :
       {&model.graph().input(), &model.graph().value_info(), &model.graph().output()}) {
    for (const auto& value : *list) view.shapes[value.name()] = shape_of(value);
  }
  for (const auto& input : model.graph().input()) {
    if (view.constants.count(input.name()) == 0) view.inputs.push_back(input.name());
  }
  for (const auto& node : model.graph().node()) add_node(node, view);
  return view;
}

}  // namespace athena::workload
