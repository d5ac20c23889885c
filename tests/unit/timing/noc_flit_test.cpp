#include "timing/noc_flit.h"

#include <catch2/catch.hpp>
#include <map>

#include "base/error.h"
#include "base/rng.h"
#include "timing/noc_traffic.h"

using namespace athena;
using namespace athena::timing;
using config::NocKind;
using config::SwitchPolicy;

namespace {

std::vector<NocSpec> small_networks() {
  std::vector<NocSpec> specs;
  for (const auto kind :
       {NocKind::kMesh, NocKind::kTorus, NocKind::kCrossbar, NocKind::kHierarchical}) {
    for (const auto policy : {SwitchPolicy::kPacket, SwitchPolicy::kFlit}) {
      NocSpec spec;
      spec.kind = kind;
      spec.rows = 3;
      spec.cols = kind == NocKind::kCrossbar ? 2 : 3;
      spec.terminals_per_router = kind == NocKind::kHierarchical ? 2 : 1;
      spec.switching = policy;
      spec.flit_bytes = 1;
      spec.clock = Hertz(kFemtosecondsPerSecond);
      specs.push_back(spec);
    }
  }
  return specs;
}

}  // namespace

TEST_CASE("an uncontended packet takes exactly the closed form, for any pipeline") {
  for (NocSpec spec : small_networks()) {
    for (const int router : {1, 2, 3, 4}) {
      for (const int wire : {1, 2}) {
        spec.router_cycles = router;
        spec.link_cycles = wire;
        const Topology t(spec);
        FlitNetwork net(t);
        for (int s = 0; s < t.terminals(); ++s) {
          for (int d = 0; d < t.terminals(); d += 3) {
            const std::int64_t start = net.cycle();
            net.offer(s, d, 5, 0, start);
            while (!net.idle()) net.step();
            REQUIRE(net.deliveries().size() == 1);
            REQUIRE(net.deliveries()[0].delivered - start == t.zero_load_cycles(s, d, 5));
            net.deliveries().clear();
            net.skip_to(net.cycle() + 20);
          }
        }
      }
    }
  }
}

TEST_CASE("the mesh's zero-load latency is 6 + 4 per further router + flits - 1") {
  NocSpec spec;
  const Topology t(spec);
  for (int d = 0; d < 16; ++d) CHECK(t.zero_load_cycles(0, d, 5) == 6 + 4 * (d % 4 + d / 4) + 4);
}

TEST_CASE("every packet arrives once, whole, at its destination") {
  Rng rng(3);
  for (const NocSpec& spec : small_networks()) {
    const Topology t(spec);
    FlitNetwork net(t);
    std::map<std::int64_t, int> destination;
    std::int64_t flits = 0;
    std::int64_t hops = 0;
    for (int i = 0; i < 600; ++i) {
      const auto n = static_cast<std::uint64_t>(t.terminals());
      const int s = static_cast<int>(rng.below(n));
      const int d = static_cast<int>(rng.below(n));
      const int size = 1 + static_cast<int>(rng.below(24));  // beyond the buffers' depth too
      net.offer(s, d, size, i, net.cycle());
      destination[i] = d;
      flits += size;
      hops += size * (static_cast<std::int64_t>(t.path(s, d).size()) - 1);
      if (i % 7 == 0) net.step();
    }
    while (!net.idle()) net.step();
    REQUIRE(net.deliveries().size() == 600);
    for (const NocDelivery& p : net.deliveries()) {
      REQUIRE(destination.erase(p.tag) == 1);
      REQUIRE(p.delivered - p.created >= t.zero_load_cycles(p.source, p.destination, p.flits));
      flits -= p.flits;
    }
    CHECK(flits == 0);
    CHECK(net.flit_hops() == hops);
  }
}

TEST_CASE("reset gives the network of a fresh process") {
  NocSpec spec;
  const Topology t(spec);
  FlitNetwork net(t);
  const auto run = [&] {
    Rng rng(5);
    for (int i = 0; i < 200; ++i)
      net.offer(static_cast<int>(rng.below(16)), static_cast<int>(rng.below(16)), 5, i, 0);
    while (!net.idle()) net.step();
    std::vector<std::int64_t> out;
    for (const NocDelivery& d : net.deliveries()) out.push_back(d.tag * 100000 + d.delivered);
    return out;
  };
  const auto first = run();
  net.reset();
  CHECK(run() == first);
}

TEST_CASE("classes keep replies moving when requests are stuck behind a hotspot") {
  NocSpec spec;
  spec.message_classes = 2;
  const Topology t(spec);
  FlitNetwork net(t);
  for (int s = 1; s < 16; ++s)
    for (int i = 0; i < 40; ++i) net.offer(s, 0, 16, 0, 0, -1, 0);
  for (int i = 0; i < 400; ++i) net.step();  // the requests fill every buffer towards terminal 0
  net.deliveries().clear();
  const std::int64_t start = net.cycle();
  net.offer(0, 15, 4, 1, start, -1, 1);
  while (net.deliveries().empty() || net.deliveries().back().tag != 1) {
    REQUIRE(net.cycle() - start < 1000);
    net.step();
  }
  CHECK(net.cycle() - start < 2 * t.zero_load_cycles(0, 15, 4));
}

TEST_CASE("a router too wide for the detailed tier is refused with a remedy") {
  NocSpec spec;
  spec.kind = NocKind::kCrossbar;
  spec.rows = 1;
  spec.cols = 40;
  CHECK_THROWS_WITH(FlitNetwork(Topology(spec)),
                    Catch::Matchers::Contains("--fidelity transaction"));
}

TEST_CASE("below saturation what is offered is accepted; beyond it less") {
  NocSpec spec;
  spec.switching = SwitchPolicy::kFlit;
  const Topology t(spec);
  NocLoad load;
  load.warmup = 2000;
  load.measure = 10000;
  double latency = 0;
  for (const double rate : {0.1, 0.3, 0.5, 0.7}) {
    load.rate = rate;
    const NocMeasurement m = measure_flits(t, load);
    CHECK(m.accepted == Approx(rate).epsilon(0.03));
    CHECK_FALSE(m.saturated);
    CHECK(m.latency > latency);
    latency = m.latency;
  }
  load.rate = 0.99;
  load.patience = 0;
  const NocMeasurement over = measure_flits(t, load);
  CHECK(over.saturated);
  // BookSim saturates this mesh at 0.77.
  CHECK(over.accepted == Approx(0.77).epsilon(0.03));
}
