#pragma once
/// A mesh of routers, model or RTL, under synthetic traffic: the same traffic on both must give the
/// same arrival of every packet.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "timing/block.h"

namespace athena::cosim {

struct MeshTraffic {
  int width = 4;
  int height = 4;
  int packet_flits = 5;
  double rate = 0.2;                ///< offered flits per node and cycle
  std::string pattern = "uniform";  ///< uniform, transpose or neighbour
  std::uint64_t warm_up = 1000;     ///< cycles before packets count
  std::uint64_t measured = 4000;    ///< cycles during which packets that start are measured
  std::uint64_t seed = 1;
};

/// One packet of the traffic: the same list runs on every body of the network.
struct MeshPacket {
  std::uint64_t born = 0;  ///< cycle
  int source = 0;
  int target = 0;
  bool measured = false;
};
/// Bernoulli sources until the measured window closes, and some more so that its last packets still
/// meet traffic. In order of `born`.
[[nodiscard]] std::vector<MeshPacket> mesh_packets(const MeshTraffic& traffic);

struct MeshResult {
  std::uint64_t packets = 0;     ///< measured packets that arrived
  double mean_latency = 0.0;     ///< cycles, source queue included, first flit ready to tail out
  double accepted = 0.0;         ///< flits per node and cycle while measuring
  std::uint64_t last_cycle = 0;  ///< when the last measured packet arrived
};

/// The same packets through the simulator's network, flit by flit or by transactions.
[[nodiscard]] MeshResult run_flit_network(const MeshTraffic& traffic, int vc_depth,
                                          bool hold_packet);

/// Lines that hold the routers' model and the simulator's network against a mesh of RTL routers:
/// latency at 20, 40 and 60 % of the RTL's saturation. Throws Contradiction beyond the tolerance.
[[nodiscard]] std::vector<std::string> mesh_parity(bool hold_packet, int vc_depth);

/// Runs until every measured packet arrived; throws Contradiction on a lost, doubled or misrouted
/// flit, or when nothing moves any more.
[[nodiscard]] MeshResult run_mesh(
    const std::function<std::unique_ptr<timing::Block>()>& make_router, int vc_depth,
    const MeshTraffic& traffic);

}  // namespace athena::cosim
