/// Conservation: the graph's FLOP and bytes against closed forms written down independently, and
/// the shards of a parallel model against the whole.
#include "workload/graph.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <functional>

#include "base/error.h"
#include "base/rng.h"
#include "workload/build.h"
#include "workload/graph_json.h"

using namespace athena;
using namespace athena::workload;

namespace {

Graph graph_of(const std::string& model, Phase phase, std::vector<Sequences> batch,
               const std::function<void(PhaseSpec&)>& change = {}) {
  PhaseSpec spec;
  spec.phase = phase;
  spec.batch = std::move(batch);
  spec.max_context = 1 << 20;
  if (change) change(spec);
  return build_graph(load_transformer(model), spec);
}

double d(std::int64_t v) {
  return static_cast<double>(v);
}

/// Query-key pairs by counting, one by one.
std::int64_t counted_pairs(const Sequences& s, bool causal, std::int64_t window) {
  std::int64_t pairs = 0;
  for (std::int64_t j = 0; j < s.q_len; ++j) {
    const std::int64_t last = causal ? s.kv_len - s.q_len + j : s.kv_len - 1;
    const std::int64_t keys = last + 1;
    pairs += window > 0 ? std::min(keys, window) : keys;
  }
  return pairs * s.count;
}

const Op& find_op(const Graph& graph, const std::string& name) {
  for (const Block& block : graph.blocks) {
    for (const Op& op : block.ops) {
      if (op.name == name) return op;
    }
  }
  FAIL("no op " << name);
  throw std::logic_error("unreachable");
}

double sum_matrix(const Graph& graph, OpKind kind) {
  double sum = 0;
  for (const Block& block : graph.blocks) {
    for (const Op& op : block.ops) sum += op.kind == kind ? op.matrix_flops() * block.repeat : 0;
  }
  return sum;
}

}  // namespace

TEST_CASE("attention pairs in closed form equal counting") {
  Rng rng(7);
  for (int trial = 0; trial < 2000; ++trial) {
    AttentionShape a;
    Sequences s;
    s.q_len = 1 + static_cast<std::int64_t>(rng.below(40));
    s.kv_len = s.q_len + static_cast<std::int64_t>(rng.below(40));
    s.count = 1 + static_cast<std::int64_t>(rng.below(3));
    a.causal = rng.below(2) == 0;
    a.window = static_cast<std::int64_t>(rng.below(50));
    a.batch = {s};
    REQUIRE(a.pairs() == counted_pairs(s, a.causal, a.window));
    REQUIRE(a.keys() <= s.kv_len * s.count);
  }
}

TEST_CASE("Llama-2-7B prefill: FLOP of projections, attention and head in closed form") {
  const std::int64_t n = 2048;
  const Graph g = graph_of("llama-2-7b", Phase::kPrefill, prefill_batch(3, n));
  const double tokens = 3.0 * d(n);
  const double weights = 32.0 * (4096.0 * 4096 * 4 + 3.0 * 4096 * 11008);
  const double head = 3.0 * 4096 * 32000;  // one token of each sequence
  CHECK(sum_matrix(g, OpKind::kGemm) == Approx(2 * (tokens * weights + head)).epsilon(1e-12));
  const double pairs = 3.0 * d(n) * d(n + 1) / 2;
  CHECK(sum_matrix(g, OpKind::kAttention) == Approx(2 * 32 * 32 * 2 * 128 * pairs).epsilon(1e-12));
  CHECK(g.matrix_flops() == Approx(2 * (tokens * weights + head) + 2 * 32 * 32 * 2 * 128 * pairs));
  CHECK(g.flops() > g.matrix_flops());
  CHECK(g.flops() < 1.02 * g.matrix_flops());
  CHECK(check(g).empty());
}

