// The machine: conservation of work and bytes, bounds by physics, determinism. A failure here means
// that times are made up, work is lost, or a resource gives more than it has.
#include "chip/simulator.h"

#include <catch2/catch.hpp>

#include "analytic/estimate.h"
#include "support/points.h"

using namespace athena;

namespace {
chip::RunResult run(const config::ChipConfig& config, const workload::Graph& graph,
                    bool skip = true, double ratio = 1.0) {
  const compiler::Compiled compiled = compiler::compile(graph, config, testing::stack(), {});
  chip::Simulator simulator(config);
  chip::RunOptions options;
  options.skip_steady = skip;
  options.clock_ratio = ratio;
  return simulator.run(compiled.program, testing::stack(), options);
}
}  // namespace

/// The same claim for a chip whose program places everything and for one whose hardware does;
/// SystemC elaborates once per process, so each is a case of its own.
#define MACHINE_TEST(function, claim)          \
  static void function(const char* chip_name); \
  TEST_CASE(claim " (scratchpad chip)") {      \
    function("athena");                        \
  }                                            \
  TEST_CASE(claim " (cached chip)") {          \
    function("a100-sxm-80gb");                 \
  }                                            \
  static void function(const char* chip_name)

MACHINE_TEST(path_adds_up, "the critical path adds up to the run time exactly") {
  const chip::RunResult result =
      run(testing::chip(chip_name), testing::prefill("tiny-llama", 2, 64));
  REQUIRE(to_time(result.time).value() == result.path.total().value());
  REQUIRE(result.time.value() > 0);
}

TEST_CASE(
    "every multiply-add of the graph is executed, none is invented on a chip that clips its "
    "tiles") {
  const workload::Graph graph = testing::prefill("gpt2", 1, 256, 2, "bf16");
  const chip::RunResult result = run(testing::chip("athena"), graph, false);
  double macs = 0;
  for (const double count : result.counts.macs) macs += count;
  // Causal attention is computed in whole blocks: a little more than the exact triangle.
  REQUIRE(2.0 * macs >= graph.matrix_flops());
  REQUIRE(2.0 * macs <= 1.35 * graph.matrix_flops());
  REQUIRE(result.flops == Approx(graph.matrix_flops()));
}

MACHINE_TEST(memory_bounds,
             "memory is read at least once for every weight and never faster than its peak") {
  const config::ChipConfig config = testing::chip(chip_name);
  const workload::Graph graph = testing::decode("gpt2", 1, 128, 4);
  const chip::RunResult result = run(config, graph, false);
  const double weights = static_cast<double>(graph.bytes_of(workload::Role::kWeight));
  REQUIRE(result.memory_read >=
          0.95 * weights);  // positions are looked up, everything else streams
  REQUIRE(result.memory_read / result.time.value() <= config.memory.peak.value());
}

MACHINE_TEST(peak_holds, "work never runs above the peak of the matrix units") {
  const config::ChipConfig config = testing::chip(chip_name);
  const chip::RunResult result = run(config, testing::prefill("gpt2", 4, 512, 2, "bf16"), false);
  REQUIRE(result.flops / result.time.value() <= config.peak_flops(Dtype::kBf16));
}

MACHINE_TEST(repeatable,
             "the same program gives the same result, in a fresh chip and in a used one") {
  const config::ChipConfig config = testing::chip(chip_name);
  const compiler::Compiled compiled =
      compiler::compile(testing::prefill("tiny-llama", 2, 64), config, testing::stack(), {});
  chip::Simulator simulator(config);
  const chip::RunResult first = simulator.run(compiled.program, testing::stack(), {});
  const chip::RunResult second = simulator.run(compiled.program, testing::stack(), {});
  REQUIRE(first.path.total().value() == second.path.total().value());
  REQUIRE(first.events == second.events);
  REQUIRE(first.memory_read == second.memory_read);
}

namespace {
void check_repeats(const char* chip_name, const workload::Graph& graph) {
  const config::ChipConfig config = testing::chip(chip_name);
  const compiler::Compiled compiled = compiler::compile(graph, config, testing::stack(), {});
  chip::Simulator simulator(config);
  chip::RunOptions full;
  full.skip_steady = false;
  const double all = simulator.run(compiled.program, testing::stack(), full).time.value();
  const chip::RunResult skipped = simulator.run(compiled.program, testing::stack(), {});
  REQUIRE(skipped.skipped_repeats > 0);
  REQUIRE(skipped.time.value() == Approx(all).epsilon(0.005));
}
}  // namespace

MACHINE_TEST(repeats_agree, "repeated layers answer as the full run does") {
  check_repeats(chip_name, testing::prefill("gpt-1.3b", 1, 512, 0, "bf16"));
}

