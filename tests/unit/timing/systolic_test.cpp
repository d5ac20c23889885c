#include "timing/systolic.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "base/error.h"
#include "base/rng.h"

namespace {
using namespace athena;
using namespace athena::timing;

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> cells;
  std::stringstream in(line);
  for (std::string cell; std::getline(in, cell, ',');) cells.push_back(cell);
  return cells;
}

SystolicConfig random_config(Rng& rng) {
  SystolicConfig c;
  c.geometry = {static_cast<int>(1 + rng.below(32)), static_cast<int>(1 + rng.below(32)),
                static_cast<int>(1 + rng.below(4))};
  c.dataflow = static_cast<Dataflow>(rng.below(3));
  c.timing.psum_hop = static_cast<int>(1 + rng.below(2));
  c.timing.mac_latency = static_cast<int>(1 + rng.below(3));
  c.timing.accumulate_latency = static_cast<int>(rng.below(3));
  return c;
}
GemmShape random_shape(Rng& rng) {
  return {static_cast<std::int64_t>(1 + rng.below(200)),
          static_cast<std::int64_t>(1 + rng.below(200)),
          static_cast<std::int64_t>(1 + rng.below(200))};
}
}  // namespace

TEST_CASE("SCALE-Sim's setting reproduces its cycles exactly") {
  const std::filesystem::path file =
      std::filesystem::path(ATHENA_SOURCE_DIR) / "../shared/reference/systolic/scalesim_gemm.csv";
  std::ifstream in(file);
  if (!in) {
    WARN("reference table " << file.string() << " is absent: comparison skipped");
    return;
  }
  std::string line;
  std::getline(in, line);
  int rows = 0;
  int simulated = 0;
  while (std::getline(in, line)) {
    const auto c = split(line);
    SystolicConfig config;
    config.timing = scale_sim_timing();
    config.geometry = {std::stoi(c[1]), std::stoi(c[2]), 1};
    config.dataflow = c[3] == "ws"   ? Dataflow::kWeightStationary
                      : c[3] == "is" ? Dataflow::kInputStationary
                                     : Dataflow::kOutputStationary;
    const GemmShape shape{std::stoll(c[4]), std::stoll(c[5]), std::stoll(c[6])};
    CAPTURE(line);
    const auto cycles = gemm_cycles(config, shape).total.value();
    CHECK(cycles == std::stoll(c[14]));
    if (!c[9].empty()) {
      CHECK(cycles == std::stoll(c[9]) + 1);
      ++simulated;
    }
    ++rows;
  }
  CHECK(rows == 129);
  CHECK(simulated > 40);
}

TEST_CASE("the published closed forms") {
  SystolicConfig c;
  c.timing = scale_sim_timing();
  c.geometry = {128, 128, 1};
  CHECK(gemm_cycles(c, {1, 4096, 4096}).total.value() == 1024LL * (2 * 128 + 128 + 1 - 2));
  c.timing = SystolicTiming{};
  const auto overlapped = gemm_cycles(c, {1, 4096, 4096});
  // A fold costs max(M, R) = 128 once the pipeline is full.
  CHECK(overlapped.period.value() == 128);
  CHECK(overlapped.total.value() == 1024LL * 128 + pipeline_latency(c.geometry, c.timing).value());
  // Two registers per hop with one load, nothing overlapped: 3R + C + M - 2.
  c.timing = scale_sim_timing();
  c.timing.psum_hop = 2;
  CHECK(gemm_cycles(c, {64, 128, 128}).total.value() == 3 * 128 + 128 + 64 - 2);
}

TEST_CASE("no array is faster than its peak, and overlap never hurts") {
  Rng rng(17);
  for (int i = 0; i < 3000; ++i) {
    SystolicConfig c = random_config(rng);
    const GemmShape s = random_shape(rng);
    const auto overlapped = gemm_cycles(c, s);
    REQUIRE(overlapped.utilization <= 1.0);
    REQUIRE(overlapped.utilization > 0.0);
    REQUIRE(overlapped.fill.value() <= overlapped.total.value());
    SystolicConfig single = c;
    single.timing.double_buffer = false;
    SystolicConfig serial = single;
    serial.timing.drain_overlap = false;
    const auto one_bank = gemm_cycles(single, s).total;
    REQUIRE(overlapped.total <= one_bank);
    REQUIRE(one_bank <= gemm_cycles(serial, s).total);
  }
}

TEST_CASE("cycles grow with every dimension and shrink with the rate") {
  Rng rng(18);
  for (int i = 0; i < 3000; ++i) {
    const SystolicConfig c = random_config(rng);
    const GemmShape s = random_shape(rng);
    const auto base = gemm_cycles(c, s).total;
    REQUIRE(base <= gemm_cycles(c, {s.m + 1, s.n, s.k}).total);
    REQUIRE(base <= gemm_cycles(c, {s.m, s.n + 1, s.k}).total);
    REQUIRE(base <= gemm_cycles(c, {s.m, s.n, s.k + 1}).total);
    REQUIRE(gemm_cycles(c, s, 2.0).total <= base);
    REQUIRE(gemm_cycles(c, s, 0.5).total >= base);
  }
}

TEST_CASE("long products reach the peak rate") {
  SystolicConfig c;
  c.geometry = {16, 16, 4};
  CHECK(gemm_cycles(c, {4096, 256, 1024}).utilization > 0.99);
  CHECK(gemm_cycles(c, {4096, 256, 1024}, 0.25).utilization == Approx(0.25).epsilon(0.01));
}

TEST_CASE("impossible arrays are refused") {
  SystolicConfig c;
  CHECK_THROWS_AS(gemm_cycles(c, {0, 1, 1}), InputError);
  CHECK_THROWS_AS(gemm_cycles(c, {1, 1, 1}, 0.0), InputError);
  c.geometry.rows = 0;
  CHECK_THROWS_AS(gemm_cycles(c, {1, 1, 1}), InputError);
  c = SystolicConfig{};
  c.timing.mac_latency = 0;
  CHECK_THROWS_AS(gemm_cycles(c, {1, 1, 1}), InputError);
}
