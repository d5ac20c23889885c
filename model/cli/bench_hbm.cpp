/// athena bench hbm: 64 B requests per second and CPU second, by tier and pattern.
#include <algorithm>

#include "cli/bench_mode.h"
#include "memory/socket_speed.h"
#include "sim/dispatcher.h"
#include "timing/hbm_load.h"
#include "validate/hbm_bench.h"

namespace athena::cli {

BenchMode bench_hbm_mode() {
  BenchMode mode;
  mode.name = "hbm";
  mode.doc = "memory requests";
  mode.run = [](double scale, Session& session) {
    std::vector<BenchResult> results;
    const auto cases = validate::hbm_bench_cases();
    double done = 0.0;
    for (const validate::HbmBenchCase& one : cases) {
      session.progress(done++ / static_cast<double>(cases.size()), one.name);
      results.push_back({one.name, one.run(scale), one.unit});
    }
    session.progress(1.0, "TLM socket");
    sim::prepare_kernel();
    const auto requests = static_cast<std::uint64_t>(std::max(1000.0, 5e5 * scale));
    const memory::SocketSpeed socket = memory::measure_socket(
        timing::spec_from_name("HBM2E-3.2Gbps-derived", 1, "hash"), requests);
    results.push_back(
        {"queued behind its TLM socket 1 channel seq 64 B", socket.sequential, "requests"});
    results.push_back(
        {"queued behind its TLM socket 1 channel rand64 64 B", socket.random, "requests"});
    return results;
  };
  return mode;
}

}  // namespace athena::cli
