/// Graphs compute what they claim: logits against a transformer written down on its own here,
/// decode with a cache against longer prefill, and every gradient against finite differences.
#include <catch2/catch.hpp>
#include <functional>

#include "base/rng.h"
#include "unit/workload/interpreter.h"
#include "workload/build.h"

using namespace athena;
using namespace athena::workload;
using athena::workload::testing::Interpreter;
using athena::workload::testing::Matrix;

namespace {

/// A model small enough for finite differences.
Transformer miniature(const std::string& base) {
  Transformer m = load_transformer(base);
  m.layers = 3;
  m.hidden = 12;
  m.heads = 4;
  m.kv_heads = base == "tiny-llama" ? 2 : 4;
  m.head_dim = 4;  // heads x head_dim is not hidden, as in Mistral-Nemo
  m.rope_dim = 0;
  m.ffn = 10;
  m.vocab = 9;
  m.max_context = 16;
  m.finish();
  return m;
}

PhaseSpec spec_of(Phase phase, std::vector<Sequences> batch) {
  PhaseSpec spec;
  spec.phase = phase;
  spec.batch = std::move(batch);
  return spec;
}

/// Random weights by name, the same for graphs of any phase; norms around 1.
void fill_weights(const Graph& graph, Interpreter& machine) {
  for (std::size_t i = 0; i < graph.tensors.size(); ++i) {
    const Tensor& t = graph.tensors[i];
    if (t.role != Role::kWeight) continue;
    Rng rng(std::hash<std::string>{}(t.name));
    const bool norm = t.name.find("norm") != std::string::npos && t.dims.rank == 1;
    for (double& x : machine.at_name(t)) x = (norm ? 1.0 : 0.0) + rng.uniform(-0.4, 0.4);
  }
}

void set_ids(const Graph& graph, Interpreter& machine, const std::vector<double>& ids) {
  machine.values["token_ids"] = ids;
  REQUIRE(static_cast<std::int64_t>(ids.size()) == graph.tokens);
}

// ------------------------------------------------ an independent transformer, one token at a time

std::string layer_name(int layer, int layers, const std::string& what) {
  return "L0." + what + (layers > 1 ? "#" + std::to_string(layer) : "");
}

/// y = x W (+ b), W of n columns.
Matrix project(const std::map<std::string, Matrix>& w, const Matrix& x, int layer, int layers,
               const std::string& what, std::size_t n) {
  Matrix y(n, 0.0);
  const auto bias = w.find(layer_name(layer, layers, what + ".bias"));
  if (bias != w.end()) y = bias->second;
  const Matrix& weight = w.at(layer_name(layer, layers, what + ".weight"));
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t j = 0; j < n; ++j) y[j] += x[i] * weight[i * n + j];
  }
  return y;
}

Matrix normal(const Transformer& m, const std::map<std::string, Matrix>& w, const Matrix& x,
              const std::string& weight, const std::string& bias) {
  double mean = 0, variance = 0;
  const auto n = static_cast<double>(x.size());
  if (m.norm == NormKind::kLayer) {
    for (const double v : x) mean += v / n;
  }
  for (const double v : x) variance += (v - mean) * (v - mean) / n;
  Matrix y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    y[i] = (x[i] - mean) / std::sqrt(variance + m.norm_epsilon) * w.at(weight)[i];
    if (w.count(bias) > 0) y[i] += w.at(bias)[i];
  }
  return y;
}

Matrix layer_normal(const Transformer& m, const std::map<std::string, Matrix>& w, const Matrix& x,
                    int layer, const std::string& what) {
  return normal(m, w, x, layer_name(layer, m.layers, what + ".weight"),
                layer_name(layer, m.layers, what + ".bias"));
}

double gelu(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}
double silu(double x) {
  return x / (1 + std::exp(-x));
}

