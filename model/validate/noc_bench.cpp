#include "validate/noc_bench.h"

#include <fmt/format.h>

#include <ctime>

#include "timing/noc_traffic.h"

namespace athena::validate {
namespace {

/// Flits per terminal and cycle: half of what the bisection of an 8 x 8 mesh lets through.
constexpr double kRate = 0.2;

double flit_hops_per_second(bool held, int flits, double scale) {
  timing::NocSpec spec;
  spec.rows = spec.cols = 8;
  spec.flit_bytes = 1;
  spec.clock = Hertz(kFemtosecondsPerSecond);
  spec.switching = held ? config::SwitchPolicy::kPacket : config::SwitchPolicy::kFlit;
  const timing::Topology topology(spec);
  timing::NocLoad load;
  load.packet_flits = flits;
  load.rate = kRate;
  load.warmup = 0;
  load.measure = static_cast<std::int64_t>(scale * (held ? 400000.0 * flits / 5.0 : 100000.0));
  const std::clock_t start = std::clock();
  const timing::NocMeasurement m =
      held ? measure_transactions(topology, load) : measure_flits(topology, load);
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  return static_cast<double>(m.flit_hops) / seconds;
}

}  // namespace

std::vector<NocBenchCase> noc_bench_cases() {
  std::vector<NocBenchCase> cases;
  for (const int flits : {5, 16})
    cases.push_back({fmt::format("transaction, packet-held, {} flits", flits),
                     [flits](double scale) { return flit_hops_per_second(true, flits, scale); }});
  for (const int flits : {1, 5, 16})
    cases.push_back(
        {fmt::format("detailed, flit-interleaved, {} flit{}", flits, flits == 1 ? "" : "s"),
         [flits](double scale) { return flit_hops_per_second(false, flits, scale); }});
  return cases;
}

}  // namespace athena::validate
