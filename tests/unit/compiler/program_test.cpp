// A compiled program is what the chip executes: if its files, its text or its checks were wrong,
// the chip would run something else than what was compiled.
#include <catch2/catch.hpp>

#include "program/check.h"
#include "program/encode.h"
#include "program/text.h"
#include "support/points.h"

using namespace athena;

namespace {
program::Program compiled(const char* chip, const char* model, bool decode) {
  const workload::Graph graph =
      decode ? testing::decode(model, 3, 40, 0, 64) : testing::prefill(model, 2, 32);
  return compiler::compile(graph, testing::chip(chip), testing::stack(), {"hash", false}).program;
}
}  // namespace

TEST_CASE("a program survives its file and its text byte for byte") {
  const char* chip = GENERATE("athena", "a100-sxm-80gb");
  const char* model = GENERATE("tiny-llama", "tiny-gpt2", "tiny-moe");
  const bool decode = GENERATE(false, true);
  const program::Program original = compiled(chip, model, decode);
  const std::string bytes = program::encode(original);
  REQUIRE(program::encode(program::decode(bytes, "test")) == bytes);
  const std::string text = program::disassemble(original);
  const program::Program again = program::assemble(text, "test");
  REQUIRE(program::disassemble(again) == text);
  REQUIRE(program::encode(again) == bytes);
}

TEST_CASE("compiling the same graph twice gives the same bytes") {
  REQUIRE(program::encode(compiled("athena", "tiny-llama", false)) ==
          program::encode(compiled("athena", "tiny-llama", false)));
}

TEST_CASE("the checker finds nothing wrong with what the compiler makes") {
  const char* chip = GENERATE("athena", "a100-sxm-80gb");
  const char* model = GENERATE("tiny-llama", "tiny-gpt2");
  const bool decode = GENERATE(false, true);
  const std::vector<std::string> faults = program::check(compiled(chip, model, decode));
  CAPTURE(faults);
  REQUIRE(faults.empty());
}

TEST_CASE("the checker finds planted faults") {
  program::Program program = compiled("athena", "tiny-llama", false);
  program::Kernel& kernel = program.blocks[1].kernels[1];
  SECTION("a window beyond its region") {
    for (auto& stream : kernel.streams) {
      for (program::Instruction& i : stream) {
        if (i.op == program::Opcode::kLoad) i.window.row.base += 1'000'000;
      }
    }
    REQUIRE_THAT(program::check(program).front(), Catch::Contains("reaches rows"));
  }
  SECTION("a wait that nothing ends") {
    kernel.semaphores.push_back({"never", 0});
    program::Instruction wait;
    wait.op = program::Opcode::kWait;
    wait.semaphore = static_cast<int>(kernel.semaphores.size()) - 1;
    kernel.streams[2].push_back(wait);
    REQUIRE_THAT(program::check(program).front(), Catch::Contains("nothing ever sets"));
  }
  SECTION("a buffer that nobody fills") {
    for (auto& stream : kernel.streams) {
      for (program::Instruction& i : stream) {
        if (i.op == program::Opcode::kLoad) i.a.buffer = 1;
      }
    }
    const std::vector<std::string> faults = program::check(program);
    REQUIRE_FALSE(faults.empty());
    REQUIRE_THAT(faults.front(), Catch::Contains("before anything writes it"));
  }
  SECTION("regions that overlap") {
    program.regions[1].address = program.regions[3].address;
    REQUIRE_FALSE(program::check(program).empty());
  }
}

TEST_CASE("a damaged program file is refused") {
  std::string bytes = program::encode(compiled("athena", "tiny-llama", false));
  REQUIRE_THROWS_WITH(program::decode("not a program", "x.bin"),
                      Catch::Contains("not a compiled program"));
  REQUIRE_THROWS_WITH(program::decode(bytes.substr(0, bytes.size() / 2), "x.bin"),
                      Catch::Contains("truncated or damaged"));
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  REQUIRE_THROWS_WITH(program::decode(bytes, "x.bin"), Catch::Contains("truncated or damaged"));
}

TEST_CASE("a model that does not fit is a finding that names the sizes") {
  REQUIRE_THROWS_WITH(
      compiler::compile(testing::prefill("llama-2-70b", 1, 128), testing::chip("athena"),
                        testing::stack(), {}),
      Catch::Contains("does not fit") && Catch::Contains("weights") && Catch::Contains("GiB"));
}
