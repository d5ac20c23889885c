#include "timing/noc_deadlock.h"

#include <catch2/catch.hpp>

#include "base/error.h"
#include "base/rng.h"
#include "timing/noc_traffic.h"

using namespace athena;
using namespace athena::timing;
using config::NocKind;

namespace {

NocSpec ring_spec(int virtual_channels) {
  NocSpec spec;
  spec.kind = NocKind::kTorus;
  spec.rows = 1;
  spec.cols = 8;
  spec.virtual_channels = virtual_channels;
  spec.buffer_flits = 2;
  spec.switching = config::SwitchPolicy::kFlit;
  return spec;
}

}  // namespace

TEST_CASE("shipped topologies and routings are free of deadlock") {
  for (const auto kind :
       {NocKind::kMesh, NocKind::kTorus, NocKind::kCrossbar, NocKind::kHierarchical}) {
    for (const int classes : {1, 2}) {
      NocSpec spec;
      spec.kind = kind;
      spec.rows = 4;
      spec.cols = 5;
      spec.message_classes = classes;
      spec.terminals_per_router = 2;
      INFO("kind " << static_cast<int>(kind) << " classes " << classes);
      CHECK(dependency_cycle(Topology(spec)).empty());
    }
  }
  NocSpec turn;
  turn.routing = NocRouting::kO1Turn;
  CHECK(dependency_cycle(Topology(turn)).empty());
}

TEST_CASE("random dead links leave a network free of deadlock") {
  Rng rng(7);
  for (int trial = 0; trial < 10; ++trial) {
    NocSpec spec;
    const Topology whole(spec);
    for (int i = 0; i < 4; ++i) {
      const NocLink& l = whole.link(
          static_cast<LinkId>(rng.below(static_cast<std::uint64_t>(whole.link_count()))));
      if (l.kind == NocLink::Kind::kNetwork)
        spec.dead_links.emplace_back(l.from_router, l.to_router);
    }
    if (spec.dead_links.empty()) continue;
    try {
      CHECK(dependency_cycle(Topology(spec)).empty());
    } catch (const InputError&) {
      SUCCEED("the dead links cut the network");
    }
  }
}

TEST_CASE("a torus without a dateline is refused, and the cycle closes") {
  const Topology t(ring_spec(1));
  const auto cycle = dependency_cycle(t);
  REQUIRE(cycle.size() >= 3);
  for (std::size_t i = 0; i < cycle.size(); ++i) {
    const NocLink& a = t.link(cycle[i].link);
    const NocLink& b = t.link(cycle[(i + 1) % cycle.size()].link);
    CHECK(a.to_router == b.from_router);
  }
  CHECK_THROWS_WITH(require_deadlock_free(t), Catch::Matchers::Contains("router 0 -> router 1") &&
                                                  Catch::Matchers::Contains("virtual_channels"));
  NocSpec turn;
  turn.routing = NocRouting::kO1Turn;
  turn.virtual_channels = 1;
  CHECK_THROWS_AS(require_deadlock_free(Topology(turn)), InputError);
}

TEST_CASE("what the proof refuses does deadlock, and the watchdog says who waits") {
  NocLoad load;
  load.pattern = NocPattern::kTornado;
  load.packet_flits = 16;
  load.rate = 0.9;
  load.warmup = 0;
  load.measure = 40000;
  CHECK_THROWS_WITH(
      measure_flits(Topology(ring_spec(1)), load),
      Catch::Matchers::Contains("deadlocked") && Catch::Matchers::Contains("waits for"));
  CHECK_NOTHROW(measure_flits(Topology(ring_spec(2)), load));
}
