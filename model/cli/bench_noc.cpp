/// athena bench noc: flit-hops per CPU second, by tier, switch and packet length.
#include "cli/bench_mode.h"
#include "validate/noc_bench.h"

namespace athena::cli {

BenchMode bench_noc_mode() {
  BenchMode mode;
  mode.name = "noc";
  mode.doc = "flit-hops of the on-chip network";
  mode.run = [](double scale, Session& session) {
    std::vector<BenchResult> results;
    const auto cases = validate::noc_bench_cases();
    double done = 0.0;
    for (const validate::NocBenchCase& one : cases) {
      session.progress(done++ / static_cast<double>(cases.size()), one.name);
      results.push_back({one.name, one.run(scale), "flit-hops"});
    }
    return results;
  };
  return mode;
}

}  // namespace athena::cli
