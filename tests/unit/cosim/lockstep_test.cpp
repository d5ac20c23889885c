#include "cosim/lockstep.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "base/error.h"
#include "cosim/array_port.h"
#include "cosim/cosim.h"

namespace {
using namespace athena;
using namespace athena::cosim;

/// An accumulator: adds `value` when valid, shows the sum a cycle later. `wrong_at` makes it lie.
timing::Ports adder_ports() {
  timing::Ports p;
  p.add_input("valid", 1);
  p.add_input("value", 32, "valid");
  p.add_output("ready", 1);
  p.add_output("out_valid", 1);
  p.add_output("sum", 40, "out_valid");
  return p;
}
class Adder final : public RtlBlock {
 public:
  explicit Adder(std::uint64_t wrong_at) : RtlBlock("adder", adder_ports()), wrong_at_(wrong_at) {}
  void reset() override { *this->sum() = 0, out_valid_ = false, cycle_ = 0; }
  void cycle(const std::uint32_t* in, std::uint32_t* out) override {
    out[0] = 1;
    out[1] = out_valid_;
    out[2] = static_cast<std::uint32_t>(sum_) ^ (cycle_ == wrong_at_ ? 4U : 0U);
    // Don't-care while out_valid is 0: must not be compared.
    if (!out_valid_) out[2] = static_cast<std::uint32_t>(wrong_at_);
    out[3] = 0;
    out_valid_ = in[0] != 0;
    if (in[0] != 0) sum_ += in[1];
    ++cycle_;
  }
  void open_trace(const std::string&) override {}
  void close_trace() override {}
  void write_coverage(const std::string&) override {}

 private:
  std::uint64_t* sum() { return &sum_; }
  std::uint64_t wrong_at_;
  std::uint64_t sum_ = 0;
  bool out_valid_ = false;
  std::uint64_t cycle_ = 0;
};

void walk(Lockstep& lockstep, int cycles) {
  std::uint32_t in[2];
  std::uint32_t out[4];
  for (int i = 0; i < cycles; ++i) {
    in[0] = i % 3 != 0;
    in[1] = static_cast<std::uint32_t>(i);
    lockstep.cycle(in, out);
  }
}
}  // namespace

TEST_CASE("lockstep finds the first differing cycle and names the signal") {
  Lockstep lockstep(std::make_unique<Adder>(1000), std::make_unique<Adder>(50));
  lockstep.reset();
  try {
    walk(lockstep, 100);
    FAIL("the difference was not seen");
  } catch (const DivergenceError& error) {
    const Divergence& d = error.divergence();
    CHECK(error.code() == ExitCode::kContradiction);
    CHECK(d.cycle == 50);
    CHECK(d.signal == "sum");
    CHECK(d.model_value != d.rtl_value);
    CHECK(d.model_value.size() == 2 + 10);  // 40 bits
    CHECK(std::count(d.history.begin(), d.history.end(), '\n') == 16);
  }
}

TEST_CASE("equal blocks never diverge, and unqualified payload does not count") {
  Lockstep lockstep(std::make_unique<Adder>(5000), std::make_unique<Adder>(6000));
  lockstep.reset();
  CHECK_NOTHROW(walk(lockstep, 4000));
  CHECK(lockstep.cycles() == 4000);
}

TEST_CASE("every planted fault of every block is found, with a waveform") {
  if (built_arrays().empty()) {
    WARN("no Verilated blocks in this build: skipped");
    return;
  }
  const auto out = std::filesystem::temp_directory_path() / "athena_lockstep_test";
  for (const BlockCase& block : block_cases()) {
    if (block.variant == "16x16x1-bf16" || block.variant == "16x16x1-int8")
      continue;  // long to trace
    for (const Fault& fault : block.faults) {
      CAPTURE(block.name(), fault.name);
      CosimOptions options;
      options.vectors = 5000;
      options.inject = fault.name;
      options.out_dir = out.string();
      const CosimResult result = run_cosim(block, options);
      REQUIRE(result.divergence.has_value());
      CHECK(result.divergence->cycle >= 300);
      CHECK(std::filesystem::file_size(result.waveform) > 1000);
    }
  }
  std::filesystem::remove_all(out);
}

TEST_CASE("unknown blocks, faults and backends are refused with the nearest name") {
  CHECK_THROWS_WITH(find_cases("systolic_aray"), Catch::Contains("Did you mean 'systolic_array'"));
  CHECK_THROWS_AS(backend_from_name("rtll"), InputError);
  CHECK(backend_from_name("lockstep") == Backend::kLockstep);
}
