// Speed of the cost room: ten thousand draws of a chip must stay below a tenth of a second.
#include <benchmark/benchmark.h>

#include "cost/report.h"

namespace {

using namespace athena;

void draws_of_one_chip(benchmark::State& state) {
  cost::Constants constants = cost::Constants::load();
  const cost::CostSubject subject =
      cost::make_subject(config::load<config::ChipConfig>("a100-sxm-80gb", "chips"), constants);
  const cost::CostModel model(subject.chip, subject.product, constants, {});
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        cost::monte_carlo(constants, model.used(),
                          [&](const cost::Values& values, double* out) {
                            *out = model.evaluate(values).manufacturing;
                          },
                          1, {.draws = static_cast<std::size_t>(state.range(0)), .seed = 1}));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(draws_of_one_chip)->Arg(10000)->Unit(benchmark::kMillisecond);

void comparison_of_two_chips(benchmark::State& state) {
  cost::Constants constants = cost::Constants::load();
  const auto subject = [&](const char* name) {
    return cost::make_subject(config::load<config::ChipConfig>(name, "chips"), constants);
  };
  const cost::CostSubject ours = subject("athena"), rival = subject("a100-sxm-80gb");
  for (auto _ : state) benchmark::DoNotOptimize(cost::cost_report(ours, &rival, constants));
}
BENCHMARK(comparison_of_two_chips)->Unit(benchmark::kMillisecond);

void exact_dies_per_wafer(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(cost::dies_per_wafer({25.5, 32.4}));
}
BENCHMARK(exact_dies_per_wafer)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
