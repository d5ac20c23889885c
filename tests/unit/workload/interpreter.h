#pragma once
/// Runs graphs in double precision, op by op as graph.h describes them, on one rank. Exists to show
/// that graphs compute what they claim; slow and plain on purpose.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "workload/graph.h"

namespace athena::workload::testing {

using Matrix = std::vector<double>;

class Interpreter {
 public:
  std::map<std::string, Matrix> values;  ///< by tensor name
  double loss = 0;

  /// `blocks`: "forward", "backward" or "" for all.
  void run(const Graph& unrolled, const std::string& blocks = "") {
    graph_ = &unrolled;
    for (const Block& block : unrolled.blocks) {
      const bool backward = block.name.find(".backward") != std::string::npos;
      if (blocks == "forward" && backward) continue;
      if (blocks == "backward" && !backward) continue;
      if (block.name == "update") continue;
      for (const Block::Carry& c : block.entry) at(c.to) = at(c.from);
      for (const Op& op : block.ops) step(op);
    }
  }

  Matrix& at(TensorId id) { return at_name(graph_->tensor(id)); }

  Matrix& at_name(const Tensor& t) {
    Matrix& m = values[t.name];
    m.resize(static_cast<std::size_t>(t.dims.elements()));
    return m;
  }

 private:
  static std::size_t u(std::int64_t v) { return static_cast<std::size_t>(v); }
  Matrix& in(const Op& op, std::size_t i) { return at(op.inputs.at(i)); }
  Matrix& out(const Op& op, std::size_t i) { return at(op.outputs.at(i)); }
  std::int64_t width(TensorId id) const {
    const Dims& d = graph_->tensor(id).dims;
    return d[d.rank - 1];
  }

  void step(const Op& op) {
    switch (op.kind) {
      case OpKind::kEmbedding:
        return embedding(op);
      case OpKind::kEmbeddingBackward:
        return embedding_backward(op);
      case OpKind::kNorm:
        return norm(op);
      case OpKind::kNormBackward:
        return norm_backward(op);
      case OpKind::kGemm:
        return gemm(op);
      case OpKind::kBiasBackward:
        return bias_backward(op);
      case OpKind::kRope:
        return rope(op);
      case OpKind::kKvWrite:
        return kv_write(op);
      case OpKind::kAttention:
        return attention(op);
      case OpKind::kAttentionBackward:
        return attention_backward(op);
      case OpKind::kActivation:
        return activation(op);
      case OpKind::kActivationBackward:
        return activation_backward(op);
      case OpKind::kAdd:
        return add(op);
      case OpKind::kLoss:
        return cross_entropy(op);
      case OpKind::kSampling:
        return;
      default:
        throw std::logic_error("interpreter: " + std::string(name(op.kind)));
    }
  }

  /// Position of every token of the batch.
  std::vector<std::int64_t> positions() const {
    std::vector<std::int64_t> out;
    for (const Sequences& s : graph_->batch) {
      for (std::int64_t c = 0; c < s.count; ++c) {
        for (std::int64_t i = 0; i < s.q_len; ++i) out.push_back(s.kv_len - s.q_len + i);
      }
    }
    return out;
  }

  std::int64_t row_of(const Op& op, std::size_t token, const std::vector<std::int64_t>& position) {
    if (op.name.rfind("position", 0) == 0) return position[token];
    if (op.name.rfind("segment", 0) == 0) return 0;
    const TensorId ids = op.kind == OpKind::kEmbedding ? op.inputs[0] : op.inputs[1];
    return static_cast<std::int64_t>(at(ids)[token]);
  }

  void embedding(const Op& op) {
    const auto position = positions();
    const std::size_t w = u(op.rows().width);
    for (std::size_t t = 0; t < u(op.rows().rows); ++t) {
      const std::size_t row = u(row_of(op, t, position));
      for (std::size_t c = 0; c < w; ++c) out(op, 0)[t * w + c] = in(op, 1)[row * w + c];
    }
  }

  void embedding_backward(const Op& op) {
    const auto position = positions();
    const std::size_t w = u(op.rows().width);
    Matrix& table = out(op, 0);
    if (fresh(op.outputs[0])) table.assign(table.size(), 0);
    for (std::size_t t = 0; t < u(op.rows().rows); ++t) {
      const std::size_t row = u(row_of(op, t, position));
      for (std::size_t c = 0; c < w; ++c) table[row * w + c] += in(op, 0)[t * w + c];
    }
  }

  /// Whether a gradient is written for the first time in this run (a tied table is written twice).
  bool fresh(TensorId id) { return written_.insert(graph_->tensor(id).name).second; }