TEST_CASE("weights and KV cache of a graph are the model's own bytes") {
  for (const char* name : {"llama-2-7b", "llama-3.1-70b", "gpt3-175b", "gpt-j-6b", "mpt-7b", "gpt2",
                           "mixtral-8x7b", "bert-large"}) {
    INFO(name);
    const Transformer m = load_transformer(name);
    const Graph g = graph_of(name, Phase::kPrefill, prefill_batch(2, 96));
    CHECK(check(g) == std::vector<std::string>{});
    const std::int64_t bytes = storage_bits(m.dtype) / 8;
    CHECK(g.bytes_of(Role::kWeight) == m.parameter_count() * bytes);
    CHECK(g.bytes_of(Role::kKvCache) == 2 * 96 * m.kv_bytes_per_token(m.dtype));
  }
  const Transformer v2 = load_transformer("deepseek-v2-lite");
  const Graph g = graph_of("deepseek-v2-lite", Phase::kPrefill, prefill_batch(2, 96));
  CHECK(check(g) == std::vector<std::string>{});
  CHECK(g.bytes_of(Role::kWeight) == 2 * v2.parameter_count());
  CHECK(g.bytes_of(Role::kKvCache) == 2 * 96 * v2.kv_bytes_per_token(Dtype::kBf16));
}

TEST_CASE("decode traffic is at least weights once plus the keys and values it sees") {
  const Transformer m = load_transformer("llama-2-7b");
  const Graph g = graph_of("llama-2-7b", Phase::kDecode, decode_batch(8, 1024));
  const std::int64_t embedding = m.vocab * m.hidden * 2;
  const std::int64_t floor =
      m.parameter_count() * 2 - embedding + 8 * 1024 * m.kv_bytes_per_token(Dtype::kFp16);
  CHECK(g.min_bytes() > floor);
  CHECK(d(g.min_bytes()) < 1.02 * d(floor));
}

TEST_CASE("MLA decode is absorbed, prefill is expanded, a ragged batch is both") {
  const Graph decode = graph_of("deepseek-v2-lite", Phase::kDecode, decode_batch(4, 500));
  CHECK(find_op(decode, "attention").attention().kv_heads == 1);
  CHECK(find_op(decode, "attention").attention().shared_latent);
  const Graph prefill = graph_of("deepseek-v2-lite", Phase::kPrefill, prefill_batch(1, 500));
  CHECK(find_op(prefill, "attention").attention().kv_heads == 16);
  CHECK(find_op(prefill, "kv_b").gemm().m == 500);
  const Graph both = graph_of("deepseek-v2-lite", Phase::kPrefill, {{100, 300, 1}, {1, 200, 5}});
  CHECK(find_op(both, "kv_b").gemm().m == 300);
  CHECK(find_op(both, "q_absorb").gemm().m == 5);
  CHECK(find_op(both, "out_proj").gemm().m == 105);
  CHECK(check(both).empty());
}

TEST_CASE("every step of a generation is one graph with another KV length") {
  const auto capacity = [](PhaseSpec& s) { s.kv_capacity = 300; };
  for (const char* name : {"tiny-llama", "mixtral-8x7b", "deepseek-v2-lite"}) {
    Graph patched = graph_of(name, Phase::kDecode, decode_batch(4, 200), capacity);
    for (const std::int64_t kv : {201, 250, 300}) {
      const Graph built = graph_of(name, Phase::kDecode, decode_batch(4, kv), capacity);
      patched.set_kv_len({kv});
      CHECK(to_json(patched) == to_json(built));
    }
    CHECK_THROWS_AS(patched.set_kv_len({301}), InputError);
    CHECK_THROWS_AS(patched.set_kv_len({100, 100}), InputError);
  }
  CHECK(decode_kv_lengths(2048, 128).size() == 127);
  CHECK(decode_kv_lengths(2048, 128).front() == 2049);
  CHECK(decode_kv_lengths(2048, 128).back() == 2048 + 127);
}

TEST_CASE("prefill in chunks does the work of one prefill") {
  const Graph whole = graph_of("llama-3.1-8b", Phase::kPrefill, prefill_batch(1, 1024));
  const Graph first = graph_of("llama-3.1-8b", Phase::kPrefill, {{512, 512, 1}});
  const Graph second = graph_of("llama-3.1-8b", Phase::kPrefill, {{512, 1024, 1}});
  CHECK(sum_matrix(first, OpKind::kAttention) + sum_matrix(second, OpKind::kAttention) ==
        Approx(sum_matrix(whole, OpKind::kAttention)));
}

