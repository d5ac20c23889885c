#include "timing/collective.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/text.h"

namespace athena::timing {
namespace {

using Kind = CollectiveKind;
using Algorithm = CollectiveAlgorithm;
using config::FabricKind;

const std::vector<std::pair<Kind, std::string>> kKinds = {
    {Kind::kAllReduce, "all_reduce"},         {Kind::kAllGather, "all_gather"},
    {Kind::kReduceScatter, "reduce_scatter"}, {Kind::kAllToAll, "all_to_all"},
    {Kind::kBroadcast, "broadcast"},          {Kind::kSendReceive, "send_recv"}};
const std::vector<std::pair<Algorithm, std::string>> kAlgorithms = {
    {Algorithm::kAuto, "auto"},         {Algorithm::kRing, "ring"},
    {Algorithm::kTree, "tree"},         {Algorithm::kHalvingDoubling, "halving_doubling"},
    {Algorithm::kDirect, "direct"},     {Algorithm::kHierarchical, "hierarchical"},
    {Algorithm::kInSwitch, "in_switch"}};

template <class E>
std::string name_in(const std::vector<std::pair<E, std::string>>& table, E value) {
  for (const auto& [v, text] : table)
    if (v == value) return text;
  throw InternalError("an enumerator without a name");
}

template <class E>
E parse_in(const std::vector<std::pair<E, std::string>>& table, const std::string& what,
           const std::string& text) {
  std::vector<std::string> names;
  for (const auto& [v, n] : table) {
    if (n == text) return v;
    names.push_back(n);
  }
  throw InputError(fmt::format("unknown {} '{}'; known are {}.{}", what, text, join(names, ", "),
                               did_you_mean(text, names)));
}

/// NCCL's tree reaches 0.9 of the rings' bandwidth (src/graph/tuning.cc).
constexpr double kTreeEfficiency = 0.9;

/// Seconds of one candidate, split.
struct Cost {
  double latency = 0;
  double bandwidth = 0;
  double sent = 0;        ///< bytes per rank
  double to_network = 0;  ///< of those, out of the domain
  [[nodiscard]] double total() const { return latency + bandwidth; }
};

/// What one protocol gives on one fabric.
class Wire {
 public:
  Wire(const FabricSpec& f, const CollectiveLibrary& library, const ProtocolTerms& p)
      : fabric(f), lib(library), terms(p) {
    rate = f.injection.value() * p.efficiency;
    const auto limit = p.limit.find(f.link);
    if (limit != p.limit.end()) rate = std::min(rate, limit->second.value());
    peer = std::min(rate, f.peer.value() * p.efficiency);
    network = f.network.value() * p.efficiency;
    nic = f.nic.value() * p.efficiency;
    const double hop = lib.steps_include_link ? 0.0 : f.hop.value();
    const double far = lib.steps_include_link ? 0.0 : f.network_hop.value();
    ring = p.step_ring.value() + hop;
    tree = p.step_tree.value() + hop;
    net_ring = p.network_ring.value() + far;
    net_tree = p.network_tree.value() + far;
  }
  const FabricSpec& fabric;
  const CollectiveLibrary& lib;
  const ProtocolTerms& terms;
  double rate, peer, network, nic;        // payload bytes per second
  double ring, tree, net_ring, net_tree;  // seconds per step
};

/// Slices of a chunk are forwarded one by one: every step synchronises once per slice, and the
/// first slice of each phase finds the pipeline empty.
Cost ring_phases(const Wire& w, double bytes, int phases) {
  const FabricSpec& f = w.fabric;
  const int n = f.ranks;
  const double steps = phases * (n - 1);
  const double far_steps = phases * (f.domains - 1);
  double chunk = bytes / n / w.lib.channels;
  // Beyond the largest chunk the rounds of chunks follow each other without a new start.
  if (w.terms.chunk.value() > 0)
    chunk = std::min(chunk, static_cast<double>(w.terms.chunk.value()));
  Cost c;
  c.sent = steps / n * bytes;
  c.to_network = f.domains > 1 ? c.sent / f.local : 0;
  double seconds_per_byte = f.local > 1 ? 1 / w.rate : 0;
  if (f.domains > 1) seconds_per_byte = std::max(seconds_per_byte, 1 / w.network);
  c.bandwidth = c.sent * seconds_per_byte;
  c.latency = w.terms.base_ring.value() + (steps - far_steps) * w.ring * w.terms.slices +
              far_steps * w.net_ring;
  if (w.terms.slices > 1)
    c.bandwidth += phases * chunk / w.terms.slices * w.lib.channels * seconds_per_byte;
  return c;
}

/// Rings along each dimension of a torus in turn; the data is split so that all links work at once
/// (bucket algorithm). On a full torus each byte crosses the same number of links as on one ring.
Cost torus_phases(const Wire& w, double bytes, int phases) {
  const FabricSpec& f = w.fabric;
  int hops = 0;
  for (const int d : f.dims) hops += d - 1;
  Cost c;
  c.sent = phases * (f.ranks - 1.0) / f.ranks * bytes;
  c.bandwidth = c.sent / w.rate;
  c.latency = w.terms.base_ring.value() + phases * hops * w.ring;
  return c;
}

int phases_of(Kind kind) {
  return kind == Kind::kAllReduce ? 2 : 1;
}

std::optional<Cost> ring(Kind kind, double bytes, const Wire& w) {
  const FabricSpec& f = w.fabric;
  if (kind == Kind::kAllToAll || kind == Kind::kSendReceive) return std::nullopt;
  if (kind == Kind::kBroadcast) {
    // A pipelined chain: every rank forwards what it receives.
    Cost c;
    c.sent = bytes;
    c.to_network = f.domains > 1 ? bytes / f.local : 0;
    c.latency =
        w.terms.base_ring.value() + (f.ranks - f.domains) * w.ring + (f.domains - 1) * w.net_ring;
    c.bandwidth =
        std::max(f.local > 1 ? bytes / w.rate : 0.0, f.domains > 1 ? bytes / w.network : 0.0);
    return c;
  }
  if (f.kind == FabricKind::kTorus && f.domains == 1)
    return torus_phases(w, bytes, phases_of(kind));
  return ring_phases(w, bytes, phases_of(kind));
}

std::optional<Cost> tree(Kind kind, double bytes, const Wire& w) {
  const FabricSpec& f = w.fabric;
  if (kind != Kind::kAllReduce && kind != Kind::kBroadcast) return std::nullopt;
  if (f.kind == FabricKind::kTorus || f.kind == FabricKind::kRing) return std::nullopt;
  const int phases = phases_of(kind);
  const double levels = std::ceil(std::log2(f.domains));
  Cost c;
  c.sent = phases * bytes;
  c.to_network = f.domains > 1 ? phases * bytes / f.local : 0;
  // Chains inside the domain, a double binary tree between domains (NCCL).
  c.latency = w.terms.base_tree.value() + phases * ((f.local - 1) * w.tree + levels * w.net_tree);
  c.bandwidth = std::max(f.local > 1 ? c.sent / (kTreeEfficiency * w.rate) : 0.0,
                         f.domains > 1 ? c.sent / (kTreeEfficiency * w.network) : 0.0);
  return c;
}

std::optional<Cost> halving_doubling(Kind kind, double bytes, const Wire& w) {
  const FabricSpec& f = w.fabric;
  const bool fits = f.kind == FabricKind::kSwitched || f.kind == FabricKind::kFullyConnected;
  if (f.domains > 1 || !fits || !std::has_single_bit(static_cast<unsigned>(f.ranks)))
    return std::nullopt;
  if (kind != Kind::kAllReduce && kind != Kind::kAllGather && kind != Kind::kReduceScatter)
    return std::nullopt;
  const int phases = phases_of(kind);
  Cost c;
  c.sent = phases * (f.ranks - 1.0) / f.ranks * bytes;
  c.latency = w.terms.base_ring.value() + phases * std::log2(f.ranks) * w.ring;
  c.bandwidth = c.sent / w.peer;  // one peer at a time
  return c;
}

std::optional<Cost> direct(Kind kind, double bytes, const Wire& w) {
  const FabricSpec& f = w.fabric;
  const bool fits = f.kind == FabricKind::kSwitched || f.kind == FabricKind::kFullyConnected;
  if (f.domains > 1 || !fits || kind == Kind::kAllToAll || kind == Kind::kSendReceive)
    return std::nullopt;
  if (kind == Kind::kBroadcast) {
    Cost c;
    c.sent = (f.ranks - 1) * bytes;
    c.latency = w.terms.base_ring.value() + w.ring;
    c.bandwidth = c.sent / w.rate;
    return c;
  }
  const int phases = phases_of(kind);
  Cost c;
  c.sent = phases * (f.ranks - 1.0) / f.ranks * bytes;
  c.latency = w.terms.base_ring.value() + phases * w.ring;
  c.bandwidth = c.sent / w.rate;
  return c;
}

/// The better of ring and direct inside one domain.
Cost inside(Kind kind, double bytes, const Wire& w) {
  Cost best = *ring(kind, bytes, w);
  if (const auto d = direct(kind, bytes, w);
      d &&
      std::find(w.lib.algorithms.begin(), w.lib.algorithms.end(), "direct") !=
          w.lib.algorithms.end() &&
      d->total() < best.total())
    best = *d;
  return best;
}

std::optional<Cost> hierarchical(Kind kind, double bytes, const Wire& w) {
  const FabricSpec& f = w.fabric;
  if (f.domains == 1 || f.local == 1 || kind == Kind::kBroadcast) return std::nullopt;
  if (kind == Kind::kAllToAll || kind == Kind::kSendReceive) return std::nullopt;
  FabricSpec domain = f;
  domain.ranks = f.local;
  domain.domains = 1;
  const Wire local(domain, w.lib, w.terms);
  // Each rank's shard crosses the network once per phase; all ranks of a domain share its NICs.
  const int phases = phases_of(kind);
  const double shard = bytes / f.local;
  const double ring_steps = phases * (f.domains - 1.0);
  const double tree_steps = phases * std::ceil(std::log2(f.domains));
  Cost c;
  const bool power = std::has_single_bit(static_cast<unsigned>(f.domains));
  c.latency = std::min(ring_steps * w.net_ring, power ? tree_steps * w.net_tree : 1e30);
  const double sent = phases * (f.domains - 1.0) / f.domains * shard;
  c.bandwidth = sent * f.local / w.network;
  c.to_network = sent;
  c.sent = sent;
  const auto add = [&](const Cost& part, bool base) {
    c.latency += part.latency - (base ? 0.0 : w.terms.base_ring.value());
    c.bandwidth += part.bandwidth;
    c.sent += part.sent;
  };
  if (kind != Kind::kAllGather) add(inside(Kind::kReduceScatter, bytes, local), true);
  if (kind == Kind::kAllReduce) add(inside(Kind::kAllGather, bytes, local), false);
  if (kind == Kind::kAllGather) add(inside(Kind::kAllGather, bytes, local), true);
  return c;
}

std::optional<Cost> in_switch(Kind kind, double bytes, const Wire& w) {
  const FabricSpec& f = w.fabric;
  if (!f.in_switch_reduction || f.domains > 1 || f.ranks < 3) return std::nullopt;
  if (kind == Kind::kAllToAll || kind == Kind::kSendReceive) return std::nullopt;
  // Reads of the sum draw every rank's whole buffer out once; the multicast of its own share of the
  // result follows on the same links.
  const double n = f.ranks;
  double wire = bytes;
  if (kind == Kind::kAllReduce) wire = bytes * (1 + 1 / n);
  Cost c;
  c.sent = wire;
  c.latency = w.lib.in_switch_base.value();
  c.bandwidth = wire / (f.injection.value() * w.lib.in_switch_efficiency);
  return c;
}

Cost all_to_all(double bytes, const Wire& w) {
  const FabricSpec& f = w.fabric;
  const double n = f.ranks;
  double inside_time = bytes * (f.local - 1) / n / w.rate;
  if (f.kind == FabricKind::kCubeMesh && f.local > 4)
    inside_time *= 10.0 / 7.0;  // of 7 peers 4 are one link away, 3 are two
  if (f.kind == FabricKind::kTorus || f.kind == FabricKind::kRing) {
    // The busiest link of each dimension: one direction of a ring of k carries k^2/8 shares of what
    // goes to one coordinate, the middle of a line floor(k/2) ceil(k/2).
    inside_time = 0;
    for (std::size_t i = 0; i < f.dims.size(); ++i) {
      const double k = f.dims[i];
      const double share = bytes * f.local / n / k;
      const double load = f.wraps[i] ? k * k / 8 : std::floor(k / 2) * std::ceil(k / 2);
      inside_time = std::max(inside_time, share * load / w.peer);
    }
  }
  Cost c;
  c.sent = bytes * (n - 1) / n;
  c.to_network = f.domains > 1 ? bytes * (n - f.local) / n : 0;
  c.latency = w.lib.point_to_point.value() + w.ring + (f.domains > 1 ? w.net_ring : 0.0);
  c.bandwidth =
      f.domains > 1 ? std::max(inside_time, c.to_network * f.local / w.network) : inside_time;
  return c;
}

Cost send_receive(double bytes, const Wire& w) {
  const bool far = w.fabric.domains > 1;
  Cost c;
  c.sent = bytes;
  c.to_network = far ? bytes : 0;
  c.latency = w.lib.point_to_point.value() + (far ? w.net_ring : w.ring);
  c.bandwidth = bytes / (far ? w.nic : w.peer);
  return c;
}

std::optional<Cost> cost_of(Kind kind, double bytes, const Wire& w, Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kRing:
      return ring(kind, bytes, w);
    case Algorithm::kTree:
      return tree(kind, bytes, w);
    case Algorithm::kHalvingDoubling:
      return halving_doubling(kind, bytes, w);
    case Algorithm::kDirect:
      return direct(kind, bytes, w);
    case Algorithm::kHierarchical:
      return hierarchical(kind, bytes, w);
    case Algorithm::kInSwitch:
      return in_switch(kind, bytes, w);
    case Algorithm::kAuto:
      break;
  }
  return std::nullopt;
}

Time seconds(double s) {
  return to_time(Seconds(s));
}

CollectiveTime finished(const Cost& cost, Algorithm algorithm, const std::string& protocol) {
  CollectiveTime t;
  t.latency = seconds(cost.latency);
  t.bandwidth = seconds(cost.bandwidth);
  t.total = t.latency + t.bandwidth;
  t.algorithm = algorithm;
  t.protocol = protocol;
  t.sent_per_rank = Bytes(std::llround(cost.sent));
  t.sent_to_network = Bytes(std::llround(cost.to_network));
  return t;
}

}  // namespace

