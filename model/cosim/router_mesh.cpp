#include "cosim/router_mesh.h"

#include <fmt/format.h>

#include <deque>
#include <vector>

#include "base/error.h"
#include "base/rng.h"
#include "timing/router_step.h"

namespace athena::cosim {
namespace {

using timing::Flit;
using timing::kRouterPorts;
using timing::kRouterVcs;

enum Direction { kLocal, kNorth, kEast, kSouth, kWest };
constexpr int opposite(int direction) {
  switch (direction) {
    case kNorth:
      return kSouth;
    case kSouth:
      return kNorth;
    case kEast:
      return kWest;
    default:
      return kEast;
  }
}

/// Cycles of traffic behind the measured window.
constexpr std::uint64_t kAfter = 500;

int target_of(const MeshTraffic& t, int node, Rng& rng) {
  const int x = node % t.width;
  const int y = node / t.width;
  if (t.pattern == "transpose") return x * t.width + y;
  if (t.pattern == "neighbour") return y * t.width + (x + 1) % t.width;
  return static_cast<int>(rng.below(static_cast<std::uint64_t>(t.width * t.height)));
}

class Mesh {
 public:
  Mesh(const std::function<std::unique_ptr<timing::Block>()>& make_router, int vc_depth,
       const MeshTraffic& t)
      : t_(t),
        nodes_(t.width * t.height),
        ports_(timing::router_ports()),
        packets_(mesh_packets(t)) {
    arrived_at_.resize(packets_.size());
    for (const MeshPacket& p : packets_) waiting_ += p.measured ? 1 : 0;
    for (int n = 0; n < nodes_; ++n) {
      routers_.push_back(make_router());
      routers_.back()->reset();
      in_.emplace_back(static_cast<std::size_t>(ports_.input_words()));
      out_.emplace_back(static_cast<std::size_t>(ports_.output_words()));
      credits_.emplace_back(static_cast<std::size_t>(kRouterVcs), vc_depth);
      queues_.emplace_back();
      next_vc_.push_back(n % kRouterVcs);
    }
  }

  MeshResult run() {
    std::uint64_t idle = 0;
    for (cycle_ = 0; waiting_ > 0; ++cycle_) {
      generate();
      moved_ = false;
      step();
      idle = moved_ ? 0 : idle + 1;
      if (idle > 5000 && waiting_ > 0)
        throw Contradiction("noc mesh: packets wait and nothing moves");
    }
    MeshResult r;
    r.packets = arrived_;
    r.mean_latency = arrived_ == 0 ? 0.0 : latency_sum_ / static_cast<double>(arrived_);
    r.accepted = static_cast<double>(ejected_) /
                 (static_cast<double>(nodes_) * static_cast<double>(t_.measured));
    r.last_cycle = last_cycle_;
    return r;
  }

 private:
  std::uint32_t* input(int node, const char* name) {
    return in_[static_cast<std::size_t>(node)].data() + ports_.input(name).word;
  }
  const std::uint32_t* output(int node, const char* name) const {
    return out_[static_cast<std::size_t>(node)].data() + ports_.output(name).word;
  }

  void generate() {
    for (; next_ < packets_.size() && packets_[next_].born == cycle_; ++next_) {
      const MeshPacket& p = packets_[next_];
      const auto n = static_cast<std::size_t>(p.source);
      int& vc = next_vc_[n];
      vc = (vc + 1) % kRouterVcs;
      for (int i = 0; i < t_.packet_flits; ++i) {
        Flit f;
        f.payload = static_cast<std::uint32_t>(next_);
        f.x = static_cast<std::uint8_t>(p.target % t_.width);
        f.y = static_cast<std::uint8_t>(p.target / t_.width);
        f.vc = static_cast<std::uint8_t>(vc);
        f.head = i == 0;
        f.tail = i == t_.packet_flits - 1;
        queues_[n].push_back(f);
      }
    }
  }

