/// Training graphs: FLOP against the usual closed forms, what is kept, what ZeRO splits, and the
/// collectives of every parallelism.
#include <catch2/catch.hpp>
#include <functional>
#include <map>

#include "base/error.h"
#include "workload/build.h"
#include "workload/parallel/memory.h"
#include "workload/parallel/schedule.h"

using namespace athena;
using namespace athena::workload;

namespace {

PhaseSpec train_spec(std::int64_t batch, std::int64_t length,
                     const std::function<void(PhaseSpec&)>& change = {}) {
  PhaseSpec spec;
  spec.phase = Phase::kTrain;
  spec.batch = prefill_batch(batch, length);
  spec.max_context = 1 << 20;
  spec.precision = precision_from_name("bf16");
  if (change) change(spec);
  return spec;
}

Graph train(const std::string& model, std::int64_t batch, std::int64_t length,
            const std::function<void(PhaseSpec&)>& change = {}) {
  return build_graph(load_transformer(model), train_spec(batch, length, change));
}

double d(std::int64_t v) {
  return static_cast<double>(v);
}

double gemm_flops(const Graph& g, Pass pass) {
  double sum = 0;
  for (const Block& b : g.blocks) {
    for (const Op& op : b.ops) {
      if (op.kind == OpKind::kGemm && op.pass == pass) sum += op.matrix_flops() * b.repeat;
    }
  }
  return sum;
}

/// Bytes of all collectives of a group, by kind.
std::map<std::string, std::int64_t> collective_bytes(const Graph& g, GroupKind group) {
  std::map<std::string, std::int64_t> sum;
  for (const Block& b : g.blocks) {
    for (const Op& op : b.ops) {
      if (op.kind != OpKind::kCollective || op.collective().group != group) continue;
      sum[std::string(name(op.collective().kind))] += op.collective().bytes * b.repeat;
    }
  }
  return sum;
}

}  // namespace

TEST_CASE("backward does twice the matrix products of forward, recompute repeats them once") {
  for (const char* name : {"tiny-gpt2", "tiny-llama", "tiny-moe", "gpt3-175b", "mpt-7b", "gpt-j-6b",
                           "bert-large", "mixtral-8x7b", "deepseek-v2-lite"}) {
    INFO(name);
    const Graph none = train(name, 2, 64);
    CHECK(check(none) == std::vector<std::string>{});
    const double forward = gemm_flops(none, Pass::kForward);
    CHECK(gemm_flops(none, Pass::kBackward) == Approx(2 * forward).epsilon(1e-12));
    CHECK(gemm_flops(none, Pass::kRecompute) == 0);

    const Graph full = train(name, 2, 64, [](PhaseSpec& s) { s.recompute = Recompute::kFull; });
    CHECK(check(full) == std::vector<std::string>{});
    const Graph layers = train(name, 2, 64, [](PhaseSpec& s) { s.part = TrainPart::kForward; });
    double stack = 0;
    for (const Block& b : layers.blocks) {
      if (b.layers_per_repeat == 0) continue;
      for (const Op& op : b.ops) stack += op.matrix_flops() * b.repeat;
    }
    CHECK(full.matrix_flops() == Approx(none.matrix_flops() + stack).epsilon(1e-12));
  }
}

TEST_CASE("a GPT-3 step costs 6 FLOP per parameter and token, plus attention and head") {
  const std::int64_t n = 2048;
  const Graph g = train("gpt3-175b", 1, n);
  const double h = 12288;
  // 72 B s l h^2 (1 + s/6h + V/12lh) of arXiv:2104.04473 with causal attention (half the matrix)
  // and FlashAttention's fifth backward product, no recomputation.
  const double dense = 72.0 * d(n) * 96 * h * h;
  const double pairs = d(n) * d(n + 1) / 2;
  const double attention = 3.5 * 4 * 96 * h * pairs;
  const double head = 6.0 * d(n) * h * 50257;
  CHECK(g.matrix_flops() == Approx(dense + attention + head).epsilon(1e-9));
}

