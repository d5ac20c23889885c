#pragma once
/// Chips, switches and links as a graph, and an event-driven run of collectives on it: whoever uses
/// a link at the same time shares it. For several collectives at once, stragglers and rank skew;
/// one collective on an idle fabric agrees with the closed form (a test).
#include <cstdint>
#include <string>
#include <vector>

#include "base/units.h"
#include "config/system.h"
#include "timing/collective_schedule.h"

namespace athena::timing {

/// One direction of one (bonded) link.
struct FabricLink {
  int from = 0;
  int to = 0;
  double rate = 0;     ///< payload bytes per second
  double latency = 0;  ///< seconds, from the last bit sent to the last bit received
};

/// How a message moves along several links.
enum class Forwarding {
  kPackets,          ///< pieces follow each other: links of a route work at the same time
  kStoreAndForward,  ///< a link passes on a message when all of it has arrived
};

/// Nodes 0 .. chips-1 are chips, then switches. Routes are shortest paths, ties to the first link.
class FabricGraph {
 public:
  explicit FabricGraph(int chips) : chips_(chips), nodes_(chips) {}
  /// Both directions.
  void connect(int a, int b, double rate, double latency);
  int add_switch() { return nodes_++; }
  [[nodiscard]] int chips() const { return chips_; }
  [[nodiscard]] int nodes() const { return nodes_; }
  [[nodiscard]] const std::vector<FabricLink>& links() const { return links_; }
  /// Link indices from chip to chip. Throws InputError when no route exists (a missing link).
  [[nodiscard]] const std::vector<int>& route(int from, int to);
  /// Takes the link between two nodes out, both directions; routes are found anew.
  void remove_link(int a, int b);

 private:
  void find_routes(int from);
  int chips_;
  int nodes_;
  std::vector<FabricLink> links_;
  std::vector<std::vector<std::vector<int>>> routes_;  ///< [from][to], from filled on demand
};

/// The system's chips, switches, NICs and network.
[[nodiscard]] FabricGraph fabric_graph(const config::SystemConfig& system);

/// One collective to run: its messages, when its ranks begin.
struct FabricJob {
  CollectiveSchedule schedule;
  Time start{0};
  /// Extra delay per rank, in the order of schedule.ranks; empty = none.
  std::vector<Time> skew;
};

struct FabricRun {
  std::vector<Time> finish;    ///< of each job: its last rank is done
  std::vector<Bytes> carried;  ///< by each link
  std::vector<Time> busy;      ///< of each link
  std::int64_t events = 0;
};

/// Runs the jobs together. Throws Contradiction, saying who waits for whom, when messages remain
/// that nothing will unlock (ranks that entered their collectives in different orders).
[[nodiscard]] FabricRun run_on_fabric(FabricGraph& graph, const std::vector<FabricJob>& jobs,
                                      Forwarding forwarding = Forwarding::kPackets);

}  // namespace athena::timing
