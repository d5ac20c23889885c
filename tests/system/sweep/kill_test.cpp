/// kill -9 at random moments: no point lost, none twice, no torn row, the same final table.
#include <sqlite3.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <set>

#include "base/rng.h"
#include "system/sweep/probe.h"
#include "unit/jobs/test_evaluator.h"

using namespace athena;
using namespace athena::test;
using athena::jobs::testing::TempDir;

namespace {

// About 1,600 points of 2 ms: long enough to be killed in, short enough to finish.
const std::string kSpace = R"(name: killed
fixed: {on: test-chip, model: m, phase: decode, fidelity: analytic, chip.test.spin_us: 2000}
axes:
  chip.array: [16, 32, 64, 128]
  chip.tiles: {from: 16, to: 128, step: 16}
  batch: {from: 1, to: 25, step: 1}
  chip.stacks: [2, 4]
objectives:
  - minimise: cost.manufacturing_usd
  - maximise: tokens_per_s
constraints:
  - cost.area_mm2 <= 858 mm2
)";

std::string table(const std::string& folder, const std::string& sweep) {
  const ProbeOutput shown = probe(folder, {"show", sweep, "--csv"});
  REQUIRE(shown.exit_code == 0);
  return shown.out;
}

std::int64_t query(const std::string& file, const char* sql) {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &db) == SQLITE_OK);
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db, sql, -1, &statement, nullptr) != SQLITE_OK) {
    sqlite3_close(db);
    return 0;  // killed before the tables were made
  }
  REQUIRE(sqlite3_step(statement) == SQLITE_ROW);
  const std::int64_t value = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  sqlite3_close(db);
  return value;
}

/// Until the store has more than this many rows (or half a minute has gone: the checks then say
/// so).
void wait_for_rows(const std::string& store, std::int64_t rows) {
  for (int tries = 0; tries < 6000; ++tries) {
    if (access(store.c_str(), F_OK) == 0 && query(store, "SELECT count(*) FROM points") > rows)
      return;
    usleep(5000);
  }
}

std::string integrity(const std::string& file) {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &db) == SQLITE_OK);
  sqlite3_stmt* statement = nullptr;
  REQUIRE(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, nullptr) == SQLITE_OK);
  REQUIRE(sqlite3_step(statement) == SQLITE_ROW);
  std::string verdict = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
  sqlite3_finalize(statement);
  sqlite3_close(db);
  return verdict;
}

}  // namespace

TEST_CASE("twenty kills of parent and workers cost nothing but time") {
  TempDir dir;
  write_text(dir.path("space.yaml"), kSpace);
  const ProbeOutput calm =
      probe(dir.root(), {"space.yaml", "--out", "calm/sweep", "--jobs", "2", "--json"});
  REQUIRE(calm.exit_code == 0);
  CHECK(json_of(calm)["points"] == 1600);
  const std::string expected = table(dir.root(), "calm/sweep");

  const std::string store = dir.path("killed/points.sqlite");
  Rng rng(20);
  std::int64_t known = 0;
  std::vector<std::string> command = {"space.yaml", "--out", "killed/sweep", "--jobs", "2"};
  for (int kill_number = 0; kill_number < 20; ++kill_number) {
    const pid_t parent = start_probe(dir.root(), command);
    // Some die while they start, the others once they have got on by a random number of points.
    if (kill_number % 4 == 3) {
      usleep(static_cast<useconds_t>(rng.below(100000)));
    } else {
      wait_for_rows(store, known + static_cast<std::int64_t>(rng.below(60)));
    }
    if (kill_number % 2 == 0) {
      ::kill(parent, SIGKILL);
      CHECK(wait_probe(parent) == 128 + SIGKILL);
    } else {
      for (const pid_t worker : children_of(parent)) ::kill(worker, SIGKILL);
      usleep(20000);
      ::kill(parent, SIGKILL);
      wait_probe(parent);
    }
    if (command.back() != "--resume") command.emplace_back("--resume");
    if (access(store.c_str(), F_OK) != 0) continue;  // killed before the store was made
    CHECK(integrity(store) == "ok");
    const std::int64_t rows = query(store, "SELECT count(*) FROM points");
    CHECK(rows >= known);  // nothing that was finished is ever lost
    known = rows;
  }
  CHECK(known > 50);  // the kills fell into the work, not before it
  command.emplace_back("--json");
  const ProbeOutput last = probe(dir.root(), command);
  REQUIRE(last.exit_code == 0);
  const auto summary = json_of(last);
  CHECK(summary["points"] == 1600);
  CHECK(summary["failed"] == 0);
  CHECK(summary["cached"].get<std::int64_t>() >= known);
  CHECK(table(dir.root(), "killed/sweep") == expected);
  CHECK(query(store, "SELECT count(*) FROM points") == 1600);
  CHECK(query(store, "SELECT count(DISTINCT key) FROM points") == 1600);
}

TEST_CASE("an optimiser's sweep killed midway continues to the same table") {
  TempDir dir;
  write_text(dir.path("space.yaml"), kSpace);
  const std::vector<std::string> search = {"--jobs", "2",        "--optimizer",
                                           "nsga2",  "--budget", "300"};
  std::vector<std::string> calm = {"space.yaml", "--out", "calm/sweep"};
  calm.insert(calm.end(), search.begin(), search.end());
  REQUIRE(probe(dir.root(), calm).exit_code == 0);
  std::vector<std::string> killed = {"space.yaml", "--out", "killed/sweep"};
  killed.insert(killed.end(), search.begin(), search.end());
  const pid_t parent = start_probe(dir.root(), killed);
  wait_for_rows(dir.path("killed/points.sqlite"), 60);
  ::kill(parent, SIGKILL);
  wait_probe(parent);
  killed.emplace_back("--resume");
  REQUIRE(probe(dir.root(), killed).exit_code == 0);
  CHECK(table(dir.root(), "killed/sweep") == table(dir.root(), "calm/sweep"));
}

TEST_CASE("an interrupt ends in order: exit 4, what is finished is kept") {
  TempDir dir;
  write_text(dir.path("space.yaml"), kSpace);
  const pid_t parent = start_probe(dir.root(), {"space.yaml", "--out", "s/sweep", "--jobs", "2"});
  wait_for_rows(dir.path("s/points.sqlite"), 30);
  ::kill(parent, SIGINT);
  CHECK(wait_probe(parent) == 4);
  const std::int64_t rows = query(dir.path("s/points.sqlite"), "SELECT count(*) FROM points");
  CHECK(rows > 0);
  const auto summary = json_of(
      probe(dir.root(), {"space.yaml", "--out", "s/sweep", "--jobs", "2", "--resume", "--json"}));
  CHECK(summary["cached"].get<std::int64_t>() >= rows);
}
