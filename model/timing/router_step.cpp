#include "timing/router_step.h"

#include <bit>

#include "base/error.h"

namespace athena::timing {
namespace {

enum Direction { kLocal, kNorth, kEast, kSouth, kWest };

/// Words of the port, in the order of router_ports().
constexpr int kFlitWords = (kRouterPorts * kFlitBits + 31) / 32;
constexpr int kX = 0;
constexpr int kY = 1;
constexpr int kInValid = 2;
constexpr int kCreditIn = 3;
constexpr int kInFlit = 4;
constexpr int kOutValid = 0;
constexpr int kCreditOut = 1;
constexpr int kOutFlit = 2;

}  // namespace

std::uint64_t Flit::bits() const {
  return static_cast<std::uint64_t>(payload) | static_cast<std::uint64_t>(y) << 32 |
         static_cast<std::uint64_t>(x) << 36 | static_cast<std::uint64_t>(vc) << 40 |
         static_cast<std::uint64_t>(tail) << 42 | static_cast<std::uint64_t>(head) << 43;
}

Flit Flit::from_bits(std::uint64_t bits) {
  Flit f;
  f.payload = static_cast<std::uint32_t>(bits);
  f.y = static_cast<std::uint8_t>(bits >> 32 & 15);
  f.x = static_cast<std::uint8_t>(bits >> 36 & 15);
  f.vc = static_cast<std::uint8_t>(bits >> 40 & 3);
  f.tail = (bits >> 42 & 1) != 0;
  f.head = (bits >> 43 & 1) != 0;
  return f;
}

Flit get_flit(const std::uint32_t* words, int port) {
  const int at = port * kFlitBits;
  return Flit::from_bits(get_bits(words, at, 32) |
                         static_cast<std::uint64_t>(get_bits(words, at + 32, kFlitBits - 32))
                             << 32);
}

void put_flit(std::uint32_t* words, int port, const Flit& flit) {
  const int at = port * kFlitBits;
  put_bits(words, at, 32, static_cast<std::uint32_t>(flit.bits()));
  put_bits(words, at + 32, kFlitBits - 32, static_cast<std::uint32_t>(flit.bits() >> 32));
}

Ports router_ports() {
  Ports ports;
  ports.add_input("x", 4);
  ports.add_input("y", 4);
  ports.add_input("in_valid", kRouterPorts);
  ports.add_input("credit", kRouterPorts * kRouterVcs);
  ports.add_input("in_flit", kRouterPorts * kFlitBits, "in_valid");
  ports.add_output("out_valid", kRouterPorts);
  ports.add_output("credit_back", kRouterPorts * kRouterVcs);
  ports.add_output("out_flit", kRouterPorts * kFlitBits, "out_valid");
  return ports;
}

RouterStep::RouterStep(const RouterRtlParams& params)
    : Block("noc_router", router_ports()), params_(params) {
  if (params.depth < 1 || params.depth > 255) {
    throw InputError("noc_router needs 1..255 flits per virtual channel");
  }
  reset();
}

void RouterStep::reset() {
  channels_ = {};
  outputs_ = {};
  input_turn_ = {};
  for (auto& vc : output_vcs_) {
    vc = OutputVc{};
    vc.credit = params_.depth;
  }
  credit_out_ = 0;
}

int RouterStep::route_of(const Flit& flit, std::uint32_t x, std::uint32_t y) const {
  if (flit.x > x) return kEast;
  if (flit.x < x) return kWest;
  if (flit.y > y) return kNorth;
  if (flit.y < y) return kSouth;
  return kLocal;
}

void RouterStep::cycle(const std::uint32_t* in, std::uint32_t* out) {
  out[kOutValid] = 0;
  out[kCreditOut] = credit_out_;
  for (int i = 0; i < kFlitWords; ++i) out[kOutFlit + i] = 0;
  for (int o = 0; o < kRouterPorts; ++o) {
    const Output& output = outputs_[static_cast<std::size_t>(o)];
    if (!output.valid) continue;
    out[kOutValid] |= 1U << o;
    put_flit(out + kOutFlit, o, output.flit);
  }

  const auto channel_at = [](int port, int vc) {
    return static_cast<std::size_t>(port * kRouterVcs + vc);
  };
  // VA: waiting heads, by output VC, from the state before the edge.
  std::array<std::uint32_t, kRouterPorts * kRouterVcs> va_requests{};
  for (int p = 0; p < kRouterPorts; ++p) {
    for (int v = 0; v < kRouterVcs; ++v) {
      const Channel& c = channels_[channel_at(p, v)];
      if (c.queue.empty() || c.has_out || !c.queue.front().head) continue;
      const auto target = channel_at(route_of(c.queue.front(), in[kX], in[kY]), v);
      if (!output_vcs_[target].taken) va_requests[target] |= 1U << p;
    }
  }
  // SA, input stage.
  // A packet that holds the switch keeps it as long as it moves.
  const auto credit_of = [&](const Channel& c, int vc) {
    return output_vcs_[channel_at(c.route, vc)].credit > 0;
  };
  std::array<bool, kRouterPorts> held{};
  for (int p = 0; p < kRouterPorts; ++p) {
    for (int v = 0; v < kRouterVcs; ++v) {
      Channel& c = channels_[channel_at(p, v)];
      c.holds = c.holds && !c.queue.empty() && credit_of(c, v);
      if (c.holds) held[static_cast<std::size_t>(c.route)] = true;
    }
  }
  std::array<std::uint32_t, kRouterPorts> picks{};
  std::array<std::uint32_t, kRouterPorts> sa_requests{};
  for (int p = 0; p < kRouterPorts; ++p) {
    std::uint32_t ready = 0;
    std::uint32_t locked = 0;
    for (int v = 0; v < kRouterVcs; ++v) {
      const Channel& c = channels_[channel_at(p, v)];
      if (c.holds) locked |= 1U << v;
      if (c.queue.empty() || !c.has_out) continue;
      if (!held[static_cast<std::size_t>(c.route)] && credit_of(c, v)) ready |= 1U << v;
    }
    const auto port = static_cast<std::size_t>(p);
    picks[port] = input_turn_[port].grant(locked != 0 ? locked : ready);
    if (picks[port] == 0) continue;
    const int v = std::countr_zero(picks[port]);
    sa_requests[static_cast<std::size_t>(channels_[channel_at(p, v)].route)] |= 1U << p;
  }

  // The edge. Credits and arrivals first: they touch nothing that the decisions above read.
  for (int i = 0; i < kRouterPorts * kRouterVcs; ++i) {
    if ((in[kCreditIn] >> i & 1U) != 0) ++output_vcs_[static_cast<std::size_t>(i)].credit;
  }
  credit_out_ = 0;
  std::array<bool, kRouterPorts * kRouterVcs> freed{};
  for (int o = 0; o < kRouterPorts; ++o) {
    Output& output = outputs_[static_cast<std::size_t>(o)];
    output.valid = output.switch_valid;
    if (output.switch_valid) output.flit = output.switch_flit;
    const std::uint32_t grant = output.sa.grant(sa_requests[static_cast<std::size_t>(o)]);
    output.switch_valid = grant != 0;
    if (grant == 0) continue;
    output.sa.accept(grant);
    const int p = std::countr_zero(grant);
    const std::uint32_t pick = picks[static_cast<std::size_t>(p)];
    const int v = std::countr_zero(pick);
    input_turn_[static_cast<std::size_t>(p)].accept(pick);
    const auto ch = channel_at(p, v);
    Channel& c = channels_[ch];
    output.switch_flit = c.queue.front();
    c.queue.pop_front();
    credit_out_ |= 1U << ch;
    const bool tail = output.switch_flit.tail;
    c.holds = params_.hold_packet && !tail;
    OutputVc& vc = output_vcs_[channel_at(o, v)];
    --vc.credit;
    if (tail) {
      freed[channel_at(o, v)] = true;
      c.has_out = false;
    }
  }
  for (int o = 0; o < kRouterPorts; ++o) {
    for (int v = 0; v < kRouterVcs; ++v) {
      const auto target = channel_at(o, v);
      OutputVc& vc = output_vcs_[target];
      if (freed[target]) vc.taken = false;
      const std::uint32_t grant = vc.va.grant(va_requests[target]);
      if (grant == 0) continue;
      vc.va.accept(grant);
      vc.taken = true;
      Channel& c = channels_[channel_at(std::countr_zero(grant), v)];
      c.has_out = true;
      c.route = o;
    }
  }
  for (int p = 0; p < kRouterPorts; ++p) {
    if ((in[kInValid] >> p & 1U) == 0) continue;
    const Flit flit = get_flit(in + kInFlit, p);
    Channel& c = channels_[channel_at(p, flit.vc)];
    if (static_cast<int>(c.queue.size()) < params_.depth) c.queue.push_back(flit);
  }
}

}  // namespace athena::timing