/// Logits of the last token of one sequence.
Matrix reference_logits(const Transformer& m, const std::map<std::string, Matrix>& w,
                        const std::vector<int>& ids) {
  const auto hidden = static_cast<std::size_t>(m.hidden);
  const auto d = static_cast<std::size_t>(m.head_dim);
  const auto heads = static_cast<std::size_t>(m.heads), kv = static_cast<std::size_t>(m.kv_heads);
  const auto ffn = static_cast<std::size_t>(m.ffn);
  std::vector<std::vector<Matrix>> keys(static_cast<std::size_t>(m.layers)), vals = keys;
  Matrix x;
  for (std::size_t t = 0; t < ids.size(); ++t) {
    const Matrix& table = w.at("embedding.weight");
    x.assign(table.begin() + ids[t] * m.hidden, table.begin() + (ids[t] + 1) * m.hidden);
    if (m.positions == Positions::kLearned) {
      for (std::size_t c = 0; c < hidden; ++c) x[c] += w.at("position.weight")[t * hidden + c];
    }
    for (int l = 0; l < m.layers; ++l) {
      const Matrix h = layer_normal(m, w, x, l, "layernorm_attn");
      const Matrix qkv = project(w, h, l, m.layers, "qkv", (heads + 2 * kv) * d);
      const auto rotated = [&](std::size_t first) {
        Matrix v(qkv.begin() + static_cast<std::ptrdiff_t>(first),
                 qkv.begin() + static_cast<std::ptrdiff_t>(first + d));
        if (m.positions != Positions::kRope) return v;
        const auto r = static_cast<std::size_t>(m.rope_dim);
        Matrix y = v;
        for (std::size_t i = 0; i < r / 2; ++i) {
          const double a =
              static_cast<double>(t) /
              std::pow(m.rope_theta, 2.0 * static_cast<double>(i) / static_cast<double>(r));
          y[i] = v[i] * std::cos(a) - v[i + r / 2] * std::sin(a);
          y[i + r / 2] = v[i + r / 2] * std::cos(a) + v[i] * std::sin(a);
        }
        return y;
      };
      const auto li = static_cast<std::size_t>(l);
      Matrix k, v;
      for (std::size_t g = 0; g < kv; ++g) {
        const Matrix one = rotated((heads + g) * d);
        k.insert(k.end(), one.begin(), one.end());
        for (std::size_t c = 0; c < d; ++c) v.push_back(qkv[(heads + kv + g) * d + c]);
      }
      keys[li].push_back(k);
      vals[li].push_back(v);
      Matrix o(heads * d, 0.0);
      for (std::size_t hd = 0; hd < heads; ++hd) {
        const Matrix q = rotated(hd * d);
        const std::size_t g = hd * kv / heads;
        Matrix p(t + 1, 0.0);
        double sum = 0;
        for (std::size_t j = 0; j <= t; ++j) {
          for (std::size_t c = 0; c < d; ++c) p[j] += q[c] * keys[li][j][g * d + c];
          p[j] = std::exp(p[j] / std::sqrt(static_cast<double>(d)));
          sum += p[j];
        }
        for (std::size_t j = 0; j <= t; ++j) {
          for (std::size_t c = 0; c < d; ++c) o[hd * d + c] += p[j] / sum * vals[li][j][g * d + c];
        }
      }
      const Matrix attended = project(w, o, l, m.layers, "out_proj", hidden);
      Matrix f_in;
      if (m.parallel_block) {
        f_in = m.shared_norm ? h : layer_normal(m, w, x, l, "layernorm_ffn");
        for (std::size_t c = 0; c < hidden; ++c) x[c] += attended[c];
      } else {
        for (std::size_t c = 0; c < hidden; ++c) x[c] += attended[c];
        f_in = layer_normal(m, w, x, l, "layernorm_ffn");
      }
      Matrix up = project(w, f_in, l, m.layers, "ffn1", m.gated ? 2 * ffn : ffn);
      for (std::size_t c = 0; c < ffn; ++c) {
        up[c] = m.gated ? silu(up[c]) * up[ffn + c] : gelu(up[c]);
      }
      up.resize(ffn);
      const Matrix down = project(w, up, l, m.layers, "ffn2", hidden);
      for (std::size_t c = 0; c < hidden; ++c) x[c] += down[c];
    }
  }
  const Matrix h = normal(m, w, x, "final_norm.weight", "final_norm.bias");
  const Matrix& table = m.tied ? w.at("embedding.weight") : w.at("head.weight");
  Matrix logits(static_cast<std::size_t>(m.vocab), 0.0);
  if (m.head_bias) logits = w.at("head.bias");
  for (std::size_t j = 0; j < logits.size(); ++j) {
    for (std::size_t c = 0; c < hidden; ++c) logits[j] += h[c] * table[j * hidden + c];
  }
  return logits;
}

