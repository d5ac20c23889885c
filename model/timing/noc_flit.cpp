#include "timing/noc_flit.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "timing/noc_flit_bits.h"

namespace athena::timing {

using flit::at;
using flit::bit;
using flit::kHead;
using flit::kTail;

FlitNetwork::FlitNetwork(const Topology& topology)
    : topology_(topology),
      vcs_(topology.spec().virtual_channels),
      depth_(topology.spec().buffer_flits),
      allocation_(std::max(0, topology.spec().router_cycles - 2)),
      iterations_(topology.spec().allocator_iterations),
      hold_(topology.spec().switching == config::SwitchPolicy::kPacket) {
  for (int r = 0; r < topology.routers(); ++r) {
    if (topology.ports(r) * vcs_ > 64)
      throw InputError(fmt::format(
          "noc: the detailed tier allocates up to 64 virtual channels per router, and router {} "
          "has "
          "{} ports x {} channels; use --fidelity transaction or fewer virtual_channels.",
          r, topology.ports(r), vcs_));
  }
  for (std::size_t i = 0; i < port_of_.size(); ++i) {
    port_of_[i] = static_cast<std::uint8_t>(i / at(vcs_));
    lane_of_[i] = static_cast<std::uint8_t>(i % at(vcs_));
  }
  lane_ = bit(static_cast<std::uint32_t>(vcs_)) - 1;  // at most 16 channels per port
  build();
}

void FlitNetwork::build() {
  const NocSpec& spec = topology_.spec();
  std::uint32_t vc_count = 0;
  std::uint32_t port_count = 0;
  for (int r = 0; r < topology_.routers(); ++r) {
    Router router;
    router.first_port = port_count;
    router.first_vc = vc_count;
    router.ports = topology_.ports(r);
    port_count += static_cast<std::uint32_t>(router.ports);
    vc_count += static_cast<std::uint32_t>(router.ports * vcs_);
    const int width = router.ports * vcs_;
    router.free = width == 64 ? ~Mask{0} : bit(static_cast<std::uint32_t>(width)) - 1;
    routers_.push_back(router);
  }
  ports_.resize(port_count);
  inputs_.resize(vc_count);
  vc_router_.resize(vc_count);
  for (std::size_t r = 0; r < routers_.size(); ++r)
    for (int i = 0; i < routers_[r].ports * vcs_; ++i)
      vc_router_[routers_[r].first_vc + static_cast<std::uint32_t>(i)] =
          static_cast<std::uint32_t>(r);
  fifo_.resize(vc_count * at(depth_));
  // Output channels of the routers, then those of the terminals' injection links.
  outputs_.resize(vc_count + at(topology_.terminals() * vcs_));
  for (OutputVc& o : outputs_) o.credits = static_cast<std::uint16_t>(depth_);
  sources_.resize(at(topology_.terminals()));
  busy_sources_.resize(ceil_div<std::size_t>(sources_.size(), 64));

  const int traversal = std::min(2, spec.router_cycles);
  int longest = 1;
  for (LinkId l = 0; l < topology_.link_count(); ++l) {
    const NocLink& link = topology_.link(l);
    const int arrival = traversal + link.cycles;
    const int credit = 1 + link.cycles + spec.credit_cycles;
    longest = std::max({longest, arrival + 1 + credit, allocation_});
    if (link.kind == NocLink::Kind::kInject) {
      Source& source = sources_[at(link.terminal)];
      const Router& router = routers_[at(link.to_router)];
      source.first_output = vc_count + static_cast<std::uint32_t>(link.terminal * vcs_);
      source.first_input = router.first_vc + static_cast<std::uint32_t>(link.to_port * vcs_);
      source.delay = static_cast<std::uint8_t>(1 + link.cycles);
      Port& in = ports_[router.first_port + static_cast<std::uint32_t>(link.to_port)];
      in.upstream = source.first_output;
      in.credit_delay =
          static_cast<std::uint8_t>(1 + link.cycles);  // a terminal needs no processing
      continue;
    }
    const Router& from = routers_[at(link.from_router)];
    Port& out = ports_[from.first_port + static_cast<std::uint32_t>(link.from_port)];
    if (topology_.output(link.from_router, link.from_port) != l) continue;  // a dead link
    out.out = l;
    out.arrival_delay = static_cast<std::uint8_t>(arrival);
    if (link.kind == NocLink::Kind::kEject) {
      out.ejects = true;
      out.far = static_cast<std::uint32_t>(link.terminal);
      continue;
    }
    const Router& to = routers_[at(link.to_router)];
    out.far = to.first_vc + static_cast<std::uint32_t>(link.to_port * vcs_);
    Port& in = ports_[to.first_port + static_cast<std::uint32_t>(link.to_port)];
    in.upstream = from.first_vc + static_cast<std::uint32_t>(link.from_port * vcs_);
    in.credit_delay = static_cast<std::uint8_t>(credit);
  }
  const auto wheel = std::bit_ceil(static_cast<std::size_t>(longest) + 1);
  wheel_mask_ = wheel - 1;
  arrivals_.resize(wheel);
  ejections_.resize(wheel);
  credits_.resize(wheel);
  activations_.resize(wheel);

  const int terminals = topology_.terminals();
  for (int mc = 0; mc < spec.message_classes; ++mc) {
    for (int v = 0; v < topology_.variants(); ++v) {
      for (int s = 0; s < terminals; ++s) {
        for (int d = 0; d < terminals; ++d) {
          route_begin_.push_back(static_cast<std::uint32_t>(hops_.size()));
          for (const RouteHop& hop : topology_.route(s, d, v, mc)) {
            const std::pair<std::uint8_t, std::uint8_t> range{hop.vc_begin, hop.vc_end};
            auto found = std::find(ranges_.begin(), ranges_.end(), range);
            if (found == ranges_.end()) found = ranges_.insert(found, range);
            const int port = topology_.link(hop.link).from_port;
            hops_.push_back({static_cast<std::uint8_t>(std::max(port, 0)),
                             static_cast<std::uint8_t>(found - ranges_.begin())});
          }
        }
      }
    }
  }
  wants_.resize(port_count * ranges_.size());
  for (const auto& [begin, end] : ranges_) range_mask_.push_back(bit(end) - bit(begin));
  range_cover_.resize(at(vcs_));
  for (int vc = 0; vc < vcs_; ++vc)
    for (std::size_t r = 0; r < ranges_.size(); ++r)
      if (vc >= ranges_[r].first && vc < ranges_[r].second)
        range_cover_[at(vc)] |= std::uint32_t{1} << r;
}

void FlitNetwork::reset() {
  for (Router& r : routers_) {
    const int width = r.ports * vcs_;
    r.free = width == 64 ? ~Mask{0} : bit(static_cast<std::uint32_t>(width)) - 1;
    r.ready = r.requests = r.wanted_ports = r.holding = 0;
  }
  for (Port& p : ports_) {
    p.vc_offset = p.accept = p.grant = 0;
    p.held_output = p.held_vc = p.held_by = -1;
  }
  std::fill(inputs_.begin(), inputs_.end(), InputVc{});
  for (OutputVc& o : outputs_) o = OutputVc{-1, static_cast<std::uint16_t>(depth_), 0};
  std::fill(wants_.begin(), wants_.end(), 0);
  std::fill(busy_sources_.begin(), busy_sources_.end(), 0);
  for (Source& s : sources_) {
    s.queue.clear();
    s.sent = 0;
    s.vc = s.last_vc = -1;
  }
  for (auto* wheel : {&arrivals_, &ejections_})
    for (auto& slot : *wheel) slot.clear();
  for (auto* wheel : {&credits_, &activations_})
    for (auto& slot : *wheel) slot.clear();
  packets_.clear();
  free_packets_.clear();
  deliveries_.clear();
  cycle_ = in_network_ = queued_ = flit_hops_ = last_movement_ = 0;
}

void FlitNetwork::skip_to(std::int64_t cycle) {
  if (!idle()) throw InternalError("the network skips only when idle");
  // Credits still on their way arrive before the skip ends.
  for (std::size_t i = 0; i <= wheel_mask_ && cycle_ < cycle; ++i, ++cycle_) take_credits();
  cycle_ = std::max(cycle_, cycle);
}

void FlitNetwork::offer(int source, int destination, int flits, std::int64_t tag,
                        std::int64_t created, int variant, int message_class) {
  std::uint32_t id;
  if (free_packets_.empty()) {
    id = static_cast<std::uint32_t>(packets_.size());
    packets_.emplace_back();
  } else {
    id = free_packets_.back();
    free_packets_.pop_back();
  }
  const int v = variant >= 0 ? variant : topology_.default_variant(source, destination);
  const std::size_t route =
      ((at(message_class) * at(topology_.variants()) + at(v)) * at(topology_.terminals()) +
       at(source)) *
          at(topology_.terminals()) +
      at(destination);
  packets_[id] = Packet{
      tag,    created,     0,    route_begin_[route], 0, static_cast<std::uint16_t>(message_class),
      source, destination, flits};
  sources_[at(source)].queue.push_back(id);
  busy_sources_[at(source) / 64] |= bit(static_cast<std::uint32_t>(source) % 64);
  ++queued_;
}

void FlitNetwork::step() {
  take_arrivals();
  take_credits();
  for (std::size_t word = 0; word < busy_sources_.size(); ++word)
    for (Mask left = busy_sources_[word]; left != 0; left &= left - 1)
      inject(word * 64 + static_cast<std::size_t>(std::countr_zero(left)));
  for (Router& router : routers_)
    if ((router.ready | router.requests | router.holding) != 0) step_router(router);
  ++cycle_;
}

void FlitNetwork::take_arrivals() {
  const std::size_t slot = static_cast<std::size_t>(cycle_) & wheel_mask_;
  for (const std::uint32_t vc : activations_[slot])
    activate(router_of_vc(vc), vc - router_of_vc(vc).first_vc);
  activations_[slot].clear();
  for (const Arrival& a : arrivals_[slot]) {
    InputVc& in = inputs_[a.vc];
    std::uint32_t position = std::uint32_t{in.first} + in.count;
    if (position >= static_cast<std::uint32_t>(depth_))
      position -= static_cast<std::uint32_t>(depth_);
    fifo_[a.vc * at(depth_) + position] = a.flit;
    if (in.count++ > 0) continue;
    if (in.state == State::kIdle) {
      start_packet(a.vc, a.flit);
    } else if (in.state == State::kActive) {
      Router& router = router_of_vc(a.vc);
      const std::uint32_t output =
          router.first_vc + static_cast<std::uint32_t>(in.out_port * vcs_ + in.out_vc);
      if (outputs_[output].credits > 0) router.ready |= bit(a.vc - router.first_vc);
    }
  }
  arrivals_[slot].clear();
  for (const Arrival& e : ejections_[slot])
    if ((e.flit & kTail) != 0) deliver(e.flit >> 2);
  ejections_[slot].clear();
}

void FlitNetwork::take_credits() {
  auto& list = credits_[static_cast<std::size_t>(cycle_) & wheel_mask_];
  for (const std::uint32_t id : list) {
    OutputVc& out = outputs_[id];
    if (++out.credits != 1 || out.owner < 0) continue;
    const auto owner = static_cast<std::uint32_t>(out.owner);
    const InputVc& in = inputs_[owner];
    if (in.state != State::kActive || in.count == 0) continue;
    Router& router = router_of_vc(owner);
    router.ready |= bit(owner - router.first_vc);
  }
  list.clear();
}

void FlitNetwork::inject(std::size_t terminal) {
  Source& source = sources_[terminal];
  Packet& packet = packets_[source.queue.front()];
  if (source.sent == 0) {
    // Next channel in turn that has room.
    const auto [begin, end] = ranges_[hops_[packet.route].range];
    const int count = end - begin;
    source.vc = -1;
    for (int i = 1; i <= count && source.vc < 0; ++i) {
      const int last = source.last_vc;
      const int vc =
          last < begin || last >= end ? begin + i - 1 : begin + (last - begin + i) % count;
      if (outputs_[source.first_output + static_cast<std::uint32_t>(vc)].credits > 0)
        source.vc = vc;
    }
    if (source.vc < 0) return;
    source.last_vc = source.vc;
    packet.injected = cycle_;
    ++in_network_;
    --queued_;
  }
  OutputVc& out = outputs_[source.first_output + static_cast<std::uint32_t>(source.vc)];
  if (out.credits == 0) return;
  --out.credits;
  std::uint32_t flit = source.queue.front() << 2;
  if (source.sent == 0) flit |= kHead;
  if (++source.sent == packet.flits) flit |= kTail;
  arrivals_[(static_cast<std::size_t>(cycle_) + source.delay) & wheel_mask_].push_back(
      {source.first_input + static_cast<std::uint32_t>(source.vc), flit});
  last_movement_ = cycle_;
  if ((flit & kTail) == 0) return;
  source.sent = 0;
  source.queue.pop_front();
  if (source.queue.empty()) busy_sources_[terminal / 64] &= ~bit(terminal % 64);
}

void FlitNetwork::start_packet(std::uint32_t input, std::uint32_t flit) {
  Router& router = router_of_vc(input);
  Packet& packet = packets_[flit >> 2];
  const Hop hop = hops_[packet.route + ++packet.hop];
  InputVc& in = inputs_[input];
  in.state = State::kAllocating;
  in.out_port = hop.port;
  in.range = hop.range;
  const std::uint32_t local = input - router.first_vc;
  router.requests |= bit(local);
  router.wanted_ports |= bit(hop.port);
  wants_[(router.first_port + hop.port) * ranges_.size() + hop.range] |= bit(local);
}

void FlitNetwork::deliver(std::uint32_t id) {
  const Packet& p = packets_[id];
  deliveries_.push_back(
      {p.tag, p.source, p.destination, p.flits, p.created, p.injected, cycle_, p.hop});
  free_packets_.push_back(id);
  --in_network_;
  last_movement_ = cycle_;
}

std::vector<std::string> FlitNetwork::blocked(std::size_t limit) const {
  std::vector<std::string> lines;
  for (std::size_t vc = 0; vc < inputs_.size() && lines.size() < limit; ++vc) {
    const InputVc& in = inputs_[vc];
    if (in.state == State::kIdle || in.count == 0) continue;
    const Router& router = routers_[vc_router_[vc]];
    const Packet& p = packets_[fifo_[vc * at(depth_) + in.first] >> 2];
    const LinkId link = ports_[router.first_port + in.out_port].out;
    lines.push_back(fmt::format("packet {} (terminal {} -> {}) at router {} waits for {} of {}",
                                p.tag, p.source, p.destination, vc_router_[vc],
                                in.state == State::kAllocating ? "a virtual channel" : "a credit",
                                topology_.name(link)));
  }
  return lines;
}

}  // namespace athena::timing
