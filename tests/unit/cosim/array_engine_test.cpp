#include <catch2/catch.hpp>
#include <vector>

#include "base/error.h"
#include "base/rng.h"
#include "cosim/array_port.h"
#include "numerics/array_math.h"
#include "numerics/convert.h"
#include "timing/systolic.h"

namespace {
using namespace athena;
using namespace athena::cosim;

std::vector<float> random_values(Rng& rng, std::int64_t count, timing::ArrayFormat format) {
  std::vector<float> out(static_cast<std::size_t>(count));
  for (float& v : out) {
    v = format == timing::ArrayFormat::kInt8
            ? static_cast<float>(static_cast<int>(rng.below(256)) - 128)
            : numerics::round_to(Dtype::kBf16, static_cast<float>(rng.normal()));
  }
  return out;
}
}  // namespace

TEST_CASE("the model engine costs what the closed form says and computes what numerics says") {
  timing::SystolicRtlParams p;
  p.acc_rows = 1024;
  const auto engine = make_array_engine(p, Backend::kModel);
  Rng rng(1);
  for (const auto& [m, n, k] :
       {std::tuple{1, 16, 16}, std::tuple{33, 20, 50}, std::tuple{100, 64, 64}}) {
    const auto a = random_values(rng, m * k, p.format);
    const auto b = random_values(rng, k * n, p.format);
    const auto result = engine->run_tile({m, n, k, a, b, {}});
    const timing::SystolicConfig config{p.geometry, timing::Dataflow::kWeightStationary,
                                        timing::rtl_timing(p)};
    CHECK(result.cycles == timing::gemm_cycles(config, {m, n, k}).total);
    CHECK(engine->cycles(m, n, k) == result.cycles);
    std::vector<float> c(static_cast<std::size_t>(m * n));
    numerics::matmul({16, 1}, a, b, c, m, n, k, false);
    for (std::size_t i = 0; i < c.size(); ++i)
      REQUIRE(result.bits[i] == numerics::float_bits(c[i]));
  }
}

TEST_CASE("RTL and lockstep engines agree with the model, sums carried over included") {
  if (built_arrays().empty()) {
    WARN("no Verilated blocks in this build: skipped");
    return;
  }
  Rng rng(2);
  for (const auto& p : built_arrays()) {
    const auto model = make_array_engine(p, Backend::kModel);
    const auto rtl = make_array_engine(p, Backend::kRtl);
    const auto lockstep = make_array_engine(p, Backend::kLockstep);
    std::vector<std::uint32_t> sums;
    for (int step = 0; step < 3; ++step) {
      const std::int64_t m = 9;
      const std::int64_t n = 19;
      const std::int64_t k = 32;
      const auto a = random_values(rng, m * k, p.format);
      const auto b = random_values(rng, k * n, p.format);
      const TileJob job{m, n, k, a, b, sums};
      const auto expected = model->run_tile(job);
      const auto from_rtl = rtl->run_tile(job);
      CHECK(from_rtl.bits == expected.bits);
      CHECK(from_rtl.cycles == expected.cycles);
      CHECK(lockstep->run_tile(job).bits == expected.bits);
      sums = expected.bits;
    }
    CHECK_THAT(lockstep->parity(), Catch::Contains("PARITY") && Catch::Contains("jobs=3"));
  }
}

TEST_CASE("impossible jobs and unbuilt geometries are refused") {
  timing::SystolicRtlParams p;
  const auto engine = make_array_engine(p, Backend::kModel);
  const std::vector<float> few(4);
  CHECK_THROWS_AS(engine->run_tile({4, 4, 4, few, few, {}}), InputError);
  CHECK_THROWS_AS(engine->run_tile({0, 4, 4, few, few, {}}), InputError);
  p.geometry = {5, 7, 1};
  CHECK_THROWS_AS(make_array_engine(p, Backend::kRtl), InputError);
  CHECK_THROWS_AS(array_format(Dtype::kFp32), InputError);
}
