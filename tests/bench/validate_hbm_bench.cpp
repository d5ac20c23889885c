/// Speed of the HBM models: the cases of `athena bench hbm` under Google Benchmark.
#include <benchmark/benchmark.h>

#include "validate/hbm_bench.h"

int main(int argc, char** argv) {
  for (const athena::validate::HbmBenchCase& one : athena::validate::hbm_bench_cases()) {
    benchmark::RegisterBenchmark(one.name.c_str(), [one](benchmark::State& state) {
      double rate = 0.0;
      for (auto step : state) {
        (void)step;
        rate = one.run(1.0);
      }
      state.counters[one.unit + " per CPU second"] = rate;
    });
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
