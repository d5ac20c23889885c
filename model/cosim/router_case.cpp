#include <fmt/format.h>

#include <array>
#include <deque>

#include "base/error.h"
#include "cosim/cases.h"
#include "cosim/router_mesh.h"
#include "cosim/rtl_factory.h"
#include "timing/router_step.h"

namespace athena::cosim {
namespace {

using timing::Flit;
using timing::kRouterPorts;
using timing::kRouterVcs;
using timing::RouterRtlParams;

constexpr int kX = 2;
constexpr int kY = 2;

/// Packets of 1 to 9 flits into every input and channel, obeying credits; sinks that return credits
/// late. XY order is respected: what arrives from north or south never turns into a row.
class RouterStimulus final : public Stimulus {
 public:
  RouterStimulus(const RouterRtlParams& params, std::uint64_t seed, double stall)
      : ports_(timing::router_ports()), rng_(seed), stall_(stall) {
    for (auto& port : credits_) port.fill(params.depth);
  }

  void drive(std::uint32_t* in) override {
    in[ports_.input("x").word] = kX;
    in[ports_.input("y").word] = kY;
    std::uint32_t& valid = in[ports_.input("in_valid").word];
    std::uint32_t* flits = in + ports_.input("in_flit").word;
    valid = 0;
    for (int p = 0; p < kRouterPorts; ++p) {
      timing::put_flit(flits, p, Flit{});
      if (rng_.chance(stall_)) continue;
      const int vc = static_cast<int>(rng_.below(kRouterVcs));
      int& credit = credits_[static_cast<std::size_t>(p)][static_cast<std::size_t>(vc)];
      if (credit == 0) continue;
      --credit;
      valid |= 1U << p;
      timing::put_flit(flits, p, next_flit(p, vc));
    }
    std::uint32_t& credit = in[ports_.input("credit").word];
    credit = 0;
    for (int i = 0; i < kRouterPorts * kRouterVcs; ++i) {
      int& owed = owed_[static_cast<std::size_t>(i)];
      if (owed == 0 || rng_.chance(stall_)) continue;
      --owed;
      credit |= 1U << i;
    }
  }

  void observe(const std::uint32_t*, const std::uint32_t* out) override {
    const std::uint32_t back = out[ports_.output("credit_back").word];
    for (int i = 0; i < kRouterPorts * kRouterVcs; ++i) {
      if ((back >> i & 1U) != 0) {
        ++credits_[static_cast<std::size_t>(i / kRouterVcs)]
                  [static_cast<std::size_t>(i % kRouterVcs)];
      }
    }
    const std::uint32_t valid = out[ports_.output("out_valid").word];
    for (int o = 0; o < kRouterPorts; ++o) {
      if ((valid >> o & 1U) == 0) continue;
      const Flit f = timing::get_flit(out + ports_.output("out_flit").word, o);
      ++owed_[static_cast<std::size_t>(o * kRouterVcs + f.vc)];
      take(o, f);
    }
  }

  [[nodiscard]] std::uint64_t completed() const override { return completed_; }

 private:
  struct Sending {
    int left = 0;
    Flit flit;
  };

  Flit next_flit(int port, int vc) {
    Sending& s = sending_[static_cast<std::size_t>(port * kRouterVcs + vc)];
    if (s.left == 0) {
      s.left = 1 + static_cast<int>(rng_.below(9));
      s.flit = Flit{};
      s.flit.vc = static_cast<std::uint8_t>(vc);
      const bool column_only = port == 1 || port == 3;
      s.flit.x = static_cast<std::uint8_t>(column_only ? kX : rng_.below(5));
      s.flit.y = static_cast<std::uint8_t>(rng_.below(5));
      s.flit.head = true;
    } else {
      s.flit.head = false;
      // Body flits must be routed by their packet, not by what stands in their address.
      s.flit.x = static_cast<std::uint8_t>(rng_.below(16));
      s.flit.y = static_cast<std::uint8_t>(rng_.below(16));
    }
    s.flit.payload = static_cast<std::uint32_t>(rng_.next());
    s.flit.tail = --s.left == 0;
    return s.flit;
  }

  /// Packets of one channel must leave an output whole.
  void take(int output, const Flit& f) {
    bool& open = open_[static_cast<std::size_t>(output * kRouterVcs + f.vc)];
    if (f.head == open) {
      throw Contradiction(
          fmt::format("noc_router: packets are mixed on output {} channel {}", output, f.vc));
    }
    open = !f.tail;
    if (f.tail) ++completed_;
  }

  timing::Ports ports_;
  Rng rng_;
  double stall_;
  std::array<std::array<int, kRouterVcs>, kRouterPorts> credits_{};
  std::array<int, kRouterPorts * kRouterVcs> owed_{};
  std::array<Sending, kRouterPorts * kRouterVcs> sending_;
  std::array<bool, kRouterPorts * kRouterVcs> open_{};
  std::uint64_t completed_ = 0;
};

}  // namespace

void add_router_cases(std::vector<BlockCase>& all) {
  for (const bool hold : {false, true}) {
    const RouterRtlParams params{8, hold};
    BlockCase c;
    c.block = "noc_router";
    c.variant = hold ? "packet-held" : "interleaved";
    c.vectors = "packets";
    c.make_model = [params] { return std::make_unique<timing::RouterStep>(params); };
    c.make_rtl = [hold](std::uint64_t seed) { return make_rtl_router(hold, seed); };
    c.make_stimulus = [params](std::uint64_t seed, double stall) {
      return std::make_unique<RouterStimulus>(params, seed, stall);
    };
    c.faults = {
        {"misroute", "x", Fault::Kind::kFlipLow, 0, true, 0, "the router thinks it is next door"},
        {"lost-credit", "credit", Fault::Kind::kStuckZero, 0, true, 0, "no credit ever returns"},
        {"payload-bit", "out_flit", Fault::Kind::kFlipLow, 0, false, 0,
         "the lowest bit of the local output flips"},
    };
    c.parity = [params] { return mesh_parity(params.hold_packet, params.depth); };
    all.push_back(std::move(c));
  }
}

}  // namespace athena::cosim
