#include "exec/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <set>

#include "base/error.h"
#include "base/rng.h"
#include "exec/backward.h"
#include "numerics/convert.h"

namespace athena::exec {
namespace {

using workload::Graph;
using workload::Op;
using workload::OpKind;
using workload::TensorId;

std::int64_t last_dim(const workload::Tensor& tensor) {
  return tensor.dims[tensor.dims.rank - 1];
}

/// One repetition of a block over a table of values.
class Interpreter {
 public:
  Interpreter(const Graph& graph, Values& values, std::int64_t repeat, double* loss)
      : graph_(graph), values_(values), repeat_(repeat), loss_(loss) {}

  void run(const Op& op) {
    const TensorAccess access = [this](TensorId id) -> std::vector<double>& { return at(id); };
    if (run_backward(graph_, op, access, loss_)) return;
    switch (op.kind) {
      case OpKind::kEmbedding:
        embedding(op);
        return;
      case OpKind::kNorm:
        norm(op);
        return;
      case OpKind::kGemm:
        gemm(op);
        return;
      case OpKind::kRope:
        rope(op);
        return;
      case OpKind::kKvWrite:
        kv_write(op);
        return;
      case OpKind::kAttention:
        attention(op);
        return;
      case OpKind::kActivation:
        activation(op);
        return;
      case OpKind::kAdd:
        add(op);
        return;
      case OpKind::kSampling:
        sampling(op);
        return;
      default:
        break;
    }
    throw InputError("--functional: operator '" + op.name + "' (" +
                     std::string(workload::name(op.kind)) +
                     ") has no reference to compare with; run without --functional.");
  }

 private:
  std::vector<double>& at(TensorId id) {
    const workload::Tensor& tensor = graph_.tensor(id);
    std::vector<double>& v = values_[{id, tensor.copies > 1 ? repeat_ : 0}];
    if (v.empty()) v.resize(static_cast<std::size_t>(tensor.dims.elements()), 0.0);
    return v;
  }

  void embedding(const Op& op) {
    const std::vector<double>& ids = at(op.inputs[0]);
    const std::vector<double>& table = at(op.inputs[1]);
    std::vector<double>& out = at(op.outputs[0]);
    const auto width = static_cast<std::size_t>(op.rows().width);
    const std::vector<std::int64_t> position = positions(graph_.batch);
    for (std::size_t r = 0; r < static_cast<std::size_t>(op.rows().rows); ++r) {
      const auto row = op.name == "position" ? static_cast<std::size_t>(position[r])
                                             : static_cast<std::size_t>(ids[r]);
      std::copy_n(table.begin() + static_cast<std::ptrdiff_t>(row * width), width,
                  out.begin() + static_cast<std::ptrdiff_t>(r * width));
    }
  }

  void norm(const Op& op) {
    const std::vector<double> x = at(op.inputs[0]);
    std::vector<double>& out = at(op.outputs[0]);
    const auto width = static_cast<std::size_t>(op.rows().width);
    const bool centred = op.norm == workload::NormKind::kLayer;
    for (std::size_t r = 0; r < static_cast<std::size_t>(op.rows().rows); ++r) {
      double mean = 0;
      double variance = 0;
      for (std::size_t c = 0; c < width; ++c) mean += x[r * width + c];
      mean = centred ? mean / static_cast<double>(width) : 0.0;
      for (std::size_t c = 0; c < width; ++c) variance += std::pow(x[r * width + c] - mean, 2);
      const double scale = 1.0 / std::sqrt(variance / static_cast<double>(width) + 1e-5);
      for (std::size_t c = 0; c < width; ++c) {
        double y = (x[r * width + c] - mean) * scale;
        if (op.inputs.size() > 1) y *= at(op.inputs[1])[c];
        if (op.inputs.size() > 2) y += at(op.inputs[2])[c];
        out[r * width + c] = y;
      }
    }
  }

  void gemm(const Op& op) {
    const workload::GemmShape& s = op.gemm();
    if (s.groups != 1)
      throw InputError("--functional has no reference for grouped products ('" + op.name + "').");
    const std::vector<double>& a = at(op.inputs[0]);
    const std::vector<double>& b = at(op.inputs[1]);
    std::vector<double>& c = at(op.outputs[0]);
    const auto m = static_cast<std::size_t>(s.m);
    const auto n = static_cast<std::size_t>(s.n);
    const auto k = static_cast<std::size_t>(s.k);
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        double sum = s.bias && op.inputs.size() > 2 ? at(op.inputs[2])[j] : 0.0;
        for (std::size_t d = 0; d < k; ++d) {
          sum += (s.transpose_a ? a[d * m + i] : a[i * k + d]) *
                 (s.transpose_b ? b[j * k + d] : b[d * n + j]);
        }
        c[i * n + j] = sum;
      }
    }
  }

