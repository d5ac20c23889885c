/// Routes of a topology: dimension order with a dateline, O1TURN, and up*/down* around dead links.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <deque>

#include "base/error.h"
#include "base/text.h"
#include "timing/noc_topology.h"

namespace athena::timing {
namespace {

constexpr int kGridPorts = 4;  // +x, -x, +y, -y

std::size_t at(int i) {
  return static_cast<std::size_t>(i);
}

}  // namespace

namespace {

/// Steps along one dimension of `size` routers and whether they go up; ties go up when `tie_up`.
struct Walk {
  int steps = 0;
  bool up = true;
  bool wraps = false;
};

Walk walk(int from, int to, int size, bool ring, bool tie_up) {
  if (!ring) return {std::abs(to - from), to > from, false};
  const int up = (to - from + size) % size;
  const int slack = size - 2 * up;
  const bool go_up = slack > 0 || (slack == 0 && tie_up);
  return {go_up ? up : size - up, go_up, go_up ? from > to : from < to};
}

}  // namespace

bool Topology::grid_steps(int from, int to, int variant, std::vector<RouteHop>& hops) const {
  const bool ring = spec_.kind == config::NocKind::kTorus;
  const bool o1turn = spec_.routing == NocRouting::kO1Turn;
  const bool y_first = o1turn && variant == 1;
  int here = from;
  for (int stage = 0; stage < 2; ++stage) {
    const bool y = (stage == 0) == y_first;
    const int size = y ? spec_.rows : spec_.cols;
    const int position = y ? here / spec_.cols : here % spec_.cols;
    const int target = y ? to / spec_.cols : to % spec_.cols;
    const bool tie_up = ((variant >> (y ? 1 : 0)) & 1) == 0;
    const Walk w = walk(position, target, size, ring, tie_up);
    for (int i = 0; i < w.steps; ++i) {
      const LinkId l = output(here, (y ? 2 : 0) + (w.up ? 0 : 1));
      if (l == kNoLink) return false;
      // vc_begin carries the class here: 0 all, 1 lower, 2 upper half (see hop_classes_).
      std::uint8_t half = 0;
      if (ring) half = w.wraps ? 2 : 1;
      if (o1turn) half = y_first ? 2 : 1;
      hops.push_back({l, half, 0});
      here = link(l).to_router;
    }
  }
  return true;
}

void Topology::trace(int source, int destination, int variant) {
  std::vector<RouteHop> hops;
  hops.push_back({injection(source), 0, 0});
  const int from = router_of(source);
  const int to = router_of(destination);
  bool whole = true;
  if (spec_.kind == config::NocKind::kHierarchical) {
    const int uplink = spec_.terminals_per_router;
    const int a = from >= grid_ ? from - grid_ : from;
    const int b = to >= grid_ ? to - grid_ : to;
    if (from != to) {
      if (from >= grid_) hops.push_back({output(from, uplink), 0, 0});
      whole = grid_steps(a, b, variant, hops);
      if (to >= grid_) hops.push_back({output(b, kGridPorts), 0, 0});
    }
  } else if (grid_ > 0) {
    whole = grid_steps(from, to, variant, hops);
  }
  if (!whole) unreachable_.emplace_back(source, destination);
  hops.push_back({ejection(destination), 0, 0});
  const auto begin = static_cast<std::uint32_t>(hop_links_.size());
  for (const RouteHop& hop : hops) {
    hop_links_.push_back(hop.link);
    hop_classes_.push_back(hop.vc_begin);
  }
  segments_.push_back({begin, static_cast<std::uint32_t>(hops.size())});
}

void Topology::route_all() {
  segments_.reserve(at(variants_) * at(terminals()) * at(terminals()));
  for (int v = 0; v < variants_; ++v)
    for (int s = 0; s < terminals(); ++s)
      for (int d = 0; d < terminals(); ++d) trace(s, d, v);
}

void Topology::refuse_unreachable() const {
  if (unreachable_.empty()) return;
  constexpr std::size_t kShown = 8;
  std::vector<std::string> pairs;
  for (const auto& [source, destination] : unreachable_) {
    const std::string pair = fmt::format("{} -> {}", router_of(source), router_of(destination));
    if (std::find(pairs.begin(), pairs.end(), pair) == pairs.end()) pairs.push_back(pair);
  }
  const std::size_t all = pairs.size();
  pairs.resize(std::min(all, kShown));
  throw InputError(fmt::format(
      "noc.dead_links: {} pairs of routers cannot reach each other in their routing order: {}{}; "
      "noc.reroute: true sends their traffic round.",
      all, join(pairs, ", "), all > kShown ? fmt::format(" and {} more", all - kShown) : ""));
}

void Topology::route_up_down() {
  variants_ = 1;
  // Levels of a breadth-first tree from router 0 order the routers; "up" goes to a lower
  // (level, id). A route goes up, then down, and never up again.
  std::vector<int> level(at(routers()), -1);
  std::deque<int> queue{0};
  level[0] = 0;
  while (!queue.empty()) {
    const int r = queue.front();
    queue.pop_front();
    for (int p = 0; p < ports(r); ++p) {
      const LinkId l = output(r, p);
      if (l == kNoLink || link(l).kind != NocLink::Kind::kNetwork) continue;
      const int to = link(l).to_router;
      if (level[at(to)] >= 0) continue;
      level[at(to)] = level[at(r)] + 1;
      queue.push_back(to);
    }
  }
  std::vector<std::string> lost;
  for (int t = 0; t < terminals(); ++t)
    if (level[at(router_of(t))] < 0)
      lost.push_back(fmt::format("terminal {} at router {}", t, router_of(t)));
  if (!lost.empty()) {
    const std::size_t shown = std::min<std::size_t>(lost.size(), 8);
    std::string list =
        join({lost.begin(), lost.begin() + static_cast<std::ptrdiff_t>(shown)}, ", ");
    if (shown < lost.size()) list += fmt::format(" and {} more", lost.size() - shown);
    throw InputError(fmt::format("noc.dead_links: no route joins terminal 0 at router {} with {}.",
                                 router_of(0), list));
  }
  const auto goes_up = [&](int from, int to) {
    return std::pair(level[at(to)], to) < std::pair(level[at(from)], from);
  };
  // Shortest legal routes from each router by breadth-first search over (router, went down).
  for (int s = 0; s < terminals(); ++s) {
    const int start = router_of(s);
    std::vector<LinkId> came(at(2 * routers()), kNoLink);
    std::vector<int> before(at(2 * routers()), -1);
    std::vector<char> seen(at(2 * routers()), 0);
    std::deque<int> states{start * 2};
    seen[at(start * 2)] = 1;
    while (!states.empty()) {
      const int state = states.front();
      states.pop_front();
      const int r = state / 2;
      for (int p = 0; p < ports(r); ++p) {
        const LinkId l = output(r, p);
        if (l == kNoLink || link(l).kind != NocLink::Kind::kNetwork) continue;
        const bool up = goes_up(r, link(l).to_router);
        if (up && state % 2 == 1) continue;
        const int next = link(l).to_router * 2 + (up ? 0 : 1);
        if (seen[at(next)]) continue;
        seen[at(next)] = 1;
        came[at(next)] = l;
        before[at(next)] = state;
        states.push_back(next);
      }
    }
    const auto length = [&](int state) {
      int n = 0;
      for (int q = state; came[at(q)] != kNoLink; q = before[at(q)]) ++n;
      return n;
    };
    for (int d = 0; d < terminals(); ++d) {
      const int to = router_of(d);
      int state = to * 2;
      if (!seen[at(state)] || (seen[at(state + 1)] && length(state + 1) < length(state))) ++state;
      std::vector<LinkId> reversed;
      for (int q = state; came[at(q)] != kNoLink; q = before[at(q)])
        reversed.push_back(came[at(q)]);
      const auto begin = static_cast<std::uint32_t>(hop_links_.size());
      hop_links_.push_back(injection(s));
      hop_links_.insert(hop_links_.end(), reversed.rbegin(), reversed.rend());
      hop_links_.push_back(ejection(d));
      hop_classes_.resize(hop_links_.size(), 0);
      segments_.push_back({begin, static_cast<std::uint32_t>(hop_links_.size()) - begin});
    }
  }
}

}  // namespace athena::timing
