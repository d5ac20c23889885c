#include "workload/graph_json.h"

#include <fmt/format.h>

#include <type_traits>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"

namespace athena::workload {

namespace {

using Json = nlohmann::ordered_json;

std::string_view name(NormKind kind) {
  return kind == NormKind::kLayer ? "layernorm" : "rmsnorm";
}

std::string_view name(Activation activation) {
  switch (activation) {
    case Activation::kGelu:
      return "gelu";
    case Activation::kSilu:
      return "silu";
    case Activation::kRelu:
      return "relu";
  }
  return "?";
}

/// Number of values of each enum that is written by name.
constexpr int count_of(Phase) {
  return 3;
}
constexpr int count_of(Role) {
  return 8;
}
constexpr int count_of(OpKind) {
  return static_cast<int>(OpKind::kOptimizerStep) + 1;
}
constexpr int count_of(Pass) {
  return 4;
}
constexpr int count_of(CollectiveKind) {
  return 8;
}
constexpr int count_of(GroupKind) {
  return 5;
}
constexpr int count_of(NormKind) {
  return 2;
}
constexpr int count_of(Activation) {
  return 3;
}

template <class E>
E enum_from(const std::string& text) {
  std::vector<std::string> known;
  for (int i = 0; i < count_of(E{}); ++i) {
    const auto value = static_cast<E>(i);
    if (name(value) == text) return value;
    known.emplace_back(name(value));
  }
  throw InputError(fmt::format("unknown word '{}'.{}", text, did_you_mean(text, known)));
}

// One list of fields per struct drives writing and reading.

template <class V>
void fields(Sequences& s, V& v) {
  v("q_len", s.q_len), v("kv_len", s.kv_len), v("count", s.count);
}
template <class V>
void fields(GroupRows& s, V& v) {
  v("rows", s.rows), v("count", s.count);
}
template <class V>
void fields(RowShape& s, V& v) {
  v("rows", s.rows), v("width", s.width), v("inner", s.inner);
}
template <class V>
void fields(GemmShape& s, V& v) {
  v("m", s.m), v("n", s.n), v("k", s.k), v("groups", s.groups), v("b_groups", s.b_groups);
  v("group_rows", s.group_rows), v("ragged_k", s.ragged_k), v("weights", s.weights);
  v("transpose_a", s.transpose_a), v("transpose_b", s.transpose_b), v("bias", s.bias);
  v("accumulate", s.accumulate), v("a", s.a), v("b", s.b), v("c", s.c);
}
template <class V>
void fields(RopeShape& s, V& v) {
  v("rows", s.rows), v("heads", s.heads), v("kv_heads", s.kv_heads), v("dim", s.dim);
  v("theta", s.theta);
}
template <class V>
void fields(AttentionShape& s, V& v) {
  v("batch", s.batch), v("heads", s.heads), v("kv_heads", s.kv_heads), v("qk_dim", s.qk_dim);
  v("v_dim", s.v_dim), v("causal", s.causal), v("window", s.window);
  v("scale", s.scale), v("alibi", s.alibi), v("shared_latent", s.shared_latent);
}
template <class V>
void fields(KvWriteShape& s, V& v) {
  v("batch", s.batch), v("width", s.width);
}
template <class V>
void fields(LinearAttentionShape& s, V& v) {
  v("batch", s.batch), v("key_heads", s.key_heads), v("value_heads", s.value_heads);
  v("key_dim", s.key_dim), v("value_dim", s.value_dim);
}
template <class V>
void fields(CollectiveShape& s, V& v) {
  v("kind", s.kind), v("group", s.group), v("size", s.size), v("stride", s.stride);
  v("bytes", s.bytes), v("async", s.async);
}
template <class V>
void fields(OptimizerShape& s, V& v) {
  v("parameters", s.parameters), v("read_bytes", s.read_bytes), v("write_bytes", s.write_bytes);
}
template <class V>
void fields(Tensor& t, V& v) {
  v("name", t.name), v("dims", t.dims), v("dtype", t.dtype), v("role", t.role);
  v("copies", t.copies);
}
template <class V>
void fields(Op& op, V& v) {
  v("kind", op.kind), v("name", op.name), v("pass", op.pass), v("layer", op.layer);
  v("dtype", op.dtype), v("kv_dtype", op.kv_dtype), v("norm", op.norm), v("epsilon", op.epsilon);
  v("activation", op.activation), v("gated", op.gated), v("residual", op.residual);
  v("unary", op.unary), v("inputs", op.inputs), v("outputs", op.outputs), v("shape", op.shape);
}
template <class V>
void fields(Block::Carry& c, V& v) {
  v("from", c.from), v("to", c.to);
}
template <class V>
void fields(Block& b, V& v) {
  v("name", b.name), v("repeat", b.repeat), v("first_layer", b.first_layer);
  v("layers_per_repeat", b.layers_per_repeat), v("reverse", b.reverse), v("entry", b.entry);
  v("carried", b.carried), v("ops", b.ops);
}
template <class V>
void fields(Graph& g, V& v) {
  v("name", g.name), v("phase", g.phase), v("tokens", g.tokens), v("sequences", g.sequences);
  v("batch", g.batch), v("kv_capacity", g.kv_capacity), v("tensors", g.tensors),
      v("blocks", g.blocks);
}

/// Names of the alternatives of OpShape, in its order.
constexpr std::string_view kShapeNames[] = {
    "rows", "gemm", "rope", "attention", "kv_write", "linear_attention", "collective", "optimizer"};

struct Writer {
  Json& json;

