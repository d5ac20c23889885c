#pragma once
/// Proof that a network cannot deadlock: its channel dependency graph has no cycle (Dally and
/// Seitz, 1987). A channel is a link with a range of virtual channels; a route makes each of its
/// channels depend on the next.
#include <string>
#include <vector>

#include "timing/noc_topology.h"

namespace athena::timing {

/// One channel of the dependency graph.
struct NocChannel {
  LinkId link = kNoLink;
  int vc_begin = 0;
  int vc_end = 0;
};

/// One cycle of the channel dependency graph over all routes and variants; empty when there is
/// none, which is the proof.
[[nodiscard]] std::vector<NocChannel> dependency_cycle(const Topology& topology);

/// Throws InputError with the cycle written out when the routes can deadlock.
void require_deadlock_free(const Topology& topology);

/// "router 0 -> router 1 [vc 0-1]".
[[nodiscard]] std::string describe(const Topology& topology, const NocChannel& channel);

}  // namespace athena::timing