TEST_CASE("parts of a step add up to the step") {
  for (const char* name : {"tiny-llama", "tiny-moe"}) {
    const auto part = [&](TrainPart p) {
      return train(name, 2, 64, [p](PhaseSpec& s) {
        s.part = p;
        s.parallel.dp = 4;
        s.parallel.zero = 1;
      });
    };
    const Graph whole = part(TrainPart::kWhole);
    const Graph f = part(TrainPart::kForward);
    const Graph b = part(TrainPart::kBackward);
    const Graph u = part(TrainPart::kUpdate);
    CHECK(f.flops() + b.flops() + u.flops() == Approx(whole.flops()));
    CHECK(f.op_count() + b.op_count() + u.op_count() == whole.op_count());
  }
}

TEST_CASE("16 bytes per parameter in mixed precision, split as ZeRO splits them") {
  const Transformer m = load_transformer("mpt-7b");
  const double parameters = d(m.parameter_count());
  for (const int zero : {0, 1, 2, 3}) {
    const MemoryPlan plan = plan_memory(m, train_spec(1, 128, [&](PhaseSpec& s) {
                                          s.parallel.dp = 8;
                                          s.parallel.zero = zero;
                                        }));
    INFO("zero " << zero << ": " << plan.text());
    // arXiv:1910.02054, table 1: 2 + 2 + 12 bytes, divided by 8 where the stage splits.
    CHECK(d(plan.weights.value()) == Approx(2 * parameters / (zero >= 3 ? 8 : 1)).epsilon(1e-3));
    CHECK(d(plan.gradients.value()) == Approx(2 * parameters / (zero >= 2 ? 8 : 1)).epsilon(1e-3));
    CHECK(d(plan.optimizer.value()) == Approx(12 * parameters / (zero >= 1 ? 8 : 1)).epsilon(1e-3));
  }
}

TEST_CASE("data parallelism moves every gradient once") {
  const Transformer m = load_transformer("mpt-7b");
  const std::int64_t bytes = 2 * m.parameter_count();
  const auto traffic = [&](int zero, bool last) {
    return collective_bytes(train("mpt-7b", 1, 128,
                                  [&](PhaseSpec& s) {
                                    s.parallel.dp = 8;
                                    s.parallel.zero = zero;
                                    s.sync_gradients = last;
                                  }),
                            GroupKind::kDp);
  };
  CHECK(traffic(0, true) == std::map<std::string, std::int64_t>{{"all_reduce", bytes}});
  CHECK(traffic(0, false).empty());
  CHECK(traffic(1, true) ==
        std::map<std::string, std::int64_t>{{"all_gather", bytes}, {"reduce_scatter", bytes}});
  CHECK(traffic(2, true) == traffic(1, true));
  // FSDP gathers the weights for forward and again for backward, and scatters every micro-batch.
  const std::map<std::string, std::int64_t> fsdp = {{"all_gather", 2 * bytes},
                                                    {"reduce_scatter", bytes}};
  CHECK(traffic(3, true) == fsdp);
  CHECK(traffic(3, false) == fsdp);
}

TEST_CASE("tensor parallelism: four all-reduces of the stream per layer, six with recompute") {
  const auto reduced = [&](Recompute recompute, bool sp) {
    const Graph g = train("gpt3-175b", 1, 2048, [&](PhaseSpec& s) {
      s.parallel.tp = 8;
      s.parallel.sequence_parallel = sp;
      s.recompute = recompute;
      s.layers_only = true;
    });
    CHECK(check(g) == std::vector<std::string>{});
    return collective_bytes(g, GroupKind::kTp);
  };
  const std::int64_t stream = std::int64_t{2048} * 12288 * 2;
  CHECK(reduced(Recompute::kNone, false)["all_reduce"] == 4 * 96 * stream);
  CHECK(reduced(Recompute::kFull, false)["all_reduce"] == 6 * 96 * stream);
  auto sp = reduced(Recompute::kNone, true);
  CHECK(sp.count("all_reduce") == 0);
  CHECK(sp["reduce_scatter"] == 4 * 96 * stream);
  // Two gathers forward, two as mirror images, two to rebuild inputs for the weight gradients.
  CHECK(sp["all_gather"] == 6 * 96 * stream);
}

