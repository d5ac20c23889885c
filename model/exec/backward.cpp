#include "exec/backward.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace athena::exec {
namespace {

using workload::Op;
using workload::OpKind;
using workload::TensorId;
using Values = std::vector<double>;

constexpr double kNormEpsilon = 1e-5;  // as the forward operators, here and on the chip

std::size_t u(std::int64_t v) {
  return static_cast<std::size_t>(v);
}

class Derivatives {
 public:
  Derivatives(const workload::Graph& graph, const TensorAccess& at) : graph_(graph), at_(at) {}

  [[nodiscard]] double loss(const Op& op) {
    const std::size_t width = u(op.rows().width), rows = u(op.rows().rows);
    const Values logits = in(op, 0), labels = in(op, 1);
    Values& d = out(op, 0);
    double sum_of_losses = 0;
    const auto share = 1.0 / static_cast<double>(rows);
    for (std::size_t r = 0; r < rows; ++r) {
      const auto row = logits.begin() + static_cast<std::ptrdiff_t>(r * width);
      const double most = *std::max_element(row, row + static_cast<std::ptrdiff_t>(width));
      double sum = 0;
      for (std::size_t c = 0; c < width; ++c) sum += std::exp(logits[r * width + c] - most);
      const auto label = static_cast<std::size_t>(labels[r]);
      sum_of_losses += std::log(sum) + most - logits[r * width + label];
      for (std::size_t c = 0; c < width; ++c) {
        const double p = std::exp(logits[r * width + c] - most) / sum;
        d[r * width + c] = (p - (c == label ? 1.0 : 0.0)) * share;
      }
    }
    return sum_of_losses * share;
  }

  void norm(const Op& op) {  // {dy, x, weight} -> {dx, dweight[, dbias]}
    const std::size_t w = u(op.rows().width);
    const bool centred = op.norm == workload::NormKind::kLayer;
    const Values dy = in(op, 0), x = in(op, 1), weight = in(op, 2);
    Values& dx = out(op, 0);
    Values dw(w, 0.0), db(w, 0.0);
    const auto n = static_cast<double>(w);
    for (std::size_t r = 0; r < u(op.rows().rows); ++r) {
      const double* row = &x[r * w];
      double mean = 0, square = 0, sum = 0, dot = 0;
      for (std::size_t c = 0; c < w && centred; ++c) mean += row[c] / n;
      for (std::size_t c = 0; c < w; ++c) square += (row[c] - mean) * (row[c] - mean);
      const double scale = 1.0 / std::sqrt(square / n + kNormEpsilon);
      for (std::size_t c = 0; c < w; ++c) {
        const double g = dy[r * w + c] * weight[c];
        sum += g;
        dot += g * (row[c] - mean) * scale;
      }
      for (std::size_t c = 0; c < w; ++c) {
        const double hat = (row[c] - mean) * scale;
        const double g = dy[r * w + c] * weight[c];
        dx[r * w + c] = scale * (g - (centred ? sum / n : 0.0) - hat * dot / n);
        dw[c] += dy[r * w + c] * hat;
        db[c] += dy[r * w + c];
      }
    }
    if (op.outputs.size() > 1) out(op, 1) = dw;
    if (op.outputs.size() > 2) out(op, 2) = db;
  }

