// Blocks of rtl/ in a chip: what is refused and why, what softmax units compute, and the report
// when model and RTL differ in the middle of a chip.
#include "cosim/chip_blocks.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <vector>

#include "base/error.h"
#include "base/rng.h"
#include "config/config.h"
#include "numerics/convert.h"
#include "timing/router_mesh.h"

namespace {
using namespace athena;
using namespace athena::cosim;
using Catch::Matchers::Contains;

config::ChipConfig mini(const std::vector<std::string>& sets = {}) {
  return config::load<config::ChipConfig>("athena-mini", "chips", sets);
}

bool without_rtl() {
  if (!built_arrays().empty()) return false;
  WARN("no Verilated blocks in this build: skipped");
  return true;
}

void refuses(const std::string& block, const std::vector<std::string>& sets,
             const std::string& why) {
  INFO(block << " with " << sets.at(0));
  CHECK_THROWS_WITH(ChipBlocks(mini(sets), {{block, Backend::kRtl}}),
                    Contains("rtl/" + block) && Contains(why));
}
}  // namespace

TEST_CASE("athena-mini is the chip that all five blocks were built for") {
  if (without_rtl()) return;
  Backends all;
  for (const char* block :
       {"systolic_array", "vector_softmax", "dma_engine", "noc_router", "hbm_scheduler"}) {
    all[block] = Backend::kRtl;
  }
  ChipBlocks blocks(mini(), all);
  const exec::Bodies bodies = blocks.bodies();
  CHECK(bodies.matrix != nullptr);
  CHECK(bodies.softmax != nullptr);
  REQUIRE(bodies.clocked != nullptr);
  CHECK(bodies.clocked->dma);
  CHECK(bodies.clocked->router);
  CHECK(bodies.clocked->scheduler);
  for (const BlockReport& report : blocks.reports()) {
    CHECK_FALSE(report.parameters.empty());
    CHECK(report.parity.empty());  // nothing is compared
  }
}

TEST_CASE("parts of a chip that a block was not built for are refused with what differs") {
  if (without_rtl()) return;
  refuses("dma_engine", {"core.dma.bytes_per_cycle=64"}, "core.dma moves 64 B a cycle");
  refuses("dma_engine", {"core.dma.outstanding=256 KiB"}, "built are");
  refuses("dma_engine", {"noc.multicast=true"}, "noc.multicast is true");
  refuses("noc_router", {"noc.multicast=true"}, "noc.multicast is true");
  refuses("noc_router", {"noc.kind=torus"}, "mesh");
  refuses("noc_router", {"noc.virtual_channels=8"}, "noc.virtual_channels is 8");
  refuses("noc_router", {"noc.buffer_flits=16"}, "noc.buffer_flits is 16");
  refuses("noc_router", {"noc.router_cycles=2"}, "a hop takes 5 cycles");
  refuses("noc_router", {"noc.rows=4", "noc.cols=1", "cluster.count=4"}, "noc.memory_ports");
  refuses("noc_router", {"cluster.cores=2"}, "one core at its local port");
  refuses("hbm_scheduler", {"memory.timing=HBM2E-3.6Gbps-derived"}, "the RTL was built for");
  refuses("hbm_scheduler", {"memory.read_queue=64"}, "32 entries");
  refuses("hbm_scheduler", {"memory.refresh=per_bank"}, "refreshes all banks");
  refuses("vector_softmax", {"core.vector.special=6"}, "core.vector.special is 6");
  CHECK_THROWS_WITH(ChipBlocks(config::load<config::ChipConfig>("a100-sxm-80gb", "chips"),
                               {{"dma_engine", Backend::kRtl}}),
                    Contains("through a cache"));
}