TEST_CASE("unfused attention computes the full matrix with the same operands") {
  const Graph fused = graph_of("tiny-gpt2", Phase::kPrefill, prefill_batch(2, 64));
  const Graph unfused = graph_of("tiny-gpt2", Phase::kPrefill, prefill_batch(2, 64),
                                 [](PhaseSpec& s) { s.fused_attention = false; });
  CHECK(check(unfused).empty());
  const Op& qk = find_op(unfused, "qk");
  CHECK(unfused.tensor(qk.inputs[1]).name == "L0.k_cache");
  CHECK(unfused.tensor(find_op(unfused, "av").inputs[1]).name == "L0.v_cache");
  CHECK(qk.gemm().groups == 2 * 4);
  CHECK(qk.matrix_flops() + find_op(unfused, "av").matrix_flops() ==
        Approx(find_op(fused, "attention").matrix_flops() * 64 * 64 / (64 * 65 / 2.0)));
}

TEST_CASE("tensor-parallel shards add up to the whole") {
  for (const char* name :
       {"llama-2-7b", "llama-3.1-70b", "gpt3-175b", "mixtral-8x7b", "gpt-j-6b"}) {
    for (const int tp : {2, 4, 8}) {
      INFO(name << " tp " << tp);
      const auto with_tp = [&](PhaseSpec& s) {
        s.parallel.tp = tp;
        s.routing = Routing::kBalanced;
        s.layers_only = true;
      };
      for (const Phase phase : {Phase::kPrefill, Phase::kDecode}) {
        const auto batch = phase == Phase::kPrefill ? prefill_batch(2, 64) : decode_batch(16, 64);
        const Graph part = graph_of(name, phase, batch, with_tp);
        const Graph whole =
            graph_of(name, phase, batch, [](PhaseSpec& s) { s.layers_only = true; });
        CHECK(check(part).empty());
        // Routers run whole on every rank.
        const Transformer m = load_transformer(name);
        const double router =
            m.is_moe() ? 2.0 * d(part.tokens) * d(m.hidden) * m.moe.experts * m.layers : 0.0;
        CHECK((part.matrix_flops() - router) * tp ==
              Approx(whole.matrix_flops() - router).epsilon(1e-12));
        CHECK(part.bytes_of(Role::kKvCache) * tp == whole.bytes_of(Role::kKvCache));
        // Two all-reduces of the residual stream per layer (one where the branches are added).
        std::int64_t reduced = 0;
        for (const Block& b : part.blocks) {
          for (const Op& op : b.ops) {
            if (op.kind == OpKind::kCollective) reduced += op.collective().bytes * b.repeat;
          }
        }
        const std::int64_t per_layer = m.parallel_block ? 1 : 2;
        CHECK(reduced == per_layer * m.layers * part.tokens * m.hidden * storage_bits(m.dtype) / 8);
      }
    }
  }
}

TEST_CASE("sequence parallelism moves the same bytes as all-reduce and shrinks the norms") {
  const auto with = [](bool sp) {
    return [sp](PhaseSpec& s) {
      s.parallel.tp = 4;
      s.parallel.sequence_parallel = sp;
      s.layers_only = true;
    };
  };
  const Graph plain = graph_of("gpt3-175b", Phase::kPrefill, prefill_batch(1, 512), with(false));
  const Graph sp = graph_of("gpt3-175b", Phase::kPrefill, prefill_batch(1, 512), with(true));
  CHECK(plain.matrix_flops() == sp.matrix_flops());
  CHECK(find_op(sp, "layernorm_attn").rows().rows == 128);
  CHECK(find_op(plain, "layernorm_attn").rows().rows == 512);
  int gathers = 0, scatters = 0;
  for (const Op& op : sp.blocks[0].ops) {
    if (op.kind != OpKind::kCollective) continue;
    gathers += op.collective().kind == CollectiveKind::kAllGather ? 1 : 0;
    scatters += op.collective().kind == CollectiveKind::kReduceScatter ? 1 : 0;
  }
  CHECK(gathers == 2);
  CHECK(scatters == 2);
}

