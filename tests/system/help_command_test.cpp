// athena help, athena completion, and what a run keeps.
#include <algorithm>
#include <catch2/catch.hpp>

#include "command_line.h"

namespace athena::test {
namespace {

const std::string kTiny =
    "run {root}/workloads/models/tiny-llama.yaml --on athena-mini --input 16 ";

bool wrote(const Outcome& outcome, const std::string& name) {
  return std::any_of(outcome.written.begin(), outcome.written.end(),
                     [&](const std::string& file) { return file.find(name) != std::string::npos; });
}
}  // namespace

TEST_CASE("help knows topics and commands, and the nearest of what it does not know") {
  const Outcome list = athena("help");
  CHECK(list.exit_code == 0);
  for (const char* word : {"fidelity", "exit-codes", "sweep", "claims"})
    CHECK(list.out.find(word) != std::string::npos);
  CHECK(athena("help fidelity").out.find("analytic") != std::string::npos);
  CHECK(athena("help run").out.find("--trace") != std::string::npos);
  refuses("help fidelty", "fidelity");
}

TEST_CASE("completion scripts name every command and the documents that flags take") {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Outcome script = athena(std::string("completion ") + shell);
    CAPTURE(shell);
    CHECK(script.exit_code == 0);
    for (const char* word : {"sweep", "claims", "athena-mini", "a100-sxm-80gb", "fidelity"})
      CHECK(script.out.find(word) != std::string::npos);
  }
  CHECK(athena("completion bash > {here}/c.sh; bash -n {here}/c.sh").exit_code == 0);
  refuses("completion tcsh", "bash");
}

TEST_CASE("a run keeps its report, its timeline and, when asked, its trace") {
  const Outcome plain = athena(kTiny + "--out {here}/o --quiet");
  CHECK(plain.exit_code == 0);
  CHECK(plain.out.empty());
  for (const char* name : {"report.html", "result.json", "timeline.json", "ops.csv"})
    CHECK(wrote(plain, name));
  CHECK_FALSE(wrote(plain, "trace.json.gz"));
  const Outcome traced = athena(kTiny + "--out {here}/o --trace --window 0us:50us");
  CHECK(traced.exit_code == 0);
  CHECK(wrote(traced, "trace.json.gz"));
  CHECK(traced.out.find("trace.json.gz") != std::string::npos);
  CHECK(wrote(athena(kTiny + "--fidelity analytic --out {here}/o --trace"), "trace.json.gz"));
}

TEST_CASE("what a trace cannot be is refused") {
  refuses(kTiny + "--trace", "--out");
  refuses(kTiny + "--out {here}/o --window 0us:1us", "--trace");
  refuses(kTiny + "--out {here}/o --trace --window 5", "--window");
  refuses(kTiny + "--out {here}/o --trace --window 9us:1us", "ends before");
  refuses(kTiny + "--out {here}/o --trace --trace-level engine", "engines");
  refuses(kTiny + "--cost maximal", "nominal");
}

TEST_CASE("the command that a sweep prints for a point runs, cost included") {
  const Outcome run = athena(kTiny + "--fidelity analytic --cost nominal --json");
  CHECK(run.exit_code == 0);
  CHECK(run.out.find("usd_per_mtok") != std::string::npos);
  const Outcome point = athena(
      "run --point "
      "'{\"on\":\"athena-mini\",\"op\":\"gemm\",\"op_sizes\":{\"m\":64,\"n\":64,\"k\":64},"
      "\"fidelity\":\"analytic\"}' --json");
  CHECK(point.exit_code == 0);
  refuses("run --point '{\"onn\":\"athena\"}'", "on");
}

}  // namespace athena::test