  void gemm(const Op& op) {  // adds to what is there
    const workload::GemmShape& s = op.gemm();
    const Values a = in(op, 0), b = in(op, 1);
    Values& c = out(op, 0);
    const std::size_t m = u(s.m), n = u(s.n), k = u(s.k);
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        double sum = 0;
        for (std::size_t d = 0; d < k; ++d) {
          sum += (s.transpose_a ? a[d * m + i] : a[i * k + d]) *
                 (s.transpose_b ? b[j * k + d] : b[d * n + j]);
        }
        c[i * n + j] += sum;
      }
    }
  }

  void bias(const Op& op) {
    const std::size_t w = u(op.rows().width);
    const Values dy = in(op, 0);
    Values& d = out(op, 0);
    std::fill(d.begin(), d.end(), 0.0);
    for (std::size_t i = 0; i < u(op.rows().rows) * w; ++i) d[i % w] += dy[i];
  }

  void embedding(const Op& op) {  // {dx, ids} -> {dtable}, which may have a product's share already
    const std::size_t w = u(op.rows().width);
    const Values dx = in(op, 0);
    Values& table = out(op, 0);
    const std::vector<std::int64_t> position = positions();
    for (std::size_t t = 0; t < u(op.rows().rows); ++t) {
      const std::size_t row = op.name.rfind("position", 0) == 0
                                  ? u(position[t])
                                  : static_cast<std::size_t>(in(op, 1)[t]);
      for (std::size_t c = 0; c < w; ++c) table[row * w + c] += dx[t * w + c];
    }
  }

  void rope(const Op& op) {  // the rotation backwards, in place
    const workload::RopeShape& s = op.rope();
    Values& x = out(op, 0);
    const std::size_t width = u(last_dim(op.outputs[0]));
    const std::size_t head = width / u(s.heads + 2 * s.kv_heads);
    const std::size_t half = u(s.dim / 2);
    const std::vector<std::int64_t> position = positions();
    for (std::size_t r = 0; r < u(s.rows); ++r) {
      for (std::size_t h = 0; h < u(s.heads + s.kv_heads); ++h) {
        double* row = &x[r * width + h * head];
        for (std::size_t i = 0; i < half; ++i) {
          const double angle = -static_cast<double>(position[r]) /
                               std::pow(10000.0, static_cast<double>(2 * i) / s.dim);
          const double p = row[i], q = row[i + half];
          row[i] = p * std::cos(angle) - q * std::sin(angle);
          row[i + half] = q * std::cos(angle) + p * std::sin(angle);
        }
      }
    }
  }

  void attention(const Op& op) {  // {do, qkv, ...} -> {dqkv}
    const workload::AttentionShape& s = op.attention();
    const Values d_out = in(op, 0), qkv = in(op, 1);
    Values& d = out(op, 0);
    std::fill(d.begin(), d.end(), 0.0);
    std::size_t token = 0;
    for (const workload::Sequences& entry : s.batch) {
      for (std::int64_t q = 0; q < entry.count; ++q, token += u(entry.q_len)) {
        for (std::size_t h = 0; h < u(s.heads); ++h) {
          for (std::size_t i = 0; i < u(entry.q_len); ++i) {
            query(s, qkv, d_out, d, token, h, i, s.causal ? i + 1 : u(entry.kv_len));
          }
        }
      }
    }
  }

  void activation(const Op& op) {  // {dy, x} -> {dx}
    const std::size_t w = u(op.rows().width);
    const Values dy = in(op, 0), x = in(op, 1);
    Values& dx = out(op, 0);
    for (std::size_t i = 0; i < u(op.rows().rows) * w; ++i) {
      if (!op.gated) {
        dx[i] = dy[i] * slope(op.activation, x[i]);
        continue;
      }
      const std::size_t gate = i / w * 2 * w + i % w, up = gate + w;
      dx[gate] = dy[i] * slope(op.activation, x[gate]) * x[up];
      dx[up] = dy[i] * value(op.activation, x[gate]);
    }
  }

 private:
  Values& in(const Op& op, std::size_t i) { return at_(op.inputs.at(i)); }
  Values& out(const Op& op, std::size_t i) { return at_(op.outputs.at(i)); }
  [[nodiscard]] std::int64_t last_dim(TensorId id) const {
    const workload::Tensor& tensor = graph_.tensor(id);
    return tensor.dims[tensor.dims.rank - 1];
  }
  [[nodiscard]] std::vector<std::int64_t> positions() const {
    std::vector<std::int64_t> result;
    for (const workload::Sequences& entry : graph_.batch) {
      for (std::int64_t s = 0; s < entry.count; ++s) {
        for (std::int64_t t = 0; t < entry.q_len; ++t)
          result.push_back(entry.kv_len - entry.q_len + t);
      }
    }
    return result;
  }

  /// What query `i` of the sequence that begins at `token` adds to the gradients of one head.
  static void query(const workload::AttentionShape& s, const Values& qkv, const Values& d_out,
                    Values& d, std::size_t token, std::size_t h, std::size_t i,
                    std::size_t visible) {
    const std::size_t qk = u(s.qk_dim), vd = u(s.v_dim), heads = u(s.heads), kv = u(s.kv_heads);
    const std::size_t width = (heads + kv) * qk + kv * vd;
    const std::size_t group = h * kv / heads;
    const std::size_t row = (token + i) * width + h * qk;
    const auto key = [&](std::size_t j) { return (token + j) * width + (heads + group) * qk; };
    const auto val = [&](std::size_t j) {
      return (token + j) * width + (heads + kv) * qk + group * vd;
    };
    const double scale = 1.0 / std::sqrt(static_cast<double>(qk));
    Values p(visible, 0.0);
    double most = -std::numeric_limits<double>::infinity(), sum = 0, dot = 0;
    for (std::size_t j = 0; j < visible; ++j) {
      for (std::size_t c = 0; c < qk; ++c) p[j] += qkv[row + c] * qkv[key(j) + c] * scale;
      most = std::max(most, p[j]);
    }
    for (double& x : p) sum += (x = std::exp(x - most));
    const double* go = &d_out[((token + i) * heads + h) * vd];
    Values dp(visible, 0.0);
    for (std::size_t j = 0; j < visible; ++j) {
      p[j] /= sum;
      for (std::size_t c = 0; c < vd; ++c) {
        dp[j] += go[c] * qkv[val(j) + c];
        d[val(j) + c] += p[j] * go[c];
      }
      dot += dp[j] * p[j];
    }
    for (std::size_t j = 0; j < visible; ++j) {
      const double ds = p[j] * (dp[j] - dot) * scale;
      for (std::size_t c = 0; c < qk; ++c) {
        d[row + c] += ds * qkv[key(j) + c];
        d[key(j) + c] += ds * qkv[row + c];
      }
    }
  }

  static double value(workload::Activation fn, double x) {
    if (fn == workload::Activation::kSilu) return x / (1.0 + std::exp(-x));
    if (fn == workload::Activation::kRelu) return std::max(0.0, x);
    return 0.5 * x * (1.0 + std::tanh(inner(x)));
  }
  static double slope(workload::Activation fn, double x) {
    if (fn == workload::Activation::kSilu) {
      const double s = 1.0 / (1.0 + std::exp(-x));
      return s * (1.0 + x * (1.0 - s));
    }
    if (fn == workload::Activation::kRelu) return x > 0 ? 1.0 : 0.0;
    const double t = std::tanh(inner(x));
    return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * std::sqrt(2.0 / std::numbers::pi) *
                                 (1.0 + 3.0 * 0.044715 * x * x);
  }
  static double inner(double x) {
    return std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x);
  }

  const workload::Graph& graph_;
  const TensorAccess& at_;
};

}  // namespace

