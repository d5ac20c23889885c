#pragma once
/// The on-chip network as a graph: routers, directed links, terminals, and the route of every pair.
/// Pure data, built once; the transaction tier, the flit tier and the SystemC modules share it.
///
/// Routes are dimension-ordered (x first). Torus rings carry a dateline: packets that wrap and
/// packets that do not use separate virtual-channel ranges (Dally and Seitz, 1987). With dead links
/// every pair is re-routed up*/down* over a breadth-first spanning tree (Schroeder et al., Autonet,
/// 1991), which stays free of deadlock on any connected remainder.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/units.h"
#include "config/chip.h"

namespace athena::timing {

using LinkId = std::int32_t;
inline constexpr LinkId kNoLink = -1;

using config::NocRouting;

/// Everything that the timing of a network depends on.
struct NocSpec {
  config::NocKind kind = config::NocKind::kMesh;
  int rows = 4;
  int cols = 4;
  /// Terminals per router (mesh, torus) or per cluster crossbar (hierarchical). A crossbar has
  /// rows x cols x terminals_per_router terminals on one switch.
  int terminals_per_router = 1;
  /// Routers at which further terminals (memory channels, links) sit; numbered after the others.
  std::vector<int> extra_terminals;
  double flit_bytes = 128;  ///< link width: bytes per cycle
  Hertz clock{1e9};
  int router_cycles = 3;  ///< head: arrival to departure (VC and switch allocation, traversal)
  int link_cycles = 1;    ///< router to router
  int terminal_link_cycles = 1;  ///< terminal to router and back
  int credit_cycles = 1;         ///< processing of a returned credit
  int virtual_channels = 4;      ///< per input port
  int buffer_flits = 16;         ///< per virtual channel
  int allocator_iterations = 1;  ///< of iSLIP, in both allocators
  config::SwitchPolicy switching = config::SwitchPolicy::kPacket;
  NocRouting routing = NocRouting::kDimensionOrder;
  /// Message classes with virtual channels of their own (request, reply); divides virtual_channels.
  int message_classes = 1;
  bool multicast = true;
  /// Broken links as router pairs, both directions.
  std::vector<std::pair<int, int>> dead_links;
  /// Routes go round dead links; false: terminals whose route needs one are refused by name.
  bool reroute = true;
};

/// The network of a chip: one terminal per core (mesh, torus, crossbar, hierarchical alike), then
/// one per memory channel at its port, then one for the chip-to-chip links if it has any.
[[nodiscard]] NocSpec noc_spec(const config::ChipConfig& chip);

/// Who sits at which terminal of noc_spec(chip): core i at terminal i (clusters in router order).
struct NocTerminals {
  int first_memory = 0;     ///< terminal of memory channel 0; the others follow
  int memory_channels = 0;  ///< stacks x channels per stack
  int links = -1;           ///< terminal of the chip-to-chip links, -1 if there are none
};
[[nodiscard]] NocTerminals noc_terminals(const config::ChipConfig& chip);

/// Sentences about a network that works but wastes its wires: buffers that do not cover the credit
/// round trip, a single virtual channel. Empty when there is nothing to say.
[[nodiscard]] std::vector<std::string> noc_warnings(const NocSpec& spec);

/// One directed link. Ports count from 0 at each router.
struct NocLink {
  enum class Kind : std::uint8_t { kInject, kNetwork, kEject };
  Kind kind = Kind::kNetwork;
  int from_router = -1;  ///< -1 for kInject
  int from_port = -1;
  int to_router = -1;  ///< -1 for kEject
  int to_port = -1;
  int terminal = -1;  ///< of kInject and kEject
  int cycles = 1;     ///< latency
};

/// A branch of a multicast tree: `link` continues from the branch at index `parent` (-1: source).
struct TreeLink {
  LinkId link = kNoLink;
  int parent = -1;
};

/// One hop of a route: the link and the range of virtual channels at its far end.
struct RouteHop {
  LinkId link = kNoLink;
  std::uint8_t vc_begin = 0;
  std::uint8_t vc_end = 0;  ///< one past the last
};

class Topology {
 public:
  /// Builds graph and routes. Throws InputError for an impossible spec (sizes, classes that do not
  /// divide the channels, a dead link that does not exist) and, naming the pairs, when dead links
  /// leave terminals unreachable.
  explicit Topology(NocSpec spec);