// The scratchpad chip's decode layers differ by about 1 % from each other: there the rule may run
// them all.
TEST_CASE("repeated decode layers answer as the full run does (cached chip)") {
  check_repeats("a100-sxm-80gb", testing::decode("llama-2-7b", 1, 1024));
}

MACHINE_TEST(clock_scales, "a slower clock is never faster, and costs at most its ratio") {
  const config::ChipConfig config = testing::chip(chip_name);
  const workload::Graph graph = testing::prefill("gpt2", 2, 256, 2, "bf16");
  const compiler::Compiled compiled = compiler::compile(graph, config, testing::stack(), {});
  chip::Simulator simulator(config);
  chip::RunOptions slow;
  slow.clock_ratio = 0.5;
  const double fast = simulator.run(compiled.program, testing::stack(), {}).time.value();
  const double half = simulator.run(compiled.program, testing::stack(), slow).time.value();
  REQUIRE(half > fast);
  REQUIRE(half < 2.02 * fast);
}

MACHINE_TEST(monotone, "more work takes longer") {
  const config::ChipConfig config = testing::chip(chip_name);
  const double small = run(config, testing::prefill("gpt2", 1, 128, 2)).time.value();
  // A process elaborates one chip once: the larger run uses the closed forms of the same chip.
  const compiler::Compiled large =
      compiler::map(testing::prefill("gpt2", 4, 512, 2), config, testing::stack());
  double seconds = 0;
  for (const auto& block : large.mapping.blocks) {
    for (const auto& kernel : block.kernels)
      seconds += kernel.seconds * static_cast<double>(block.repeat);
  }
  REQUIRE(seconds > small);
}

TEST_CASE("a program of another chip is refused") {
  const compiler::Compiled compiled = compiler::compile(
      testing::prefill("tiny-llama", 1, 16), testing::chip("athena"), testing::stack(), {});
  chip::Simulator simulator(testing::chip("a100-sxm-80gb"));
  REQUIRE_THROWS_WITH(simulator.run(compiled.program, testing::stack(), {}),
                      Catch::Contains("was compiled for 'athena'"));
}

TEST_CASE("a program that cannot end says who waits for what") {
  const config::ChipConfig config = testing::chip("athena");
  compiler::Compiled compiled =
      compiler::compile(testing::prefill("tiny-llama", 1, 16), config, testing::stack(), {});
  program::Kernel& kernel = compiled.program.blocks[1].kernels[0];
  kernel.semaphores.push_back({"stuck", 0});
  program::Instruction wait;
  wait.op = program::Opcode::kWait;
  wait.semaphore = static_cast<int>(kernel.semaphores.size()) - 1;
  kernel.streams[3].insert(kernel.streams[3].begin(), wait);
  chip::Simulator simulator(config);
  REQUIRE_THROWS_WITH(simulator.run(compiled.program, testing::stack(), {}),
                      Catch::Contains("deadlock") && Catch::Contains("stuck"));
}

namespace {
/// Runs tiny-llama on the scratchpad chip after `spoil` had its way with the program, watched.
template <class Spoil>
void run_watched(const Spoil& spoil) {
  const config::ChipConfig config = testing::chip("athena");
  compiler::Options exact;
  exact.exact = true;
  compiler::Compiled compiled =
      compiler::compile(testing::prefill("tiny-llama", 1, 64), config, testing::stack(), exact);
  spoil(compiled.program);
  exec::Shadow shadow(compiled.program);
  chip::RunOptions options;
  options.skip_steady = false;
  options.shadow = &shadow;
  chip::Simulator simulator(config);
  (void)simulator.run(compiled.program, testing::stack(), options);
}
}  // namespace

TEST_CASE("a compiled schedule is free of hazards") {
  REQUIRE_NOTHROW(run_watched([](program::Program&) {}));
}

TEST_CASE("kernels that do not wait for the one before them are caught as a hazard") {
  REQUIRE_THROWS_WITH(run_watched([](program::Program& program) {
                        for (program::Block& block : program.blocks) {
                          for (program::Kernel& kernel : block.kernels) {
                            for (auto& stream : kernel.streams) {
                              std::erase_if(stream, [](const program::Instruction& i) {
                                return i.op == program::Opcode::kWaitKernel;
                              });
                            }
                          }
                        }
                      }),
                      Catch::Contains("hazard"));
}

TEST_CASE("a ring with more free stages than it has is caught as a hazard") {
  REQUIRE_THROWS_WITH(run_watched([](program::Program& program) {
                        for (program::Block& block : program.blocks) {
                          for (program::Kernel& kernel : block.kernels) {
                            for (program::Semaphore& semaphore : kernel.semaphores)
                              semaphore.initial += semaphore.initial > 0 ? 4 : 0;
                          }
                        }
                      }),
                      Catch::Contains("hazard"));
}
