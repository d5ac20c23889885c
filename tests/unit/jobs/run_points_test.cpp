#include "jobs/run_points.h"

#include <catch2/catch.hpp>
#include <set>

#include "jobs/evaluator.h"
#include "jobs/store.h"
#include "unit/jobs/test_evaluator.h"

using namespace athena;
using namespace athena::jobs;
using athena::jobs::testing::register_test_evaluator;
using athena::jobs::testing::TempDir;

namespace {
PointSpec point(std::int64_t batch, const std::string& fidelity = "analytic") {
  PointSpec spec;
  spec.on = "test-chip";
  spec.model = "m";
  spec.phase = "decode";
  spec.batch = batch;
  spec.fidelity = fidelity;
  return spec;
}

PointSpec point_with(std::int64_t batch, const std::string& set,
                     const std::string& fidelity = "analytic") {
  PointSpec spec = point(batch, fidelity);
  spec.sets.push_back(set);
  return spec;
}

Options workers(int count) {
  Options options;
  options.workers = count;
  return options;
}

std::vector<std::string> texts(const std::vector<Outcome>& outcomes) {
  std::vector<std::string> out;
  for (const Outcome& outcome : outcomes) {
    out.push_back(std::to_string(static_cast<int>(outcome.code)) + outcome.key + outcome.error +
                  outcome.result.dump());
  }
  return out;
}
}  // namespace

TEST_CASE("outcomes are in order and the same for any number of workers") {
  register_test_evaluator();
  std::vector<PointSpec> points;
  for (std::int64_t i = 0; i < 300; ++i) {
    PointSpec spec = point(1 + i, i % 3 == 0 ? "transaction" : "analytic");
    if (i % 3 == 0) spec.sets.push_back("test.elaborate=k" + std::to_string(i % 5));
    if (i % 7 == 0) spec.sets.push_back("test.finding=1");
    points.push_back(spec);
  }
  const auto one = texts(run_points(points, workers(1)));
  CHECK(one == texts(run_points(points, workers(2))));
  CHECK(one == texts(run_points(points, workers(5))));
  const std::unique_ptr<Evaluator> here = make_evaluator();
  CHECK(run_point(points[1], workers(1)) == here->evaluate(points[1]));
}

TEST_CASE("no points, no work") {
  register_test_evaluator();
  CHECK(run_points({}, workers(2)).empty());
}

TEST_CASE("a point that crashes takes nothing with it") {
  register_test_evaluator();
  std::vector<PointSpec> points;
  for (std::int64_t i = 0; i < 60; ++i) {
    points.push_back(i == 17   ? point_with(i, "test.crash=1")
                     : i == 40 ? point_with(i, "test.abort=1")
                               : point(i));
  }
  const auto outcomes = run_points(points, workers(2));
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    INFO(i << " " << outcomes[i].error);
    CHECK(outcomes[i].ok() == (i != 17 && i != 40));
  }
  CHECK(outcomes[17].code == ExitCode::kInternal);
  CHECK_THAT(outcomes[17].error, Catch::Contains("Segmentation fault"));
  CHECK_THAT(outcomes[40].error, Catch::Contains("the test point gave up"));
}

TEST_CASE("a worker killed from outside costs its point nothing but time") {
  register_test_evaluator();
  TempDir dir;
  std::vector<PointSpec> points;
  for (std::int64_t i = 0; i < 20; ++i) {
    points.push_back(i % 5 == 2
                         ? point_with(i, "test.die_once=" + dir.path("d" + std::to_string(i)))
                         : point(i));
  }
  for (const Outcome& outcome : run_points(points, workers(2))) CHECK(outcome.ok());
}

TEST_CASE("a point that hangs ends at its time-out and the others are served") {
  register_test_evaluator();
  std::vector<PointSpec> points = {point(1), point_with(2, "test.hang=1"), point(3), point(4)};
  Options options = workers(1);
  options.timeout_s = 0.3;
  const auto outcomes = run_points(points, options);
  CHECK(outcomes[1].code == ExitCode::kMachine);
  CHECK_THAT(outcomes[1].error, Catch::Contains("time-out of 0.3 s"));
  CHECK((outcomes[0].ok() && outcomes[2].ok() && outcomes[3].ok()));
}

#ifndef __SANITIZE_ADDRESS__  // its shadow memory alone is beyond any limit of address space
TEST_CASE("a point that leaks ends at the memory limit") {
  register_test_evaluator();
  std::vector<PointSpec> points = {point(1), point_with(2, "test.leak=1"), point(3)};
  Options options = workers(1);
  options.memory_limit = Bytes(std::int64_t{512} << 20);
  const auto outcomes = run_points(points, options);
  CHECK(outcomes[1].code == ExitCode::kMachine);
  CHECK_THAT(outcomes[1].error, Catch::Contains("limit of 512.0 MiB"));
  CHECK((outcomes[0].ok() && outcomes[2].ok()));
}
#endif

