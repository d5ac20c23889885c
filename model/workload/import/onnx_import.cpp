#include "workload/import/onnx_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "workload/import/onnx_view.h"

namespace athena::workload {

namespace {

/// How far the recognised architecture's parameters may lie from those of the file: constants of
/// norms and activations that an exporter adds.
constexpr double kParameterTolerance = 0.01;
/// Values are followed back from a softmax to its mask over at most this many nodes.
constexpr int kMaskReach = 24;

/// A product with a weight: [*, in] x [in, out].
struct Product {
  std::size_t node = 0;
  std::int64_t in = 0;
  std::int64_t out = 0;
  bool bias = false;
  std::string weight;
};

bool any_of(const std::string& word, std::initializer_list<const char*> list) {
  return std::any_of(list.begin(), list.end(), [&](const char* w) { return word == w; });
}

bool is_attention(const OnnxNode& n) {
  return any_of(n.type, {"Attention", "MultiHeadAttention", "GroupQueryAttention"});
}

class Recogniser {
 public:
  explicit Recogniser(const std::filesystem::path& path)
      : file_(path.string()), view_(read_onnx(path)) {
    model_.name = path.stem().string();
  }

  Transformer run() {
    embeddings();
    products();
    layers();
    norms();
    positions();
    causality();
    model_.finish();
    compare_parameters();
    return std::move(model_);
  }

 private:
  [[noreturn]] void refuse(const std::string& sentence) const {
    throw InputError(file_ + ": " + sentence);
  }

  void embeddings() {
    std::vector<const OnnxConstant*> tables;
    for (const OnnxNode& n : view_.nodes) {
      if (n.type != "Gather" || n.inputs.empty()) continue;
      std::string origin;
      const OnnxConstant* table = view_.weight(n.inputs[0], &origin);
      if (table == nullptr || !table->is_float || table->dims.size() != 2) continue;
      if (tables.empty()) embedding_ = origin;
      tables.push_back(table);
    }
    if (tables.empty()) {
      refuse("no embedding found: expected a Gather on a two-dimensional weight");
    }
    model_.vocab = tables[0]->dims[0];
    model_.hidden = tables[0]->dims[1];
    model_.dtype = tables[0]->is_bf16      ? Dtype::kBf16
                   : tables[0]->bits == 16 ? Dtype::kFp16
                                           : Dtype::kFp32;
    for (std::size_t i = 1; i < tables.size(); ++i) {
      if (tables[i]->dims[1] != model_.hidden) continue;  // rotary tables are narrower
      // Positions run into the hundreds, segments are two or three.
      constexpr std::int64_t kMostSegments = 16;
      if (tables[i]->dims[0] <= kMostSegments) {
        model_.token_types = tables[i]->dims[0];
      } else {
        model_.positions = Positions::kLearned;
        model_.max_context = tables[i]->dims[0];
      }
    }
  }

  void products() {
    for (std::size_t i = 0; i < view_.nodes.size(); ++i) {
      const OnnxNode& n = view_.nodes[i];
      if (n.type == "Softmax" || is_attention(n)) cores_.push_back(i);
      if (!any_of(n.type, {"MatMul", "Gemm"}) || n.inputs.size() < 2) continue;
      std::string origin;
      bool transposed = false;
      const OnnxConstant* w = view_.weight(n.inputs[1], &origin, &transposed);
      if (w == nullptr || w->dims.size() != 2) continue;
      const auto flag = n.integers.find("transB");
      if (flag != n.integers.end() && flag->second != 0) transposed = !transposed;
      Product p;
      p.node = i;
      p.in = w->dims[transposed ? 1 : 0];
      p.out = w->dims[transposed ? 0 : 1];
      p.bias = n.inputs.size() > 2 || added_bias(n.outputs[0], p.out);
      p.weight = origin;
      products_.push_back(p);
    }
    if (cores_.empty()) refuse("no attention found: expected a Softmax or an Attention node");
    if (products_.empty()) refuse("no product with a weight found");
  }

  [[nodiscard]] bool added_bias(const std::string& value, std::int64_t width) const {
    const auto users = view_.consumers.find(value);
    if (users == view_.consumers.end()) return false;
    for (const std::size_t user : users->second) {
      const OnnxNode& n = view_.nodes[user];
      if (n.type != "Add") continue;
      for (const std::string& in : n.inputs) {
        const OnnxConstant* c = view_.weight(in);
        if (c != nullptr && c->dims.size() == 1 && c->dims[0] == width) return true;
      }
    }
    return false;
  }

