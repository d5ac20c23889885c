// A chip whose DMA engines, routers and memory schedulers are clocked blocks behind their ports
// (here their stepped models; cosim/ puts the RTL there): the same work, the same bytes, about the
// same time.
#include <catch2/catch.hpp>

#include "chip/simulator.h"
#include "exec/reference.h"
#include "exec/store.h"
#include "support/points.h"
#include "timing/scheduled_memory.h"

using namespace athena;

namespace {

timing::ClockedBodies clocked(bool dma, bool router, bool scheduler) {
  timing::ClockedBodies b;
  b.dma_params = {1024, 8, 512, 64, 64};
  b.router_params = {8, true};
  if (dma) b.dma = [p = b.dma_params](const auto&) { return std::make_unique<timing::DmaStep>(p); };
  if (router)
    b.router = [p = b.router_params](const auto&) {
      return std::make_unique<timing::RouterStep>(p);
    };
  if (scheduler) {
    b.scheduler = [p = b.scheduler_params](const auto&) {
      return std::make_unique<timing::HbmSchedulerStep>(p);
    };
  }
  return b;
}

struct Runs {
  chip::RunResult model, blocks;
  timing::ClockedBodies bodies;
};

Runs both(bool dma, bool router, bool scheduler) {
  const config::ChipConfig config = testing::chip("athena-mini");
  const compiler::Compiled compiled = compiler::compile(
      testing::prefill("tiny-llama", 1, 48, 2, "bf16"), config, testing::stack(), {});
  chip::Simulator simulator(config);
  Runs runs;
  chip::RunOptions options;
  options.skip_steady = false;
  options.queued_memory = scheduler;
  runs.model = simulator.run(compiled.program, testing::stack(), options);
  runs.bodies = clocked(dma, router, scheduler);
  options.bodies.clocked = &runs.bodies;
  runs.blocks = simulator.run(compiled.program, testing::stack(), options);
  // Nothing of the blocks is left behind.
  options.bodies = {};
  const chip::RunResult again = simulator.run(compiled.program, testing::stack(), options);
  CHECK(again.time.value() == runs.model.time.value());
  CHECK(to_time(runs.blocks.time).value() == runs.blocks.path.total().value());
  CHECK(runs.blocks.memory_read == Approx(runs.model.memory_read));
  CHECK(runs.blocks.memory_written == Approx(runs.model.memory_written));
  CHECK(runs.blocks.time.value() == Approx(runs.model.time.value()).epsilon(0.05));
  return runs;
}

double bytes_of(const chip::RunResult& run) {
  return run.memory_read + run.memory_written;
}

}  // namespace

TEST_CASE("clocked DMA engines move the program's bytes in about the model's time") {
  const Runs runs = both(true, false, false);
  CHECK(runs.bodies.dma_use.transactions > 0);
  CHECK(static_cast<double>(runs.bodies.dma_use.pieces) * 128 >= bytes_of(runs.blocks));
  // Short rows (a head's 32 B, an item's statistics) take a beat of 128 B each.
  CHECK(static_cast<double>(runs.bodies.dma_use.pieces) * 16 <= bytes_of(runs.blocks));
}

TEST_CASE("clocked routers carry the program's packets in about the model's time") {
  const Runs runs = both(false, true, false);
  CHECK(runs.bodies.router_use.transactions > 0);
  CHECK(static_cast<double>(runs.bodies.router_use.pieces) * 256 >= bytes_of(runs.blocks));
}

TEST_CASE("clocked schedulers serve the program's requests in about the detailed tier's time") {
  const Runs runs = both(false, false, true);
  CHECK(static_cast<double>(runs.bodies.scheduler_use.pieces) * 32 >= bytes_of(runs.blocks));
}

TEST_CASE("DMA engines and routers and schedulers run one program together") {
  const Runs runs = both(true, true, true);
  for (const timing::BodyUse* use :
       {&runs.bodies.dma_use, &runs.bodies.router_use, &runs.bodies.scheduler_use}) {
    CHECK(use->transactions > 0);
    CHECK(use->latency > 0);
  }
}

TEST_CASE("numbers that travel through DMA engines are those that the program computes without") {
  const config::ChipConfig config = testing::chip("athena-mini");
  const workload::Graph graph = testing::prefill("tiny-llama", 1, 20, 2, "bf16");
  compiler::Options options_exact;
  options_exact.exact = true;
  const compiler::Compiled compiled =
      compiler::compile(graph, config, testing::stack(), options_exact);
  chip::Simulator simulator(config);
  std::vector<std::vector<float>> results;
  for (const bool engines : {false, true}) {
    timing::ClockedBodies bodies = clocked(engines, engines, engines);
    exec::NumberStore store(compiled.program);
    for (const auto& [where, values] : exec::random_inputs(graph, 256, 5)) {
      store.write(where.first, std::vector<float>(values.begin(), values.end()), where.second);
    }
    exec::Shadow shadow(compiled.program);
    chip::RunOptions options;
    options.skip_steady = false;
    options.meaning = &store;
    options.shadow = &shadow;
    options.bodies.clocked = engines ? &bodies : nullptr;
    (void)simulator.run(compiled.program, testing::stack(), options);
    results.push_back(store.read(static_cast<int>(compiled.program.regions.size()) - 1));
    for (std::size_t r = 0; r < compiled.program.regions.size(); ++r) {
      const std::vector<float> values = store.read(static_cast<int>(r));
      results.back().insert(results.back().end(), values.begin(), values.end());
    }
  }
  REQUIRE(results[0].size() == results[1].size());
  CHECK(results[0] == results[1]);
}