TEST_CASE("points that need different chips never meet in one elaborated process") {
  register_test_evaluator();
  std::vector<PointSpec> points;
  for (std::int64_t i = 0; i < 40; ++i) {
    points.push_back(point_with(i, "test.elaborate=k" + std::to_string(i % 4), "transaction"));
  }
  for (const Outcome& outcome : run_points(points, workers(2))) {
    CHECK(outcome.error.empty());  // the test evaluator refuses to elaborate twice
  }
}

TEST_CASE("a bad point is an outcome with its sentence") {
  register_test_evaluator();
  const std::vector<PointSpec> points = {point_with(1, "stakcs=5"), point(2)};
  const auto outcomes = run_points(points, workers(1));
  CHECK(outcomes[0].code == ExitCode::kBadInput);
  CHECK_THAT(outcomes[0].error, Catch::Contains("Did you mean 'stacks'"));
  CHECK(outcomes[0].key.empty());
  CHECK(outcomes[1].ok());
  CHECK_THROWS_AS(run_point(points[0]), InputError);
  CHECK_THROWS_AS(run_point(point_with(1, "test.finding=1")), Finding);
}

TEST_CASE("points that are the same in other words run once") {
  register_test_evaluator();
  TempDir dir;
  Store store(dir.path("s"));
  const std::vector<PointSpec> points = {point(1), point_with(1, "unused=3"), point(1), point(2)};
  for (const bool keep : {true, false}) {
    Options options = workers(2);
    if (!keep) options.store = &store;
    options.keep_results = keep;
    std::vector<std::string> heard(points.size());
    options.on_outcome = [&](std::size_t i, const Outcome& outcome) {
      heard[i] = outcome.result.dump();
    };
    const auto outcomes = run_points(points, options);
    CHECK(outcomes[0].key == outcomes[1].key);
    CHECK(heard[0] == heard[1]);
    CHECK(heard[0] == heard[2]);
    CHECK(heard[0] != heard[3]);
    CHECK(heard[0] != "null");
    CHECK(outcomes[0].result.is_null() == !keep);
  }
  CHECK(store.size() == 2);
}

TEST_CASE("what the store knows is not run again, what the machine failed on is") {
  register_test_evaluator();
  TempDir dir;
  Store store(dir.path("s"));
  std::vector<PointSpec> points = {point(1), point_with(2, "test.finding=1"),
                                   point_with(3, "test.crash=1")};
  Options options = workers(1);
  options.store = &store;
  const auto first = run_points(points, options);
  CHECK(store.size() == 3);
  points.push_back(point(4));
  const auto second = run_points(points, options);
  CHECK(second[0].cached);
  CHECK(second[1].cached);
  CHECK_FALSE(second[2].cached);
  CHECK_FALSE(second[3].cached);
  for (std::size_t i = 0; i < first.size(); ++i) {
    CHECK(first[i].result == second[i].result);
    CHECK(first[i].error == second[i].error);
  }
  CHECK(store.size() == 4);
}

TEST_CASE("a raised stop flag ends the call; what had finished is stored") {
  register_test_evaluator();
  TempDir dir;
  Store store(dir.path("s"));
  std::atomic<bool> stop{false};
  Options options = workers(2);
  options.store = &store;
  options.stop = &stop;
  std::size_t heard = 0;
  options.on_outcome = [&](std::size_t, const Outcome&) { stop = ++heard >= 5; };
  std::vector<PointSpec> points;
  for (std::int64_t i = 0; i < 2000; ++i) points.push_back(point_with(i, "test.spin_us=300"));
  const auto outcomes = run_points(points, options);
  std::size_t ok = 0;
  for (const Outcome& outcome : outcomes) {
    if (outcome.ok()) {
      ++ok;
    } else {
      CHECK(outcome.error == "interrupted");
    }
  }
  CHECK(ok < points.size());
  CHECK(static_cast<std::int64_t>(ok) == store.size());
}

TEST_CASE("keys are told without evaluating, and a pool serves many calls") {
  register_test_evaluator();
  Pool pool(workers(2));
  const std::vector<PointSpec> points = {point_with(1, "test.crash=1"), point(2),
                                         point_with(2, "unused=1"), point_with(1, "bogus=1")};
  const auto keys = pool.keys(points);
  CHECK_FALSE(keys[0].key.empty());
  CHECK(keys[1].key == keys[2].key);
  CHECK(keys[0].key != keys[1].key);
  CHECK(keys[3].code == ExitCode::kBadInput);
  for (int call = 0; call < 5; ++call) {
    const auto outcomes = pool.run(std::span(points).subspan(1, 2));
    CHECK((outcomes[0].ok() && outcomes[1].ok()));
  }
}
