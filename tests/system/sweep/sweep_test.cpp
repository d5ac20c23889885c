/// athena sweep as a user meets it: results, honesty, bad input.
#include <catch2/catch.hpp>
#include <filesystem>

#include "system/sweep/probe.h"
#include "unit/jobs/test_evaluator.h"

using namespace athena;
using namespace athena::test;
using athena::jobs::testing::TempDir;
using Catch::Contains;

namespace {

const std::string kHead = "fixed: {on: test-chip, model: m, phase: decode, fidelity: analytic}\n";

ProbeOutput sweep(const TempDir& dir, const std::string& space,
                  std::vector<std::string> arguments = {}) {
  write_text(dir.path("space.yaml"), space);
  arguments.insert(arguments.begin(), "space.yaml");
  return probe(dir.root(), arguments);
}

void refuses(const std::string& space, const std::string& says, int exit_code = 2,
             const std::vector<std::string>& arguments = {}) {
  TempDir dir;
  const ProbeOutput output = sweep(dir, space, arguments);
  INFO(says << "\n" << output.err << output.out);
  CHECK(output.exit_code == exit_code);
  CHECK_THAT(output.err, Contains(says));
  CHECK(output.out.empty());
  CHECK(std::count(output.err.begin(), output.err.end(), '\n') == 1);
  // Found before anything was written, but for what only a first result can tell.
  if (says != "Did you mean 'time_s'") CHECK_FALSE(std::filesystem::exists(dir.path("out")));
}

}  // namespace

TEST_CASE("a sweep tells its front, its warnings and where the rows are") {
  TempDir dir;
  const std::string space = kHead + R"(axes:
  chip.array: [32, 64]
  chip.unused: [1, 2, 3]
  chip.stacks: [2, 4]
objectives:
  - minimise: cost.manufacturing_usd
  - maximise: tokens_per_s
)";
  const ProbeOutput output = sweep(dir, space, {"--json", "--jobs", "2"});
  CHECK(output.exit_code == 0);
  const auto json = json_of(output);
  CHECK(json["points"] == 12);
  CHECK(json["failed"] == 0);
  CHECK(json["cached"] == 8);  // `unused` makes the same point three times
  CHECK(json["host"]["cpu_s"].get<double>() > 0.0);
  REQUIRE(json["warnings"].size() == 1);
  CHECK_THAT(json["warnings"][0].get<std::string>(), Contains("chip.unused changes no input"));
  const ProbeOutput csv = probe(dir.root(), {"show", "out/space", "--csv"});
  CHECK(std::count(csv.out.begin(), csv.out.end(), '\n') == 13);
  CHECK_THAT(csv.out, Catch::StartsWith("tier,candidate,chip.array,chip.unused,chip.stacks,"));
  const ProbeOutput text = probe(dir.root(), {"show", "out/space", "--pareto"});
  CHECK_THAT(text.out, Contains("what moves"));
  const ProbeOutput one = probe(dir.root(), {"show", "out/space", "--candidate", "0"});
  CHECK_THAT(one.out, Contains("athena run m --on test-chip --set chip.array=32"));
}

TEST_CASE("what one sweep found out the next one knows") {
  TempDir dir;
  const std::string space = kHead + "axes:\n  batch: [1, 2, 3]\nobjectives: [{minimise: time_s}]\n";
  CHECK(json_of(sweep(dir, space, {"--json", "--out", "out/a"}))["cached"] == 0);
  CHECK(json_of(sweep(dir, space, {"--json", "--out", "out/b"}))["cached"] == 3);
  CHECK(sweep(dir, space, {"--out", "out/a"}).exit_code == 2);
  CHECK(json_of(sweep(dir, space, {"--json", "--out", "out/a", "--resume"}))["cached"] == 3);
  const std::string other = kHead + "axes:\n  batch: [1, 2]\nobjectives: [{minimise: time_s}]\n";
  const ProbeOutput changed = sweep(dir, other, {"--out", "out/a", "--resume"});
  CHECK(changed.exit_code == 2);
  CHECK_THAT(changed.err, Contains("holds another sweep"));
}