  /// Inputs of this cycle come from the outputs of the last one: links are the output registers.
  void step() {
    std::vector<std::vector<std::uint32_t>> before = out_;
    for (int n = 0; n < nodes_; ++n) {
      auto& in = in_[static_cast<std::size_t>(n)];
      std::fill(in.begin(), in.end(), 0U);
      const int x = n % t_.width;
      const int y = n / t_.width;
      *input(n, "x") = static_cast<std::uint32_t>(x);
      *input(n, "y") = static_cast<std::uint32_t>(y);
      inject(n);
      for (int d = kNorth; d <= kWest; ++d) link(n, x, y, d, before);
      // The sink takes everything and returns the credit a cycle later.
      eject(n, before[static_cast<std::size_t>(n)]);
    }
    for (int n = 0; n < nodes_; ++n) {
      routers_[static_cast<std::size_t>(n)]->cycle(in_[static_cast<std::size_t>(n)].data(),
                                                   out_[static_cast<std::size_t>(n)].data());
      const std::uint32_t back = *output(n, "credit_back");
      for (int v = 0; v < kRouterVcs; ++v) {
        if ((back >> v & 1U) != 0)
          ++credits_[static_cast<std::size_t>(n)][static_cast<std::size_t>(v)];
      }
    }
  }

  void inject(int n) {
    auto& queue = queues_[static_cast<std::size_t>(n)];
    if (queue.empty()) return;
    int& credit = credits_[static_cast<std::size_t>(n)][queue.front().vc];
    if (credit == 0) return;
    --credit;
    *input(n, "in_valid") |= 1U;
    timing::put_flit(input(n, "in_flit"), kLocal, queue.front());
    queue.pop_front();
    moved_ = true;
  }

  void link(int n, int x, int y, int d, const std::vector<std::vector<std::uint32_t>>& before) {
    const int nx = x + (d == kEast) - (d == kWest);
    const int ny = y + (d == kNorth) - (d == kSouth);
    if (nx < 0 || ny < 0 || nx >= t_.width || ny >= t_.height) return;
    const auto& far = before[static_cast<std::size_t>(ny * t_.width + nx)];
    const int there = opposite(d);
    if ((far[static_cast<std::size_t>(ports_.output("out_valid").word)] >> there & 1U) != 0) {
      *input(n, "in_valid") |= 1U << d;
      timing::put_flit(
          input(n, "in_flit"), d,
          timing::get_flit(&far[static_cast<std::size_t>(ports_.output("out_flit").word)], there));
      moved_ = true;
    }
    const std::uint32_t back = far[static_cast<std::size_t>(ports_.output("credit_back").word)];
    const std::uint32_t all = (1U << kRouterVcs) - 1;
    *input(n, "credit") |= (back >> (there * kRouterVcs) & all) << (d * kRouterVcs);
  }

  void eject(int n, const std::vector<std::uint32_t>& out) {
    if ((out[static_cast<std::size_t>(ports_.output("out_valid").word)] & 1U) == 0) return;
    const Flit f =
        timing::get_flit(&out[static_cast<std::size_t>(ports_.output("out_flit").word)], kLocal);
    *input(n, "credit") |= 1U << f.vc;
    moved_ = true;
    if (f.payload >= packets_.size() || packets_[f.payload].target != n) {
      throw Contradiction(
          fmt::format("noc mesh: a flit of packet {} came out at node {}", f.payload, n));
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
  int nodes_;
  timing::Ports ports_;
  std::vector<std::unique_ptr<timing::Block>> routers_;
  std::vector<std::vector<std::uint32_t>> in_, out_;
  std::vector<std::vector<int>> credits_;
  std::vector<std::deque<Flit>> queues_;
  std::vector<int> next_vc_;
  std::vector<MeshPacket> packets_;
  std::vector<std::uint64_t> arrived_at_;
  std::size_t next_ = 0;  ///< first packet not yet queued
  std::uint64_t cycle_ = 0, waiting_ = 0, arrived_ = 0, ejected_ = 0, last_cycle_ = 0;
  double latency_sum_ = 0.0;
  bool moved_ = false;
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
