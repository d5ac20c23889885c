#include "timing/noc_topology.h"

#include <catch2/catch.hpp>
#include <set>

#include "base/error.h"
#include "timing/noc_deadlock.h"

using namespace athena;
using namespace athena::timing;
using config::NocKind;

namespace {

NocSpec spec_of(NocKind kind, int rows, int cols, int per_router = 1) {
  NocSpec spec;
  spec.kind = kind;
  spec.rows = rows;
  spec.cols = cols;
  spec.terminals_per_router = per_router;
  return spec;
}

std::vector<NocSpec> assorted() {
  std::vector<NocSpec> specs = {spec_of(NocKind::kMesh, 4, 4),
                                spec_of(NocKind::kMesh, 3, 5, 2),
                                spec_of(NocKind::kTorus, 4, 4),
                                spec_of(NocKind::kTorus, 3, 5),
                                spec_of(NocKind::kTorus, 2, 2),
                                spec_of(NocKind::kCrossbar, 1, 9),
                                spec_of(NocKind::kHierarchical, 2, 3, 4),
                                spec_of(NocKind::kMesh, 1, 6)};
  NocSpec extra = spec_of(NocKind::kHierarchical, 2, 2, 2);
  extra.extra_terminals = {0, 3, 3};
  specs.push_back(extra);
  extra.kind = NocKind::kMesh;
  specs.push_back(extra);
  NocSpec turn = spec_of(NocKind::kMesh, 4, 3);
  turn.routing = NocRouting::kO1Turn;
  specs.push_back(turn);
  return specs;
}

int ring_distance(int a, int b, int size, bool wraps) {
  const int d = std::abs(a - b);
  return wraps ? std::min(d, size - d) : d;
}

/// Every link starts where the one before ended, from the source's terminal to the destination's.
void require_connected(const Topology& t, std::span<const LinkId> path, int source,
                       int destination) {
  REQUIRE(path.size() >= 2);
  REQUIRE(path.front() == t.injection(source));
  REQUIRE(path.back() == t.ejection(destination));
  for (std::size_t i = 0; i + 1 < path.size(); ++i)
    REQUIRE(t.link(path[i]).to_router == t.link(path[i + 1]).from_router);
}

}  // namespace

TEST_CASE("routes are connected and minimal on every topology") {
  for (const NocSpec& spec : assorted()) {
    const Topology t(spec);
    for (int v = 0; v < t.variants(); ++v) {
      for (int s = 0; s < t.terminals(); ++s) {
        for (int d = 0; d < t.terminals(); ++d) {
          const auto path = t.path(s, d, v);
          require_connected(t, path, s, d);
          if (spec.kind != NocKind::kMesh && spec.kind != NocKind::kTorus) continue;
          const bool wraps = spec.kind == NocKind::kTorus;
          const int a = t.router_of(s);
          const int b = t.router_of(d);
          const int hops = ring_distance(a % spec.cols, b % spec.cols, spec.cols, wraps) +
                           ring_distance(a / spec.cols, b / spec.cols, spec.rows, wraps);
          REQUIRE(static_cast<int>(path.size()) == hops + 2);
        }
      }
    }
  }
}

TEST_CASE("local traffic of a hierarchical network stays on its cluster's crossbar") {
  const Topology t(spec_of(NocKind::kHierarchical, 2, 2, 4));
  CHECK(t.path(0, 3).size() == 2);
  CHECK(t.path(0, 4).size() == 5);  // up, across, down between injection and ejection
}

TEST_CASE("ties of an even torus are spread over both directions") {
  const Topology t(spec_of(NocKind::kTorus, 4, 4));
  REQUIRE(t.variants() == 4);
  CHECK(t.path(0, 2, 0)[1] != t.path(0, 2, 1)[1]);
  std::set<LinkId> first;
  for (int s = 0; s < 4; ++s) first.insert(t.path(s, (s + 2) % 4)[1]);
  CHECK(first.size() == 4);  // no first link is used by two tied sources of a row
}

TEST_CASE("multicast trees reach every destination once, parents first") {
  for (const NocSpec& spec : assorted()) {
    const Topology t(spec);
    std::vector<int> all;
    for (int d = 0; d < t.terminals(); ++d) all.push_back(d);
    for (int s = 0; s < t.terminals(); ++s) {
      const auto tree = t.multicast_tree(s, all);
      std::set<LinkId> links;
      std::set<int> reached;
      for (std::size_t i = 0; i < tree.size(); ++i) {
        REQUIRE(links.insert(tree[i].link).second);
        REQUIRE(tree[i].parent < static_cast<int>(i));
        const NocLink& link = t.link(tree[i].link);
        if (tree[i].parent < 0) {
          REQUIRE(tree[i].link == t.injection(s));
        } else {
          const LinkId before = tree[static_cast<std::size_t>(tree[i].parent)].link;
          REQUIRE(t.link(before).to_router == link.from_router);
        }
        if (link.kind == NocLink::Kind::kEject) reached.insert(link.terminal);
      }
      REQUIRE(static_cast<int>(reached.size()) == t.terminals() - 1);
    }
  }
}

