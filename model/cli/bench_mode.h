#pragma once
/// `athena bench NAME`: each benchmark is one file bench_<name>.cpp, found by the build, that
/// defines `BenchMode bench_<name>_mode()`.
#include <functional>
#include <string>
#include <vector>

#include "cli/command.h"

namespace athena::cli {

struct BenchResult {
  std::string name;
  double per_second = 0.0;  ///< of CPU time
  std::string unit;         ///< what is counted: "requests"
};

struct BenchMode {
  std::string name;  ///< "hbm"
  std::string doc;
  /// `scale` multiplies the amount of work; 1 takes seconds.
  std::function<std::vector<BenchResult>(double scale, Session&)> run;
};

}  // namespace athena::cli
