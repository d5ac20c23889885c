/// One clock of one router of the flit tier: channel allocation, switch allocation, departure.
#include <bit>

#include "timing/noc_flit.h"
#include "timing/noc_flit_bits.h"

namespace athena::timing {

using flit::at;
using flit::bit;
using flit::kTail;
using flit::round_robin;

void FlitNetwork::step_router(Router& router) {
  channel_grants_.clear();
  if (router.requests != 0) allocate_channels(router);
  if (allocation_ == 0)
    for (const std::uint32_t local : channel_grants_) activate(router, local);
  switch_grants_.clear();
  if (router.ready != 0) allocate_switch(router);
  if (allocation_ == 1)
    for (const std::uint32_t local : channel_grants_) activate(router, local);
  if (allocation_ > 1)
    for (const std::uint32_t local : channel_grants_)
      activations_[(static_cast<std::size_t>(cycle_) + at(allocation_)) & wheel_mask_].push_back(
          router.first_vc + local);
  if (router.holding != 0) serve_held(router);
  for (const Grant& g : switch_grants_) {
    const std::uint32_t local = g.input;
    send(router, local);
  }
}

FlitNetwork::Mask FlitNetwork::range_requests(const Router& router, std::uint32_t port,
                                              int vc) const {
  const Mask* wants = &wants_[(router.first_port + port) * ranges_.size()];
  Mask result = 0;
  for (std::uint32_t cover = range_cover_[at(vc)]; cover != 0; cover &= cover - 1)
    result |= wants[std::countr_zero(cover)];
  return result;
}

void FlitNetwork::allocate_channels(Router& router) {
  // An input channel wants one output port, so the ports are independent problems.
  for (Mask wanted = router.wanted_ports; wanted != 0; wanted &= wanted - 1) {
    const auto port = static_cast<std::uint32_t>(std::countr_zero(wanted));
    const Mask* wants = &wants_[(router.first_port + port) * ranges_.size()];
    Mask requests = 0;
    for (std::size_t r = 0; r < ranges_.size(); ++r) requests |= wants[r];
    const std::uint32_t first = port * static_cast<std::uint32_t>(vcs_);
    const Mask free = (router.free >> first) & lane_;
    if (free == 0) continue;
    if ((requests & (requests - 1)) == 0) {
      allocate_alone(router, static_cast<std::uint32_t>(std::countr_zero(requests)), port, free);
    } else {
      allocate_port(router, port, requests, free);
    }
    Mask left = 0;
    for (std::size_t r = 0; r < ranges_.size(); ++r) left |= wants[r];
    if (left == 0) router.wanted_ports &= ~bit(port);
  }
}

void FlitNetwork::allocate_alone(Router& router, std::uint32_t local, std::uint32_t port,
                                 Mask free) {
  // All free channels of its range grant to the only requester, which accepts the next in turn.
  const std::uint32_t first = port * static_cast<std::uint32_t>(vcs_);
  const InputVc& in = inputs_[router.first_vc + local];
  const Mask open = (free & range_mask_[in.range]) << first;
  if (open == 0) return;
  take_channel(router, local, static_cast<std::uint32_t>(round_robin(open, in.accept)), true);
}

void FlitNetwork::allocate_port(Router& router, std::uint32_t port, Mask requests, Mask free) {
  const std::uint32_t first = port * static_cast<std::uint32_t>(vcs_);
  Mask granted_to[64];
  for (int iteration = 0; iteration < iterations_; ++iteration) {
    // Grant: each free output channel picks one unmatched requester.
    Mask inputs = 0;
    for (Mask left = free; left != 0; left &= left - 1) {
      const int vc = std::countr_zero(left);
      const Mask asking = range_requests(router, port, vc) & requests;
      if (asking == 0) continue;
      const std::uint32_t output = first + static_cast<std::uint32_t>(vc);
      const auto input =
          static_cast<std::uint32_t>(round_robin(asking, outputs_[router.first_vc + output].grant));
      if ((inputs & bit(input)) == 0) granted_to[input] = 0;
      inputs |= bit(input);
      granted_to[input] |= bit(output);
    }
    // Accept: each input channel takes one of its grants; pointers move only in the first round.
    for (; inputs != 0; inputs &= inputs - 1) {
      const auto local = static_cast<std::uint32_t>(std::countr_zero(inputs));
      const InputVc& in = inputs_[router.first_vc + local];
      const auto output = static_cast<std::uint32_t>(round_robin(granted_to[local], in.accept));
      take_channel(router, local, output, iteration == 0);
      requests &= ~bit(local);
      free &= ~bit(output - first);
    }
  }
}

void FlitNetwork::take_channel(Router& router, std::uint32_t local, std::uint32_t output,
                               bool move_pointers) {
  InputVc& in = inputs_[router.first_vc + local];
  OutputVc& out = outputs_[router.first_vc + output];
  if (move_pointers) {
    const auto width = static_cast<std::uint32_t>(router.ports * vcs_);
    in.accept = static_cast<std::uint16_t>(output + 1 == width ? 0 : output + 1);
    out.grant = static_cast<std::uint16_t>(local + 1 == width ? 0 : local + 1);
  }
  in.out_vc = lane_of_[output];
  out.owner = static_cast<std::int32_t>(router.first_vc + local);
  router.free &= ~bit(output);
  router.requests &= ~bit(local);
  wants_[(router.first_port + in.out_port) * ranges_.size() + in.range] &= ~bit(local);
  channel_grants_.push_back(local);
}

void FlitNetwork::activate(Router& router, std::uint32_t local) {
  InputVc& in = inputs_[router.first_vc + local];
  in.state = State::kActive;
  const std::uint32_t output =
      router.first_vc + static_cast<std::uint32_t>(in.out_port * vcs_ + in.out_vc);
  if (outputs_[output].credits > 0) router.ready |= bit(local);
}

void FlitNetwork::allocate_switch(Router& router) {
  Port* ports = &ports_[router.first_port];
  const auto next_port = [&](std::uint32_t p) {
    return static_cast<std::uint8_t>(static_cast<int>(p) + 1 == router.ports ? 0 : p + 1);
  };
  if ((router.ready & (router.ready - 1)) == 0) {
    // One flit alone: every pointer moves as if it had won.
    const auto local = static_cast<std::uint32_t>(std::countr_zero(router.ready));
    const std::uint32_t in = port_of_[local];
    const std::uint8_t out = inputs_[router.first_vc + local].out_port;
    if (ports[in].held_output >= 0 || ports[out].held_by >= 0) return;
    ports[out].grant = next_port(in);
    ports[in].accept = next_port(out);
    ports[in].vc_offset = next_lane(lane_of_[local]);
    switch_grants_.push_back({static_cast<std::uint8_t>(local), out});
    return;
  }
  Mask by_output[64];  // input ports that ask for each output
  Mask outputs = 0;
  Mask inputs = 0;
  for (Mask ready = router.ready; ready != 0;) {
    const std::uint32_t port = port_of_[static_cast<std::size_t>(std::countr_zero(ready))];
    const std::uint32_t first = port * static_cast<std::uint32_t>(vcs_);
    Mask lanes = (ready >> first) & lane_;
    ready &= ~(lane_ << first);
    if (ports[port].held_output >= 0) continue;
    Mask asks = 0;
    for (; lanes != 0; lanes &= lanes - 1) {
      const auto vc = static_cast<std::uint32_t>(std::countr_zero(lanes));
      const std::uint8_t out = inputs_[router.first_vc + first + vc].out_port;
      if (ports[out].held_by < 0) asks |= bit(out);
    }
    if (asks == 0) continue;
    inputs |= bit(port);
    for (; asks != 0; asks &= asks - 1) {
      const int out = std::countr_zero(asks);
      if ((outputs & bit(static_cast<std::uint32_t>(out))) == 0) by_output[out] = 0;
      outputs |= bit(static_cast<std::uint32_t>(out));
      by_output[out] |= bit(port);
    }
  }
  Mask open = inputs;
  for (int iteration = 0; iteration < iterations_ && outputs != 0 && open != 0; ++iteration) {
    Mask grants_of[64];
    Mask granted = 0;
    for (Mask left = outputs; left != 0; left &= left - 1) {
      const auto out = static_cast<std::uint32_t>(std::countr_zero(left));
      const Mask asking = by_output[out] & open;
      if (asking == 0) continue;
      const auto in = static_cast<std::uint32_t>(round_robin(asking, ports[out].grant));
      if ((granted & bit(in)) == 0) grants_of[in] = 0;
      granted |= bit(in);
      grants_of[in] |= bit(out);
    }
    for (; granted != 0; granted &= granted - 1) {
      const auto in = static_cast<std::uint32_t>(std::countr_zero(granted));
      const auto out = static_cast<std::uint32_t>(round_robin(grants_of[in], ports[in].accept));
      if (iteration == 0) {
        ports[out].grant = next_port(in);
        ports[in].accept = next_port(out);
      }
      open &= ~bit(in);
      outputs &= ~bit(out);
      // Of the channels that want this output, the next in turn.
      const std::uint32_t first = in * static_cast<std::uint32_t>(vcs_);
      Mask lanes = (router.ready >> first) & lane_;
      for (Mask l = lanes; l != 0; l &= l - 1) {
        const auto vc = static_cast<std::uint32_t>(std::countr_zero(l));
        if (inputs_[router.first_vc + first + vc].out_port != out) lanes &= ~bit(vc);
      }
      const auto vc = static_cast<std::uint32_t>(round_robin(lanes, ports[in].vc_offset));
      ports[in].vc_offset = next_lane(static_cast<std::uint8_t>(vc));
      switch_grants_.push_back(
          {static_cast<std::uint8_t>(first + vc), static_cast<std::uint8_t>(out)});
    }
  }
}

void FlitNetwork::serve_held(Router& router) {
  Port* ports = &ports_[router.first_port];
  for (Mask holding = router.holding; holding != 0; holding &= holding - 1) {
    const auto port = static_cast<std::uint32_t>(std::countr_zero(holding));
    const std::uint32_t local =
        port * static_cast<std::uint32_t>(vcs_) + static_cast<std::uint32_t>(ports[port].held_vc);
    const InputVc& in = inputs_[router.first_vc + local];
    const OutputVc& out =
        outputs_[router.first_vc + static_cast<std::uint32_t>(in.out_port * vcs_ + in.out_vc)];
    if (out.credits > 0) {
      send(router, local);
      continue;
    }
    // Without a credit the switch is given up and asked for again.
    ports[in.out_port].held_by = -1;
    ports[port].held_output = ports[port].held_vc = -1;
    router.holding &= ~bit(port);
  }
}

void FlitNetwork::send(Router& router, std::uint32_t local) {
  const std::uint32_t vc = router.first_vc + local;
  InputVc& in = inputs_[vc];
  const std::uint32_t in_port = port_of_[local];
  Port& input_port = ports_[router.first_port + in_port];
  Port& output_port = ports_[router.first_port + in.out_port];
  const std::uint32_t output_id =
      router.first_vc + static_cast<std::uint32_t>(in.out_port * vcs_ + in.out_vc);
  OutputVc& out = outputs_[output_id];
  const auto now = static_cast<std::size_t>(cycle_);

  const std::uint32_t flit = fifo_[vc * at(depth_) + in.first];
  in.first = static_cast<std::uint16_t>(in.first + 1 == depth_ ? 0 : in.first + 1);
  --in.count;
  --out.credits;
  ++flit_hops_;
  last_movement_ = cycle_;
  const std::size_t arrival = now + output_port.arrival_delay;
  if (output_port.ejects) {
    ejections_[arrival & wheel_mask_].push_back({output_port.far, flit});
    // The terminal takes every flit at once and returns its credit over the same wire.
    const auto wire = at(topology_.spec().terminal_link_cycles + topology_.spec().credit_cycles);
    credits_[(arrival + 1 + wire) & wheel_mask_].push_back(output_id);
  } else {
    arrivals_[arrival & wheel_mask_].push_back({output_port.far + in.out_vc, flit});
  }
  credits_[(now + input_port.credit_delay) & wheel_mask_].push_back(input_port.upstream +
                                                                    lane_of_[local]);

  const bool tail = (flit & kTail) != 0;
  const bool more = in.count > 0;
  if (tail) {
    out.owner = -1;
    router.free |= bit(output_id - router.first_vc);
  }
  if (hold_) {
    const bool keep = more && !tail;
    input_port.held_output = keep ? static_cast<std::int8_t>(in.out_port) : std::int8_t{-1};
    input_port.held_vc = keep ? static_cast<std::int8_t>(lane_of_[local]) : std::int8_t{-1};
    output_port.held_by = keep ? static_cast<std::int8_t>(in_port) : std::int8_t{-1};
    router.holding = keep ? router.holding | bit(in_port) : router.holding & ~bit(in_port);
  }
  if (tail) {
    router.ready &= ~bit(local);
    in.state = State::kIdle;
    if (more) start_packet(vc, fifo_[vc * at(depth_) + in.first]);
  } else if (!more || out.credits == 0) {
    router.ready &= ~bit(local);
  }
}

}  // namespace athena::timing
