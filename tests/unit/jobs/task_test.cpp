#include "jobs/task.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/file.h"
#include "unit/jobs/test_evaluator.h"

using namespace athena;
using namespace athena::jobs;
using athena::jobs::testing::register_test_evaluator;
using athena::jobs::testing::TempDir;

namespace {

std::vector<PointSpec> points(std::int64_t count) {
  std::vector<PointSpec> out;
  for (std::int64_t i = 0; i < count; ++i) {
    PointSpec spec;
    spec.on = "test-chip";
    spec.batch = i + 1;
    spec.fidelity = "analytic";
    out.push_back(spec);
  }
  return out;
}

std::set<std::string> specs(const std::vector<StoredPoint>& rows) {
  std::set<std::string> out;
  for (const StoredPoint& row : rows) out.insert(row.spec);
  return out;
}

}  // namespace

TEST_CASE("a task delivers one line per point, and only when it is complete") {
  register_test_evaluator();
  TempDir dir;
  const TaskFiles files = task_files(dir.root(), 3);
  write_task(files, points(20));
  run_task(files, {});
  CHECK_FALSE(std::filesystem::exists(files.partial));
  const auto rows = read_results(files.results);
  CHECK(rows.size() == 20);
  CHECK(specs(rows).size() == 20);
  for (const StoredPoint& row : rows) CHECK(row.code == ExitCode::kOk);
}

TEST_CASE("a task killed at any byte of its results keeps the whole lines and runs the rest") {
  register_test_evaluator();
  TempDir dir;
  const TaskFiles whole = task_files(dir.root(), 0);
  write_task(whole, points(4));
  run_task(whole, {});
  const std::string text = read_file(whole.results);
  const auto expected = specs(read_results(whole.results));
  for (std::size_t cut = 0; cut < text.size(); cut += 37) {
    const TaskFiles files = task_files(dir.root(), 1 + cut);
    write_task(files, points(4));
    std::ofstream(files.partial, std::ios::binary) << text.substr(0, cut);
    CHECK(read_results(files.partial).size() ==
          static_cast<std::size_t>(
              std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(cut), '\n')));
    run_task(files, {});
    const auto rows = read_results(files.results);
    REQUIRE(rows.size() == 4);
    REQUIRE(specs(rows) == expected);
  }
}

TEST_CASE("an interrupted task keeps what it had and says so") {
  register_test_evaluator();
  TempDir dir;
  const TaskFiles files = task_files(dir.root(), 0);
  write_task(files, points(4));
  const std::atomic<bool> stop{true};
  Options options;
  options.stop = &stop;
  CHECK_THROWS_AS(run_task(files, options), MachineError);
  CHECK_FALSE(std::filesystem::exists(files.results));
}