TEST_CASE("points that fail are rows with their reason") {
  TempDir dir;
  const std::string space = kHead + R"(axes:
  batch: [1, 2]
  chip.test.finding: [1]
scenarios:
  decode: {phase: decode}
  prefill: {phase: prefill}
objectives: [{minimise: decode.time_s}]
)";
  const ProbeOutput output = sweep(dir, space, {"--json"});
  CHECK(output.exit_code == 1);
  CHECK(json_of(output)["failed"] == 4);
  const ProbeOutput csv = probe(dir.root(), {"show", "out/space", "--csv"});
  CHECK_THAT(csv.out, Contains("1,decode: the test model does not fit"));
}

TEST_CASE("the best are run again in the finer tier, and the ranks compared") {
  TempDir dir;
  const std::string space = kHead + R"(axes:
  chip.array: [16, 32, 64, 128]
  chip.stacks: [2, 4, 6, 8]
objectives:
  - {minimise: cost.manufacturing_usd, name: cost, unit: k$}
  - {maximise: tokens_per_s, name: speed, unit: ktok/s}
promote: [{to: transaction, keep: 5}]
references:
  rival: {on: rival-chip, chip.array: 96}
)";
  const auto json = json_of(sweep(dir, space, {"--json"}));
  CHECK(json["points"] == 16 + 5 + 2);
  CHECK(json["rank_correlation"].size() == 2);
  for (const auto& row : json["front"]) CHECK(row["tier"] == "transaction");
  const ProbeOutput csv = probe(dir.root(), {"show", "out/space", "--csv"});
  CHECK_THAT(csv.out, Contains("transaction,rival"));
}

TEST_CASE("bad spaces are refused in one sentence with the place") {
  refuses(kHead + "axes:\n  batch: []\n", "space.yaml:3");
  refuses(kHead + "axes:\n  batch: {from: 8, to: 4, step: 1}\n", "is empty");
  refuses(kHead + "axes:\n  bacth: [1]\n", "Did you mean 'batch'");
  refuses(kHead + "axes:\n  chip.stakcs: [1, 2]\n", "Did you mean 'stacks'");
  refuses(kHead + "axes:\n  batch: [1]\nobjectives: [{minimise: tme_s}]\n",
          "Did you mean 'time_s'");
  refuses(kHead + "axes:\n  batch: [1]\nconstraints: ['cost.area_mm2 <= 858 W']\n", "mm^2");
  refuses(kHead + "axes:\n  batch: [1]\nconstraints: ['power_w <= 700']\n", "without unit");
  refuses(kHead + "axes:\n  batch: [1]\nobjectives: [{minimise: time_s, unit: GB}]\n",
          "not in 'GB'");
  refuses(kHead + "axes:\n  batch: [1]\nobjectivs: []\n", "Did you mean 'objectives'");
  refuses(kHead + "axes:\n  batch: [1, 2]\nwhere: ['batch > 2']\n", "no candidate");
  refuses(kHead + "axes:\n  batch: [1, 2]\nwhere: ['batc > 2']\n", "Did you mean 'batch'");
  refuses(kHead + "axes:\n  batch: [1, 2]\n", "optimizer 'gird'", 2, {"--set", "optimizer=gird"});
  refuses(kHead + "axes:\n  batch: [1, 2]\n", "Did you mean 'local'", 2, {"--engine", "locale"});
  refuses(kHead + "axes:\n  batch: [1, 2]\n", "--timeout", 2, {"--timeout", "5"});
  refuses(kHead + "axes:\n  batch: [1, 2]\n", "budget", 2, {"--budget", "1"});
  refuses(kHead + "axes:\n  batch: [1, 2]\n", "needs an objective", 2, {"--optimizer", "nsga2"});
  refuses(kHead, "axis");
}

TEST_CASE("a store that cannot be used is said so") {
  const std::string space = kHead + "axes:\n  batch: [1, 2]\n";
  refuses(space, "not a database", 2, {"--store", "space.yaml"});
  refuses(space, "cannot", 4, {"--store", "/proc/none/points.sqlite"});
  TempDir dir;
  CHECK(probe(dir.root(), {"show", "nowhere"}).exit_code == 2);
}
