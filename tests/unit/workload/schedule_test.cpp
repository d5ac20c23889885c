/// Pipeline schedules: every task once and in a possible order, the known bubbles as special cases.
#include "workload/parallel/schedule.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "base/error.h"
#include "base/rng.h"

using namespace athena;
using namespace athena::workload;

namespace {

Parallelism pipeline(int pp, int chunks = 1) {
  Parallelism p;
  p.pp = pp;
  p.virtual_stages = chunks;
  return p;
}

PipelineCost even(const Parallelism& p, double forward, double backward, double transfer = 0) {
  const auto stages = static_cast<std::size_t>(p.pp);
  const auto chunks = static_cast<std::size_t>(p.virtual_stages);
  PipelineCost cost;
  cost.forward.assign(stages, std::vector<Seconds>(chunks, Seconds(forward)));
  cost.backward.assign(stages, std::vector<Seconds>(chunks, Seconds(backward)));
  cost.transfer = Seconds(transfer);
  return cost;
}

}  // namespace

TEST_CASE("every stage runs every task once, forward before backward") {
  for (const int pp : {1, 2, 4, 7}) {
    for (const int chunks : {1, 2, 3}) {
      if (pp == 1 && chunks > 1) continue;
      for (const int groups : {1, 2, 5}) {
        const Parallelism p = pipeline(pp, chunks);
        const int micro_batches = pp * groups;
        for (int stage = 0; stage < pp; ++stage) {
          std::set<std::pair<int, int>> forward, backward;
          for (const PipelineTask& t : stage_order(p, stage, micro_batches)) {
            const std::pair<int, int> key{t.micro_batch, t.chunk};
            CHECK(t.micro_batch < micro_batches);
            if (t.forward) {
              CHECK(forward.insert(key).second);
            } else {
              CHECK(forward.count(key) == 1);
              CHECK(backward.insert(key).second);
            }
          }
          CHECK(forward.size() == static_cast<std::size_t>(micro_batches * chunks));
          CHECK(backward == forward);
        }
      }
    }
  }
}

TEST_CASE("with equal stages the bubble is the textbook's") {
  for (const int pp : {2, 4, 8}) {
    for (const int m : {8, 16, 64}) {
      // 1F1B: (p - 1)(f + b) of idling per stage (arXiv:2104.04473, section 2.2).
      const PipelineRun run = simulate_pipeline(pipeline(pp), m, even(pipeline(pp), 1, 2));
      CHECK(run.total.value() == Approx(3.0 * (m + pp - 1)));
      CHECK(run.bubble == Approx((pp - 1.0) / (m + pp - 1)));
      // Interleaving divides it by the number of chunks.
      const Parallelism twice = pipeline(pp, 2);
      const PipelineRun inter = simulate_pipeline(twice, m, even(twice, 0.5, 1));
      CHECK(inter.total.value() == Approx(3.0 * m + 3.0 * (pp - 1) / 2));
    }
  }
}

TEST_CASE("activations in flight: pp - stage under 1F1B") {
  for (int stage = 0; stage < 8; ++stage) {
    CHECK(peak_in_flight(pipeline(8), stage, 64) == 8 - stage);
    CHECK(peak_in_flight(pipeline(8), stage, 3) == std::min(3, 8 - stage));
    CHECK(peak_in_flight(pipeline(8, 2), stage, 64) == 2 * (7 - stage) + 8 + 1);
  }
}