  /// Positions of the rows of the batch, in order.
  static std::vector<std::int64_t> positions(const std::vector<workload::Sequences>& batch) {
    std::vector<std::int64_t> result;
    for (const workload::Sequences& entry : batch) {
      for (std::int64_t s = 0; s < entry.count; ++s) {
        for (std::int64_t t = 0; t < entry.q_len; ++t)
          result.push_back(entry.kv_len - entry.q_len + t);
      }
    }
    return result;
  }
  [[nodiscard]] std::vector<workload::Sequences> batch() const {
    for (const workload::Block& block : graph_.blocks) {
      for (const Op& op : block.ops) {
        if (op.kind == OpKind::kAttention) return op.attention().batch;
      }
    }
    return {};
  }

  void rope(const Op& op) {
    const workload::RopeShape& s = op.rope();
    std::vector<double>& x = at(op.outputs[0]);
    const auto width = static_cast<std::size_t>(last_dim(graph_.tensor(op.outputs[0])));
    const std::size_t head = width / static_cast<std::size_t>(s.heads + 2 * s.kv_heads);
    const std::vector<std::int64_t> position = positions(batch());
    const auto half = static_cast<std::size_t>(s.dim / 2);
    for (std::size_t r = 0; r < static_cast<std::size_t>(s.rows); ++r) {
      for (std::size_t h = 0; h < static_cast<std::size_t>(s.heads + s.kv_heads); ++h) {
        double* row = x.data() + r * width + h * head;
        for (std::size_t i = 0; i < half; ++i) {
          const double angle = static_cast<double>(position[r]) /
                               std::pow(10000.0, static_cast<double>(2 * i) / s.dim);
          const double u = row[i];
          const double v = row[i + half];
          row[i] = u * std::cos(angle) - v * std::sin(angle);
          row[i + half] = v * std::cos(angle) + u * std::sin(angle);
        }
      }
    }
  }

  void kv_write(const Op& op) {
    const workload::KvWriteShape& s = op.kv_write();
    const std::vector<double>& rows = at(op.inputs[0]);
    const auto width = static_cast<std::size_t>(last_dim(graph_.tensor(op.inputs[0])));
    std::size_t column = width - static_cast<std::size_t>(s.width);
    for (const TensorId cache : op.outputs) {
      const workload::Tensor& tensor = graph_.tensor(cache);
      const auto part = static_cast<std::size_t>(tensor.dims.elements() / tensor.dims[0]);
      std::vector<double>& out = at(cache);
      std::size_t row = 0;
      std::size_t slot = 0;
      for (std::size_t e = 0; e < s.batch.size(); ++e) {
        const auto capacity = static_cast<std::size_t>(graph_.kv_capacity[e]);
        for (std::int64_t q = 0; q < s.batch[e].count; ++q, slot += capacity) {
          const auto first = static_cast<std::size_t>(s.batch[e].kv_len - s.batch[e].q_len);
          for (std::size_t t = 0; t < static_cast<std::size_t>(s.batch[e].q_len); ++t, ++row) {
            for (std::size_t c = 0; c < part; ++c)
              out[(slot + first + t) * part + c] = rows[row * width + column + c];
          }
        }
      }
      column += part;
    }
  }

  void attention(const Op& op) {
    const workload::AttentionShape& s = op.attention();
    const bool cached = op.inputs.size() > 2;
    const std::vector<double> rows = at(op.inputs[0]);
    const auto width = static_cast<std::size_t>(last_dim(graph_.tensor(op.inputs[0])));
    const std::vector<double>& keys = cached ? at(op.inputs[1]) : rows;
    const std::vector<double>& values = cached ? at(op.inputs[2]) : rows;
    std::vector<double>& out = at(op.outputs[0]);
    const auto qk = static_cast<std::size_t>(s.qk_dim);
    const auto vd = static_cast<std::size_t>(s.v_dim);
    const auto heads = static_cast<std::size_t>(s.heads);
    const auto kv_heads = static_cast<std::size_t>(s.kv_heads);
    const auto key = [&](std::size_t slot, std::size_t head, std::size_t d) {
      return cached ? keys[(slot * kv_heads + head) * qk + d]
                    : keys[slot * width + (heads + head) * qk + d];
    };
    const auto value = [&](std::size_t slot, std::size_t head, std::size_t d) {
      return cached ? values[(slot * kv_heads + head) * vd + d]
                    : values[slot * width + (heads + kv_heads) * qk + head * vd + d];
    };
    std::size_t row = 0;
    std::size_t slot = 0;
    for (std::size_t e = 0; e < s.batch.size(); ++e) {
      const workload::Sequences& entry = s.batch[e];
      for (std::int64_t q = 0; q < entry.count; ++q) {
        for (std::int64_t t = 0; t < entry.q_len; ++t, ++row) {
          const std::int64_t visible = s.causal ? entry.kv_len - entry.q_len + t + 1 : entry.kv_len;
          for (std::size_t h = 0; h < heads; ++h) {
            const std::size_t g = h * kv_heads / heads;
            std::vector<double> weight(static_cast<std::size_t>(visible));
            double maximum = -std::numeric_limits<double>::infinity();
            for (std::size_t j = 0; j < weight.size(); ++j) {
              double dot = 0;
              for (std::size_t d = 0; d < qk; ++d)
                dot += rows[row * width + h * qk + d] * key(slot + j, g, d);
              weight[j] = dot / std::sqrt(static_cast<double>(qk));
              maximum = std::max(maximum, weight[j]);
            }
            double sum = 0;
            for (double& w : weight) sum += (w = std::exp(w - maximum));
            for (std::size_t d = 0; d < vd; ++d) {
              double result = 0;
              for (std::size_t j = 0; j < weight.size(); ++j)
                result += weight[j] / sum * value(slot + j, g, d);
              out[(row * heads + h) * vd + d] = result;
            }
          }
        }
        slot += static_cast<std::size_t>(cached ? graph_.kv_capacity[e] : entry.q_len);
      }
    }
  }