TEST_CASE("kept activations follow Korthikanti et al. per layer") {
  // arXiv:2205.05198 without dropout masks: 32 s b h unfused plus 2 a s^2 b, 32 s b h + fp32
  // log-sum-exp fused, 2 s b h under full recomputation. (34 there counts two 1-byte masks.)
  const double s = 512, b = 2, h = 12288, a = 96;
  const auto kept = [&](Recompute recompute, bool fused, int tp, bool sp) {
    const Graph g = train("gpt3-175b", 2, 512, [&](PhaseSpec& spec) {
      spec.recompute = recompute;
      spec.fused_attention = fused;
      spec.layers_only = true;
      spec.parallel.tp = tp;
      spec.parallel.sequence_parallel = sp;
    });
    return d(g.bytes_of(Role::kSaved)) / 96;
  };
  CHECK(kept(Recompute::kFull, true, 1, false) == Approx(2 * s * b * h));
  CHECK(kept(Recompute::kNone, true, 1, false) == Approx(32 * s * b * h + 4 * a * s * b));
  CHECK(kept(Recompute::kNone, false, 1, false) == Approx(32 * s * b * h + 2 * a * s * s * b));
  CHECK(kept(Recompute::kSelective, false, 1, false) == Approx(32 * s * b * h));
  // TP splits all but the inputs of norms and of TP regions (8 s b h); SP splits those too.
  CHECK(kept(Recompute::kSelective, false, 8, false) == Approx(s * b * h * (8 + 24.0 / 8)));
  CHECK(kept(Recompute::kSelective, false, 8, true) == Approx(s * b * h * 32 / 8));
}

TEST_CASE("graphs are sound under any combination of parallelism") {
  for (const char* name : {"tiny-moe", "tiny-gpt2", "deepseek-v2-lite", "bert-large", "gpt-j-6b"}) {
    const bool experts = load_transformer(name).is_moe();
    for (int mix = 0; mix < 96; ++mix) {
      const Graph g = train(name, 2, 64, [&](PhaseSpec& s) {
        s.parallel.tp = 1 + mix % 2;
        s.parallel.sequence_parallel = mix / 2 % 2 == 1;
        s.parallel.zero = mix / 4 % 4;
        s.recompute = static_cast<Recompute>(mix / 16 % 3);
        s.parallel.dp = 4;
        s.parallel.ep = experts ? 1 + mix / 48 : 1;
      });
      INFO(name << " mix " << mix);
      CHECK(check(g) == std::vector<std::string>{});
    }
  }
}

TEST_CASE("every parameter gets exactly one gradient of its size") {
  for (const char* name : {"tiny-gpt2", "tiny-llama", "tiny-moe", "gpt-j-6b", "deepseek-v2-lite"}) {
    const Transformer m = load_transformer(name);
    const Graph g = train(name, 1, 64);
    INFO(name);
    CHECK(g.bytes_of(Role::kGradient) == 2 * m.parameter_count());
    CHECK(g.bytes_of(Role::kWeight) == g.bytes_of(Role::kGradient));
    CHECK(g.bytes_of(Role::kOptimizer) == 12 * m.parameter_count());
  }
}

TEST_CASE("hybrid models train too: gradients of linear attention, gates and shared experts") {
  Transformer m = load_transformer("tiny-moe");
  m.linear = {2, 4, 4, 16, 4, 16};
  m.attention_gate = m.qk_norm = m.moe.shared_gate = true;
  m.layers = 4;
  m.finish();
  const Graph g = build_graph(m, train_spec(1, 64));
  CHECK(check(g) == std::vector<std::string>{});
  CHECK(g.bytes_of(Role::kGradient) == g.bytes_of(Role::kWeight));
  // The stack's first layer is dense, so the pattern is found only after it.
  CHECK(g.bytes_of(Role::kWeight) == 2 * m.parameter_count());
}