TEST_CASE("pipeline stages add up to the whole, each parameter once") {
  for (const char* name : {"gpt3-175b", "mixtral-8x7b", "llama-2-7b"}) {
    for (const int chunks : {1, 2}) {
      const Graph whole = graph_of(name, Phase::kPrefill, prefill_batch(1, 128));
      double flops = 0;
      std::int64_t weights = 0;
      int sends = 0;
      for (int stage = 0; stage < 8; ++stage) {
        for (int chunk = 0; chunk < chunks; ++chunk) {
          const Graph g = graph_of(name, Phase::kPrefill, prefill_batch(1, 128), [&](PhaseSpec& s) {
            s.parallel.pp = 8;
            s.parallel.virtual_stages = chunks;
            s.stage = stage;
            s.chunk = chunk;
          });
          CHECK(check(g).empty());
          flops += g.matrix_flops();
          weights += g.bytes_of(Role::kWeight);
          for (const Block& b : g.blocks) {
            for (const Op& op : b.ops) sends += op.name == "send" ? 1 : 0;
          }
        }
      }
      CHECK(flops == Approx(whole.matrix_flops()).epsilon(1e-12));
      CHECK(sends == 8 * chunks - 1);
      // A tied matrix lives on the first and on the last stage.
      const Transformer m = load_transformer(name);
      const std::int64_t twice = m.tied ? m.vocab * m.hidden * storage_bits(m.dtype) / 8 : 0;
      CHECK(weights == whole.bytes_of(Role::kWeight) + twice);
    }
  }
}

TEST_CASE("expert-parallel ranks add up to all routed rows, under either routing") {
  const Transformer m = load_transformer("deepseek-v2-lite");
  for (const Routing routing : {Routing::kUniform, Routing::kBalanced}) {
    for (const int ep : {1, 2, 8, 64}) {
      for (const std::int64_t tokens : {1, 3, 40, 1000}) {
        std::int64_t rows = 0;
        std::int64_t groups = 0;
        for (int rank = 0; rank < ep; ++rank) {
          const Graph g = graph_of("deepseek-v2-lite", Phase::kPrefill, prefill_batch(1, tokens),
                                   [&](PhaseSpec& s) {
                                     s.parallel.ep = s.parallel.dp = ep;
                                     s.ep_rank = rank;
                                     s.routing = routing;
                                     s.layers = 2;
                                   });
          const GemmShape& e = find_op(g, "expert_ffn1").gemm();
          rows += e.total_rows();
          groups += e.groups;
          std::int64_t listed = 0;
          for (const GroupRows& r : e.group_rows) listed += r.count;
          CHECK(listed == e.groups);
        }
        INFO("ep " << ep << " tokens " << tokens);
        CHECK(rows == tokens * ep * m.moe.top_k);
        CHECK(groups == m.moe.experts);
      }
    }
  }
}

TEST_CASE("a uniform random router leaves the expected number of experts idle") {
  // 8 tokens choosing 2 of 8: 8 (1 - 3/4)^8 ... an expert is idle with probability (3/4)^8 = 0.1.
  const Graph g = graph_of("mixtral-8x7b", Phase::kDecode, decode_batch(4, 64));
  // (3/4)^4 = 0.32 of 8 experts see no token.
  CHECK(find_op(g, "expert_ffn1").gemm().active_groups() ==
        Approx(8 * (1 - std::pow(0.75, 4))).margin(1.0));
  const Graph balanced = graph_of("mixtral-8x7b", Phase::kDecode, decode_batch(4, 64),
                                  [](PhaseSpec& s) { s.routing = Routing::kBalanced; });
  CHECK(find_op(balanced, "expert_ffn1").gemm().active_groups() == 8);
}

