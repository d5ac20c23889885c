/// Blocks of rtl/ from the command line: in a chip (run --rtl) and alone (cosim).
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "command_line.h"

using athena::test::Outcome;
using athena::test::refuses;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {
const std::string kRun =
    "run {root}/workloads/models/tiny-llama.yaml --on athena-mini --functional ";

bool without_rtl() {
#if ATHENA_TEST_RTL
  return false;
#else
  WARN("no Verilated blocks in this build: skipped");
  return true;
#endif
}

json run_json(const std::string& arguments) {
  const Outcome outcome = athena::test::athena(kRun + arguments + " --json");
  INFO(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  return json::parse(outcome.out);
}

/// One fault: the report of the first difference, exit 3, a waveform that is there.
void reports(const std::string& block, const std::string& fault, const std::string& signal) {
  const Outcome outcome = athena::test::athena("cosim " + block + " --inject " + fault);
  INFO(outcome.out << outcome.err);
  CHECK(outcome.exit_code == 3);
  CHECK_THAT(outcome.out, Contains("differ at cycle") || Contains("broken"));
  CHECK_THAT(outcome.out, Contains("signal " + signal));
  CHECK_THAT(outcome.out, Contains("model  0x"));
  CHECK_THAT(outcome.out, Contains("RTL    0x"));
  CHECK_THAT(outcome.out, Contains("last transactions"));
  bool waveform = false;
  for (const std::string& file : outcome.written)
    waveform = waveform || file.find(".vcd") != std::string::npos;
  CHECK(waveform);
}
}  // namespace

TEST_CASE("a workload runs on RTL arrays with the bits and the cycles of the model") {
  if (without_rtl()) return;
  for (const std::string phase : {"prefill", "decode"}) {
    const std::string arguments = "--input 24 --phase " + phase;
    const json model = run_json(arguments + " --rtl systolic_array=model");
    const json rtl = run_json(arguments + " --rtl systolic_array=rtl");
    const json both = run_json(arguments + " --rtl systolic_array=lockstep");
    CHECK(model["functional"]["result_hash"] == rtl["functional"]["result_hash"]);
    CHECK(model["functional"]["result_hash"] == both["functional"]["result_hash"]);
    CHECK(model["cycles"] == rtl["cycles"]);
    CHECK(model["cycles"] == both["cycles"]);
    CHECK(model["provenance"]["program_hash"] == rtl["provenance"]["program_hash"]);
    CHECK(both["functional"]["rel_l2"].get<double>() < 0.03);
    CHECK(both["rtl"]["dtype"] == "bf16");
    const json& parity = both["rtl"]["systolic_array"]["parity"];
    REQUIRE_FALSE(parity.empty());
    CHECK_THAT(parity[0].get<std::string>(), Contains("error=0.00 %") && Contains("bits=equal"));
    CHECK_THAT(both["rtl"]["parity"][0].get<std::string>(),
               Contains("PARITY run") && Contains("result=equal"));
    CHECK(rtl["rtl"]["systolic_array"]["parity"].empty());
  }
}

TEST_CASE("parity is shown on the screen") {
  if (without_rtl()) return;
  const Outcome outcome = athena::test::athena(kRun + "--input 8 --rtl systolic_array=lockstep");
  CHECK(outcome.exit_code == 0);
  CHECK_THAT(outcome.out, Contains("PARITY systolic_array 16x16x1 bf16") && Contains("PARITY run"));
}

/// A run with one block as RTL alone and one in lockstep: the numbers of the block's model, the
/// same time in both, a PARITY line of the block and one of the run.
void runs_with(const std::string& block, const std::string& compared) {
  if (without_rtl()) return;
  for (const std::string phase : {"prefill", "decode"}) {
    INFO(block << " " << phase);
    const std::string arguments = "--input 24 --phase " + phase + " --rtl " + block + "=";
    const json model = run_json(arguments + "model");
    const json rtl = run_json(arguments + "rtl");
    const json both = run_json(arguments + "lockstep");
    CHECK(model["functional"]["result_hash"] == rtl["functional"]["result_hash"]);
    CHECK(model["functional"]["result_hash"] == both["functional"]["result_hash"]);
    CHECK(rtl["cycles"] == both["cycles"]);
    CHECK(both["functional"]["rel_l2"].get<double>() < 0.03);
    const json& parity = both["rtl"][block]["parity"];
    REQUIRE_FALSE(parity.empty());
    CHECK_THAT(parity[0].get<std::string>(),
               Contains("PARITY " + block) && Contains(compared) && Contains("divergences=0"));
    CHECK_THAT(both["rtl"]["parity"][0].get<std::string>(),
               Contains("PARITY run") && Contains("result=equal"));
    CHECK(rtl["rtl"][block]["parity"].empty());
    CHECK_FALSE(rtl["rtl"][block]["traffic"].get<std::string>().empty());
    // The block's cycles are in the run: its time is not that of the chip's own closed form.
    CHECK(rtl["cycles"] != run_json("--input 24 --phase " + phase)["cycles"]);
  }
}

TEST_CASE("a workload runs on RTL DMA engines, which carry its bytes") {
  runs_with("dma_engine", "transfers=");
}
TEST_CASE("a workload's packets cross a mesh of RTL routers") {
  runs_with("noc_router", "packets=");
}
TEST_CASE("a workload's memory requests are served by RTL schedulers") {
  runs_with("hbm_scheduler", "requests=");
}
TEST_CASE("a workload's softmax is computed by RTL units") {
  runs_with("vector_softmax", "bits=equal");
}

TEST_CASE("a workload runs on a chip of which all five blocks are in lockstep") {
  if (without_rtl()) return;
  const json run = run_json(
      "--input 16 --rtl systolic_array=lockstep --rtl vector_softmax=lockstep --rtl "
      "dma_engine=lockstep --rtl noc_router=lockstep --rtl hbm_scheduler=lockstep");
  for (const char* block :
       {"systolic_array", "vector_softmax", "dma_engine", "noc_router", "hbm_scheduler"}) {
    INFO(block);
    CHECK_FALSE(run["rtl"][block]["parity"].empty());
  }
  CHECK_THAT(run["rtl"]["parity"][0].get<std::string>(), Contains("result=equal"));
}

TEST_CASE("blocks that cannot be had are refused") {
  refuses(kRun + "--rtl systolic_aray=lockstep", "Did you mean 'systolic_array'?");
  refuses(kRun + "--rtl systolic_array=lockstp", "Did you mean 'lockstep'?");
  refuses(kRun + "--rtl systolic_array", "BLOCK=model|rtl|lockstep");
  refuses("run {root}/workloads/models/tiny-llama.yaml --on athena --rtl systolic_array=rtl",
          "weight-stationary");
  refuses("run {root}/workloads/models/tiny-llama.yaml --on a100-sxm-80gb --rtl systolic_array=rtl",
          "rtl/systolic_array");
  refuses(kRun + "--rtl systolic_array=rtl --set core.matrix.rows=24", "systolic_array");
  refuses(kRun + "--rtl systolic_array=rtl --dtype fp32", "fp32");
  refuses(
      "run {root}/workloads/models/tiny-llama.yaml --on athena-mini --fidelity analytic --rtl "
      "systolic_array=rtl",
      "--fidelity transaction");
  refuses(kRun + "--rtl dma_engin=lockstep", "Did you mean 'dma_engine'?");
  refuses(kRun + "--rtl dma_engine=rtl --set core.dma.bytes_per_cycle=32", "built are");
  refuses(kRun + "--rtl noc_router=rtl --set noc.virtual_channels=2", "noc.virtual_channels is 2");
  refuses(kRun + "--rtl hbm_scheduler=rtl --set memory.timing=HBM2E-3.6Gbps-derived",
          "the RTL was built for");
  refuses("run {root}/workloads/models/tiny-llama.yaml --on athena --rtl noc_router=rtl",
          "rtl/noc_router");
  refuses("run {root}/workloads/models/tiny-llama.yaml --on a100-sxm-80gb --rtl dma_engine=rtl",
          "through a cache");
  refuses("cosim systolic_aray", "Did you mean 'systolic_array'?");
}

TEST_CASE("faults that exist nowhere are refused") {
  if (without_rtl()) return;
  refuses("cosim systolic_array --inject weight-skw", "Did you mean 'weight-skew'?");
  refuses("cosim", "--all");
}

TEST_CASE("a planted fault in the array is reported") {
  if (without_rtl()) return;
  reports("systolic_array/16x16x1-bf16", "weight-skew", "out_data");
}
TEST_CASE("a planted fault in the softmax is reported") {
  if (without_rtl()) return;
  reports("vector_softmax", "lane-swap", "out_data");
}
TEST_CASE("a planted fault in the DMA engine is reported") {
  if (without_rtl()) return;
  reports("dma_engine/64bit", "wrong-stride", "aw_addr");
}
TEST_CASE("a planted fault in the router is reported") {
  if (without_rtl()) return;
  reports("noc_router/interleaved", "misroute", "");
}
TEST_CASE("a planted fault in the memory scheduler is reported") {
  if (without_rtl()) return;
  reports("hbm_scheduler", "wrong-bank", "");
}
