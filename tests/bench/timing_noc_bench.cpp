/// Speed of the network tiers in flit-hops: an 8 x 8 mesh, uniform traffic, by packet length.
#include <benchmark/benchmark.h>

#include "timing/noc_traffic.h"

namespace {

using namespace athena;

void run(benchmark::State& state, bool held) {
  timing::NocSpec spec;
  spec.rows = spec.cols = 8;
  spec.switching = held ? config::SwitchPolicy::kPacket : config::SwitchPolicy::kFlit;
  const timing::Topology topology(spec);
  timing::NocLoad load;
  load.packet_flits = static_cast<int>(state.range(0));
  load.rate = 0.2;
  load.warmup = 0;
  load.measure = 20000;
  std::int64_t hops = 0;
  for (auto _ : state)
    hops += (held ? measure_transactions(topology, load) : measure_flits(topology, load)).flit_hops;
  state.SetItemsProcessed(hops);
}

void packet_held(benchmark::State& state) {
  run(state, true);
}
void flit_interleaved(benchmark::State& state) {
  run(state, false);
}

BENCHMARK(packet_held)->Arg(5)->Arg(16);
BENCHMARK(flit_interleaved)->Arg(1)->Arg(5)->Arg(16);

}  // namespace

BENCHMARK_MAIN();
