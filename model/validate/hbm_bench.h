#pragma once
/// Speed of the HBM models: requests per second of CPU time.
#include <functional>
#include <string>
#include <vector>

namespace athena::validate {

struct HbmBenchCase {
  std::string name;  ///< "queued HBM2E-3.2 1 channel seq 64 B"
  std::string unit;  ///< what is counted
  /// Requests per CPU second; `scale` multiplies the number of requests.
  std::function<double(double scale)> run;
};

[[nodiscard]] std::vector<HbmBenchCase> hbm_bench_cases();

}  // namespace athena::validate
