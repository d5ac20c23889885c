#include "timing/noc_deadlock.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace athena::timing {
namespace {

/// Channels are numbered link * vcs + vc: single virtual channels, so that overlapping ranges are
/// seen as the same resource.
class DependencyGraph {
 public:
  explicit DependencyGraph(const Topology& topology)
      : vcs_(topology.spec().virtual_channels),
        next_(static_cast<std::size_t>(topology.link_count() * vcs_)) {
    for (int mc = 0; mc < topology.spec().message_classes; ++mc)
      for (int v = 0; v < topology.variants(); ++v)
        for (int s = 0; s < topology.terminals(); ++s)
          for (int d = 0; d < topology.terminals(); ++d) add(topology.route(s, d, v, mc));
    for (auto& out : next_) unique(out);
  }

  /// Channels of one cycle, in order; empty when the graph is acyclic.
  [[nodiscard]] std::vector<int> cycle() const {
    enum : char { kNew, kOpen, kDone };
    std::vector<char> state(next_.size(), kNew);
    std::vector<std::pair<int, std::size_t>> stack;
    for (std::size_t root = 0; root < next_.size(); ++root) {
      if (state[root] != kNew) continue;
      stack.assign(1, {static_cast<int>(root), 0});
      state[root] = kOpen;
      while (!stack.empty()) {
        auto& [node, edge] = stack.back();
        const auto& out = next_[static_cast<std::size_t>(node)];
        if (edge == out.size()) {
          state[static_cast<std::size_t>(node)] = kDone;
          stack.pop_back();
          continue;
        }
        const int to = out[edge++];
        if (state[static_cast<std::size_t>(to)] == kOpen) return unwind(stack, to);
        if (state[static_cast<std::size_t>(to)] == kNew) {
          state[static_cast<std::size_t>(to)] = kOpen;
          stack.emplace_back(to, 0);
        }
      }
    }
    return {};
  }

 private:
  void add(const std::vector<RouteHop>& hops) {
    for (std::size_t i = 0; i + 1 < hops.size(); ++i)
      for (int a = hops[i].vc_begin; a < hops[i].vc_end; ++a)
        for (int b = hops[i + 1].vc_begin; b < hops[i + 1].vc_end; ++b)
          insert(hops[i].link * vcs_ + a, hops[i + 1].link * vcs_ + b);
  }
  void insert(int from, int to) {
    auto& out = next_[static_cast<std::size_t>(from)];
    if (out.size() == out.capacity()) unique(out);  // before it would grow
    out.push_back(to);
  }
  static void unique(std::vector<int>& out) {
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    out.reserve(2 * out.size() + 16);
  }
  static std::vector<int> unwind(const std::vector<std::pair<int, std::size_t>>& stack, int to) {
    std::vector<int> nodes;
    for (auto it = stack.rbegin(); it != stack.rend(); ++it) {
      nodes.push_back(it->first);
      if (it->first == to) break;
    }
    std::reverse(nodes.begin(), nodes.end());
    return nodes;
  }

  int vcs_;
  std::vector<std::vector<int>> next_;
};

}  // namespace

std::vector<NocChannel> dependency_cycle(const Topology& topology) {
  const int vcs = topology.spec().virtual_channels;
  std::vector<NocChannel> cycle;
  for (const int node : DependencyGraph(topology).cycle())
    cycle.push_back({node / vcs, node % vcs, node % vcs + 1});
  return cycle;
}

std::string describe(const Topology& topology, const NocChannel& channel) {
  return fmt::format("{} [vc {}]", topology.name(channel.link), channel.vc_begin);
}

void require_deadlock_free(const Topology& topology) {
  const auto cycle = dependency_cycle(topology);
  if (cycle.empty()) return;
  std::vector<std::string> steps;
  steps.reserve(cycle.size() + 1);
  for (const NocChannel& c : cycle) steps.push_back(describe(topology, c));
  steps.push_back(steps.front());
  throw InputError(
      fmt::format("noc: these routes can deadlock, each waiting for the next: {}. Give the network "
                  "more virtual_channels (a torus needs two per message class, o1turn too).",
                  join(steps, "; ")));
}

}  // namespace athena::timing
