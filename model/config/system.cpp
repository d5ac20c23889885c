#include "config/system.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "config/resolve.h"
#include "config/schema.h"

namespace athena::config {

std::vector<std::pair<FabricKind, std::string>> enum_names(const FabricKind*);
const StructSchema& schema_of(const DeadLink*);
const StructSchema& schema_of(const FabricConfig*);
const StructSchema& schema_of(const NetworkConfig*);
const StructSchema& schema_of(const HostConfig*);

std::vector<std::pair<FabricKind, std::string>> enum_names(const FabricKind*) {
  return {{FabricKind::kSwitched, "switched"},
          {FabricKind::kFullyConnected, "fully_connected"},
          {FabricKind::kRing, "ring"},
          {FabricKind::kTorus, "torus"},
          {FabricKind::kCubeMesh, "cube_mesh"}};
}

const StructSchema& schema_of(const DeadLink*) {
  static const StructSchema schema =
      SchemaBuilder<DeadLink>("dead_link", "A broken connection, both directions.")
          .field("from", &DeadLink::from, "chip, from 0 over the whole system", range(0, 1 << 20))
          .field("to", &DeadLink::to, "its neighbour; -1: the switches", range(-1, 1 << 20))
          .build();
  return schema;
}

const StructSchema& schema_of(const FabricConfig*) {
  static const StructSchema schema =
      SchemaBuilder<FabricConfig>("fabric", "Links between the chips of one scale-up domain.")
          .field("kind", &FabricConfig::kind, "who is wired to whom")
          .field("link", &FabricConfig::link,
                 "link generation; collective libraries publish limits per generation")
          .field("links", &FabricConfig::links, "links of one chip in this fabric", range(1, 256))
          .field("links_per_peer", &FabricConfig::links_per_peer,
                 "fully_connected: of those, to each peer", range(1, 64))
          .field("dims", &FabricConfig::dims, "torus: chips per dimension", range(1, 4096))
          .field("bandwidth", &FabricConfig::bandwidth, "one link, one direction, raw", positive())
          .field("efficiency", &FabricConfig::efficiency, "payload share of the raw rate",
                 fraction())
          .field("link_latency", &FabricConfig::link_latency, "end to end over one link, no switch",
                 not_negative())
          .field("switch_latency", &FabricConfig::switch_latency, "added by each switch crossed",
                 not_negative())
          .field("switches", &FabricConfig::switches, "switched: parallel switch planes",
                 range(1, 256))
          .field("in_switch_reduction", &FabricConfig::in_switch_reduction,
                 "switches add and multicast")
          .field("packet", &FabricConfig::packet,
                 "largest payload of one packet; 0 B = not packetised", not_negative())
          .field("dead_links", &FabricConfig::dead_links,
                 "broken connections; traffic goes round them, unreachable pairs are refused")
          .build();
  return schema;
}

const StructSchema& schema_of(const NetworkConfig*) {
  static const StructSchema schema =
      SchemaBuilder<NetworkConfig>("network", "The network between nodes.")
          .field("kind", &NetworkConfig::kind,
                 "infiniband, ethernet, efa, ici; none = one node only")
          .field("nics", &NetworkConfig::nics, "NICs of one node", range(0, 256))
          .field("bandwidth", &NetworkConfig::bandwidth, "one NIC, one direction, line rate",
                 not_negative())
          .field("efficiency", &NetworkConfig::efficiency,
                 "payload share that large transfers reach", fraction())
          .field("latency", &NetworkConfig::latency, "NIC to NIC through one switch",
                 not_negative())
          .field("switch_latency", &NetworkConfig::switch_latency, "each further switch",
                 not_negative())
          .field("radix", &NetworkConfig::radix,
                 "nodes below one first-level switch; more nodes add levels", range(2, 4096))
          .field("oversubscription", &NetworkConfig::oversubscription,
                 "first-level bandwidth down / up", range(1, 64))
          .field("in_network_reduction", &NetworkConfig::in_network_reduction,
                 "network switches add and multicast")
          .build();
  return schema;
}

const StructSchema& schema_of(const HostConfig*) {
  static const StructSchema schema =
      SchemaBuilder<HostConfig>("host", "What a node has beside the chips.")
          .field("cpus", &HostConfig::cpus, "processor sockets", range(0, 16))
          .field("memory", &HostConfig::memory, "host memory", not_negative())
          .field("power", &HostConfig::power,
                 "host, fans, NICs and switches of one node, without the chips", not_negative())
          .field("pcie_latency", &HostConfig::pcie_latency, "chip to host memory", not_negative())
          .field("pcie", &HostConfig::pcie, "one chip to host memory, one direction", positive())
          .build();
  return schema;
}

const StructSchema& schema_of(const SystemConfig*) {
  static const StructSchema schema =
      SchemaBuilder<SystemConfig>("system", "Chips, the node they stand in, and what joins them.")
          .field("name", &SystemConfig::name, "as on the command line", required())
          .field("description", &SystemConfig::description, "one line for people")
          .field("aliases", &SystemConfig::aliases, "other names for --on")
          .field("chip", &SystemConfig::chip, "file of configs/chips/", required())
          .field("chips_per_node", &SystemConfig::chips_per_node, "chips of one node",
                 range(1, 1024))
          .field("nodes", &SystemConfig::nodes, "nodes", range(1, 65536))
          .field("fabric", &SystemConfig::fabric, "links between the chips of a domain")
          .field("domain", &SystemConfig::domain,
                 "chips of one scale-up domain; 0 = those of a node", range(0, 65536))
          .field("network", &SystemConfig::network, "the network between nodes")
          .field("host", &SystemConfig::host, "what a node has beside the chips")
          .build();
  return schema;
}

SystemConfig load_system(const std::string& name_or_path, const std::vector<std::string>& sets,
                         int nodes) {
  auto system = load<SystemConfig>(name_or_path, "systems", sets);
  if (nodes < 0) throw InputError(fmt::format("--nodes: must be at least 1, not {}", nodes));
  if (nodes > 0) system.nodes = nodes;
  require_consistent(system);
  return system;
}

void require_consistent(const SystemConfig& s) {
  const auto refuse = [&](const std::string& sentence) {
    throw InputError(fmt::format("system '{}': {}.", s.name, sentence));
  };
  const FabricConfig& f = s.fabric;
  const int domain = s.domain_chips();
  if (domain > 1 && f.kind == FabricKind::kFullyConnected &&
      f.links_per_peer * (domain - 1) > f.links)
    refuse(
        fmt::format("fabric.links: {} chips with {} links to each peer need {} links per chip, "
                    "and there are {}: a link is missing",
                    domain, f.links_per_peer, f.links_per_peer * (domain - 1), f.links));
  if (f.kind == FabricKind::kTorus) {
    const int product =
        std::accumulate(f.dims.begin(), f.dims.end(), 1, [](int a, int b) { return a * b; });
    if (f.dims.empty() || product != domain)
      refuse(fmt::format("fabric.dims: the torus has {} chips, the domain {}",
                         f.dims.empty() ? 0 : product, domain));
    int needed = 0;
    for (const int d : f.dims) needed += d > 2 ? 2 : (d == 2 ? 1 : 0);
    if (f.links < needed)
      refuse(
          fmt::format("fabric.links: this torus needs {} links per chip, and there are {}: a "
                      "link is missing",
                      needed, f.links));
  }
  if (f.kind == FabricKind::kRing && domain > 2 && f.links < 2)
    refuse("fabric.links: a ring needs 2 links per chip, and there is 1: a link is missing");
  if (f.kind == FabricKind::kCubeMesh && domain != 8)
    refuse(fmt::format("fabric.kind: a cube mesh joins 8 chips, not {}", domain));
  if (domain % s.chips_per_node != 0 && s.chips_per_node % domain != 0)
    refuse(fmt::format("domain: {} chips are no whole number of nodes of {}", domain,
                       s.chips_per_node));
  if (s.chips() > domain && (s.network.nics < 1 || !(s.network.bandwidth.value() > 0)))
    refuse(fmt::format("network: {} nodes need a network, and network.nics is {}", s.nodes,
                       s.network.nics));
}

}  // namespace athena::config
