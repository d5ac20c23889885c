#include "cosim/router_mesh.h"

#include <fmt/format.h>

#include <vector>

#include "base/error.h"
#include "base/rng.h"
#include "timing/router_mesh.h"

namespace athena::cosim {
namespace {

/// Cycles of traffic behind the measured window.
constexpr std::uint64_t kAfter = 500;

int target_of(const MeshTraffic& t, int node, Rng& rng) {
  const int x = node % t.width;
  const int y = node / t.width;
  if (t.pattern == "transpose") return x * t.width + y;
  if (t.pattern == "neighbour") return y * t.width + (x + 1) % t.width;
  return static_cast<int>(rng.below(static_cast<std::uint64_t>(t.width * t.height)));
}

/// Synthetic traffic on a mesh, and what became of every packet.
class Mesh {
 public:
  Mesh(const std::function<std::unique_ptr<timing::Block>()>& make_router, int vc_depth,
       const MeshTraffic& t)
      : t_(t),
        routers_(t.width, t.height, vc_depth, 0, [&](int) { return make_router(); }),
        packets_(mesh_packets(t)) {
    arrived_at_.resize(packets_.size());
    for (const MeshPacket& p : packets_) waiting_ += p.measured ? 1 : 0;
  }

  MeshResult run() {
    std::uint64_t idle = 0;
    for (cycle_ = 0; waiting_ > 0; ++cycle_) {
      generate();
      routers_.step();
      for (const timing::MeshEjection& out : routers_.ejections()) eject(out);
      idle = routers_.moved() ? 0 : idle + 1;
      if (idle > 5000 && waiting_ > 0)
        throw Contradiction("noc mesh: packets wait and nothing moves");
    }
    MeshResult r;
    r.packets = arrived_;
    r.mean_latency = arrived_ == 0 ? 0.0 : latency_sum_ / static_cast<double>(arrived_);
    r.accepted = static_cast<double>(ejected_) /
                 (static_cast<double>(routers_.nodes()) * static_cast<double>(t_.measured));
    r.last_cycle = last_cycle_;
    return r;
  }

 private:
  void generate() {
    for (; next_ < packets_.size() && packets_[next_].born == cycle_; ++next_) {
      const MeshPacket& p = packets_[next_];
      routers_.offer({p.source, timing::MeshSide::kLocal}, {p.target, timing::MeshSide::kLocal},
                     t_.packet_flits, static_cast<std::uint32_t>(next_));
    }
  }

  void eject(const timing::MeshEjection& out) {
    const timing::Flit& f = out.flit;
    if (f.payload >= packets_.size() || packets_[f.payload].target != out.at.router) {
      throw Contradiction(fmt::format("noc mesh: a flit of packet {} came out at node {}",
                                      f.payload, out.at.router));
    }
    if (cycle_ >= t_.warm_up && cycle_ < t_.warm_up + t_.measured) ++ejected_;
    if (!f.tail) return;
    const MeshPacket& p = packets_[f.payload];
    if (arrived_at_[f.payload] != 0) throw Contradiction("noc mesh: a packet arrived twice");
    arrived_at_[f.payload] = cycle_;
    if (!p.measured) return;
    --waiting_;
    ++arrived_;
    latency_sum_ += static_cast<double>(cycle_ - p.born);
    last_cycle_ = cycle_;
  }

  MeshTraffic t_;
  timing::RouterMesh routers_;
  std::vector<MeshPacket> packets_;
  std::vector<std::uint64_t> arrived_at_;
  std::size_t next_ = 0;  ///< first packet not yet queued
  std::uint64_t cycle_ = 0, waiting_ = 0, arrived_ = 0, ejected_ = 0, last_cycle_ = 0;
  double latency_sum_ = 0.0;
};

}  // namespace

std::vector<MeshPacket> mesh_packets(const MeshTraffic& t) {
  Rng rng(t.seed);
  std::vector<MeshPacket> packets;
  const std::uint64_t end = t.warm_up + t.measured;
  for (std::uint64_t cycle = 0; cycle < end + kAfter; ++cycle) {
    for (int n = 0; n < t.width * t.height; ++n) {
      if (!rng.chance(t.rate / t.packet_flits)) continue;
      packets.push_back({cycle, n, target_of(t, n, rng), cycle >= t.warm_up && cycle < end});
    }
  }
  return packets;
}

MeshResult run_mesh(const std::function<std::unique_ptr<timing::Block>()>& make_router,
                    int vc_depth, const MeshTraffic& traffic) {
  return Mesh(make_router, vc_depth, traffic).run();
}

}  // namespace athena::cosim