  void norm(const Op& op) {
    const RowShape& r = op.rows();
    const std::size_t w = u(r.width);
    const bool rms = op.norm == NormKind::kRms;
    const Matrix x = in(op, 0);
    const bool fewer = u(r.rows) * w < x.size();  // final norm: last token of each sequence
    std::size_t source = 0;
    std::size_t row = 0;
    for (const Sequences& s : graph_->batch) {
      for (std::int64_t c = 0; c < s.count && fewer; ++c, ++row) {
        source += u(s.q_len);
        normalise(op, &x[(source - 1) * w], row, w, rms);
      }
    }
    for (; row < u(r.rows); ++row) normalise(op, &x[row * w], row, w, rms);
  }

  void normalise(const Op& op, const double* x, std::size_t row, std::size_t w, bool rms) {
    double mean = 0, square = 0;
    for (std::size_t c = 0; c < w && !rms; ++c) mean += x[c] / static_cast<double>(w);
    for (std::size_t c = 0; c < w; ++c) square += (x[c] - mean) * (x[c] - mean);
    const double scale = 1 / std::sqrt(square / static_cast<double>(w) + op.epsilon);
    for (std::size_t c = 0; c < w; ++c) {
      const double bias = op.inputs.size() > 2 ? in(op, 2)[c] : 0;
      out(op, 0)[row * w + c] = (x[c] - mean) * scale * in(op, 1)[c] + bias;
    }
  }

  void norm_backward(const Op& op) {  // {dy, x, weight} -> {dx, dweight[, dbias]}
    const std::size_t w = u(op.rows().width);
    const bool rms = op.norm == NormKind::kRms;
    const Matrix dy = in(op, 0);
    for (std::size_t i = 1; i < op.outputs.size(); ++i) out(op, i).assign(w, 0);
    for (std::size_t r = 0; r < u(op.rows().rows); ++r) {
      const double* x = &in(op, 1)[r * w];
      const auto n = static_cast<double>(w);
      double mean = 0, square = 0, sum = 0, dot = 0;
      for (std::size_t c = 0; c < w && !rms; ++c) mean += x[c] / n;
      for (std::size_t c = 0; c < w; ++c) square += (x[c] - mean) * (x[c] - mean);
      const double scale = 1 / std::sqrt(square / n + op.epsilon);
      for (std::size_t c = 0; c < w; ++c) {
        const double g = dy[r * w + c] * in(op, 2)[c];
        sum += g;
        dot += g * (x[c] - mean) * scale;
      }
      for (std::size_t c = 0; c < w; ++c) {
        const double hat = (x[c] - mean) * scale;
        const double g = dy[r * w + c] * in(op, 2)[c];
        out(op, 0)[r * w + c] = scale * (g - (rms ? 0 : sum / n) - hat * dot / n);
        out(op, 1)[c] += dy[r * w + c] * hat;
        if (op.outputs.size() > 2) out(op, 2)[c] += dy[r * w + c];
      }
    }
  }

