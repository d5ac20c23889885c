/// Lockstep of one case without the command line, for scripts/mutate:
///   cosim_runner BLOCK/VARIANT VECTORS STALL SEED [MIN_CYCLES] [COVERAGE_FILE]
/// Exit 0: no divergence; 3: divergence or a broken rule.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "base/error.h"
#include "cosim/cosim.h"

int main(int argc, char** argv) {
  if (argc < 5 || argc > 7) {
    std::fprintf(stderr,
                 "usage: cosim_runner BLOCK/VARIANT VECTORS STALL SEED [MIN_CYCLES] [COVERAGE]\n");
    return 2;
  }
  try {
    athena::cosim::CosimOptions options;
    options.vectors = std::stoull(argv[2]);
    options.stall = std::stod(argv[3]);
    options.seed = std::stoull(argv[4]);
    options.replay = false;
    if (argc > 5) options.min_cycles = std::stoull(argv[5]);
    if (argc > 6) options.coverage = argv[6];
    for (const auto& block : athena::cosim::find_cases(argv[1])) {
      const auto result = athena::cosim::run_cosim(block, options);
      if (!result.divergence) continue;
      std::printf("%s at cycle %llu\n", result.divergence->signal.c_str(),
                  static_cast<unsigned long long>(result.divergence->cycle));
      return 3;
    }
    return 0;
  } catch (const athena::Error& error) {
    std::printf("%s\n", error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 5;
  }
}