  template <class T>
  void operator()(const char* key, T& value) {
    json[key] = write(value);
  }

  template <class T>
  static Json write(T& value) {
    if constexpr (std::is_same_v<T, Dtype>) {
      return std::string(athena::name(value));
    } else if constexpr (std::is_enum_v<T>) {
      return std::string(name(value));
    } else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
      return value;
    } else if constexpr (std::is_same_v<T, Dims>) {
      Json list = Json::array();
      for (int i = 0; i < value.rank; ++i) list.push_back(value[i]);
      return list;
    } else if constexpr (std::is_same_v<T, OpShape>) {
      Json out = Json::object();
      out[std::string(kShapeNames[value.index()])] =
          std::visit([](auto& shape) { return write(shape); }, value);
      return out;
    } else if constexpr (requires { value.push_back(value.front()); }) {
      Json list = Json::array();
      for (auto& item : value) list.push_back(write(item));
      return list;
    } else {
      Json object = Json::object();
      Writer inner{object};
      fields(value, inner);
      return object;
    }
  }
};

struct Reader {
  const Json& json;

  template <class T>
  void operator()(const char* key, T& value) {
    if (!json.is_object() || !json.contains(key)) {
      throw InputError(fmt::format("key '{}' is missing", key));
    }
    try {
      read(json.at(key), value);
    } catch (const nlohmann::json::exception&) {
      throw InputError(fmt::format("key '{}' has a value of the wrong type", key));
    }
  }

  template <class T>
  static void read(const Json& from, T& value) {
    if constexpr (std::is_same_v<T, Dtype>) {
      const auto type = dtype_from_name(from.get<std::string>());
      if (!type) throw InputError("unknown number format '" + from.get<std::string>() + "'");
      value = *type;
    } else if constexpr (std::is_enum_v<T>) {
      value = enum_from<T>(from.get<std::string>());
    } else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
      value = from.get<T>();
    } else if constexpr (std::is_same_v<T, Dims>) {
      if (from.size() > value.size.size()) throw InputError("a tensor has at most 4 dimensions");
      for (const Json& item : from) {
        value.size[static_cast<std::size_t>(value.rank++)] = item.get<std::int64_t>();
      }
    } else if constexpr (std::is_same_v<T, OpShape>) {
      read_shape<0>(from, value);
    } else if constexpr (requires { value.push_back(value.front()); }) {
      value.clear();
      for (const Json& item : from) {
        value.emplace_back();
        read(item, value.back());
      }
    } else {
      Reader inner{from};
      fields(value, inner);
    }
  }

  template <std::size_t I>
  static void read_shape(const Json& from, OpShape& value) {
    if constexpr (I == std::variant_size_v<OpShape>) {
      throw InputError("an op has none of the known shapes");
    } else {
      const std::string key(kShapeNames[I]);
      if (!from.contains(key)) return read_shape<I + 1>(from, value);
      std::variant_alternative_t<I, OpShape> shape;
      read(from.at(key), shape);
      value = std::move(shape);
    }
  }
};

}  // namespace

Json to_json(const Graph& graph) {
  Graph copy = graph;  // the field lists serve reading too and so take references that may write
  return Writer::write(copy);
}

Graph graph_from_json(const Json& json, const std::string& file) {
  Graph graph;
  try {
    Reader::read(json, graph);
  } catch (const InputError& error) {
    throw InputError(file + ": not a graph: " + error.what());
  }
  for (Tensor& t : graph.tensors) {
    t.bytes = (t.dims.elements() * storage_bits(t.dtype) + 7) / 8;
  }
  const std::vector<std::string> findings = check(graph);
  if (!findings.empty()) throw InputError(file + ": " + findings.front());
  return graph;
}

std::string graph_hash(const Graph& graph) {
  return content_hash(to_json(graph).dump());
}

}  // namespace athena::workload