  void gemm(const Op& op) {
    const GemmShape& g = op.gemm();
    if (g.groups != 1) throw std::logic_error("interpreter: grouped products");
    const Matrix a = in(op, 0);
    const Matrix b = in(op, 1);
    Matrix& c = out(op, 0);
    const std::size_t m = u(g.m), n = u(g.n), k = u(g.k);
    const bool keep = g.accumulate && !fresh(op.outputs[0]);
    if (!g.weights) fresh(op.outputs[0]);
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        double sum = keep ? c[i * n + j] : 0;
        for (std::size_t l = 0; l < k; ++l) {
          sum += (g.transpose_a ? a[l * m + i] : a[i * k + l]) *
                 (g.transpose_b ? b[j * k + l] : b[l * n + j]);
        }
        c[i * n + j] = sum + (g.bias ? in(op, 2)[j] : 0);
      }
    }
  }

  void bias_backward(const Op& op) {
    const std::size_t w = u(op.rows().width);
    out(op, 0).assign(w, 0);
    for (std::size_t i = 0; i < u(op.rows().rows) * w; ++i) out(op, 0)[i % w] += in(op, 0)[i];
  }

  void rope(const Op& op) {
    const RopeShape& r = op.rope();
    const auto position = positions();
    Matrix& x = out(op, 0);
    const std::size_t w = u(width(op.outputs[0]));
    const std::size_t d = u(head_width(w, r));
    const double turn = op.pass == Pass::kBackward ? -1 : 1;
    const std::size_t half = u(r.dim) / 2;
    for (std::size_t t = 0; t < u(r.rows); ++t) {
      for (std::size_t h = 0; h < u(r.heads + r.kv_heads); ++h) {
        for (std::size_t i = 0; i < half; ++i) {
          const double angle = turn * static_cast<double>(position[t]) *
                               std::pow(r.theta, -2.0 * static_cast<double>(i) / r.dim);
          double& p = x[t * w + h * d + i];
          double& q = x[t * w + h * d + i + half];
          const double p0 = p, q0 = q;
          p = p0 * std::cos(angle) - q0 * std::sin(angle);
          q = q0 * std::cos(angle) + p0 * std::sin(angle);
        }
      }
    }
  }

  static std::int64_t head_width(std::size_t w, const RopeShape& r) {
    return static_cast<std::int64_t>(w) / (r.heads + 2 * r.kv_heads);
  }

  /// Calls f(first token, first cache slot, q_len, kv_len) for every sequence.
  template <class F>
  void sequences(const std::vector<Sequences>& batch, const F& f) const {
    std::size_t token = 0, slot = 0;
    for (std::size_t e = 0; e < batch.size(); ++e) {
      for (std::int64_t c = 0; c < batch[e].count; ++c) {
        f(token, slot, u(batch[e].q_len), u(batch[e].kv_len));
        token += u(batch[e].q_len);
        slot += u(graph_->kv_capacity[e]);
      }
    }
  }

  void kv_write(const Op& op) {
    const std::size_t half = u(op.kv_write().width) / 2;
    const std::size_t w = u(width(op.inputs[0]));
    const std::size_t q = w - 2 * half;
    sequences(op.kv_write().batch,
              [&](std::size_t token, std::size_t slot, std::size_t n, std::size_t kv) {
                for (std::size_t i = 0; i < n; ++i) {
                  const double* row = &in(op, 0)[(token + i) * w];
                  for (std::size_t c = 0; c < half; ++c) {
                    out(op, 0)[(slot + kv - n + i) * half + c] = row[q + c];
                    out(op, 1)[(slot + kv - n + i) * half + c] = row[q + half + c];
                  }
                }
              });
  }

  struct Head {
    std::size_t d, w, q, k, v;  // widths and first columns in a qkv row
  };
  static Head head(const AttentionShape& a, std::size_t h) {
    const std::size_t d = u(a.qk_dim);
    const std::size_t kvh = h / u(a.heads / a.kv_heads);
    return {d, (u(a.heads) + 2 * u(a.kv_heads)) * d, h * d, (u(a.heads) + kvh) * d,
            (u(a.heads + a.kv_heads) + kvh) * d};
  }

  /// Weights of query i of a sequence over its keys.
  std::vector<double> weights(const AttentionShape& a, const double* q, const double* keys,
                              std::size_t stride, std::size_t last, std::size_t count) const {
    std::vector<double> p(count, 0.0);
    double most = -1e300, sum = 0;
    const double scale = a.scale > 0 ? a.scale : 1 / std::sqrt(static_cast<double>(a.qk_dim));
    for (std::size_t j = 0; j < count; ++j) {
      if (a.causal && j > last) continue;
      for (std::size_t c = 0; c < u(a.qk_dim); ++c) p[j] += q[c] * keys[j * stride + c] * scale;
      most = std::max(most, p[j]);
    }
    for (std::size_t j = 0; j < count; ++j) {
      p[j] = a.causal && j > last ? 0 : std::exp(p[j] - most);
      sum += p[j];
    }
    for (double& x : p) x /= sum;
    return p;
  }

  void attention(const Op& op) {
    const AttentionShape& a = op.attention();
    const bool cached = op.inputs.size() == 3;
    sequences(a.batch, [&](std::size_t token, std::size_t slot, std::size_t n, std::size_t kv) {
      for (std::size_t h = 0; h < u(a.heads); ++h) {
        const Head at_head = head(a, h);
        const std::size_t kvw = u(a.kv_heads) * at_head.d;
        const std::size_t kvh = h / u(a.heads / a.kv_heads) * at_head.d;
        const double* keys =
            cached ? &in(op, 1)[slot * kvw + kvh] : &in(op, 0)[token * at_head.w + at_head.k];
        const double* vals =
            cached ? &in(op, 2)[slot * kvw + kvh] : &in(op, 0)[token * at_head.w + at_head.v];
        const std::size_t stride = cached ? kvw : at_head.w;
        for (std::size_t i = 0; i < n; ++i) {
          const double* q = &in(op, 0)[(token + i) * at_head.w + at_head.q];
          const auto p = weights(a, q, keys, stride, kv - n + i, kv);
          for (std::size_t c = 0; c < at_head.d; ++c) {
            double sum = 0;
            for (std::size_t j = 0; j < kv; ++j) sum += p[j] * vals[j * stride + c];
            out(op, 0)[(token + i) * u(a.heads) * at_head.d + h * at_head.d + c] = sum;
          }
        }
      }
    });
  }

  void attention_backward(const Op& op) {  // {do, qkv, o, lse} -> {dqkv}
    const AttentionShape& a = op.attention();
    const Matrix& qkv = in(op, 1);
    Matrix& d = out(op, 0);
    d.assign(d.size(), 0);
    const double scale = 1 / std::sqrt(static_cast<double>(a.qk_dim));
    sequences(a.batch, [&](std::size_t token, std::size_t, std::size_t n, std::size_t kv) {
      for (std::size_t h = 0; h < u(a.heads); ++h) {
        const Head x = head(a, h);
        for (std::size_t i = 0; i < n; ++i) {
          const std::size_t row = (token + i) * x.w;
          const auto p = weights(a, &qkv[row + x.q], &qkv[token * x.w + x.k], x.w, i, kv);
          const double* go = &in(op, 0)[(token + i) * u(a.heads) * x.d + h * x.d];
          std::vector<double> dp(kv, 0.0);
          double dot = 0;
          for (std::size_t j = 0; j < kv; ++j) {
            for (std::size_t c = 0; c < x.d; ++c) {
              dp[j] += go[c] * qkv[(token + j) * x.w + x.v + c];
              d[(token + j) * x.w + x.v + c] += p[j] * go[c];
            }
            dot += dp[j] * p[j];
          }
          for (std::size_t j = 0; j < kv; ++j) {
            const double ds = p[j] * (dp[j] - dot) * scale;
            for (std::size_t c = 0; c < x.d; ++c) {
              d[row + x.q + c] += ds * qkv[(token + j) * x.w + x.k + c];
              d[(token + j) * x.w + x.k + c] += ds * qkv[row + x.q + c];
            }
          }
        }
      }
    });
  }

  static double act(Activation a, double x) {
    constexpr double kRoot2OverPi = 0.7978845608028654;
    if (a == Activation::kSilu) return x / (1 + std::exp(-x));
    if (a == Activation::kRelu) return x > 0 ? x : 0;
    return 0.5 * x * (1 + std::tanh(kRoot2OverPi * (x + 0.044715 * x * x * x)));
  }
  static double slope(Activation a, double x) {
    constexpr double kRoot2OverPi = 0.7978845608028654;
    if (a == Activation::kSilu) {
      const double s = 1 / (1 + std::exp(-x));
      return s * (1 + x * (1 - s));
    }
    if (a == Activation::kRelu) return x > 0 ? 1 : 0;
    const double t = std::tanh(kRoot2OverPi * (x + 0.044715 * x * x * x));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * kRoot2OverPi * (1 + 3 * 0.044715 * x * x);
  }

  void activation(const Op& op) {
    const std::size_t w = u(op.rows().width);
    const Matrix x = in(op, 0);
    for (std::size_t i = 0; i < u(op.rows().rows) * w; ++i) {
      const std::size_t r = i / w, c = i % w;
      out(op, 0)[i] = op.gated ? act(op.activation, x[r * 2 * w + c]) * x[r * 2 * w + w + c]
                               : act(op.activation, x[i]);
    }
  }

  void activation_backward(const Op& op) {  // {dy, x} -> {dx}
    const std::size_t w = u(op.rows().width);
    const Matrix& dy = in(op, 0);
    const Matrix& x = in(op, 1);
    for (std::size_t i = 0; i < u(op.rows().rows) * w; ++i) {
      const std::size_t r = i / w, c = i % w;
      if (!op.gated) {
        out(op, 0)[i] = dy[i] * slope(op.activation, x[i]);
        continue;
      }
      const double gate = x[r * 2 * w + c], up = x[r * 2 * w + w + c];
      out(op, 0)[r * 2 * w + c] = dy[i] * slope(op.activation, gate) * up;
      out(op, 0)[r * 2 * w + w + c] = dy[i] * act(op.activation, gate);
    }
  }

  void add(const Op& op) {
    const Matrix a = in(op, 0);
    const Matrix b = in(op, 1);
    for (std::size_t i = 0; i < a.size(); ++i) out(op, 0)[i] = a[i] + b[i];
  }

  /// Mean over tokens; the labels are the input ids.
  void cross_entropy(const Op& op) {
    const std::size_t w = u(op.rows().width), rows = u(op.rows().rows);
    Matrix& x = out(op, 0);
    loss = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      double most = -1e300, sum = 0;
      for (std::size_t c = 0; c < w; ++c) most = std::max(most, x[r * w + c]);
      for (std::size_t c = 0; c < w; ++c) sum += std::exp(x[r * w + c] - most);
      const auto label = static_cast<std::size_t>(in(op, 1)[r]);
      loss += (std::log(sum) + most - x[r * w + label]) / static_cast<double>(rows);
      for (std::size_t c = 0; c < w; ++c) {
        x[r * w + c] = (std::exp(x[r * w + c] - most) / sum - (c == label ? 1 : 0)) /
                       static_cast<double>(rows);
      }
    }
  }

  const Graph* graph_ = nullptr;
  std::set<std::string> written_;
};

}  // namespace athena::workload::testing