std::vector<Transformer> miniatures() {
  Transformer gptj = miniature("tiny-llama");
  gptj.name = "gpt-j style";
  gptj.parallel_block = gptj.shared_norm = gptj.head_bias = true;
  gptj.rope_dim = 2;
  Transformer neox = miniature("tiny-llama");
  neox.name = "neox style";
  neox.parallel_block = neox.qkv_bias = neox.out_bias = neox.ffn_bias = true;
  neox.norm = NormKind::kLayer;
  neox.norm_bias = true;
  return {miniature("tiny-gpt2"), miniature("tiny-llama"), gptj, neox};
}

}  // namespace

TEST_CASE("prefill of a ragged batch gives the logits of an independent transformer") {
  for (const Transformer& m : miniatures()) {
    INFO(m.name);
    const Graph g = unroll(build_graph(m, spec_of(Phase::kPrefill, {{5, 5, 2}, {3, 3, 1}})));
    Interpreter machine;
    const std::vector<double> ids = {1, 2, 3, 4, 5, 8, 7, 6, 0, 2, 3, 3, 1};
    set_ids(g, machine, ids);
    fill_weights(g, machine);
    machine.run(g);
    const Matrix& logits = machine.values.at("lm_head.out");
    const std::vector<std::vector<int>> sequences = {{1, 2, 3, 4, 5}, {8, 7, 6, 0, 2}, {3, 3, 1}};
    for (std::size_t s = 0; s < sequences.size(); ++s) {
      const Matrix want = reference_logits(m, machine.values, sequences[s]);
      for (std::size_t j = 0; j < want.size(); ++j) {
        CHECK(logits[s * want.size() + j] == Approx(want[j]).epsilon(1e-9).margin(1e-12));
      }
    }
  }
}

TEST_CASE("prefill, a chunk and decode steps on one cache equal one long prefill") {
  for (const Transformer& m : miniatures()) {
    INFO(m.name);
    Interpreter machine;
    const std::vector<int> ids = {4, 1, 7, 2, 8, 3, 5, 0};
    const auto run = [&](Phase phase, std::int64_t q, std::int64_t kv) {
      PhaseSpec spec = spec_of(phase, {{q, kv, 1}});
      spec.kv_capacity = 8;
      const Graph g = unroll(build_graph(m, spec));
      set_ids(g, machine, {ids.begin() + (kv - q), ids.begin() + kv});
      fill_weights(g, machine);
      machine.run(g);
      return machine.values.at("lm_head.out");
    };
    (void)run(Phase::kPrefill, 3, 3);
    (void)run(Phase::kPrefill, 2, 5);
    for (std::int64_t kv = 6; kv <= 8; ++kv) {
      const Matrix logits = run(Phase::kDecode, 1, kv);
      const Matrix want = reference_logits(m, machine.values, {ids.begin(), ids.begin() + kv});
      for (std::size_t j = 0; j < want.size(); ++j) {
        CHECK(logits[j] == Approx(want[j]).epsilon(1e-9).margin(1e-12));
      }
    }
  }
}

TEST_CASE("every gradient of a training step equals finite differences, with any recomputation") {
  for (const Transformer& m : miniatures()) {
    for (const Recompute recompute : {Recompute::kNone, Recompute::kFull}) {
      INFO(m.name);
      PhaseSpec spec = spec_of(Phase::kTrain, prefill_batch(2, 4));
      spec.recompute = recompute;
      const Graph g = unroll(build_graph(m, spec));
      REQUIRE(check(g) == std::vector<std::string>{});
      const std::vector<double> ids = {1, 2, 3, 4, 5, 8, 7, 1};
      Interpreter machine;
      set_ids(g, machine, ids);
      fill_weights(g, machine);
      machine.run(g);
      const auto loss_with = [&](const std::string& weight, std::size_t i, double change) {
        Interpreter other;
        set_ids(g, other, ids);
        fill_weights(g, other);
        other.values.at(weight)[i] += change;
        other.run(g, "forward");
        return other.loss;
      };
      Rng rng(17);
      int checked = 0;
      for (const Tensor& t : g.tensors) {
        if (t.role != Role::kWeight) continue;
        const Matrix& gradient = machine.values.at("grad." + t.name);
        for (int sample = 0; sample < 3; ++sample) {
          const auto i = static_cast<std::size_t>(rng.below(gradient.size()));
          constexpr double kStep = 1e-5;
          const double want =
              (loss_with(t.name, i, kStep) - loss_with(t.name, i, -kStep)) / (2 * kStep);
          INFO(t.name << "[" << i << "]");
          CHECK(gradient[i] == Approx(want).epsilon(1e-5).margin(1e-8));
          ++checked;
        }
      }
      CHECK(checked >= 57);  // 3 of every weight of every layer
    }
  }
}