  /// Products between node `from` and node `to`, both excluded.
  [[nodiscard]] std::vector<Product> between(std::size_t from, std::size_t to) const {
    std::vector<Product> out;
    for (const Product& p : products_) {
      if (p.node > from && p.node < to) out.push_back(p);
    }
    return out;
  }

  void layers() {
    model_.layers = static_cast<int>(cores_.size());
    std::vector<Product> projections;
    for (const Product& p : products_) {
      if (p.node < cores_[0]) projections.push_back(p);
    }
    for (std::size_t i = 0; i < cores_.size(); ++i) {
      const std::size_t next = i + 1 < cores_.size() ? cores_[i + 1] : view_.nodes.size();
      const std::vector<Product> rest = between(cores_[i], next);
      Transformer layer = model_;
      attention(layer, projections, rest, cores_[i]);
      const std::size_t used = feed_forward(layer, rest);
      if (i == 0) {
        model_ = layer;
      } else if (layer_parameters(layer, {}) != layer_parameters(model_, {}) ||
                 layer.heads != model_.heads || layer.ffn != model_.ffn) {
        refuse(fmt::format("layer {} has another shape than layer 0", i));
      }
      projections.assign(rest.begin() + static_cast<std::ptrdiff_t>(used), rest.end());
    }
    head(projections);
  }

  void attention(Transformer& m, const std::vector<Product>& projections,
                 const std::vector<Product>& rest, std::size_t core) {
    const std::string& where = view_.nodes[core].name;
    if (rest.empty() || rest[0].out != m.hidden) {
      refuse(
          fmt::format("behind attention '{}' no output projection to the {} hidden columns "
                      "follows",
                      where, m.hidden));
    }
    m.heads = heads_of(core);
    const std::int64_t width = rest[0].in;  // heads x head_dim
    if (m.heads < 1 || width % m.heads != 0) {
      refuse(
          fmt::format("attention '{}': the number of heads is not to be told (expected a "
                      "softmax over [batch, heads, queries, keys], or num_heads)",
                      where));
    }
    m.head_dim = static_cast<int>(width / m.heads);
    std::int64_t kv_width = 0;
    if (projections.size() == 1 && projections[0].in == m.hidden) {
      kv_width = (projections[0].out - width) / 2;
    } else if (projections.size() == 3 && projections[0].out == width &&
               projections[1].out == projections[2].out) {
      kv_width = projections[1].out;
    }
    if (kv_width < 1 || kv_width % m.head_dim != 0) {
      refuse(
          fmt::format("attention '{}': expected one fused or three projections to Q, K and V "
                      "before it, found {} products",
                      where, projections.size()));
    }
    m.kv_heads = static_cast<int>(kv_width / m.head_dim);
    m.qkv_bias = projections[0].bias;
    m.out_bias = rest[0].bias;
  }

  [[nodiscard]] int heads_of(std::size_t core) const {
    const OnnxNode& n = view_.nodes[core];
    for (const char* key : {"num_heads", "q_num_heads"}) {
      const auto it = n.integers.find(key);
      if (it != n.integers.end()) return static_cast<int>(it->second);
    }
    const auto shape = view_.shapes.find(n.inputs[0]);
    constexpr std::size_t kScoresRank = 4;
    if (shape != view_.shapes.end() && shape->second.size() == kScoresRank &&
        shape->second[1] > 0) {
      return static_cast<int>(shape->second[1]);
    }
    // Lengths left open stop shape inference; the reshape to heads still names them.
    for (std::size_t i = core; i-- > 0;) {
      const OnnxNode& r = view_.nodes[i];
      if (r.type != "Reshape" || r.inputs.size() < 2) continue;
      const OnnxConstant* target = view_.weight(r.inputs[1]);
      if (target != nullptr && target->values.size() == kScoresRank && target->values[2] > 0) {
        return static_cast<int>(target->values[2]);
      }
    }
    return 0;
  }

