#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "timing/link_fabric.h"

namespace athena::timing {
namespace {

using config::FabricKind;
using config::SystemConfig;

void connect_domain(FabricGraph& graph, const SystemConfig& system, int first, int count) {
  const config::FabricConfig& f = system.fabric;
  const double link = f.bandwidth.value() * f.efficiency;
  const double hop = f.link_latency.value();
  switch (f.kind) {
    case FabricKind::kSwitched: {
      // The planes act as one: traffic is spread over them evenly.
      const int hub = graph.add_switch();
      const double half = (hop + f.switch_latency.value()) / 2;
      for (int c = 0; c < count; ++c) graph.connect(first + c, hub, f.links * link, half);
      return;
    }
    case FabricKind::kFullyConnected:
      for (int a = 0; a < count; ++a)
        for (int b = a + 1; b < count; ++b)
          graph.connect(first + a, first + b, f.links_per_peer * link, hop);
      return;
    case FabricKind::kRing:
      for (int a = 0; a < count && count > 1; ++a)
        if (count > 2 || a == 0)
          graph.connect(first + a, first + (a + 1) % count, f.links * link / 2, hop);
      return;
    case FabricKind::kTorus: {
      int lanes = 0;
      for (const int d : f.dims) lanes += d > 2 ? 2 : (d == 2 ? 1 : 0);
      const double lane = f.links * link / std::max(lanes, 1);
      for (int c = 0; c < count; ++c) {
        int stride = 1;
        for (const int d : f.dims) {
          const int position = c / stride % d;
          const int next = c + ((position + 1) % d - position) * stride;
          if (d > 2 || (d == 2 && position == 0)) graph.connect(first + c, first + next, lane, hop);
          stride *= d;
        }
      }
      return;
    }
    case FabricKind::kCubeMesh:
      // Two quads; inside one, the pairs (0,3) and (1,2) have two link groups, the rest one; each
      // chip has two to its partner in the other quad.
      for (int quad = 0; quad < 2; ++quad)
        for (int a = 0; a < 4; ++a)
          for (int b = a + 1; b < 4; ++b)
            graph.connect(first + 4 * quad + a, first + 4 * quad + b,
                          f.links * link / 6 * (a + b == 3 ? 2 : 1), hop);
      for (int a = 0; a < 4; ++a)
        graph.connect(first + a, first + 4 + a, f.links * link / 6 * 2, hop);
      return;
  }
}

/// Takes the dead links out and says what that cuts off.
void break_links(FabricGraph& graph, const SystemConfig& system) {
  if (system.fabric.dead_links.empty()) return;
  const int domain = system.domain_chips();
  for (const config::DeadLink& link : system.fabric.dead_links) {
    // Switches of a domain follow the chips, one per domain.
    const int to = link.to >= 0 ? link.to : graph.chips() + link.from / std::max(domain, 1);
    graph.remove_link(link.from, to);
  }
  constexpr std::size_t kNamed = 8;
  const auto cut = unreachable_pairs(graph, kNamed + 1);
  if (cut.empty()) return;
  std::vector<std::string> pairs;
  for (std::size_t i = 0; i < std::min(cut.size(), kNamed); ++i)
    pairs.push_back(fmt::format("{} and {}", cut[i].first, cut[i].second));
  throw InputError(fmt::format("system '{}': fabric.dead_links cut off chips {}{}.", system.name,
                               join(pairs, ", "), cut.size() > kNamed ? ", ..." : ""));
}

FabricGraph whole_graph(const SystemConfig& system) {
  config::require_consistent(system);
  const int domain = system.domain_chips();
  const int chips = std::max(system.chips(), domain);
  FabricGraph graph(chips);
  for (int first = 0; first < chips; first += domain) connect_domain(graph, system, first, domain);
  if (chips == domain) return graph;
  const config::NetworkConfig& n = system.network;
  // Each chip's share of the NICs of its node, and the network as one switch.
  const double rate = n.nics * n.bandwidth.value() * n.efficiency / system.chips_per_node;
  const int core = graph.add_switch();
  for (int c = 0; c < chips; ++c) graph.connect(c, core, rate, n.latency.value() / 2);
  return graph;
}

}  // namespace

std::vector<std::pair<int, int>> unreachable_pairs(FabricGraph& graph, std::size_t limit) {
  std::vector<std::pair<int, int>> pairs;
  for (int a = 0; a < graph.chips(); ++a) {
    for (int b = a + 1; b < graph.chips() && pairs.size() < limit; ++b) {
      if (!graph.joined(a, b)) pairs.emplace_back(a, b);
    }
  }
  return pairs;
}

FabricGraph fabric_graph(const SystemConfig& system) {
  FabricGraph graph = whole_graph(system);
  break_links(graph, system);
  return graph;
}

}  // namespace athena::timing
