#include "timing/link_fabric.h"

#include <catch2/catch.hpp>
#include <numeric>

#include "base/error.h"

using namespace athena;
using namespace athena::timing;
using Kind = CollectiveKind;
using Algorithm = CollectiveAlgorithm;

namespace {

config::SystemConfig system_of(config::FabricKind kind, int chips) {
  config::SystemConfig s;
  s.name = "test";
  s.chips_per_node = chips;
  s.fabric.kind = kind;
  s.fabric.efficiency = 1.0;
  s.fabric.bandwidth = BytesPerSecond(50e9);
  s.fabric.link_latency = Seconds(1e-6);
  s.fabric.links = kind == config::FabricKind::kFullyConnected ? chips - 1 : 2;
  return s;
}

std::vector<int> first_ranks(int n) {
  std::vector<int> r(static_cast<std::size_t>(n));
  std::iota(r.begin(), r.end(), 0);
  return r;
}

FabricJob job_of(Kind kind, Algorithm a, double bytes, const std::vector<int>& ranks) {
  FabricJob j;
  j.schedule = schedule_of(kind, a, bytes, ranks, ScheduleCosts{});
  return j;
}

CollectiveLibrary wire_library() {
  CollectiveLibrary l;
  l.algorithms = {"ring", "halving_doubling", "direct"};
  return l;
}

}  // namespace

TEST_CASE("one collective on an idle fabric agrees with the closed form") {
  const double bytes = 256e6;
  struct Case {
    config::FabricKind fabric;
    Kind kind;
    Algorithm algorithm;
  };
  for (const Case& c : std::vector<Case>{
           {config::FabricKind::kSwitched, Kind::kAllReduce, Algorithm::kRing},
           {config::FabricKind::kSwitched, Kind::kAllReduce, Algorithm::kDirect},
           {config::FabricKind::kSwitched, Kind::kAllReduce, Algorithm::kHalvingDoubling},
           {config::FabricKind::kSwitched, Kind::kAllToAll, Algorithm::kAuto},
           {config::FabricKind::kFullyConnected, Kind::kAllReduce, Algorithm::kDirect},
           {config::FabricKind::kFullyConnected, Kind::kAllGather, Algorithm::kDirect},
           {config::FabricKind::kFullyConnected, Kind::kAllToAll, Algorithm::kAuto}}) {
    const auto system = system_of(c.fabric, 8);
    FabricGraph graph = fabric_graph(system);
    const FabricRun run =
        run_on_fabric(graph, {job_of(c.kind, c.algorithm, bytes, first_ranks(8))});
    const auto closed =
        time_of(c.kind, Bytes(256000000), fabric_of(system), wire_library(), c.algorithm);
    INFO(name(c.kind) << " " << name(c.algorithm));
    CHECK(to_seconds(run.finish[0]).value() ==
          Approx(to_seconds(closed.total).value()).epsilon(0.05));
  }
}

TEST_CASE("all shipped fabrics carry an all-reduce, and links carry what was sent") {
  for (const char* name :
       {"dgx-a100-80gb", "dgx-1", "mi300x-8", "athena-node", "tpu-v4-4x4x4", "trn1-32xlarge"}) {
    const auto system = config::load_system(name);
    FabricGraph graph = fabric_graph(system);
    const auto job = job_of(Kind::kAllReduce, Algorithm::kRing, 64e6, first_ranks(system.chips()));
    const FabricRun run = run_on_fabric(graph, {job});
    double sent = 0;
    for (const Transfer& t : job.schedule.transfers)
      sent += t.bytes * static_cast<double>(graph.route(t.source, t.destination).size());
    double carried = 0;
    for (std::size_t l = 0; l < run.carried.size(); ++l) {
      carried += static_cast<double>(run.carried[l].value());
      REQUIRE(run.busy[l] <= run.finish[0]);
    }
    CHECK(carried == Approx(sent).epsilon(1e-6));
  }
}