TEST_CASE("a dead link is routed around, without deadlock") {
  for (const auto kind : {NocKind::kMesh, NocKind::kTorus}) {
    NocSpec spec = spec_of(kind, 4, 4);
    spec.dead_links = {{1, 5}, {6, 7}, {8, 9}};
    const Topology t(spec);
    for (int s = 0; s < 16; ++s) {
      for (int d = 0; d < 16; ++d) {
        require_connected(t, t.path(s, d), s, d);
        for (const LinkId l : t.path(s, d)) {
          const NocLink& link = t.link(l);
          for (const auto& [a, b] : spec.dead_links) {
            REQUIRE_FALSE((link.from_router == a && link.to_router == b));
            REQUIRE_FALSE((link.from_router == b && link.to_router == a));
          }
        }
      }
    }
    CHECK(dependency_cycle(t).empty());
  }
}

TEST_CASE("dead links that cut terminals off name them") {
  NocSpec spec = spec_of(NocKind::kMesh, 2, 2);
  spec.dead_links = {{0, 1}, {0, 2}};
  CHECK_THROWS_WITH(Topology(spec), Catch::Matchers::Contains("terminal 3 at router 3"));
  spec.dead_links = {{0, 3}};
  CHECK_THROWS_WITH(Topology(spec), Catch::Matchers::Contains("no link between routers 0 and 3"));
}

TEST_CASE("without rerouting, the pairs that a dead link parts are listed") {
  NocSpec spec = spec_of(NocKind::kMesh, 3, 3);
  spec.reroute = false;
  spec.dead_links = {{0, 1}};
  // x first: whoever crosses from column 0 to the others in row 0, both ways.
  CHECK_THROWS_WITH(Topology(spec), Catch::Matchers::Contains("noc.dead_links: 12 pairs") &&
                                        Catch::Matchers::Contains("0 -> 1, 0 -> 2") &&
                                        Catch::Matchers::Contains("and 4 more"));
  spec.reroute = true;
  CHECK_NOTHROW(Topology(spec));
  spec.dead_links.clear();
  spec.reroute = false;
  CHECK_NOTHROW(Topology(spec));
}

TEST_CASE("what a chip says of its network is what is built") {
  config::ChipConfig chip;
  chip.noc.routing = NocRouting::kO1Turn;
  chip.noc.message_classes = 2;
  chip.noc.virtual_channels = 8;
  chip.noc.buffer_flits = 5;
  chip.noc.switching = config::SwitchPolicy::kFlit;
  const NocSpec spec = noc_spec(chip);
  CHECK(spec.routing == NocRouting::kO1Turn);
  CHECK(spec.message_classes == 2);
  CHECK(spec.virtual_channels == 8);
  CHECK(spec.buffer_flits == 5);
  CHECK(spec.switching == config::SwitchPolicy::kFlit);
  CHECK(Topology(spec).variants() == 2);
  chip.noc.dead_links = {{0, 1}};
  chip.noc.reroute = false;
  CHECK_THROWS_WITH(Topology(noc_spec(chip)), Catch::Matchers::Contains("0 -> 1"));
  chip.noc.reroute = true;
  CHECK_NOTHROW(Topology(noc_spec(chip)));
}

TEST_CASE("impossible networks are refused with the key") {
  const auto refuses = [](NocSpec spec, const std::string& key) {
    CHECK_THROWS_AS(Topology(spec), InputError);
    CHECK_THROWS_WITH(Topology(spec), Catch::Matchers::Contains("noc." + key));
  };
  NocSpec spec;
  spec.rows = 0;
  refuses(spec, "rows");
  spec = {};
  spec.virtual_channels = 0;
  refuses(spec, "virtual_channels");
  spec = {};
  spec.message_classes = 3;
  refuses(spec, "virtual_channels");
  spec = {};
  spec.buffer_flits = 0;
  refuses(spec, "buffer_flits");
  spec = {};
  spec.extra_terminals = {16};
  refuses(spec, "memory_ports");
  spec = spec_of(NocKind::kTorus, 4, 4);
  spec.routing = NocRouting::kO1Turn;
  refuses(spec, "routing");
}

TEST_CASE("thin networks are warned about, shipped sizes are not") {
  CHECK(noc_warnings(NocSpec{}).empty());
  NocSpec thin;
  thin.virtual_channels = 1;
  thin.buffer_flits = 4;
  const auto warnings = noc_warnings(thin);
  REQUIRE(warnings.size() == 2);
  CHECK(warnings[0].find("buffer_flits") != std::string::npos);
  CHECK(warnings[1].find("virtual_channels") != std::string::npos);
}

TEST_CASE("a chip's network has a terminal per core and per memory channel") {
  config::ChipConfig chip;
  chip.cluster.count = 16;
  chip.cluster.cores = 4;
  chip.links.count = 12;
  const NocSpec spec = noc_spec(chip);
  const NocTerminals where = noc_terminals(chip);
  const Topology t(spec);
  CHECK(where.first_memory == 64);
  CHECK(where.memory_channels == 32);
  CHECK(where.links == 96);
  CHECK(t.terminals() == 97);
  for (int core = 0; core < 64; ++core) CHECK(t.router_of(core) == core / 4);
  for (int c = 0; c < 32; ++c) CHECK(t.router_of(64 + c) % 4 % 3 == 0);  // edge columns
}