  /// Reads the FFN from the products behind attention; returns how many belong to this layer.
  std::size_t feed_forward(Transformer& m, const std::vector<Product>& rest) {
    std::vector<Product> up;
    for (std::size_t i = 1; i < rest.size(); ++i) {
      const Product& p = rest[i];
      const bool down = !up.empty() && p.in == up[0].out && p.out == m.hidden;
      if (down) {
        m.ffn = p.in;
        m.gated = up.size() == 2;
        m.ffn_bias = p.bias;
        m.activation = activation_between(up[0].node, p.node);
        return i + 1;
      }
      if (p.in != m.hidden || (!up.empty() && p.out != up[0].out) || up.size() == 2) break;
      up.push_back(p);
    }
    refuse(
        fmt::format("behind output projection '{}' no feed-forward network follows (one or two "
                    "products from {} columns and one back)",
                    view_.nodes[rest[0].node].name, m.hidden));
  }

  [[nodiscard]] Activation activation_between(std::size_t from, std::size_t to) const {
    for (std::size_t i = from; i < to; ++i) {
      const std::string& type = view_.nodes[i].type;
      if (any_of(type, {"Gelu", "FastGelu", "BiasGelu", "Erf", "Tanh"})) return Activation::kGelu;
      if (any_of(type, {"Sigmoid", "Swish", "Silu", "QuickGelu"})) return Activation::kSilu;
      if (type == "Relu") return Activation::kRelu;
    }
    refuse(
        fmt::format("no activation found before '{}': expected Gelu, Erf, Tanh, Sigmoid or "
                    "Relu",
                    view_.nodes[to].name));
  }

  void head(const std::vector<Product>& left) {
    model_.head = Head::kNone;
    for (const Product& p : left) {
      if (p.in == model_.hidden && p.out == model_.vocab) {
        model_.head = Head::kLanguageModel;
        model_.tied = p.weight == embedding_;
        model_.head_bias = p.bias;
      } else if (p.in == model_.hidden && p.out == model_.hidden) {
        model_.head = Head::kPooler;
      } else {
        refuse(
            fmt::format("product '{}' ({} x {}) behind the last layer is neither a "
                        "language-model head nor a pooler",
                        view_.nodes[p.node].name, p.in, p.out));
      }
    }
  }

  void norms() {
    int fused_layer = 0, fused_rms = 0, means = 0, centred = 0;
    bool bias = false;
    std::size_t first = view_.nodes.size();
    for (std::size_t i = 0; i < view_.nodes.size(); ++i) {
      const OnnxNode& n = view_.nodes[i];
      const bool layer = any_of(n.type, {"LayerNormalization", "SkipLayerNormalization"});
      const bool rms = any_of(n.type, {"SimplifiedLayerNormalization", "RMSNormalization",
                                       "SkipSimplifiedLayerNormalization"});
      fused_layer += layer ? 1 : 0;
      fused_rms += rms ? 1 : 0;
      if (layer) bias = bias || n.inputs.size() > 2;
      if (n.type == "ReduceMean") {
        ++means;
        const auto users = view_.consumers.find(n.outputs[0]);
        const bool subtracted =
            users != view_.consumers.end() &&
            std::any_of(users->second.begin(), users->second.end(),
                        [&](std::size_t u) { return view_.nodes[u].type == "Sub"; });
        centred += subtracted ? 1 : 0;
      }
      if (layer || rms || n.type == "ReduceMean") first = std::min(first, i);
    }
    // A decomposed LayerNorm takes two means and subtracts one; an RMSNorm takes one.
    const int decomposed = centred > 0 ? centred : means;
    const int total = fused_layer + fused_rms + decomposed;
    if (total == 0) refuse("no norm found: expected LayerNormalization, an RMS form or ReduceMean");
    model_.norm =
        fused_rms > 0 || (fused_layer == 0 && centred == 0) ? NormKind::kRms : NormKind::kLayer;
    model_.norm_bias = model_.norm == NormKind::kLayer && (bias || fused_layer == 0);
    const int inside = 2 * model_.layers;
    if (total != inside && total != inside + 1) {
      refuse(fmt::format("{} norms in {} layers: expected {} or {}", total, model_.layers, inside,
                         inside + 1));
    }
    // Post-norm models normalise only behind the residual, so their first norm comes after the
    // first attention; BERT has one more, behind its embedding, whose result is the residual
    // stream.
    model_.embedding_norm = total == inside + 1 && residual_from_norm(first);
    model_.post_norm = model_.embedding_norm || first > cores_[0];
    model_.final_norm = total == inside + 1 && !model_.embedding_norm;
  }

