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

struct Packet {
  std::uint64_t born = 0;
  int target = 0;
  bool measured = false;
  bool arrived = false;
};

class Mesh {
 public:
  Mesh(const std::function<std::unique_ptr<timing::Block>()>& make_router, int vc_depth,
       const MeshTraffic& t)
      : t_(t), nodes_(t.width * t.height), rng_(t.seed), ports_(timing::router_ports()) {
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
    const std::uint64_t end = t_.warm_up + t_.measured;
    std::uint64_t idle = 0;
    for (cycle_ = 0; cycle_ < end || waiting_ > 0; ++cycle_) {
      if (cycle_ < end || waiting_ > 0) generate(end);
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

  int target_of(int node) {
    const int x = node % t_.width;
    const int y = node / t_.width;
    if (t_.pattern == "transpose") return x * t_.width + y;
    if (t_.pattern == "neighbour") return y * t_.width + (x + 1) % t_.width;
    return static_cast<int>(rng_.below(static_cast<std::uint64_t>(nodes_)));
  }

  void generate(std::uint64_t end) {
    for (int n = 0; n < nodes_; ++n) {
      if (!rng_.chance(t_.rate / t_.packet_flits)) continue;
      Packet p;
      p.born = cycle_;
      p.target = target_of(n);
      p.measured = cycle_ >= t_.warm_up && cycle_ < end;
      if (p.measured) ++waiting_;
      const auto id = static_cast<std::uint32_t>(packets_.size());
      packets_.push_back(p);
      auto& vc = next_vc_[static_cast<std::size_t>(n)];
      vc = (vc + 1) % kRouterVcs;
      for (int i = 0; i < t_.packet_flits; ++i) {
        Flit f;
        f.payload = id;
        f.x = static_cast<std::uint8_t>(p.target % t_.width);
        f.y = static_cast<std::uint8_t>(p.target / t_.width);
        f.vc = static_cast<std::uint8_t>(vc);
        f.head = i == 0;
        f.tail = i == t_.packet_flits - 1;
        queues_[static_cast<std::size_t>(n)].push_back(f);
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
    Packet& p = packets_[f.payload];
    if (p.arrived) throw Contradiction("noc mesh: a packet arrived twice");
    p.arrived = true;
    if (!p.measured) return;
    --waiting_;
    ++arrived_;
    latency_sum_ += static_cast<double>(cycle_ - p.born);
    last_cycle_ = cycle_;
  }

  MeshTraffic t_;
  int nodes_;
  Rng rng_;
  timing::Ports ports_;
  std::vector<std::unique_ptr<timing::Block>> routers_;
  std::vector<std::vector<std::uint32_t>> in_, out_;
  std::vector<std::vector<int>> credits_;
  std::vector<std::deque<Flit>> queues_;
  std::vector<int> next_vc_;
  std::vector<Packet> packets_;
  std::uint64_t cycle_ = 0, waiting_ = 0, arrived_ = 0, ejected_ = 0, last_cycle_ = 0;
  double latency_sum_ = 0.0;
  bool moved_ = false;
};

}  // namespace

MeshResult run_mesh(const std::function<std::unique_ptr<timing::Block>()>& make_router,
                    int vc_depth, const MeshTraffic& traffic) {
  return Mesh(make_router, vc_depth, traffic).run();
}

}  // namespace athena::cosim
