#pragma once
/// Time of one collective operation in closed form. Who runs on the fabric alone is answered here;
/// collectives that share links are simulated by timing/link_fabric.h.
///
/// Sizes follow nccl-tests: all-reduce and broadcast the buffer, all-gather the gathered result,
/// reduce-scatter the whole input, all-to-all the send buffer of one rank, send-receive the
/// message.
#include <string>
#include <vector>

#include "base/units.h"
#include "config/system.h"
#include "timing/collective_library.h"

namespace athena::timing {

enum class CollectiveKind {
  kAllReduce,
  kAllGather,
  kReduceScatter,
  kAllToAll,
  kBroadcast,
  kSendReceive
};

enum class CollectiveAlgorithm {
  kAuto,  ///< the fastest that the library and the fabric have, as the library's tuner would pick
  kRing,
  kTree,
  kHalvingDoubling,
  kDirect,
  kHierarchical,  ///< inside the domain, between domains, inside again
  kInSwitch
};

/// "all_reduce", "ring" and so on; parse_* throw InputError with the nearest spelling.
[[nodiscard]] std::string name(CollectiveKind kind);
[[nodiscard]] std::string name(CollectiveAlgorithm algorithm);
[[nodiscard]] CollectiveKind parse_collective(const std::string& text);
[[nodiscard]] CollectiveAlgorithm parse_algorithm(const std::string& text);

/// What a group of ranks sees of the system: resolved once per group, then cheap to ask.
struct FabricSpec {
  config::FabricKind kind = config::FabricKind::kSwitched;
  std::string link;
  int ranks = 1;                  ///< of the group
  int local = 1;                  ///< of those in one domain
  int domains = 1;                ///< that the group spans
  BytesPerSecond injection{0.0};  ///< payload rate of one rank over all links the group can use
  BytesPerSecond peer{0.0};       ///< payload rate of one rank to one other directly
  Seconds hop{0.0};               ///< latency rank to rank inside the domain
  std::vector<int> dims;          ///< kTorus, kRing: the group's extent
  std::vector<bool> wraps;        ///< per dimension: a whole ring, not a stretch of one
  bool in_switch_reduction = false;
  BytesPerSecond network{0.0};  ///< payload rate out of one domain, all NICs
  BytesPerSecond nic{0.0};      ///< payload rate of the NICs that one rank may use alone
  Seconds network_hop{0.0};     ///< latency domain to domain
};

/// The group of `ranks` chips `stride` apart (0, stride, 2 stride, ...), as one of the groups of
/// its kind that run at the same time: groups with a stride share the NICs of their domain. ranks 0
/// = all chips. Throws InputError when the group does not fit the system.
[[nodiscard]] FabricSpec fabric_of(const config::SystemConfig& system, int ranks = 0,
                                   int stride = 1);

struct CollectiveTime {
  Time total{0};
  Time latency{0};    ///< base, steps, synchronisation
  Time bandwidth{0};  ///< data on the slowest link
  CollectiveAlgorithm algorithm = CollectiveAlgorithm::kRing;
  std::string protocol;      ///< key of CollectiveLibrary::protocols, or "multicast"
  Bytes sent_per_rank{0};    ///< payload that each rank puts on its links
  Bytes sent_to_network{0};  ///< of that, leaving the domain
};

/// Time of one collective. One rank costs nothing. Throws InputError when the asked algorithm or
/// protocol does not exist in the library or on the fabric; "" lets the library choose.
[[nodiscard]] CollectiveTime time_of(CollectiveKind kind, Bytes bytes, const FabricSpec& fabric,
                                     const CollectiveLibrary& library,
                                     CollectiveAlgorithm algorithm = CollectiveAlgorithm::kAuto,
                                     const std::string& protocol = "");

/// busbw of nccl-tests: the rate at which the busiest link would have to run; comparable over
/// ranks.
[[nodiscard]] BytesPerSecond bus_bandwidth(CollectiveKind kind, Bytes bytes, int ranks, Time time);

}  // namespace athena::timing
