#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "timing/collective.h"

namespace athena::timing {
namespace {

using config::FabricKind;
using config::SystemConfig;

/// Extent in each dimension of the sub-torus that `local` ranks, `stride` apart, fill; empty when
/// they fill none (they then form a ring along neighbouring links).
std::vector<int> torus_extent(const std::vector<int>& dims, int local, int stride) {
  std::vector<int> extent;
  int skip = stride;
  int left = local;
  for (const int d : dims) {
    if (skip > 1) {
      if (skip % d != 0) return {};
      skip /= d;
      continue;
    }
    if (left == 1) break;
    const int take = std::min(left, d);
    if (left % take != 0) return {};
    extent.push_back(take);
    left /= take;
    if (take < d && left > 1) return {};
  }
  return left == 1 ? extent : std::vector<int>{};
}

/// Raw rate of one direction of one torus dimension.
double torus_lane(const config::FabricConfig& f) {
  int lanes = 0;
  for (const int d : f.dims) lanes += d > 2 ? 2 : (d == 2 ? 1 : 0);
  return lanes > 0 ? f.links * f.bandwidth.value() / lanes : 0.0;
}

void set_domain_rates(FabricSpec& spec, const SystemConfig& system, int stride) {
  const config::FabricConfig& f = system.fabric;
  const double link = f.bandwidth.value() * f.efficiency;
  const int domain = system.domain_chips();
  double injection = f.links * link;
  double peer = injection;
  switch (f.kind) {
    case FabricKind::kSwitched:
      break;
    case FabricKind::kFullyConnected:
      peer = f.links_per_peer * link;
      injection = peer * std::max(1, spec.local - 1);
      break;
    case FabricKind::kRing:
      // Both directions only on the whole ring; a stretch of it is a line.
      peer = injection / 2;
      spec.dims = {spec.local};
      spec.wraps = {spec.local == domain && domain > 2};
      if (!spec.wraps[0]) injection = peer;
      break;
    case FabricKind::kTorus: {
      const double lane = torus_lane(f) * f.efficiency;
      spec.dims = torus_extent(f.dims, spec.local, stride);
      peer = lane;
      injection = 0;
      for (std::size_t i = 0; i < spec.dims.size(); ++i) {
        const int k = spec.dims[i];
        const bool wraps = k > 2 && std::find(f.dims.begin(), f.dims.end(), k) != f.dims.end();
        spec.wraps.push_back(wraps);
        injection += wraps ? 2 * lane : lane;
      }
      if (spec.dims.empty()) {
        spec.dims = {spec.local};
        spec.wraps = {false};
        injection = lane;
      }
      break;
    }
    case FabricKind::kCubeMesh:
      // Of the 6 link groups of a chip one leads to the nearest peer, 4 stay in its quad.
      peer = injection / 6;
      if (spec.local == 2) injection = peer;
      if (spec.local > 2 && spec.local <= 4) injection *= 4.0 / 6.0;
      break;
  }
  spec.injection = BytesPerSecond(injection);
  spec.peer = BytesPerSecond(peer);
  const bool switched = f.kind == FabricKind::kSwitched;
  spec.hop = Seconds(f.link_latency.value() + (switched ? f.switch_latency.value() : 0.0));
  spec.in_switch_reduction = switched && f.in_switch_reduction;
}

void set_network_rates(FabricSpec& spec, const SystemConfig& system) {
  const config::NetworkConfig& n = system.network;
  const int domain = system.domain_chips();
  const double nodes_per_domain =
      std::max(1.0, static_cast<double>(domain) / system.chips_per_node);
  double rate = n.nics * n.bandwidth.value() * n.efficiency * nodes_per_domain;
  int levels = 1;
  for (double reach = n.radix; reach < system.nodes; reach *= n.radix) ++levels;
  if (levels > 1) rate /= n.oversubscription;
  // All ranks of a domain are busy with groups of the same shape: each group has its share.
  spec.network = BytesPerSecond(rate * spec.local / domain);
  spec.nic = BytesPerSecond(rate / domain);
  spec.network_hop = Seconds(n.latency.value() + 2 * (levels - 1) * n.switch_latency.value());
}

}  // namespace

FabricSpec fabric_of(const SystemConfig& system, int ranks, int stride) {
  const int n = ranks > 0 ? ranks : system.chips();
  if (ranks < 0 || stride < 1)
    throw InputError(fmt::format("a group of {} ranks, {} apart, does not exist", ranks, stride));
  if (static_cast<std::int64_t>(n - 1) * stride >= system.chips())
    throw InputError(fmt::format(
        "a group of {} ranks, {} apart, needs {} chips, and system '{}' has {}; give more --nodes",
        n, stride, static_cast<std::int64_t>(n - 1) * stride + 1, system.name, system.chips()));
  FabricSpec spec;
  spec.kind = system.fabric.kind;
  spec.link = system.fabric.link;
  spec.ranks = n;
  const int domain = system.domain_chips();
  const int fit = std::max(1, domain / stride);
  spec.domains = ceil_div(n, std::min(n, fit));
  spec.local = ceil_div(n, spec.domains);
  set_domain_rates(spec, system, stride);
  if (spec.domains > 1) set_network_rates(spec, system);
  return spec;
}

}  // namespace athena::timing