  [[nodiscard]] const NocSpec& spec() const { return spec_; }
  [[nodiscard]] int routers() const { return static_cast<int>(ports_.size()); }
  [[nodiscard]] int ports(int router) const { return ports_[static_cast<std::size_t>(router)]; }
  [[nodiscard]] int terminals() const { return static_cast<int>(inject_.size()); }
  [[nodiscard]] int link_count() const { return static_cast<int>(links_.size()); }
  [[nodiscard]] const NocLink& link(LinkId id) const {
    return links_[static_cast<std::size_t>(id)];
  }
  /// The link that leaves `router` at `port`, kNoLink at an edge or a dead link.
  [[nodiscard]] LinkId output(int router, int port) const;
  [[nodiscard]] LinkId injection(int terminal) const {
    return inject_[static_cast<std::size_t>(terminal)];
  }
  [[nodiscard]] LinkId ejection(int terminal) const {
    return eject_[static_cast<std::size_t>(terminal)];
  }
  /// Router that a terminal sits at.
  [[nodiscard]] int router_of(int terminal) const { return link(injection(terminal)).to_router; }

  /// The variant that path() and route() take when none is given: ties spread evenly over sources.
  [[nodiscard]] int default_variant(int source, int destination) const;
  /// Routes of one pair that the source may choose from: ties of an even torus, O1TURN orders.
  [[nodiscard]] int variants() const { return variants_; }
  /// Injection link, network links, ejection link from one terminal to another (or to itself).
  /// `variant` < variants(); the default spreads ties evenly over sources.
  [[nodiscard]] std::span<const LinkId> path(int source, int destination, int variant = -1) const;
  /// The same with virtual-channel ranges, for message class `message_class`.
  [[nodiscard]] std::vector<RouteHop> route(int source, int destination, int variant = -1,
                                            int message_class = 0) const;
  /// Virtual-channel range at the far end of hop `hop` of path(source, destination, variant).
  [[nodiscard]] std::pair<int, int> vc_range(int source, int destination, int variant,
                                             std::size_t hop, int message_class) const;

  /// The same for a span that path() returned.
  [[nodiscard]] std::pair<int, int> vc_range(std::span<const LinkId> path, std::size_t hop,
                                             int message_class = 0) const {
    return class_range(
        hop_classes_[static_cast<std::size_t>(path.data() - hop_links_.data()) + hop],
        message_class);
  }

  /// Links of the union of the routes to `destinations`, each once, parents before children
  /// (breadth first), duplicates and the source itself allowed. Switches copy a flit to several
  /// outputs in one traversal; reduction runs the same tree backwards.
  [[nodiscard]] std::vector<TreeLink> multicast_tree(int source,
                                                     std::span<const int> destinations) const;

  /// Virtual-channel range at the far end of each link of a tree that multicast_tree() returned.
  [[nodiscard]] std::vector<std::pair<int, int>> tree_ranges(int source,
                                                             std::span<const TreeLink> tree,
                                                             int message_class = 0) const;

  /// Cycles of an uncontended packet of `flits` flits: head latency plus serialisation.
  [[nodiscard]] std::int64_t zero_load_cycles(int source, int destination, int flits) const;
  /// "router 3 -> router 7", "terminal 2 -> router 2": for messages and traffic maps.
  [[nodiscard]] std::string name(LinkId id) const;
  /// Mean network links per route over all pairs of terminals.
  [[nodiscard]] double mean_hops() const;

 private:
  struct Segment {
    std::uint32_t begin = 0;
    std::uint32_t size = 0;
  };
  [[nodiscard]] std::pair<int, int> class_range(std::uint8_t half, int message_class) const;
  void check() const;
  int add_router(int ports);
  void add_link(NocLink link);
  void connect(int a, int a_port, int b, int b_port);
  void attach_terminal(int router, int port);
  void build_grid(bool wrap);
  void build_crossbar();
  void build_hierarchical();
  void attach_extras(int first_port);
  void break_links();
  void route_all();
  void route_up_down();
  void trace(int source, int destination, int variant);
  void refuse_unreachable() const;
  /// False where the way is broken.
  [[nodiscard]] bool grid_steps(int from, int to, int variant, std::vector<RouteHop>& hops) const;

  [[nodiscard]] const Segment& segment(int source, int destination, int variant) const;

  NocSpec spec_;
  int variants_ = 1;
  int grid_ = 0;  ///< number of routers that form the grid (0 for a crossbar)
  std::vector<int> ports_;
  std::vector<std::vector<LinkId>> outputs_;  ///< [router][port]
  std::vector<NocLink> links_;
  std::vector<std::pair<int, int>> unreachable_;  ///< terminals that no route joins
  std::vector<LinkId> inject_, eject_;
  std::vector<Segment> segments_;  ///< [(variant * T + source) * T + destination]
  std::vector<LinkId> hop_links_;
  std::vector<std::uint8_t> hop_classes_;  ///< 0: all channels, 1: lower half, 2: upper half
};

}  // namespace athena::timing
