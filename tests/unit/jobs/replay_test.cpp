// Traces of programs: dependencies kept, engines used one at a time, gaps reported.
#include "jobs/simulation/replay.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "base/error.h"

using namespace athena;
using workload::TraceBasis;
using workload::TraceKind;
using workload::TraceNode;

namespace {

jobs::PointSpec spec_on(const std::string& on) {
  jobs::PointSpec spec;
  spec.on = on;
  spec.fidelity = "analytic";
  return spec;
}

TraceNode lasting(double us, std::vector<std::int32_t> after) {
  TraceNode node;
  node.name = "recorded";
  node.basis = TraceBasis::kMeasured;
  node.measured_us = us;
  node.after = std::move(after);
  return node;
}

TraceNode message(std::int64_t bytes, std::vector<std::int32_t> after) {
  TraceNode node;
  node.name = "reduce";
  node.kind = TraceKind::kCollective;
  node.basis = TraceBasis::kMessage;
  node.bytes = bytes;
  node.after = std::move(after);
  return node;
}

TraceNode product(std::int64_t m, std::int64_t n, std::int64_t k, std::vector<std::int32_t> after) {
  TraceNode node;
  node.name = "product";
  node.basis = TraceBasis::kShape;
  node.gemm.emplace();
  node.gemm->m = m;
  node.gemm->n = n;
  node.gemm->k = k;
  node.after = std::move(after);
  return node;
}

jobs::ReplayResult replay(const std::string& on, std::vector<TraceNode> nodes) {
  const jobs::PointSpec spec = spec_on(on);
  const jobs::Machine machine = jobs::resolve_machine(spec);
  jobs::StepRunner runner(machine, "analytic");
  workload::Trace trace;
  trace.nodes = std::move(nodes);
  return jobs::run_replay(runner, trace, spec);
}

double number(const jobs::ReplayResult& r, const char* key) {
  return r.json.at(key).get<double>();
}

}  // namespace

TEST_CASE("a chain of nodes takes the sum, whatever engine runs them") {
  const jobs::ReplayResult one = replay("athena-node", {lasting(100, {})});
  CHECK(one.step.seconds == Approx(100e-6));
  const jobs::ReplayResult r =
      replay("athena-node", {lasting(100, {}), message(64 << 20, {0}), lasting(50, {1})});
  CHECK(r.step.seconds == Approx(150e-6 + number(r, "communication_s")));
  CHECK(number(r, "exposed_communication_s") == Approx(number(r, "communication_s")));
  CHECK(r.ranks == 4);
}

TEST_CASE("independent nodes share the chip one after the other, and the links run beside it") {
  const jobs::ReplayResult alone = replay("athena-node", {message(64 << 20, {})});
  const double link = alone.step.seconds;
  const double us = 1e6 * link;
  const jobs::ReplayResult hidden =
      replay("athena-node", {lasting(us, {}), lasting(us, {}), message(64 << 20, {})});
  CHECK(hidden.step.seconds == Approx(2 * link));
  CHECK(number(hidden, "exposed_communication_s") == Approx(0.0).margin(1e-12));
  const jobs::ReplayResult seen =
      replay("athena-node", {lasting(us, {}), message(64 << 20, {}), message(64 << 20, {})});
  CHECK(seen.step.seconds == Approx(2 * link));
  CHECK(number(seen, "exposed_communication_s") == Approx(link));
  double shares = 0;
  for (std::size_t i = 0; i < timing::kBounds; ++i) {
    shares += static_cast<double>(seen.step.path.of(static_cast<timing::Bound>(i)).value());
  }
  CHECK(to_seconds(Time(static_cast<std::int64_t>(shares))).value() ==
        Approx(seen.step.seconds).epsilon(1e-6));
}

TEST_CASE("products are timed by the chip: larger ones take longer, energy included") {
  const jobs::ReplayResult small = replay("athena", {product(1024, 1024, 1024, {})});
  const jobs::ReplayResult large = replay("athena", {product(4096, 4096, 4096, {})});
  CHECK(small.step.seconds > 0);
  CHECK(large.step.seconds > 8 * small.step.seconds);
  CHECK(large.step.energy_j > small.step.energy_j);
  CHECK(large.step.flops == Approx(2.0 * 4096 * 4096 * 4096));
}

TEST_CASE("a trace that communicates needs a system") {
  CHECK_THROWS_AS(replay("athena", {message(1 << 20, {})}), InputError);
}

TEST_CASE("the traces of the folder beside the repository replay whole") {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(ATHENA_SOURCE_DIR) / ".." / "shared" / "chakra";
  for (const char* name : {"chakra_feeder_test.0.et", "chakra_stg_llama2L_tp2_rank0.et"}) {
    if (!fs::exists(folder / name)) {
      WARN("SKIPPED: " << (folder / name) << " is absent");
      continue;
    }
    jobs::PointSpec spec = spec_on("athena-node");
    spec.model = (folder / name).string();
    spec.tp = 2;
    jobs::PointRunner runner(spec);
    const jobs::PointResult result = runner.run(spec);
    CHECK(result.seconds > 0);
    CHECK(result.chips == 2);
    const auto& replayed = result.replay;
    CHECK(result.seconds >= replayed.at("compute_s").get<double>() * (1 - 1e-9));
    CHECK(result.seconds <=
          (replayed.at("compute_s").get<double>() + replayed.at("communication_s").get<double>()) *
              (1 + 1e-9));
    std::int64_t nodes = 0;
    for (const auto& [basis, sum] : replayed.at("timed_by").items()) {
      nodes += sum.at("nodes").get<std::int64_t>();
    }
    CHECK(nodes == replayed.at("nodes").get<std::int64_t>());
  }
}