TEST_CASE("context-parallel ranks have equal causal work that adds up to the whole") {
  const Graph whole = graph_of("llama-3.1-8b", Phase::kPrefill, prefill_batch(2, 4096));
  double sum = 0;
  double first = 0;
  for (int rank = 0; rank < 4; ++rank) {
    const Graph g =
        graph_of("llama-3.1-8b", Phase::kPrefill, prefill_batch(2, 4096), [&](PhaseSpec& s) {
          s.parallel.cp = 4;
          s.cp_rank = rank;
        });
    CHECK(check(g).empty());
    const double mine = sum_matrix(g, OpKind::kAttention);
    if (rank == 0) first = mine;
    CHECK(mine == Approx(first).epsilon(1e-3));
    sum += mine;
    CHECK(g.tokens == 2 * 1024);
  }
  CHECK(sum == Approx(sum_matrix(whole, OpKind::kAttention)).epsilon(1e-12));
}

TEST_CASE("sliding windows cap what attention reads") {
  const Graph near = graph_of("mixtral-8x7b", Phase::kDecode, decode_batch(1, 512));
  PhaseSpec spec;
  spec.phase = Phase::kDecode;
  spec.batch = decode_batch(1, 8192);
  Transformer m = load_transformer("mixtral-8x7b");
  m.window = 512;
  const Graph far = build_graph(m, spec);
  CHECK(find_op(far, "attention").min_bytes() == find_op(near, "attention").min_bytes());
}

TEST_CASE("precision decides bytes and formats, not shapes") {
  const auto with = [](const char* p) {
    return [p](PhaseSpec& s) { s.precision = precision_from_name(p); };
  };
  const Graph f16 = graph_of("llama-2-7b", Phase::kDecode, decode_batch(1, 100), with("fp16"));
  const Graph w4 = graph_of("llama-2-7b", Phase::kDecode, decode_batch(1, 100), with("w4a16"));
  const Graph f8 = graph_of("llama-2-7b", Phase::kDecode, decode_batch(1, 100), with("fp8"));
  CHECK(f16.matrix_flops() == w4.matrix_flops());
  CHECK(find_op(w4, "qkv").gemm().compute() == Dtype::kFp16);
  CHECK(find_op(f8, "qkv").gemm().compute() == Dtype::kFp8E4M3);
  CHECK(find_op(f8, "lm_head").gemm().compute() == Dtype::kBf16);
  const GemmShape& g = find_op(w4, "qkv").gemm();
  CHECK(w4.tensor(find_op(w4, "qkv").inputs[1]).bytes == g.k * g.n / 2);
  CHECK_THROWS_WITH(precision_from_name("bf15"), Catch::Contains("Did you mean 'bf16'"));
}

TEST_CASE("unrolling changes names, not work") {
  for (const char* name : {"tiny-llama", "tiny-moe", "tiny-gpt2"}) {
    for (const Phase phase : {Phase::kPrefill, Phase::kTrain}) {
      const Graph g = graph_of(name, phase, prefill_batch(2, 32));
      const Graph u = unroll(g);
      CHECK(u.op_count() == g.op_count());
      CHECK(u.flops() == Approx(g.flops()));
      for (const Role role : {Role::kWeight, Role::kKvCache, Role::kSaved, Role::kGradient}) {
        CHECK(u.bytes_of(role) == g.bytes_of(role));
      }
      CHECK(check(u) == std::vector<std::string>{});
      for (const Block& b : u.blocks) CHECK(b.repeat == 1);
    }
  }
}

TEST_CASE("a graph survives its file") {
  for (const char* name : {"tiny-llama", "deepseek-v2-lite", "tiny-moe"}) {
    for (const Phase phase : {Phase::kPrefill, Phase::kTrain}) {
      const Graph g = graph_of(name, phase, prefill_batch(1, 32));
      const std::string text = to_json(g).dump();
      CHECK(to_json(graph_from_json(nlohmann::ordered_json::parse(text), "g.json")).dump() == text);
    }
  }
  CHECK_THROWS_AS(graph_from_json(nlohmann::ordered_json::parse("{}"), "g.json"), InputError);
}
