/// A 4 x 4 mesh of RTL routers against the stepped model and against the network that chips are
/// simulated with, all three under the same packets.
#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "cosim/router_mesh.h"
#include "cosim/rtl_factory.h"
#include "timing/noc_flit.h"
#include "timing/router_step.h"

namespace athena::cosim {
namespace {

/// Stated tolerance of the mean latency below 60 % of saturation.
constexpr double kTolerance = 0.03;
/// Cycles that FlitNetwork's wires between a terminal and its router add at the source and the
/// sink; a packet of the mesh enters its first router in the cycle in which it is born.
constexpr double kTerminalWires = 1.0;

timing::NocSpec spec_of(const MeshTraffic& t, int vc_depth, bool hold_packet) {
  timing::NocSpec spec;
  spec.rows = t.height;
  spec.cols = t.width;
  spec.flit_bytes = 1;
  spec.router_cycles = 3;  // rtl/noc_router: four cycles a hop, one of them the wire
  spec.link_cycles = 2;    // the wire of the mesh has a register of its own
  spec.virtual_channels = timing::kRouterVcs;
  spec.buffer_flits = vc_depth;
  spec.switching = hold_packet ? config::SwitchPolicy::kPacket : config::SwitchPolicy::kFlit;
  return spec;
}

double relative(double model, double rtl) {
  return (model - rtl) / rtl;
}

}  // namespace

MeshResult run_flit_network(const MeshTraffic& t, int vc_depth, bool hold_packet) {
  const timing::Topology topology(spec_of(t, vc_depth, hold_packet));
  timing::FlitNetwork network(topology);
  const std::vector<MeshPacket> packets = mesh_packets(t);
  std::uint64_t waiting = 0;
  for (const MeshPacket& p : packets) waiting += p.measured ? 1 : 0;
  MeshResult result;
  double latency = 0.0;
  std::size_t next = 0;
  while (waiting > 0) {
    const auto now = static_cast<std::uint64_t>(network.cycle());
    for (; next < packets.size() && packets[next].born == now; ++next) {
      const MeshPacket& p = packets[next];
      network.offer(p.source, p.target, t.packet_flits, static_cast<std::int64_t>(next),
                    static_cast<std::int64_t>(p.born));
    }
    network.step();
    for (const timing::NocDelivery& d : network.deliveries()) {
      if (!packets[static_cast<std::size_t>(d.tag)].measured) continue;
      --waiting;
      ++result.packets;
      latency += static_cast<double>(d.delivered - d.created) - kTerminalWires;
      result.last_cycle = static_cast<std::uint64_t>(d.delivered);
    }
    network.deliveries().clear();
  }
  result.mean_latency = latency / static_cast<double>(result.packets);
  return result;
}

std::vector<std::string> mesh_parity(bool hold_packet, int vc_depth) {
  const auto rtl_routers = [&] { return make_rtl_router(hold_packet, 1); };
  const auto model_routers = [&] {
    return std::make_unique<timing::RouterStep>(timing::RouterRtlParams{vc_depth, hold_packet});
  };
  std::vector<std::string> lines;
  for (const char* pattern : {"uniform", "transpose"}) {
    MeshTraffic t;
    t.pattern = pattern;
    t.warm_up = 500;
    t.measured = 1500;
    t.rate = 1.0;
    const double saturation = run_mesh(model_routers, vc_depth, t).accepted;
    for (const double share : {0.2, 0.4, 0.6}) {
      t.rate = saturation * share;
      t.measured = 3000;
      const MeshResult model = run_mesh(model_routers, vc_depth, t);
      const MeshResult rtl = run_mesh(rtl_routers, vc_depth, t);
      const MeshResult network = run_flit_network(t, vc_depth, hold_packet);
      const double step_error = relative(model.mean_latency, rtl.mean_latency);
      const double error = relative(network.mean_latency, rtl.mean_latency);
      lines.push_back(fmt::format(
          "PARITY noc_router 4x4 {}{} at {:.0f} % of saturation ({:.2f} flits/node/cycle): "
          "packets={} latency rtl={:.3f} stepped={:.3f} error={:.2f} %, network={:.3f} "
          "error={:.2f} % tolerance={:.0f} %",
          pattern, hold_packet ? " held" : "", share * 100, t.rate, rtl.packets, rtl.mean_latency,
          model.mean_latency, step_error * 100, network.mean_latency, error * 100,
          kTolerance * 100));
      if (model.last_cycle != rtl.last_cycle || model.packets != rtl.packets || step_error != 0.0 ||
          std::abs(error) > kTolerance) {
        throw Contradiction(lines.back());
      }
    }
  }
  return lines;
}

}  // namespace athena::cosim
