#include "explore/study.h"

#include <catch2/catch.hpp>

#include "config/parse.h"
#include "explore/honesty.h"
#include "explore/report.h"
#include "jobs/store.h"
#include "unit/jobs/test_evaluator.h"

using namespace athena;
using namespace athena::explore;
using athena::jobs::testing::register_test_evaluator;
using athena::jobs::testing::TempDir;
using Catch::Contains;

namespace {

Space space_of(const std::string& text) {
  return space_from_node(config::parse_text(text, "space.yaml"));
}

const std::string kHead = "fixed: {on: test-chip, model: m, phase: decode, fidelity: analytic}\n";

struct Sweep {
  explicit Sweep(const std::string& folder, jobs::Store* store = nullptr) {
    register_test_evaluator();
    jobs::Options job;
    job.workers = 2;
    job.store = store;
    pool = std::make_unique<jobs::Pool>(job);
    options.folder = folder;
  }
  StudySummary run(const Space& space) {
    options.warnings = check_inputs(space, *pool);
    return run_study(space, *pool, options);
  }
  std::unique_ptr<jobs::Pool> pool;
  StudyOptions options;
};

}  // namespace

TEST_CASE("rows hold what the evaluator says") {
  TempDir dir;
  Sweep sweep(dir.path("s"));
  const Space space = space_of(kHead + R"(axes:
  chip.array: [32, 64]
  batch: [1, 8]
objectives: [{minimise: time_s, unit: ms}, {maximise: batch / time_s, name: rate}]
report: [energy_j]
)");
  const StudySummary summary = sweep.run(space);
  CHECK(summary.points == 4);
  CHECK(summary.failed == 0);
  const SweepReport report = load_report(dir.path("s"));
  REQUIRE(report.rows.size() == 4);
  jobs::testing::TestEvaluator direct;
  for (const Row& row : report.rows) {
    const auto point = space.points(space.candidate(static_cast<std::uint64_t>(row.index)), "")[0];
    const auto result = direct.evaluate(point);
    CHECK(row.columns[0] == Approx(1e3 * result["time_s"].get<double>()));
    CHECK(row.columns[1] == Approx(result["tokens_per_s"].get<double>()));
    CHECK(row.columns[2] == Approx(result["energy_j"].get<double>()));
  }
}

TEST_CASE("constraints part the rows, and the front is inside them") {
  TempDir dir;
  Sweep sweep(dir.path("s"));
  static_cast<void>(sweep.run(space_of(kHead + R"(axes:
  chip.array: [32, 64, 128]
  chip.tiles: [32, 64, 128]
objectives: [{minimise: time_s}, {minimise: cost.manufacturing_usd}]
constraints: [cost.area_mm2 <= 500 mm2]
)")));
  const SweepReport report = load_report(dir.path("s"));
  std::size_t feasible = 0;
  for (const Row& row : report.rows) feasible += row.feasible() ? 1 : 0;
  CHECK(feasible > 0);
  CHECK(feasible < report.rows.size());
  CHECK_FALSE(report.front.empty());
  for (const std::size_t place : report.front) CHECK(report.rows[place].feasible());
  CHECK(report.volume.back().hypervolume > 0.0);
}

TEST_CASE("keys that change nothing are named, by inputs and by results") {
  TempDir dir;
  Sweep sweep(dir.path("s"));
  const StudySummary summary = sweep.run(space_of(kHead + R"(axes:
  chip.unused: [1, 2]
  input: [128, 256]
  chip.stacks: [2, 4]
objectives: [{minimise: time_s}]
)"));
  REQUIRE(summary.warnings.size() == 2);
  CHECK_THAT(summary.warnings[0], Contains("chip.unused changes no input"));
  // The test chip counts `input` into a point's identity but computes nothing from it.
  CHECK_THAT(summary.warnings[1], Contains("input changes no result"));
  CHECK(load_report(dir.path("s")).warnings == summary.warnings);
}

TEST_CASE("a sweep refuses bad keys before it runs and unknown objectives with the first result") {
  TempDir dir;
  Sweep sweep(dir.path("s"));
  CHECK_THROWS_WITH(sweep.run(space_of(kHead + "axes: {chip.stakcs: [1, 2]}")),
                    Contains("Did you mean 'stacks'"));
  CHECK_FALSE(SweepTable::exists(dir.path("s")));  // nothing was written for it
  CHECK_THROWS_WITH(
      sweep.run(space_of(kHead + "axes: {batch: [1, 2]}\nobjectives: [{minimise: tme_s}]")),
      Contains("Did you mean 'time_s'"));
}

TEST_CASE("a crash is a row with its reason, and is tried again by --resume") {
  TempDir dir;
  jobs::Store store(dir.path("points"));
  const Space space = space_of(kHead + R"(axes:
  batch: [1, 2, 3]
  chip.test.crash: [1]
objectives: [{minimise: time_s}]
)");
  Sweep sweep(dir.path("s"), &store);
  const StudySummary first = sweep.run(space);
  CHECK(first.failed == 3);
  CHECK_THAT(load_report(dir.path("s")).rows[0].error, Contains("crashed"));
  sweep.options.resume = true;
  CHECK(sweep.run(space).cached == 0);
  CHECK_THROWS_WITH(
      [&] {
        sweep.options.resume = false;
        return sweep.run(space);
      }(),
      Contains("--resume"));
}

TEST_CASE("CSV and JSON tell the same rows") {
  TempDir dir;
  Sweep sweep(dir.path("s"));
  static_cast<void>(sweep.run(space_of(kHead + R"(axes:
  batch: [1, 2]
  chip.test.finding: [1]
objectives: [{minimise: time_s}]
)")));
  const SweepReport report = load_report(dir.path("s"));
  const auto json = to_json(report, RowChoice::kAll);
  REQUIRE(json["rows"].size() == 2);
  CHECK(json["rows"][0]["reason"] == "the test model does not fit");
  CHECK(json["rows"][1]["settings"]["batch"] == "2");
  CHECK(to_csv(report, RowChoice::kAll) ==
        "tier,candidate,batch,chip.test.finding,time_s [s],feasible,front,code,reason\n"
        "analytic,0,1,1,,0,0,1,the test model does not fit\n"
        "analytic,1,2,1,,0,0,1,the test model does not fit\n");
  CHECK(to_csv(report, RowChoice::kFront).find('\n') ==
        to_csv(report, RowChoice::kFront).size() - 1);
  CHECK_THAT(candidate_text(report, 1), Contains("--batch 2"));
  CHECK_THROWS_AS(candidate_text(report, 7), InputError);
}
