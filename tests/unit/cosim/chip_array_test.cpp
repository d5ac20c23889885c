#include "cosim/chip_array.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <vector>

#include "base/error.h"
#include "base/rng.h"
#include "config/config.h"
#include "cosim/chip_blocks.h"
#include "numerics/array_math.h"
#include "numerics/convert.h"
#include "timing/matrix_unit.h"

namespace {
using namespace athena;
using namespace athena::cosim;
using Catch::Matchers::Contains;

config::ChipConfig mini(const std::vector<std::string>& sets = {}) {
  return config::load<config::ChipConfig>("athena-mini", "chips", sets);
}

std::vector<float> values(Rng& rng, std::int64_t count) {
  std::vector<float> out(static_cast<std::size_t>(count));
  for (float& v : out) v = numerics::round_to(Dtype::kBf16, static_cast<float>(rng.normal()));
  return out;
}

bool without_rtl() {
  if (!built_arrays().empty()) return false;
  WARN("no Verilated blocks in this build: skipped");
  return true;
}
}  // namespace

TEST_CASE("whole tiles cost the same in the array, in its closed form and in the chip's") {
  ChipArray array(mini(), without_rtl() ? Backend::kModel : Backend::kLockstep);
  const config::MatrixConfig unit = mini().core.matrix;
  for (const std::int64_t m : {1, 16, 40, 64, 128}) {
    for (const auto& [n, k] : {std::pair{16, 16}, std::pair{64, 64}, std::pair{48, 176}}) {
      const timing::MatmulCycles ours = array.cycles(Dtype::kBf16, m, n, k);
      const timing::MatmulCycles closed = timing::matmul_cycles(unit, Dtype::kBf16, m, n, k);
      INFO(m << " x " << n << " x " << k);
      CHECK(ours.occupied == closed.occupied);
      CHECK(ours.latency == closed.latency);
    }
  }
}

TEST_CASE("sums continue across products as if they had stayed in the array") {
  Rng rng(61);
  const std::int64_t m = 11;
  const std::int64_t n = 20;
  const std::int64_t k = 64;
  const auto a = values(rng, m * k);
  const auto b = values(rng, k * n);
  std::vector<float> expected(static_cast<std::size_t>(m * n));
  numerics::matmul({16, 1}, a, b, expected, m, n, k, false);
  for (const Backend backend : {Backend::kModel, Backend::kLockstep}) {
    if (backend == Backend::kLockstep && without_rtl()) continue;
    ChipArray array(mini(), backend);
    std::vector<float> c(expected.size(), 1e9F);
    // K in two halves: the first overwrites, the second adds.
    for (const std::int64_t half : {0, 1}) {
      std::vector<float> left(static_cast<std::size_t>(m * k / 2));
      for (std::int64_t r = 0; r < m; ++r) {
        for (std::int64_t d = 0; d < k / 2; ++d) {
          left[static_cast<std::size_t>(r * k / 2 + d)] =
              a[static_cast<std::size_t>(r * k + half * k / 2 + d)];
        }
      }
      exec::Product product;
      product.m = m;
      product.n = n;
      product.k = k / 2;
      product.a = left;
      product.b = std::span(b).subspan(static_cast<std::size_t>(half * k / 2 * n));
      product.c = c;
      product.fresh = half == 0;
      array.multiply(product);
    }
    for (std::size_t i = 0; i < c.size(); ++i) {
      REQUIRE(numerics::float_bits(c[i]) == numerics::float_bits(expected[i]));
    }
  }
}

TEST_CASE("a fault in a core's array ends with the report and a waveform") {
  if (without_rtl()) return;
  const auto folder = std::filesystem::temp_directory_path() / "athena_chip_array_test";
  std::filesystem::remove_all(folder);
  ChipArray array(mini(), Backend::kLockstep);
  array.set_out_dir(folder.string());
  Fault fault;
  fault.name = "weight-skew";
  fault.signal = "wt_data";
  fault.kind = Fault::Kind::kRotateLanes;
  fault.lane_bits = 16;
  array.plant(fault);
  Rng rng(62);
  const auto a = values(rng, 16 * 16);
  const auto b = values(rng, 16 * 16);
  std::vector<float> c(16 * 16);
  exec::Product product;
  product.core = 2;
  product.m = product.n = product.k = 16;
  product.a = a;
  product.b = b;
  product.c = c;
  CHECK_THROWS_WITH(array.multiply(product), Contains("core 2") && Contains("signal out_data") &&
                                                 Contains("model  0x") && Contains("RTL    0x") &&
                                                 Contains("act_data=") && Contains(".vcd"));
  REQUIRE(std::filesystem::exists(folder / "systolic_array-core2-product1.vcd"));
  CHECK(std::filesystem::file_size(folder / "systolic_array-core2-product1.vcd") > 10'000);
  std::filesystem::remove_all(folder);
}

TEST_CASE("matrix units that the RTL cannot be are refused with the reason") {
  CHECK_THROWS_WITH(ChipArray(config::load<config::ChipConfig>("athena", "chips"), Backend::kRtl),
                    Contains("weight-stationary"));
  CHECK_THROWS_WITH(ChipArray(mini({"core.matrix.units=2"}), Backend::kRtl),
                    Contains("units is 2"));
  CHECK_THROWS_WITH(ChipArray(mini({"core.matrix.rows=24"}), Backend::kRtl),
                    Contains("24x16x1") || Contains("no Verilated blocks"));
  ChipArray array(mini(), Backend::kModel);
  CHECK_THROWS_WITH(array.cycles(Dtype::kFp32, 16, 16, 16), Contains("not fp32"));
  CHECK_FALSE(array.computes(Dtype::kFp8E4M3));  // the chip's rate for it is 2
}

TEST_CASE("the command line overrides the chip's own choice of bodies") {
  const auto chip = mini({"backend.systolic_array=rtl"});
  CHECK(backends_of(chip, {}).at("systolic_array") == Backend::kRtl);
  CHECK(backends_of(chip, {{"systolic_array", "model"}}).at("systolic_array") == Backend::kModel);
  CHECK_THROWS_WITH(backends_of(chip, {{"systolic_aray", "rtl"}}),
                    Contains("Did you mean 'systolic_array'?"));
  CHECK_THROWS_WITH(backends_of(chip, {{"systolic_array", "lockstp"}}),
                    Contains("Did you mean 'lockstep'?"));
  CHECK_THROWS_AS(mini({"backend.systolic_array=both"}), InputError);
}