  static double activate(workload::Activation fn, double x) {
    switch (fn) {
      case workload::Activation::kGelu:
        return 0.5 * x *
               (1.0 + std::tanh(std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
      case workload::Activation::kSilu:
        return x / (1.0 + std::exp(-x));
      case workload::Activation::kRelu:
        return std::max(0.0, x);
    }
    return x;
  }

  void activation(const Op& op) {
    const std::vector<double> x = at(op.inputs[0]);
    std::vector<double>& out = at(op.outputs[0]);
    const auto width = static_cast<std::size_t>(op.rows().width);
    const std::size_t stride = op.gated ? 2 * width : width;
    for (std::size_t r = 0; r < static_cast<std::size_t>(op.rows().rows); ++r) {
      for (std::size_t c = 0; c < width; ++c) {
        const double y = activate(op.activation, x[r * stride + c]);
        out[r * width + c] = op.gated ? y * x[r * stride + width + c] : y;
      }
    }
  }

  void add(const Op& op) {
    const std::vector<double> a = at(op.inputs[0]);
    const std::vector<double> b = at(op.inputs[1]);
    std::vector<double>& out = at(op.outputs[0]);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = a[i] + b[i];
  }

  void sampling(const Op& op) {
    const std::vector<double>& x = at(op.inputs[0]);
    std::vector<double>& out = at(op.outputs[0]);
    const auto width = static_cast<std::ptrdiff_t>(op.rows().width);
    for (std::ptrdiff_t r = 0; r < op.rows().rows; ++r) {
      const auto begin = x.begin() + r * width;
      out[static_cast<std::size_t>(r)] =
          static_cast<double>(std::max_element(begin, begin + width) - begin);
    }
  }

  const Graph& graph_;
  Values& values_;
  std::int64_t repeat_;
  double* loss_;
};

}  // namespace

Values random_inputs(const Graph& graph, std::int64_t vocab, std::uint64_t seed) {
  Values values;
  Rng rng(seed);
  for (std::size_t i = 0; i < graph.tensors.size(); ++i) {
    const workload::Tensor& tensor = graph.tensors[i];
    const bool given = tensor.role == workload::Role::kWeight ||
                       tensor.role == workload::Role::kInput ||
                       tensor.role == workload::Role::kKvCache;
    if (!given) continue;
    const std::int64_t elements = tensor.dims.elements();
    const bool vector = tensor.dims.rank == 1 || tensor.dims[0] == 1;
    const bool norm = tensor.name.find("norm") != std::string::npos;
    // Variance is kept from layer to layer: the inverse root of what a result sums over, which for
    // a row that is looked up is one.
    const bool table = tensor.name.find("embedding") != std::string::npos;
    const double spread = vector  ? 0.1
                          : table ? 1.0
                                  : 1.0 / std::sqrt(static_cast<double>(tensor.dims[0]));
    for (std::int64_t copy = 0; copy < std::max(1, tensor.copies); ++copy) {
      std::vector<double>& v = values[{static_cast<TensorId>(i), copy}];
      v.resize(static_cast<std::size_t>(elements));
      for (std::size_t e = 0; e < v.size(); ++e) {
        if (tensor.dtype == Dtype::kInt32) {
          const bool positions = tensor.name.find("position") != std::string::npos;
          v[e] = positions ? static_cast<double>(e)
                           : static_cast<double>(rng.below(
                                 static_cast<std::uint64_t>(std::max<std::int64_t>(1, vocab))));
          continue;
        }
        const bool weight = norm && tensor.name.find("bias") == std::string::npos;
        v[e] = numerics::round_to(tensor.dtype,
                                  static_cast<float>((weight ? 1.0 : 0.0) + spread * rng.normal()));
      }
    }
  }
  return values;
}

void run_operator(const Graph& graph, const Op& op, Values& values, double* loss) {
  Interpreter(graph, values, 0, loss).run(op);
}

void run_reference(const Graph& graph, Values& values, double* loss) {
  for (const workload::Block& block : graph.blocks) {
    for (std::int64_t repeat = 0; repeat < block.repeat; ++repeat) {
      Interpreter interpreter(graph, values, repeat, loss);
      for (const Op& op : block.ops) interpreter.run(op);
    }
  }
}

}  // namespace athena::exec
