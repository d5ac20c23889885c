/// athena bench hbm: 64 B requests per second and CPU second, by tier and pattern.
#include <fmt/format.h>

#include "cli/bench_mode.h"
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
    return results;
  };
  return mode;
}

}  // namespace athena::cli
