#pragma once
/// What chips are wired into: the node, its fabric, the network between nodes, the host. Files in
/// configs/systems/. A system is one node by default; `--nodes N` or `nodes:` makes a rack of them.
#include <string>
#include <vector>

#include "base/units.h"

namespace athena::config {

/// How the chips of one scale-up domain are joined.
enum class FabricKind {
  kSwitched,        ///< every chip's links go to switches that join all chips without blocking
  kFullyConnected,  ///< links_per_peer links from each chip to each other chip
  kRing,            ///< a bidirectional ring
  kTorus,           ///< bidirectional rings in `dims`
  kCubeMesh,        ///< two fully connected quads, one link group between corresponding chips
};

/// A broken connection between two neighbours of a fabric, both directions. Chips count from 0 over
/// the whole system; in a switched fabric `to` is -1: the chip's way to the switches.
struct DeadLink {
  int from = 0;
  int to = -1;
};

/// Links between the chips of one scale-up domain.
struct FabricConfig {
  FabricKind kind = FabricKind::kSwitched;
  std::string link = "none";      ///< link generation; libraries publish limits per generation
  int links = 1;                  ///< links of one chip in this fabric
  int links_per_peer = 1;         ///< kFullyConnected: of those, to each peer
  std::vector<int> dims;          ///< kTorus: chips per dimension
  BytesPerSecond bandwidth{1e9};  ///< one link, one direction, raw
  /// Payload share of the raw rate: packet headers, flow control, encoding beyond the raw figure.
  double efficiency = 0.8;
  Seconds link_latency{500e-9};      ///< end to end over one link, no switch
  Seconds switch_latency{0.0};       ///< added by each switch crossed
  int switches = 1;                  ///< kSwitched: parallel switch planes
  bool in_switch_reduction = false;  ///< switches add and multicast
  /// Largest payload of one packet; 0 = not packetised.
  Bytes packet{256};
  std::vector<DeadLink> dead_links;  ///< traffic goes round them
};

/// The network between nodes (scale-out).
struct NetworkConfig {
  std::string kind = "none";       ///< infiniband, ethernet, efa, ici
  int nics = 0;                    ///< of one node
  BytesPerSecond bandwidth{0.0};   ///< one NIC, one direction, line rate
  double efficiency = 0.85;        ///< payload share that large transfers reach
  Seconds latency{2e-6};           ///< NIC to NIC through one switch
  Seconds switch_latency{0.3e-6};  ///< each further switch
  int radix = 32;                  ///< nodes below one first-level switch; more adds levels
  double oversubscription = 1.0;   ///< first-level down / up bandwidth
  bool in_network_reduction = false;
};

/// What a node has beside the chips: for capacity and cost.
struct HostConfig {
  int cpus = 2;
  Bytes memory{static_cast<std::int64_t>(1) << 40};
  Watts power{0.0};  ///< host, fans, NICs and switches of one node, without the chips
  Seconds pcie_latency{1e-6};
  BytesPerSecond pcie{32e9};  ///< one chip to host memory, one direction
};

struct SystemConfig {
  std::string name;
  std::string description;
  std::vector<std::string> aliases;
  std::string chip;  ///< file of configs/chips/
  int chips_per_node = 1;
  int nodes = 1;
  FabricConfig fabric;
  /// Chips in one scale-up domain; 0 = the node. A TPU pod's torus spans many nodes.
  int domain = 0;
  NetworkConfig network;
  HostConfig host;

  [[nodiscard]] int chips() const { return chips_per_node * nodes; }
  /// Chips of one scale-up domain.
  [[nodiscard]] int domain_chips() const { return domain > 0 ? domain : chips_per_node; }
};

class StructSchema;
[[nodiscard]] const StructSchema& schema_of(const SystemConfig*);

/// The system of that name (configs/systems/) or path, checked. `nodes` > 0 replaces its node
/// count. Throws InputError.
[[nodiscard]] SystemConfig load_system(const std::string& name_or_path,
                                       const std::vector<std::string>& sets = {}, int nodes = 0);

/// Throws InputError with one sentence when the parts contradict each other: a fabric with a
/// missing link, torus dimensions that do not multiply to the domain, several nodes without a
/// network.
void require_consistent(const SystemConfig& system);

}  // namespace athena::config
