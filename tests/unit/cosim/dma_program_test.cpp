#include "cosim/dma_program.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "base/error.h"
#include "base/rng.h"
#include "cosim/array_port.h"

namespace {
using namespace athena;
using namespace athena::cosim;
using timing::DmaDescriptor;
using timing::DmaRtlParams;
using timing::DmaStep;

DmaDescriptor random_box(Rng& rng) {
  const auto upto = [&](std::uint64_t n) { return static_cast<std::uint32_t>(1 + rng.below(n)); };
  DmaDescriptor d;
  d.source = upto(1 << 20);
  d.destination = upto(1 << 20);
  d.source_strides = {upto(256), upto(4096)};
  d.destination_strides = {upto(256), upto(4096)};
  d.counts = {8 * upto(8), upto(6), upto(4)};  // whole bursts: one beat per cycle is reached
  d.semaphore = static_cast<std::uint32_t>(rng.below(16));
  return d;
}
}  // namespace

TEST_CASE("a copy on the stepped engine costs what its closed form says") {
  Rng rng(51);
  const DmaRtlParams params;
  DmaStep engine(params);
  for (int trial = 0; trial < 200; ++trial) {
    const DmaDescriptor d = random_box(rng);
    // Within the window of 32 beats in flight the latency leaves no gap.
    const DmaMemory memory{static_cast<int>(1 + rng.below(16)),
                           static_cast<int>(1 + rng.below(16))};
    const auto cycles = run_dma_program(engine, std::vector{d}, memory);
    REQUIRE(cycles.at(0) ==
            timing::dma_cycles(params, d, memory.read_latency, memory.write_latency).value());
  }
}

TEST_CASE("copies of a program overlap, end in order and wait for a slow memory") {
  Rng rng(52);
  DmaStep engine(DmaRtlParams{});
  std::vector<DmaDescriptor> program;
  std::int64_t beats = 0;
  std::int64_t apart = 0;
  for (int i = 0; i < 20; ++i) {
    program.push_back(random_box(rng));
    beats += static_cast<std::int64_t>(program.back().beats());
    apart += run_dma_program(engine, std::vector{program.back()}, {24, 10}).at(0);
  }
  const auto fast = run_dma_program(engine, program, {24, 10});
  const auto slow = run_dma_program(engine, program, {200, 10});
  CHECK(std::is_sorted(fast.begin(), fast.end()));
  CHECK(fast.back() >= beats);
  CHECK(fast.back() < apart);
  // 32 beats in flight per 200 cycles at most.
  CHECK(slow.back() >= beats / 32 * 200 - 200);
}

TEST_CASE("programs on the RTL agree with closed form and model") {
  if (built_arrays().empty()) {
    WARN("no Verilated blocks in this build: skipped");
    return;
  }
  const auto lines = dma_parity();
  REQUIRE(lines.size() >= 4);
  for (const auto& line : lines) CHECK_THAT(line, Catch::Contains("error=0.00 %"));
}
