// The binding to the simulator: what a step becomes, and what a replica's memory holds.
#include "serving/simulator_steps.h"

#include <catch2/catch.hpp>

#include "base/error.h"
#include "serving/child_timer.h"
#include "serving/step_graph.h"

using namespace athena;
using namespace athena::serving;

namespace {

HardwareSpec tiny() {
  HardwareSpec spec;
  spec.on = "athena";
  spec.model = "llama-3.1-8b";
  return spec;
}

/// Answers with the tokens it was asked for.
class Echo final : public OperatorTimer {
 public:
  std::string identity() const override { return "echo"; }
  StepMeasurement measure(const StepShape& shape) override {
    if (shape.tokens() > 100) throw Finding("too many.");
    if (shape.tokens() == 99) throw InputError("an odd question.");
    StepMeasurement m;
    m.total = Seconds(static_cast<double>(shape.tokens()) / 3.0);
    m.operators = {{"op", OperatorKind::kAttention, m.total, Joules(0.1)}};
    return m;
  }
};

}  // namespace

TEST_CASE("The parts of a batch add up to it, and the first is the largest") {
  const StepShape shape{{{1, 100, 7}, {512, 512, 2}, {1, 30, 4}}, 13};
  for (int parts = 1; parts <= 5; ++parts) {
    const auto part = largest_part(shape, parts);
    std::int64_t sequences = 0, tokens = 0;
    for (const auto& g : part) {
      sequences += g.count;
      tokens += g.count * g.q_len;
    }
    CHECK(sequences == ceil_div<std::int64_t>(13, parts));
    CHECK(tokens * parts >= shape.tokens());
  }
  CHECK(largest_part({{{1, 10, 1}}, 1}, 4).size() == 1);
}

TEST_CASE("Prompts and decodes of a mixed step are attention kernels of their own") {
  const Hardware hardware = resolve_hardware(tiny());
  const auto count = [&](const std::vector<workload::Sequences>& batch) {
    int attentions = 0;
    for (const auto& block : step_graph(hardware, batch, 0).blocks) {
      for (const auto& op : block.ops) {
        attentions += op.kind == workload::OpKind::kAttention ? 1 : 0;
      }
    }
    return attentions;
  };
  CHECK(count({{1, 100, 4}}) == 1);
  CHECK(count({{64, 64, 1}}) == 1);
  CHECK(count({{1, 100, 4}, {64, 64, 1}}) == 2);
}

TEST_CASE("Steps of the simulator grow with their work, and their operators explain them") {
  const Hardware hardware = resolve_hardware(tiny());
  const auto timer = make_simulator_timer(hardware);
  double before = 0.0;
  for (const std::int64_t keys : {100, 1000, 10000}) {
    const StepMeasurement m = timer->measure({{{1, keys, 16}}, 16});
    CHECK(m.total.value() > before);
    before = m.total.value();
    double sum = 0.0;
    for (const auto& op : m.operators) sum += op.time.value();
    CHECK(sum == Approx(m.total.value()).epsilon(0.02));
    CHECK(m.energy.value() > 0.0);
  }
  CHECK(timer->idle_power().value() > 0.0);
}

TEST_CASE("KV pages are what weights leave, and fp8 keys and values double them") {
  HardwareSpec spec = tiny();
  EngineConfig engine;
  const ReplicaMemory wide = replica_memory(resolve_hardware(spec), engine);
  CHECK(wide.kv_bytes_per_token == Bytes(128 << 10));
  spec.kv_dtype = "fp8";
  const ReplicaMemory narrow = replica_memory(resolve_hardware(spec), engine);
  CHECK(narrow.kv_bytes_per_token == Bytes(64 << 10));
  CHECK(static_cast<double>(narrow.kv_pages) / static_cast<double>(wide.kv_pages) ==
        Approx(2.0).epsilon(0.01));
  spec.model = "llama-3.1-70b";
  CHECK_THROWS_AS(replica_memory(resolve_hardware(spec), engine), Finding);
}

TEST_CASE("Unknown hardware, tiers and encoders are refused") {
  HardwareSpec spec = tiny();
  spec.fidelity = "exact";
  CHECK_THROWS_AS(resolve_hardware(spec), InputError);
  spec = tiny();
  spec.model = "bert-large";
  CHECK_THROWS_AS(resolve_hardware(spec), InputError);
  spec = tiny();
  spec.tp = 3;
  CHECK_THROWS_AS(resolve_hardware(spec), InputError);
}

TEST_CASE("A timer in a child process answers as it would here, errors included") {
  const auto timer = in_child(std::make_unique<Echo>(), [] { return std::make_unique<Echo>(); });
  CHECK(timer->identity() == "echo");
  for (const std::int64_t n : {1, 7, 50}) {
    const StepMeasurement m = timer->measure({{{n, n, 1}}, 1});
    CHECK(m.total.value() == static_cast<double>(n) / 3.0);
    REQUIRE(m.operators.size() == 1);
    CHECK(m.operators[0].kind == OperatorKind::kAttention);
    CHECK(m.operators[0].energy.value() == 0.1);
  }
  CHECK_THROWS_AS(timer->measure({{{200, 200, 1}}, 1}), Finding);
  CHECK_THROWS_AS(timer->measure({{{99, 99, 1}}, 1}), InputError);
  CHECK(timer->measure({{{3, 3, 1}}, 1}).total.value() == 1.0);
}