TEST_CASE("experts reduce their gradients over fewer ranks than the rest") {
  const Graph g = train("mixtral-8x7b", 1, 128, [](PhaseSpec& s) {
    s.parallel.dp = 8;
    s.parallel.ep = 4;
  });
  CHECK(check(g) == std::vector<std::string>{});
  int experts = 0, dense = 0, exchanges = 0;
  for (const Block& b : g.blocks) {
    for (const Op& op : b.ops) {
      if (op.kind != OpKind::kCollective) continue;
      const CollectiveShape& c = op.collective();
      if (op.name == "all_reduce_expert_grads") {
        CHECK(c.size == 2);
        CHECK(c.stride == 4);
        ++experts;
      }
      if (op.name == "all_reduce_grads") {
        CHECK(c.size == 8);
        ++dense;
      }
      if (c.kind == CollectiveKind::kAllToAll) ++exchanges;
    }
  }
  CHECK(experts == 1);
  CHECK(dense == 3);  // embedding, layers, head
  CHECK(exchanges == 4);
}

TEST_CASE("pipeline stages of training hand activations forward and gradients back") {
  double flops = 0;
  int sends = 0, receives = 0;
  for (int stage = 0; stage < 4; ++stage) {
    const Graph g = train("gpt3-175b", 1, 256, [&](PhaseSpec& s) {
      s.parallel.pp = 4;
      s.stage = stage;
    });
    CHECK(check(g) == std::vector<std::string>{});
    flops += g.matrix_flops();
    for (const Block& b : g.blocks) {
      for (const Op& op : b.ops) {
        if (op.kind != OpKind::kSendRecv) continue;
        sends += op.collective().kind == CollectiveKind::kSend ? 1 : 0;
        receives += op.collective().kind == CollectiveKind::kRecv ? 1 : 0;
      }
    }
  }
  CHECK(flops == Approx(train("gpt3-175b", 1, 256).matrix_flops()).epsilon(1e-12));
  CHECK(sends == 2 * 3);
  CHECK(receives == 2 * 3);
}

TEST_CASE("what does not fit is said kind by kind") {
  const Transformer m = load_transformer("gpt3-175b");
  int stage = -1;
  const MemoryPlan plan = worst_stage(m,
                                      train_spec(1, 2048,
                                                 [](PhaseSpec& s) {
                                                   s.parallel.tp = 8;
                                                   s.parallel.pp = 8;
                                                   s.recompute = Recompute::kFull;
                                                 }),
                                      64, &stage);
  INFO(plan.text());
  // The tied embedding's second copy makes the last stage the largest in weights; activations in
  // flight make the first the largest in all.
  CHECK(stage == 0);
  CHECK(d(plan.weights.value() + plan.gradients.value() + plan.optimizer.value()) ==
        Approx(16.0 * d(m.parameter_count()) / 64).epsilon(0.1));
  CHECK_NOTHROW(require_fit(plan, plan.total(), "x"));
  try {
    require_fit(plan, 40_GiB, "a rank of 'node'");
    FAIL("should not fit");
  } catch (const Finding& finding) {
    const std::string said = finding.what();
    for (const char* kind :
         {"weights", "gradients", "optimizer", "activations", "40.0 GiB", "too much", "--zero 1"}) {
      CHECK(said.find(kind) != std::string::npos);
    }
  }
}

TEST_CASE("serving memory: weights and KV cache of the batch") {
  const Transformer m = load_transformer("llama-2-7b");
  PhaseSpec spec;
  spec.phase = Phase::kDecode;
  spec.batch = decode_batch(8, 1024);
  spec.kv_capacity = 2048;
  const MemoryPlan plan = plan_memory(m, spec);
  CHECK(plan.weights.value() == 2 * m.parameter_count());
  CHECK(plan.kv_cache.value() == 8 * 2048 * std::int64_t{512} * 1024);
  CHECK(plan.gradients.value() == 0);
  CHECK(plan.workspace < 10_MiB);
}