TEST_CASE("collectives that share links slow each other, others do not") {
  const auto system = system_of(config::FabricKind::kSwitched, 8);
  FabricGraph graph = fabric_graph(system);
  const auto a = job_of(Kind::kAllReduce, Algorithm::kRing, 64e6, {0, 1, 2, 3});
  const auto b = job_of(Kind::kAllReduce, Algorithm::kRing, 64e6, {4, 5, 6, 7});
  const Time alone = run_on_fabric(graph, {a}).finish[0];
  const FabricRun apart = run_on_fabric(graph, {a, b});
  CHECK(apart.finish[0] == alone);
  CHECK(apart.finish[1] == alone);
  const FabricRun shared = run_on_fabric(graph, {a, a});
  for (const Time t : shared.finish) {
    CHECK(t / alone > 1.8);
    CHECK(t / alone < 2.05);
  }
}

TEST_CASE("a late rank holds its ring up by as much as it is late") {
  FabricGraph graph = fabric_graph(system_of(config::FabricKind::kSwitched, 4));
  FabricJob job = job_of(Kind::kAllReduce, Algorithm::kRing, 1e6, first_ranks(4));
  const Time on_time = run_on_fabric(graph, {job}).finish[0];
  const Time late = to_time(Seconds(50e-6));
  job.skew = {Time(0), Time(0), late, Time(0)};
  const Time with_straggler = run_on_fabric(graph, {job}).finish[0];
  CHECK((with_straggler - on_time) / late == Approx(1.0).epsilon(0.01));
}

TEST_CASE("messages that nothing unlocks are a contradiction that names the ranks") {
  FabricGraph graph = fabric_graph(system_of(config::FabricKind::kSwitched, 2));
  FabricJob job = job_of(Kind::kAllReduce, Algorithm::kRing, 1e6, first_ranks(2));
  // Rank 0 waits for rank 1's answer before it sends: both wait for ever.
  job.schedule.transfers[0].waits_for = 1;
  job.schedule.transfers[1].waits_for = 1;
  CHECK_THROWS_AS(run_on_fabric(graph, {job}), Contradiction);
  CHECK_THROWS_WITH(run_on_fabric(graph, {job}),
                    Catch::Matchers::Contains("chip 0") && Catch::Matchers::Contains("waits for"));
}

TEST_CASE("a dead link is routed around, a missing one is refused") {
  FabricGraph ring = fabric_graph(system_of(config::FabricKind::kRing, 6));
  CHECK(ring.route(0, 1).size() == 1);
  ring.remove_link(0, 1);
  CHECK(ring.route(0, 1).size() == 5);
  ring.remove_link(3, 4);
  CHECK_THROWS_WITH(ring.route(0, 1), Catch::Matchers::Contains("a link is missing"));
  CHECK_THROWS_AS(ring.remove_link(0, 3), InputError);
}

TEST_CASE("a switch that stores and forwards whole chunks costs each chunk twice") {
  FabricGraph graph = fabric_graph(system_of(config::FabricKind::kSwitched, 4));
  const auto job = job_of(Kind::kAllGather, Algorithm::kRing, 400e6, first_ranks(4));
  const Time pipelined = run_on_fabric(graph, {job}).finish[0];
  const Time stored = run_on_fabric(graph, {job}, Forwarding::kStoreAndForward).finish[0];
  CHECK(stored / pipelined == Approx(2.0).epsilon(0.05));
}

TEST_CASE("schedules are refused where the algorithm does not exist") {
  CHECK_THROWS_AS(schedule_of(Kind::kAllReduce, Algorithm::kHalvingDoubling, 1e6, {0, 1, 2}, {}),
                  InputError);
  CHECK_THROWS_AS(schedule_of(Kind::kAllReduce, Algorithm::kRing, 1e6, {0}, {}), InputError);
  CHECK_THROWS_AS(schedule_of(Kind::kAllReduce, Algorithm::kTree, 1e6, {0, 1}, {}), InputError);
}