TEST_CASE("a run respects every dependency and no stage does two things at once") {
  Rng rng(3);
  for (int trial = 0; trial < 200; ++trial) {
    const int pp = 1 + static_cast<int>(rng.below(5));
    const int chunks = pp == 1 ? 1 : 1 + static_cast<int>(rng.below(3));
    const int m = pp * (1 + static_cast<int>(rng.below(4)));
    const Parallelism p = pipeline(pp, chunks);
    PipelineCost cost = even(p, 1, 1, rng.uniform(0, 0.5));
    double slowest = 0;
    for (std::size_t s = 0; s < cost.forward.size(); ++s) {
      double work = 0;
      for (std::size_t c = 0; c < cost.forward[s].size(); ++c) {
        cost.forward[s][c] = Seconds(rng.uniform(0.1, 2));
        cost.backward[s][c] = Seconds(rng.uniform(0.1, 4));
        work += cost.forward[s][c].value() + cost.backward[s][c].value();
      }
      slowest = std::max(slowest, work * m);
    }
    const PipelineRun run = simulate_pipeline(p, m, cost);
    CHECK(run.total.value() >= slowest * (1 - 1e-12));
    CHECK(run.bubble >= -1e-12);
    std::map<int, double> stage_end;
    std::map<std::tuple<bool, int, int>, double> ends;
    for (const PipelineSlot& slot : run.slots) {
      CHECK(slot.start.value() >= stage_end[slot.stage] - 1e-12);
      stage_end[slot.stage] = slot.end.value();
      ends[{slot.task.forward, slot.task.chunk * pp + slot.stage, slot.task.micro_batch}] =
          slot.end.value();
    }
    for (const PipelineSlot& slot : run.slots) {
      const int g = slot.task.chunk * pp + slot.stage;
      const int b = slot.task.micro_batch;
      const double arrival = cost.transfer.value() - 1e-12;
      if (slot.task.forward && g > 0) {
        CHECK(slot.start.value() >= ends.at({true, g - 1, b}) + arrival);
      }
      if (!slot.task.forward) {
        CHECK(slot.start.value() >= ends.at({true, g, b}) - 1e-12);
        if (g < pp * chunks - 1) {
          CHECK(slot.start.value() >= ends.at({false, g + 1, b}) + arrival);
        }
      }
    }
  }
}

TEST_CASE("the last backward and the update come on top") {
  const Parallelism p = pipeline(4);
  PipelineCost cost = even(p, 1, 2);
  cost.backward_last.assign(4, std::vector<Seconds>(1, Seconds(2.5)));
  cost.update.assign(4, Seconds(0.25));
  // The last micro-batch's gradient passes all four stages on the way out.
  CHECK(simulate_pipeline(p, 8, cost).total.value() == Approx(3.0 * 11 + 4 * 0.5 + 0.25));
}

TEST_CASE("the graphs of a step hold all its work once per micro-batch") {
  const Transformer m = load_transformer("mixtral-8x7b");
  PhaseSpec spec;
  spec.phase = Phase::kTrain;
  spec.batch = prefill_batch(1, 64);
  PhaseSpec whole = spec;
  spec.parallel.pp = 4;
  spec.parallel.virtual_stages = 2;
  double flops = 0;
  for (spec.stage = 0; spec.stage < 4; ++spec.stage) {
    const StepGraphs g = step_graphs(m, spec, 4);
    REQUIRE(g.forward.size() == 2);
    for (std::size_t c = 0; c < 2; ++c) {
      flops += g.forward[c].matrix_flops() + g.backward[c].matrix_flops();
      CHECK(g.backward_last[c].matrix_flops() == g.backward[c].matrix_flops());
    }
  }
  CHECK(flops == Approx(build_graph(m, whole).matrix_flops()).epsilon(1e-12));
}

TEST_CASE("batches that do not divide are refused") {
  Parallelism p;
  p.dp = 8;
  CHECK(plan_batch(64, 4, p).micro_batches == 2);
  CHECK_THROWS_WITH(plan_batch(64, 16, p), Catch::Contains("larger than the 8 sequences"));
  CHECK_THROWS_WITH(plan_batch(64, 3, p), Catch::Contains("does not divide"));
  CHECK_THROWS_WITH(plan_batch(63, 1, p), Catch::Contains("--dp 8"));
  CHECK_THROWS_AS(plan_batch(0, 1, p), InputError);
  p.pp = 4;
  p.virtual_stages = 2;
  CHECK_THROWS_WITH(plan_batch(48, 1, p), Catch::Contains("multiple of --pp 4"));
}
