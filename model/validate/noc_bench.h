#pragma once
/// How fast the network tiers run: flit-hops per second of CPU time on an 8 x 8 mesh at half load.
#include <functional>
#include <string>
#include <vector>

namespace athena::validate {

struct NocBenchCase {
  std::string name;
  /// Flit-hops per CPU second; `scale` multiplies the simulated cycles, 1 takes about a second.
  std::function<double(double scale)> run;
};

/// Transaction tier on a packet-held switch and flit tier on an interleaved one, by packet length.
[[nodiscard]] std::vector<NocBenchCase> noc_bench_cases();

}  // namespace athena::validate
