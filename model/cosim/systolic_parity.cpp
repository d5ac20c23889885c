#include "cosim/systolic_parity.h"

#include <fmt/format.h>

#include <array>

#include "base/rng.h"
#include "cosim/array_port.h"

namespace athena::cosim {
namespace {

struct Shape {
  std::int64_t m, n, k;
};
/// One fold, ragged edges, decode (one row), many folds, more rows than accumulators.
constexpr std::array kShapes = {Shape{16, 16, 16}, Shape{5, 9, 21}, Shape{1, 64, 96},
                                Shape{48, 40, 130}, Shape{150, 20, 40}};

}  // namespace

std::vector<std::string> systolic_parity(const timing::SystolicRtlParams& params) {
  const auto engine = make_array_engine(params, Backend::kLockstep);
  Rng rng(2024);
  std::vector<std::string> lines;
  for (const Shape& s : kShapes) {
    std::vector<float> a(static_cast<std::size_t>(s.m * s.k));
    std::vector<float> b(static_cast<std::size_t>(s.k * s.n));
    const bool whole = params.format == timing::ArrayFormat::kInt8;
    for (auto* list : {&a, &b}) {
      for (float& v : *list) {
        v = whole ? static_cast<float>(static_cast<int>(rng.below(256)) - 128)
                  : static_cast<float>(rng.normal());
      }
    }
    engine->run_tile({s.m, s.n, s.k, a, b, {}});
    lines.push_back(fmt::format("{} ({}x{}x{})", engine->parity(), s.m, s.n, s.k));
  }
  return lines;
}

}  // namespace athena::cosim