std::string name(CollectiveKind kind) {
  return name_in(kKinds, kind);
}
std::string name(CollectiveAlgorithm algorithm) {
  return name_in(kAlgorithms, algorithm);
}
CollectiveKind parse_collective(const std::string& text) {
  return parse_in(kKinds, "collective", text);
}
CollectiveAlgorithm parse_algorithm(const std::string& text) {
  return parse_in(kAlgorithms, "algorithm", text);
}

CollectiveTime time_of(CollectiveKind kind, Bytes bytes, const FabricSpec& fabric,
                       const CollectiveLibrary& library, CollectiveAlgorithm algorithm,
                       const std::string& protocol) {
  CollectiveTime best;
  if (fabric.ranks <= 1 || bytes.value() <= 0) return best;
  if (!protocol.empty() && library.protocols.count(protocol) == 0) {
    std::vector<std::string> known;
    for (const auto& [key, terms] : library.protocols) known.push_back(key);
    throw InputError(fmt::format("collectives '{}' have no protocol '{}'; they have {}.{}",
                                 library.name, protocol, join(known, ", "),
                                 did_you_mean(protocol, known)));
  }
  const auto size = static_cast<double>(bytes.value());
  bool found = false;
  const auto offer = [&](const Cost& cost, Algorithm a, const std::string& p) {
    if (found && seconds(cost.total()) >= best.total) return;
    best = finished(cost, a, p);
    found = true;
  };
  for (const auto& [key, terms] : library.protocols) {
    if (!protocol.empty() && key != protocol) continue;
    const Wire wire(fabric, library, terms);
    if (kind == Kind::kAllToAll || kind == Kind::kSendReceive) {
      if (algorithm != Algorithm::kAuto && algorithm != Algorithm::kDirect) continue;
      offer(kind == Kind::kAllToAll ? all_to_all(size, wire) : send_receive(size, wire),
            Algorithm::kDirect, key);
      continue;
    }
    for (const std::string& text : library.algorithms) {
      const Algorithm a = parse_algorithm(text);
      if (algorithm != Algorithm::kAuto && a != algorithm) continue;
      if (const auto cost = cost_of(kind, size, wire, a))
        offer(*cost, a, a == Algorithm::kInSwitch ? "multicast" : key);
    }
  }
  if (!found)
    throw InputError(
        fmt::format("collectives '{}' have no {} {} for {} ranks on this fabric; they have {}",
                    library.name, algorithm == Algorithm::kAuto ? "" : name(algorithm), name(kind),
                    fabric.ranks, join(library.algorithms, ", ")));
  return best;
}

BytesPerSecond bus_bandwidth(CollectiveKind kind, Bytes bytes, int ranks, Time time) {
  const double rate = static_cast<double>(bytes.value()) / to_seconds(time).value();
  const double n = ranks;
  switch (kind) {
    case CollectiveKind::kAllReduce:
      return BytesPerSecond(rate * 2 * (n - 1) / n);
    case CollectiveKind::kAllGather:
    case CollectiveKind::kReduceScatter:
    case CollectiveKind::kAllToAll:
      return BytesPerSecond(rate * (n - 1) / n);
    case CollectiveKind::kBroadcast:
    case CollectiveKind::kSendReceive:
      break;
  }
  return BytesPerSecond(rate);
}

}  // namespace athena::timing
