#include "jobs/store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>

#include "jobs/sqlite.h"
#include "unit/jobs/test_evaluator.h"

using namespace athena;
using namespace athena::jobs;
using athena::jobs::testing::TempDir;

namespace {
StoredPoint row(const std::string& key, const std::string& result = "{\"time_s\":1.0}") {
  return {key, "{\"on\":\"x\"}", ExitCode::kOk, "", result, 0.25, Bytes(4096)};
}

StoredPoint failure(const std::string& key, ExitCode code, const std::string& why) {
  return {key, "{}", code, why, "", 0.0, Bytes(0)};
}

bool same(const StoredPoint& a, const StoredPoint& b) {
  return a.key == b.key && a.spec == b.spec && a.code == b.code && a.error == b.error &&
         a.result == b.result && a.host_cpu_s == b.host_cpu_s && a.host_max_rss == b.host_max_rss;
}
}  // namespace

TEST_CASE("rows come back as they were put, also after reopening and whatever their size") {
  TempDir dir;
  const std::string file = dir.path("deep/er/store.sqlite");
  std::string big = "{\"a\":\"";
  for (int i = 0; i < 5000; ++i) big += std::to_string(i * 7919 % 1000);
  big += "\"}";
  {
    Store store(file);
    store.put(std::vector<StoredPoint>{row("k1"), row("k2", big),
                                       failure("k3", ExitCode::kFinding, "does not fit")});
  }
  Store store(file);
  CHECK(store.size() == 3);
  CHECK(same(store.find("k1").value(), row("k1")));
  CHECK(same(store.find("k2").value(), row("k2", big)));
  CHECK(same(store.find("k3").value(), failure("k3", ExitCode::kFinding, "does not fit")));
  CHECK_FALSE(store.find("k4").has_value());
}

TEST_CASE("a lasting row is kept, a row that the machine failed on is replaced") {
  TempDir dir;
  Store store(dir.path("s"));
  for (const ExitCode code :
       {ExitCode::kOk, ExitCode::kFinding, ExitCode::kBadInput, ExitCode::kContradiction}) {
    const std::string key = std::to_string(static_cast<int>(code));
    StoredPoint first = failure(key, code, "first");
    REQUIRE(first.lasting());
    store.put({&first, 1});
    const StoredPoint second = row(key);
    store.put({&second, 1});
    CHECK(store.find(key)->error == "first");
  }
  for (const ExitCode code : {ExitCode::kMachine, ExitCode::kInternal}) {
    const std::string key = std::to_string(static_cast<int>(code));
    StoredPoint first = failure(key, code, "first");
    REQUIRE_FALSE(first.lasting());
    store.put({&first, 1});
    const StoredPoint second = row(key);
    store.put({&second, 1});
    CHECK(store.find(key)->code == ExitCode::kOk);
  }
  CHECK(store.size() == 6);
}

TEST_CASE("a file that is no store, or of a newer schema, is bad input and left alone") {
  TempDir dir;
  std::ofstream(dir.path("text")) << std::string(4096, 'x');
  CHECK_THROWS_AS(Store(dir.path("text")), InputError);
  { Database other(dir.path("other"), {"something else", 77, 1, "CREATE TABLE t (a);"}); }
  CHECK_THROWS_WITH(Store(dir.path("other")), Catch::Contains("not a store of points"));
  { Store store(dir.path("newer")); }
  sqlite3* raw = nullptr;
  REQUIRE(sqlite3_open(dir.path("newer").c_str(), &raw) == SQLITE_OK);
  REQUIRE(sqlite3_exec(raw, "PRAGMA user_version=99", nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(raw);
  CHECK_THROWS_WITH(Store(dir.path("newer")), Catch::Contains("newer athena"));
  CHECK_THROWS_AS(Store("/proc/nowhere/store"), MachineError);
}

TEST_CASE("a full disk is a machine error and loses nothing that was committed") {
  TempDir dir;
  const std::string file = dir.path("s");
  { Store(file).put(std::vector<StoredPoint>{row("before")}); }
  const pid_t child = fork();
  if (child == 0) {
    // A limit on file sizes fails writes exactly where a full disk does.
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{200000, 200000};
    setrlimit(RLIMIT_FSIZE, &limit);
    int verdict = 1;
    try {
      Store store(file);
      std::vector<StoredPoint> many;
      for (int i = 0; i < 1000; ++i)
        many.push_back(row("k" + std::to_string(i), std::string(3000, 'r')));
      store.put(many);
    } catch (const MachineError&) {
      verdict = 0;
    } catch (...) {
      verdict = 2;
    }
    _exit(verdict);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  Store store(file);
  CHECK(store.size() == 1);
  CHECK(store.find("before").has_value());
}

TEST_CASE("two open stores on one file see each other's rows") {
  TempDir dir;
  Store a(dir.path("s"));
  Store b(dir.path("s"));
  const StoredPoint one = row("one");
  const StoredPoint two = row("two");
  a.put({&one, 1});
  b.put({&two, 1});
  CHECK(a.size() == 2);
  CHECK(b.find("one").has_value());
}

TEST_CASE("a result line survives the way to text and back, a torn one is refused") {
  StoredPoint point = row("k", "{\"note\":\"line\\nbreak \\\"quoted\\\"\"}");
  const std::string line = to_line(point);
  CHECK(line.find('\n') == line.size() - 1);
  CHECK(same(stored_point_from_line(line), point));
  for (std::size_t cut = 0; cut + 2 < line.size(); ++cut) {
    REQUIRE_THROWS_AS(stored_point_from_line(line.substr(0, cut)), InputError);
  }
}
