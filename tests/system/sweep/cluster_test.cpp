/// The same sweep on a Slurm cluster started for the test; skipped loudly where Slurm is not there.
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>

#include "jobs/command.h"
#include "system/sweep/probe.h"
#include "unit/jobs/test_evaluator.h"

using namespace athena;
using namespace athena::test;
using athena::jobs::run_command;
using athena::jobs::testing::TempDir;

namespace {

const std::string kSpace = R"(name: clustered
fixed: {on: test-chip, model: m, phase: decode, fidelity: transaction, chip.test.spin_us: 20000}
axes:
  chip.array: [16, 32, 64, 128]
  batch: {from: 1, to: 25, step: 1}
objectives:
  - minimise: cost.manufacturing_usd
  - maximise: tokens_per_s
)";

const std::string kScript = std::string(ATHENA_SOURCE_DIR) + "/scripts/slurm-local";

/// A cluster of two emulated nodes, in a folder of its own.
class Cluster {
 public:
  explicit Cluster(const TempDir& dir) {
    setenv("ATHENA_SLURM_LOCAL", dir.path("slurm").c_str(), 1);
    unsetenv("SLURM_CONF");
    const auto started = run_command({kScript, "start"});
    up_ = started.exit_code == 0;
    if (!up_) WARN("SKIPPED, no Slurm here: " << started.text);
    setenv("SLURM_CONF", dir.path("slurm/slurm.conf").c_str(), 1);
  }
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;
  ~Cluster() {
    if (up_) static_cast<void>(run_command({kScript, "stop"}));
  }
  [[nodiscard]] bool up() const { return up_; }

 private:
  bool up_ = false;
};

std::string table(const std::string& folder, const std::string& sweep) {
  return probe(folder, {"show", sweep, "--csv"}).out;
}

}  // namespace

TEST_CASE("without Slurm the cluster engine says so") {
  TempDir dir;
  write_text(dir.path("space.yaml"), kSpace);
  const std::string path = getenv("PATH");
  setenv("PATH", "/nonexistent", 1);
  const ProbeOutput output = probe(dir.root(), {"space.yaml", "--out", "s/x", "--engine", "slurm"});
  setenv("PATH", path.c_str(), 1);
  CHECK(output.exit_code == 4);
  CHECK_THAT(output.err, Catch::Contains("no Slurm on this machine"));
}

TEST_CASE("a cluster gives the same table as this machine, whatever is killed on the way") {
  TempDir dir;
  const Cluster cluster(dir);
  if (!cluster.up()) return;
  write_text(dir.path("space.yaml"), kSpace);
  REQUIRE(probe(dir.root(), {"space.yaml", "--out", "local/x"}).exit_code == 0);
  const std::string expected = table(dir.root(), "local/x");

  SECTION("undisturbed") {
    const auto json =
        json_of(probe(dir.root(), {"space.yaml", "--out", "s/x", "--engine", "slurm", "--json"}));
    CHECK(json["points"] == 100);
    CHECK(json["cached"] == 0);
    CHECK(table(dir.root(), "s/x") == expected);
  }
  SECTION("the parent is killed, its job goes on, the next parent collects it") {
    const pid_t parent =
        start_probe(dir.root(), {"space.yaml", "--out", "s/x", "--engine", "slurm"});
    sleep(2);
    ::kill(parent, SIGKILL);
    wait_probe(parent);
    sleep(3);
    const auto json = json_of(probe(
        dir.root(), {"space.yaml", "--out", "s/x", "--engine", "slurm", "--resume", "--json"}));
    CHECK(json["cached"].get<int>() > 0);
    CHECK(table(dir.root(), "s/x") == expected);
  }
  SECTION("the job is cancelled behind our back: what is missing is submitted again") {
    const pid_t parent =
        start_probe(dir.root(), {"space.yaml", "--out", "s/x", "--engine", "slurm"});
    sleep(2);
    static_cast<void>(run_command({"scancel", "--name=athena-sweep"}));
    CHECK(wait_probe(parent) == 0);
    CHECK(table(dir.root(), "s/x") == expected);
  }
  SECTION("the controller is killed and comes back without memory") {
    const pid_t parent =
        start_probe(dir.root(), {"space.yaml", "--out", "s/x", "--engine", "slurm"});
    sleep(2);
    const auto pid = run_command({"cat", dir.path("slurm/slurmctld.pid")});
    ::kill(static_cast<pid_t>(std::strtol(pid.text.c_str(), nullptr, 10)), SIGKILL);
    sleep(1);
    setenv("PATH", (std::string(getenv("PATH")) + ":/usr/sbin").c_str(), 1);
    CHECK(run_command({"slurmctld", "-c"}).exit_code == 0);
    CHECK(wait_probe(parent) == 0);
    CHECK(table(dir.root(), "s/x") == expected);
  }
}
