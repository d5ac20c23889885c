#include "timing/router_mesh.h"

#include <catch2/catch.hpp>
#include <map>

#include "base/rng.h"

namespace {
using namespace athena;
using namespace athena::timing;

RouterMesh mesh(int width, int height, bool hold) {
  return {width, height, 8, 1, [hold](int) {
            return std::make_unique<RouterStep>(RouterRtlParams{8, hold});
          }};
}

/// Cycles from the offer of one packet on an idle mesh to its tail.
int alone(RouterMesh& network, MeshTerminal from, MeshTerminal to, int flits) {
  network.offer(from, to, flits, 7);
  for (int cycle = 0;; ++cycle) {
    REQUIRE(cycle < 1000);
    network.step();
    for (const MeshEjection& out : network.ejections()) {
      REQUIRE(out.flit.payload == 7);
      REQUIRE(out.at.router == to.router);
      REQUIRE(out.at.side == to.side);
      if (out.flit.tail) return cycle;
    }
  }
}
}  // namespace

// Four cycles a router, one more in the register of each wire, a flit a cycle behind the head.
TEST_CASE("an uncontended packet takes five cycles per hop and one per flit") {
  RouterMesh network = mesh(3, 3, true);
  for (int from = 0; from < 9; ++from) {
    for (int to = 0; to < 9; ++to) {
      const int hops = std::abs(from % 3 - to % 3) + std::abs(from / 3 - to / 3);
      for (const int flits : {1, 5}) {
        CHECK(alone(network, {from, MeshSide::kLocal}, {to, MeshSide::kLocal}, flits) ==
              5 * hops + 4 + flits);
        CHECK(network.idle());
      }
    }
  }
}

TEST_CASE("terminals outside the first and the last row are reached from every core and reach it") {
  RouterMesh network = mesh(2, 2, true);
  for (int core = 0; core < 4; ++core) {
    for (int router = 0; router < 4; ++router) {
      const MeshTerminal outer{router, router < 2 ? MeshSide::kSouth : MeshSide::kNorth};
      const int hops = std::abs(core % 2 - router % 2) + std::abs(core / 2 - router / 2);
      CHECK(alone(network, {core, MeshSide::kLocal}, outer, 4) == 5 * hops + 8);
      CHECK(alone(network, outer, {core, MeshSide::kLocal}, 4) == 5 * hops + 8);
    }
  }
}

TEST_CASE("under load every packet comes out whole, in order, where it should") {
  for (const bool hold : {false, true}) {
    RouterMesh network = mesh(2, 2, hold);
    Rng rng(71);
    struct Sent {
      MeshTerminal to;
      int flits = 0, seen = 0;
    };
    std::vector<Sent> sent;
    std::size_t whole = 0;
    for (int cycle = 0; cycle < 6000 || !network.idle(); ++cycle) {
      REQUIRE(cycle < 100'000);
      if (cycle < 6000 && rng.chance(0.4)) {
        const auto terminal = [&]() -> MeshTerminal {
          const int router = static_cast<int>(rng.below(4));
          if (rng.chance(0.5)) return {router, MeshSide::kLocal};
          return {router, router < 2 ? MeshSide::kSouth : MeshSide::kNorth};
        };
        const MeshTerminal from = terminal();
        Sent s;
        s.to = terminal();
        s.flits = static_cast<int>(1 + rng.below(16));
        network.offer(from, s.to, s.flits, static_cast<std::uint32_t>(sent.size()));
        sent.push_back(s);
      }
      network.step();
      for (const MeshEjection& out : network.ejections()) {
        Sent& s = sent.at(out.flit.payload);
        REQUIRE(out.at.router == s.to.router);
        REQUIRE(out.at.side == s.to.side);
        REQUIRE(out.flit.head == (s.seen == 0));
        ++s.seen;
        REQUIRE(out.flit.tail == (s.seen == s.flits));
        whole += out.flit.tail ? 1 : 0;
      }
    }
    CHECK(whole == sent.size());
  }
}