bool is_backward(const Op& op) {
  switch (op.kind) {
    case OpKind::kLoss:
    case OpKind::kNormBackward:
    case OpKind::kAttentionBackward:
    case OpKind::kActivationBackward:
    case OpKind::kEmbeddingBackward:
    case OpKind::kBiasBackward:
      return true;
    case OpKind::kRope:
      return op.pass == workload::Pass::kBackward;
    case OpKind::kGemm:
      return op.gemm().accumulate && op.gemm().groups == 1;
    default:
      return false;
  }
}

bool run_backward(const workload::Graph& graph, const Op& op, const TensorAccess& at,
                  double* loss) {
  if (!is_backward(op)) return false;
  Derivatives derivatives(graph, at);
  switch (op.kind) {
    case OpKind::kLoss: {
      const double value = derivatives.loss(op);
      if (loss != nullptr) *loss = value;
      return true;
    }
    case OpKind::kNormBackward:
      derivatives.norm(op);
      return true;
    case OpKind::kAttentionBackward:
      derivatives.attention(op);
      return true;
    case OpKind::kActivationBackward:
      derivatives.activation(op);
      return true;
    case OpKind::kEmbeddingBackward:
      derivatives.embedding(op);
      return true;
    case OpKind::kBiasBackward:
      derivatives.bias(op);
      return true;
    case OpKind::kRope:
      derivatives.rope(op);
      return true;
    case OpKind::kGemm:
      derivatives.gemm(op);
      return true;
    default:
      return false;
  }
}

}  // namespace athena::exec