  /// Whether the first norm's result feeds both the projections and a residual addition: the stream
  /// itself is normalised, as BERT does behind its embedding.
  [[nodiscard]] bool residual_from_norm(std::size_t first) const {
    const std::size_t limit = products_.front().node;
    for (std::size_t i = first; i < limit; ++i) {
      for (const std::string& out : view_.nodes[i].outputs) {
        const auto users = view_.consumers.find(out);
        if (users == view_.consumers.end()) continue;
        bool projected = false, added = false;
        for (const std::size_t u : users->second) {
          const OnnxNode& n = view_.nodes[u];
          projected = projected || any_of(n.type, {"MatMul", "Gemm"});
          added = added || (any_of(n.type, {"Add", "SkipLayerNormalization"}) && u > cores_[0]);
        }
        if (projected && added) return true;
      }
    }
    return false;
  }

  void positions() {
    if (model_.positions == Positions::kLearned) return;
    std::int64_t table_rows = 0;
    bool rotary = false;
    for (const OnnxNode& n : view_.nodes) {
      rotary = rotary || any_of(n.type, {"RotaryEmbedding", "Cos", "Sin"}) ||
               (n.integers.count("do_rotary") > 0 && n.integers.at("do_rotary") != 0);
    }
    for (const auto& [name, c] : view_.constants) {
      const bool table = name.find("cos") != std::string::npos && c.is_float;
      if (!table || c.dims.size() < 2) continue;
      rotary = true;
      table_rows = std::max(table_rows, c.dims[c.dims.size() - 2]);
    }
    model_.positions = rotary ? Positions::kRope : Positions::kNone;
    model_.max_context = table_rows > 0 ? table_rows : input_length();
    if (model_.max_context < 1) {
      refuse(
          "the longest context is not to be told: the graph has no position table and its input "
          "length is open; export it with a fixed length");
    }
  }

  [[nodiscard]] std::int64_t input_length() const {
    for (const std::string& in : view_.inputs) {
      const auto shape = view_.shapes.find(in);
      if (shape != view_.shapes.end() && shape->second.size() == 2) return shape->second[1];
    }
    return 0;
  }

  void causality() {
    model_.causal = false;
    const OnnxNode& core = view_.nodes[cores_[0]];
    for (const char* key : {"unidirectional", "is_causal"}) {
      const auto it = core.integers.find(key);
      if (it != core.integers.end() && it->second != 0) model_.causal = true;
    }
    if (core.type == "GroupQueryAttention") model_.causal = true;
    if (core.type == "Softmax" && masked(core.inputs[0], 0)) model_.causal = true;
    if (!model_.causal && model_.head == Head::kLanguageModel && model_.token_types == 0 &&
        !model_.post_norm) {
      refuse(
          "the graph has a language-model head but its attention shows no triangular mask; "
          "export it with the mask as Trilu, a square constant or is_causal");
    }
  }

  /// Whether a Trilu or a square constant flows into `value` without passing a product.
  [[nodiscard]] bool masked(const std::string& value, int depth) const {
    if (const auto c = view_.constants.find(value); c != view_.constants.end()) {
      const std::vector<std::int64_t>& d = c->second.dims;
      return d.size() >= 2 && d.back() > 1 && d.back() == d[d.size() - 2];
    }
    const OnnxNode* n = view_.made_by(value);
    if (n == nullptr || depth > kMaskReach || any_of(n->type, {"MatMul", "Gemm"})) return false;
    if (n->type == "Trilu") return true;
    return std::any_of(n->inputs.begin(), n->inputs.end(),
                       [&](const std::string& in) { return masked(in, depth + 1); });
  }

  void compare_parameters() const {
    std::int64_t held = 0;
    for (const auto& [name, c] : view_.constants) {
      const bool table = name.find("cos") != std::string::npos ||
                         name.find("sin") != std::string::npos ||
                         name.find("mask") != std::string::npos;
      if (c.is_float && !table && !c.dims.empty()) held += c.elements();
    }
    const auto found = static_cast<double>(model_.parameter_count());
    if (std::abs(found - static_cast<double>(held)) <= kParameterTolerance * found) return;
    refuse(
        fmt::format("recognised as {}, but the file holds {:.3g} parameters: it has parts that "
                    "this importer does not know",
                    model_.summary(), static_cast<double>(held)));
  }

  std::string file_;
  OnnxView view_;
  Transformer model_;
  std::string embedding_;
  std::vector<Product> products_;
  std::vector<std::size_t> cores_;
};

}  // namespace

Transformer import_onnx(const std::filesystem::path& path) {
  return Recogniser(path).run();
}

}  // namespace athena::workload