TEST_CASE("softmax units give the bits of their model, and softmax within a BF16 step") {
  const auto chip = mini();
  ChipSoftmax model(chip, Backend::kModel);
  ChipSoftmax unit(chip, without_rtl() ? Backend::kModel : Backend::kLockstep);
  Rng rng(81);
  for (const std::size_t cols : {1UL, 4UL, 7UL, 64UL, 256UL, 300UL, 1000UL}) {
    std::vector<float> x(cols);
    for (float& v : x) v = static_cast<float>(rng.normal() * 4.0);
    if (cols > 4) x[2] = exec::SoftmaxEngine::kMasked;
    std::vector<float> ours(cols), theirs(cols);
    const float sum = unit.row(1, x, ours);
    CHECK(sum == model.row(1, x, theirs));
    CHECK(ours == theirs);
    double exact = 0;
    for (const float v : x)
      exact += std::exp(static_cast<double>(numerics::round_to(Dtype::kBf16, v)));
    CHECK(sum == Approx(std::log(exact)).margin(0.005));
    for (std::size_t i = 0; i < cols; ++i) {
      const double weight =
          std::exp(static_cast<double>(numerics::round_to(Dtype::kBf16, x[i]))) / exact;
      CHECK(ours[i] == Approx(weight).epsilon(cols > 256 ? 0.012 : 0.0045).margin(1e-30));
    }
  }
  std::vector<float> masked(8, exec::SoftmaxEngine::kMasked), weights(8, 1.0F);
  CHECK(std::isinf(unit.row(0, masked, weights)));
  CHECK(weights == std::vector<float>(8, 0.0F));
}

TEST_CASE("the time of softmax is that of the unit with most rows") {
  ChipSoftmax units(mini(), without_rtl() ? Backend::kModel : Backend::kLockstep);
  const double one = units.cycles(1, 64);
  CHECK(one == 16 + 8 + 5 + 1 - 1 + 16);  // in, to the row's sum, out
  CHECK(units.cycles(8, 64) == one);      // a unit each: 32 special lanes are 8 units
  CHECK(units.cycles(9, 64) > one);
  // Two row buffers: a row's is taken while it enters (16), is summed (9) and leaves (16).
  CHECK(units.cycles(800, 64) == Approx(100 * (16 + 9 + 16) / 2.0).epsilon(0.03));
  CHECK(units.cycles(0, 64) == 0);
  for (const std::string& line : units.parity()) CHECK_THAT(line, Contains("error=0.00 %"));
}

TEST_CASE("a fault in a core's softmax ends with the report and a waveform") {
  if (without_rtl()) return;
  const auto folder = std::filesystem::temp_directory_path() / "athena_chip_softmax_test";
  std::filesystem::remove_all(folder);
  ChipSoftmax units(mini(), Backend::kLockstep);
  units.set_out_dir(folder.string());
  Fault fault;
  fault.signal = "in_data";
  fault.kind = Fault::Kind::kRotateLanes;
  fault.lane_bits = 16;
  units.plant(fault);
  std::vector<float> x{1, 2, 3, 4, 5, 6, 7, 8}, weights(8);
  CHECK_THROWS_WITH(units.row(3, x, weights),
                    Contains("vector_softmax of core 3") && Contains("signal out_data") &&
                        Contains("model  0x") && Contains("RTL    0x") && Contains("in_data=") &&
                        Contains("waveform of the window") && Contains(".vcd"));
  bool waveform = false;
  for (const auto& file : std::filesystem::directory_iterator(folder))
    waveform = waveform || std::filesystem::file_size(file.path()) > 10'000;
  CHECK(waveform);
  std::filesystem::remove_all(folder);
}

TEST_CASE("a fault in one router of a chip is reported with its place and a waveform") {
  if (without_rtl()) return;
  const auto folder = std::filesystem::temp_directory_path() / "athena_chip_router_test";
  std::filesystem::remove_all(folder);
  ChipClocked clocked;
  clocked.set_out_dir(folder.string());
  Fault fault;
  fault.signal = "credit";
  fault.kind = Fault::Kind::kStuckZero;
  fault.from_cycle = 300;
  clocked.plant("noc_router", fault);
  clocked.add(mini(), "noc_router", Backend::kLockstep);
  timing::RouterMesh mesh(2, 2, 8, 1, [&](int router) {
    return clocked.bodies()->router("router " + std::to_string(router));
  });
  const auto run = [&] {
    for (int cycle = 0; cycle < 5000; ++cycle) {
      if (cycle % 20 == 0) mesh.offer({0}, {3}, 16, 1);
      mesh.step();
    }
  };
  CHECK_THROWS_WITH(run(), Contains("noc_router of router") && Contains("signal ") &&
                               Contains("model  0x") && Contains("last transactions") &&
                               Contains(".vcd"));
  REQUIRE(std::filesystem::exists(folder));
  std::uintmax_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) bytes += file.file_size();
  CHECK(bytes > 10'000);
  std::filesystem::remove_all(folder);
}
