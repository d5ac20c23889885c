#include "timing/noc_topology.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "base/error.h"
#include "base/text.h"

namespace athena::timing {
namespace {

constexpr int kMaxTerminals = 1024;  // routes are tabulated: memory grows with the square
constexpr int kGridPorts = 4;        // +x, -x, +y, -y

std::size_t at(int i) {
  return static_cast<std::size_t>(i);
}

[[noreturn]] void refuse(const std::string& key, const std::string& sentence) {
  throw InputError(fmt::format("noc.{}: {}.", key, sentence));
}

}  // namespace

Topology::Topology(NocSpec spec) : spec_(std::move(spec)) {
  check();
  switch (spec_.kind) {
    case config::NocKind::kMesh:
      build_grid(false);
      break;
    case config::NocKind::kTorus:
      build_grid(true);
      break;
    case config::NocKind::kCrossbar:
      build_crossbar();
      break;
    case config::NocKind::kHierarchical:
      build_hierarchical();
      break;
  }
  if (terminals() > kMaxTerminals)
    refuse("rows", fmt::format("{} terminals exceed the {} that one network may have", terminals(),
                               kMaxTerminals));
  break_links();
  if (spec_.dead_links.empty() || !spec_.reroute) {
    route_all();
    refuse_unreachable();
  } else {
    route_up_down();
  }
}

void Topology::check() const {
  if (spec_.rows < 1) refuse("rows", fmt::format("must be at least 1, not {}", spec_.rows));
  if (spec_.cols < 1) refuse("cols", fmt::format("must be at least 1, not {}", spec_.cols));
  if (spec_.terminals_per_router < 1)
    refuse("rows", "there are more routers than cores to put on them");
  if (!(spec_.flit_bytes > 0)) refuse("link_bytes_per_cycle", "must be above 0");
  if (!(spec_.clock.value() > 0)) refuse("clock", "the network's clock must be above 0");
  if (spec_.router_cycles < 1) refuse("router_cycles", "must be at least 1");
  if (spec_.link_cycles < 1 || spec_.terminal_link_cycles < 1)
    refuse("link_cycles", "must be at least 1");
  if (spec_.credit_cycles < 0) refuse("credit_cycles", "must not be negative");
  if (spec_.virtual_channels < 1 || spec_.virtual_channels > 16)
    refuse("virtual_channels", fmt::format("must be 1 to 16, not {}", spec_.virtual_channels));
  if (spec_.buffer_flits < 1 || spec_.buffer_flits > 256)
    refuse("buffer_flits", fmt::format("must be 1 to 256, not {}", spec_.buffer_flits));
  if (spec_.message_classes < 1 || spec_.virtual_channels % spec_.message_classes != 0)
    refuse("virtual_channels", fmt::format("{} channels cannot be divided among {} message classes",
                                           spec_.virtual_channels, spec_.message_classes));
  if (spec_.routing == NocRouting::kO1Turn && spec_.kind != config::NocKind::kMesh)
    refuse("routing", "o1turn is defined for a mesh");
  for (const int router : spec_.extra_terminals) {
    if (router < 0 || router >= spec_.rows * spec_.cols)
      refuse("memory_ports", fmt::format("router {} does not exist: they count from 0 to {}",
                                         router, spec_.rows * spec_.cols - 1));
  }
}

int Topology::add_router(int ports) {
  ports_.push_back(ports);
  outputs_.emplace_back(at(ports), kNoLink);
  return routers() - 1;
}

void Topology::add_link(NocLink link) {
  const LinkId id = link_count();
  if (link.from_router >= 0) outputs_[at(link.from_router)][at(link.from_port)] = id;
  links_.push_back(link);
}

void Topology::connect(int a, int a_port, int b, int b_port) {
  add_link({NocLink::Kind::kNetwork, a, a_port, b, b_port, -1, spec_.link_cycles});
}

void Topology::attach_terminal(int router, int port) {
  const int terminal = terminals();
  inject_.push_back(link_count());
  add_link({NocLink::Kind::kInject, -1, -1, router, port, terminal, spec_.terminal_link_cycles});
  eject_.push_back(link_count());
  add_link({NocLink::Kind::kEject, router, port, -1, -1, terminal, spec_.terminal_link_cycles});
}

void Topology::attach_extras(int first_port) {
  std::vector<int> used(at(std::max(grid_, 1)), 0);
  for (const int router : spec_.extra_terminals) {
    const int home = grid_ > 0 ? router : 0;
    attach_terminal(home, first_port + used[at(home)]++);
  }
}

void Topology::build_grid(bool wrap) {
  grid_ = spec_.rows * spec_.cols;
  const int fixed = kGridPorts + spec_.terminals_per_router;
  std::vector<int> extras(at(grid_), 0);
  for (const int router : spec_.extra_terminals) ++extras[at(router)];
  for (int r = 0; r < grid_; ++r) add_router(fixed + extras[at(r)]);
  for (int y = 0; y < spec_.rows; ++y) {
    for (int x = 0; x < spec_.cols; ++x) {
      const int r = y * spec_.cols + x;
      const bool right = x + 1 < spec_.cols || (wrap && spec_.cols > 1);
      const bool down = y + 1 < spec_.rows || (wrap && spec_.rows > 1);
      if (right) {
        const int to = y * spec_.cols + (x + 1) % spec_.cols;
        connect(r, 0, to, 1);
        connect(to, 1, r, 0);
      }
      if (down) {
        const int to = ((y + 1) % spec_.rows) * spec_.cols + x;
        connect(r, 2, to, 3);
        connect(to, 3, r, 2);
      }
    }
  }
  for (int r = 0; r < grid_; ++r)
    for (int i = 0; i < spec_.terminals_per_router; ++i) attach_terminal(r, kGridPorts + i);
  attach_extras(fixed);
  if (wrap && (spec_.cols % 2 == 0 || spec_.rows % 2 == 0)) variants_ = 4;
  if (spec_.routing == NocRouting::kO1Turn) variants_ = 2;
}

void Topology::build_crossbar() {
  const int own = spec_.rows * spec_.cols * spec_.terminals_per_router;
  add_router(own + static_cast<int>(spec_.extra_terminals.size()));
  for (int i = 0; i < own; ++i) attach_terminal(0, i);
  attach_extras(own);
}

void Topology::build_hierarchical() {
  grid_ = spec_.rows * spec_.cols;
  std::vector<int> extras(at(grid_), 0);
  for (const int router : spec_.extra_terminals) ++extras[at(router)];
  for (int r = 0; r < grid_; ++r) add_router(kGridPorts + 1 + extras[at(r)]);
  for (int y = 0; y < spec_.rows; ++y) {
    for (int x = 0; x < spec_.cols; ++x) {
      const int r = y * spec_.cols + x;
      if (x + 1 < spec_.cols) {
        connect(r, 0, r + 1, 1);
        connect(r + 1, 1, r, 0);
      }
      if (y + 1 < spec_.rows) {
        connect(r, 2, r + spec_.cols, 3);
        connect(r + spec_.cols, 3, r, 2);
      }
    }
  }
  const int uplink = spec_.terminals_per_router;
  for (int r = 0; r < grid_; ++r) {
    const int cluster = add_router(spec_.terminals_per_router + 1);
    connect(cluster, uplink, r, kGridPorts);
    connect(r, kGridPorts, cluster, uplink);
    for (int i = 0; i < spec_.terminals_per_router; ++i) attach_terminal(cluster, i);
  }
  attach_extras(kGridPorts + 1);
}

void Topology::break_links() {
  for (const auto& [a, b] : spec_.dead_links) {
    bool found = false;
    for (const NocLink& l : links_) {
      if (l.kind != NocLink::Kind::kNetwork) continue;
      if ((l.from_router != a || l.to_router != b) && (l.from_router != b || l.to_router != a))
        continue;
      outputs_[at(l.from_router)][at(l.from_port)] = kNoLink;
      found = true;
    }
    if (!found)
      refuse("dead_links", fmt::format("there is no link between routers {} and {}", a, b));
  }
}

LinkId Topology::output(int router, int port) const {
  return outputs_[at(router)][at(port)];
}

int Topology::default_variant(int source, int destination) const {
  if (variants_ == 1) return 0;
  const int router = router_of(source);
  const int x = router % spec_.cols;
  const int y = router / spec_.cols;
  if (variants_ == 2) return (source + destination) & 1;
  return (x & 1) | ((y & 1) << 1);
}

const Topology::Segment& Topology::segment(int source, int destination, int variant) const {
  const int v = variant < 0 ? default_variant(source, destination) : variant;
  return segments_[(at(v) * at(terminals()) + at(source)) * at(terminals()) + at(destination)];
}

std::span<const LinkId> Topology::path(int source, int destination, int variant) const {
  const Segment& s = segment(source, destination, variant);
  return {hop_links_.data() + s.begin, s.size};
}

std::pair<int, int> Topology::class_range(std::uint8_t half, int message_class) const {
  const int share = spec_.virtual_channels / spec_.message_classes;
  const int first = share * message_class;
  const int lower = share - share / 2;
  if (half == 1) return {first, first + lower};
  // With a single channel there is no second half: the dependency check then finds the cycle.
  if (half == 2 && lower < share) return {first + lower, first + share};
  return {first, first + share};
}

std::pair<int, int> Topology::vc_range(int source, int destination, int variant, std::size_t hop,
                                       int message_class) const {
  return vc_range(path(source, destination, variant), hop, message_class);
}

std::vector<RouteHop> Topology::route(int source, int destination, int variant,
                                      int message_class) const {
  const auto links = path(source, destination, variant);
  std::vector<RouteHop> hops(links.size());
  for (std::size_t i = 0; i < links.size(); ++i) {
    const auto [begin, end] = vc_range(source, destination, variant, i, message_class);
    hops[i] = {links[i], static_cast<std::uint8_t>(begin), static_cast<std::uint8_t>(end)};
  }
  return hops;
}

std::vector<TreeLink> Topology::multicast_tree(int source,
                                               std::span<const int> destinations) const {
  std::vector<TreeLink> tree;
  std::vector<int> index(at(link_count()), -1);
  std::vector<std::span<const LinkId>> routes;
  std::size_t longest = 0;
  for (const int d : destinations) {
    if (d == source) continue;
    // One variant for all, so that routes to a common router share their links.
    routes.push_back(path(source, d, default_variant(source, source)));
    longest = std::max(longest, routes.back().size());
  }
  for (std::size_t depth = 0; depth < longest; ++depth) {
    for (const auto& route : routes) {
      if (depth >= route.size() || index[at(route[depth])] >= 0) continue;
      const int parent = depth == 0 ? -1 : index[at(route[depth - 1])];
      index[at(route[depth])] = static_cast<int>(tree.size());
      tree.push_back({route[depth], parent});
    }
  }
  return tree;
}

std::vector<std::pair<int, int>> Topology::tree_ranges(int source, std::span<const TreeLink> tree,
                                                       int message_class) const {
  std::vector<std::pair<int, int>> ranges(tree.size());
  for (std::size_t leaf = 0; leaf < tree.size(); ++leaf) {
    const NocLink& last = link(tree[leaf].link);
    if (last.kind != NocLink::Kind::kEject) continue;
    const auto route = path(source, last.terminal, default_variant(source, source));
    int node = static_cast<int>(leaf);
    for (std::size_t hop = route.size(); hop-- > 0;) {
      ranges[at(node)] = vc_range(route, hop, message_class);
      node = tree[at(node)].parent;
    }
  }
  return ranges;
}

std::int64_t Topology::zero_load_cycles(int source, int destination, int flits) const {
  // The terminal takes one cycle to write a flit; each switch router_cycles; each link its own.
  std::int64_t cycles = 1;
  for (const LinkId l : path(source, destination)) {
    cycles += link(l).cycles;
    if (link(l).kind != NocLink::Kind::kInject) cycles += spec_.router_cycles;
  }
  return cycles + flits - 1;
}

std::string Topology::name(LinkId id) const {
  const NocLink& l = link(id);
  if (l.kind == NocLink::Kind::kInject)
    return fmt::format("terminal {} -> router {}", l.terminal, l.to_router);
  if (l.kind == NocLink::Kind::kEject)
    return fmt::format("router {} -> terminal {}", l.from_router, l.terminal);
  return fmt::format("router {} -> router {}", l.from_router, l.to_router);
}

double Topology::mean_hops() const {
  double total = 0;
  for (int s = 0; s < terminals(); ++s)
    for (int d = 0; d < terminals(); ++d) total += static_cast<double>(path(s, d).size()) - 2.0;
  return total / (static_cast<double>(terminals()) * terminals());
}

}  // namespace athena::timing
