#include "timing/systolic_step.h"

#include <catch2/catch.hpp>
#include <vector>

#include "base/error.h"
#include "base/rng.h"

namespace {
using namespace athena;
using namespace athena::timing;
}  // namespace

TEST_CASE("equal folds cost what the closed form of the array says") {
  Rng rng(31);
  for (int i = 0; i < 500; ++i) {
    SystolicRtlParams p;
    p.geometry = {static_cast<int>(1 + rng.below(20)), static_cast<int>(1 + rng.below(20)),
                  static_cast<int>(1 + rng.below(4))};
    p.psum_hop = static_cast<int>(1 + rng.below(2));
    const auto folds = static_cast<std::int64_t>(1 + rng.below(6));
    const auto rows = static_cast<std::int64_t>(1 + rng.below(60));
    const SystolicConfig config{p.geometry, Dataflow::kWeightStationary, rtl_timing(p)};
    const GemmShape shape{rows, p.geometry.cols * folds, p.geometry.rows * p.geometry.depth};
    const std::vector<std::int64_t> list(static_cast<std::size_t>(folds), rows);
    REQUIRE(fold_cycles(p, list) == gemm_cycles(config, shape).total);
  }
}

TEST_CASE("the stepped array takes exactly the cycles of the closed form") {
  Rng rng(32);
  for (int trial = 0; trial < 60; ++trial) {
    SystolicRtlParams p;
    p.geometry = {static_cast<int>(1 + rng.below(9)), static_cast<int>(1 + rng.below(9)),
                  static_cast<int>(1 + rng.below(3))};
    p.psum_hop = static_cast<int>(1 + rng.below(2));
    p.format = static_cast<ArrayFormat>(rng.below(2));
    p.acc_rows = 32;
    std::vector<std::int64_t> folds(1 + rng.below(5));
    for (auto& f : folds) f = static_cast<std::int64_t>(1 + rng.below(32));

    SystolicStep step(p);
    const Ports& ports = step.ports();
    std::vector<std::uint32_t> in(static_cast<std::size_t>(ports.input_words()));
    std::vector<std::uint32_t> out(static_cast<std::size_t>(ports.output_words()));
    const auto set = [&](const char* name, bool value) {
      in[static_cast<std::size_t>(ports.input(name).word)] = value;
    };
    const auto get = [&](const char* name) {
      return out[static_cast<std::size_t>(ports.output(name).word)] != 0;
    };
    std::size_t weight_rows = folds.size() * static_cast<std::size_t>(p.geometry.rows);
    std::size_t fold = 0;
    std::int64_t row = 0;
    std::int64_t sums = 0;
    for (const auto f : folds) sums += f;
    std::int64_t cycle = 0;
    for (;; ++cycle) {
      REQUIRE(cycle < 10000);
      set("wt_valid", weight_rows > 0);
      set("act_valid", fold < folds.size());
      set("act_first", true);
      set("act_last", true);
      set("act_tile_last", fold < folds.size() && row == folds[fold] - 1);
      set("out_ready", true);
      step.cycle(in.data(), out.data());
      if (get("out_valid") && --sums == 0) break;
      if (weight_rows > 0 && get("wt_ready")) --weight_rows;
      if (fold < folds.size() && get("act_ready") && ++row == folds[fold]) {
        row = 0;
        ++fold;
      }
    }
    REQUIRE(cycle == fold_cycles(p, folds).value());
  }
}

TEST_CASE("a parameter set that cannot be built is refused in a sentence") {
  SystolicRtlParams p;
  p.psum_hop = 3;
  CHECK_THROWS_AS(check(p), InputError);
  p = {};
  p.geometry.rows = 0;
  CHECK_THROWS_AS(check(p), InputError);
  p = {};
  p.format = ArrayFormat::kMx8;
  p.geometry = {24, 4, 1};
  CHECK_THROWS_AS(check(p), InputError);
  p.geometry = {1, 200, 1};
  CHECK_THROWS_AS(check(p), InputError);
}
