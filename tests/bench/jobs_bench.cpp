/// What running many points costs beside the points themselves. Read the CPU column together with
/// the workers' share: targets are 5 ms per point of an event tier and 0.2 ms per analytic point.
#include <benchmark/benchmark.h>

#include "../unit/jobs/test_evaluator.h"
#include "jobs/run_points.h"
#include "jobs/store.h"

// The event tiers' library, linked below jobs, wants one from every program.
extern "C" int sc_main(int /*argc*/, char* /*argv*/[]) {
  return 0;
}

namespace {

using namespace athena;
using namespace athena::jobs;
using athena::jobs::testing::TempDir;

std::vector<PointSpec> points(std::int64_t count, const std::string& fidelity, bool own_chip) {
  std::vector<PointSpec> out;
  for (std::int64_t i = 0; i < count; ++i) {
    PointSpec spec;
    spec.on = "test-chip";
    spec.model = "m";
    spec.phase = "decode";
    spec.batch = i + 1;
    spec.fidelity = fidelity;
    if (own_chip) spec.sets.push_back("test.elaborate=k" + std::to_string(i));
    out.push_back(std::move(spec));
  }
  return out;
}

void run(benchmark::State& state, const std::vector<PointSpec>& list) {
  jobs::testing::register_test_evaluator();
  for (auto _ : state) {
    state.PauseTiming();
    TempDir dir;
    Store store(dir.path("points.sqlite"));
    Options options;
    options.workers = static_cast<int>(state.range(0));
    options.store = &store;
    options.keep_results = false;
    state.ResumeTiming();
    benchmark::DoNotOptimize(run_points(list, options));
  }
  state.counters["per_point"] = benchmark::Counter(
      static_cast<double>(list.size()),
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void BM_AnalyticPoints(benchmark::State& state) {
  run(state, points(10000, "analytic", false));
}
void BM_OneChip(benchmark::State& state) {
  run(state, points(1000, "transaction", false));
}
void BM_ChipPerPoint(benchmark::State& state) {
  run(state, points(200, "transaction", true));
}

BENCHMARK(BM_AnalyticPoints)->Arg(1)->Arg(2)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK(BM_OneChip)->Arg(1)->Arg(2)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK(BM_ChipPerPoint)->Arg(1)->Arg(2)->MeasureProcessCPUTime()->UseRealTime();

void BM_StorePut(benchmark::State& state) {
  TempDir dir;
  Store store(dir.path("points.sqlite"));
  std::int64_t number = 0;
  const std::string result(2000, 'r');
  for (auto _ : state) {
    std::vector<StoredPoint> rows;
    for (std::int64_t i = 0; i < state.range(0); ++i) {
      rows.push_back(
          {content_hash(std::to_string(number++)), "{}", ExitCode::kOk, "", result, 0.0, Bytes(0)});
    }
    store.put(rows);
  }
  state.SetItemsProcessed(number);
}
BENCHMARK(BM_StorePut)->Arg(1)->Arg(64);

}  // namespace

BENCHMARK_MAIN();
