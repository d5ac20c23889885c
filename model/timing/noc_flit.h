#pragma once
/// The network flit by flit, clock by clock: input-queued virtual-channel routers with credits,
/// iSLIP virtual-channel and switch allocation (McKeown, 1999), switch held per packet or
/// interleaved per flit. The oracle of the transaction tier, and the detailed tier itself.
///
/// Pipeline of a head flit that arrives in cycle t: VC allocation in t, switch allocation in
/// t + router_cycles - 2, switch traversal in the next cycle, then the wire. Body flits skip VC
/// allocation. A credit returns in the cycle after the flit leaves, takes the wire's cycles back
/// and credit_cycles of processing. Allocators are bit sets; a step costs what moves, not what
/// exists.
#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "timing/noc_topology.h"

namespace athena::timing {

/// A packet whose last flit has reached its terminal.
struct NocDelivery {
  std::int64_t tag = 0;
  int source = 0;
  int destination = 0;
  int flits = 0;
  std::int64_t created = 0;    ///< cycle of offer()
  std::int64_t injected = 0;   ///< cycle in which the head left the source
  std::int64_t delivered = 0;  ///< cycle in which the tail arrived
  int routers = 0;             ///< routers crossed, the source's included
};

class FlitNetwork {
 public:
  /// `topology` must outlive this object. Throws InputError when a router has more than 64 virtual
  /// channels in all (ports x virtual_channels), the width of an allocator's bit set.
  explicit FlitNetwork(const Topology& topology);

  /// Queues a packet at its source in the present cycle (or, for a source that has lagged behind,
  /// as of cycle `created`).
  void offer(int source, int destination, int flits, std::int64_t tag, std::int64_t created,
             int variant = -1, int message_class = 0);
  /// Advances one cycle. Packets that arrive are appended to deliveries().
  void step();
  /// Cycles until the next step that can change anything: 0 while packets are moving. An idle
  /// network may be advanced with skip_to.
  [[nodiscard]] bool idle() const { return in_network_ == 0 && queued_ == 0; }
  void skip_to(std::int64_t cycle);

  [[nodiscard]] std::int64_t cycle() const { return cycle_; }
  [[nodiscard]] std::vector<NocDelivery>& deliveries() { return deliveries_; }
  [[nodiscard]] std::int64_t flit_hops() const { return flit_hops_; }
  [[nodiscard]] std::size_t source_backlog(int terminal) const {
    return sources_[static_cast<std::size_t>(terminal)].queue.size();
  }
  [[nodiscard]] std::int64_t packets_in_network() const { return in_network_; }
  /// Cycle of the latest movement of any flit: a watchdog compares it with cycle().
  [[nodiscard]] std::int64_t last_movement() const { return last_movement_; }
  /// Packets that hold a virtual channel and wait, with what they wait for: one line each.
  [[nodiscard]] std::vector<std::string> blocked(std::size_t limit) const;
  void reset();

 private:
  using Mask = std::uint64_t;
  enum class State : std::uint8_t { kIdle, kAllocating, kActive };
  struct Packet {
    std::int64_t tag = 0;
    std::int64_t created = 0;
    std::int64_t injected = 0;
    std::uint32_t route = 0;  ///< index of the first hop in hops_
    std::uint16_t hop = 0;
    std::uint16_t message_class = 0;
    int source = 0;
    int destination = 0;
    int flits = 0;
  };
  struct Hop {
    std::uint8_t port = 0;   ///< output port
    std::uint8_t range = 0;  ///< index into ranges_
  };
  struct InputVc {
    State state = State::kIdle;
    std::uint8_t out_port = 0;
    std::uint8_t out_vc = 0;
    std::uint8_t range = 0;
    std::uint16_t first = 0;  ///< ring position of the front flit
    std::uint16_t count = 0;
    std::uint16_t accept = 0;  ///< iSLIP accept pointer over the router's output channels
  };
  struct OutputVc {
    std::int32_t owner = -1;  ///< input channel (global) that holds it, kTerminal for a source
    std::uint16_t credits = 0;
    std::uint16_t grant = 0;  ///< iSLIP grant pointer over the router's input channels
  };
  struct Port {
    std::uint8_t vc_offset = 0;  ///< input: round robin among its channels
    std::uint8_t accept = 0;     ///< input: iSLIP accept pointer
    std::uint8_t grant = 0;      ///< output: iSLIP grant pointer
    std::int8_t held_output = -1;
    std::int8_t held_vc = -1;
    std::int8_t held_by = -1;        ///< output: input port that holds it
    LinkId out = kNoLink;            ///< link leaving here
    std::uint32_t upstream = 0;      ///< input: first output channel (global) at the sender
    std::uint8_t credit_delay = 0;   ///< input: a flit leaves -> the sender has the credit
    std::uint8_t arrival_delay = 0;  ///< output: switch grant -> arrival at the far end
    bool ejects = false;
    std::uint32_t far = 0;  ///< output: first input channel (global) at the far end, or terminal
  };
  struct Router {
    std::uint32_t first_port = 0;
    std::uint32_t first_vc = 0;  ///< of both its input and its output channels
    int ports = 0;
    Mask ready = 0;         ///< input channels with a flit and a credit, not held
    Mask requests = 0;      ///< input channels in VC allocation
    Mask free = 0;          ///< output channels that no packet holds
    Mask wanted_ports = 0;  ///< output ports that some channel in VC allocation wants
    Mask holding = 0;       ///< input ports that hold the switch
  };
  struct Source {
    std::deque<std::uint32_t> queue;
    int sent = 0;  ///< flits of the front packet already sent
    int vc = -1;
    int last_vc = -1;
    std::uint32_t first_output = 0;  ///< its credit counters among outputs_
    std::uint32_t first_input = 0;   ///< router's input channels that it feeds
    std::uint8_t delay = 0;
  };
  struct Arrival {
    std::uint32_t vc;  ///< global input channel, or terminal for the ejection list
    std::uint32_t flit;
  };
  struct Grant {
    std::uint8_t input;
    std::uint8_t output;
  };

  void build();
  void take_arrivals();
  void take_credits();
  void inject(std::size_t terminal);
  void start_packet(std::uint32_t input, std::uint32_t flit);
  void step_router(Router& router);
  void allocate_channels(Router& router);
  void allocate_alone(Router& router, std::uint32_t local, std::uint32_t port, Mask free);
  void allocate_port(Router& router, std::uint32_t port, Mask requests, Mask free);
  void take_channel(Router& router, std::uint32_t local, std::uint32_t output, bool move_pointers);
  [[nodiscard]] std::uint8_t next_lane(std::uint8_t lane) const {
    return static_cast<std::uint8_t>(lane + 1 == vcs_ ? 0 : lane + 1);
  }
  void activate(Router& router, std::uint32_t local);
  void allocate_switch(Router& router);
  void serve_held(Router& router);
  void send(Router& router, std::uint32_t local);
  void deliver(std::uint32_t packet);
  [[nodiscard]] Router& router_of_vc(std::uint32_t vc) { return routers_[vc_router_[vc]]; }
  [[nodiscard]] Mask range_requests(const Router& router, std::uint32_t port, int vc) const;

  const Topology& topology_;
  int vcs_;
  int depth_;
  int allocation_;
  int iterations_;
  bool hold_;
  Mask lane_ = 0;                           ///< the channels of one port
  std::array<std::uint8_t, 64> port_of_{};  ///< of a router's channel
  std::array<std::uint8_t, 64> lane_of_{};
  std::size_t wheel_mask_ = 0;
  std::vector<Router> routers_;
  std::vector<Port> ports_;
  std::vector<InputVc> inputs_;
  std::vector<OutputVc> outputs_;
  std::vector<std::uint32_t> vc_router_;
  std::vector<std::uint32_t> fifo_;  ///< [input channel][depth]
  std::vector<Mask> wants_;          ///< [port][range]: input channels in VC allocation
  std::vector<std::pair<std::uint8_t, std::uint8_t>> ranges_;
  std::vector<Mask> range_mask_;            ///< [range]: its channels of a port
  std::vector<std::uint32_t> range_cover_;  ///< [vc]: bit set of ranges that contain it
  std::vector<Hop> hops_;
  std::vector<std::uint32_t> route_begin_;  ///< [((class * variants + v) * T + s) * T + d]
  std::vector<Source> sources_;
  std::vector<std::uint64_t> busy_sources_;
  std::vector<Packet> packets_;
  std::vector<std::uint32_t> free_packets_;
  std::vector<std::vector<Arrival>> arrivals_;           ///< wheel
  std::vector<std::vector<Arrival>> ejections_;          ///< wheel
  std::vector<std::vector<std::uint32_t>> credits_;      ///< wheel of output channels
  std::vector<std::vector<std::uint32_t>> activations_;  ///< wheel, for allocation_ above 1
  std::vector<Grant> switch_grants_;
  std::vector<std::uint32_t> channel_grants_;
  std::vector<NocDelivery> deliveries_;
  std::int64_t cycle_ = 0;
  std::int64_t in_network_ = 0;
  std::int64_t queued_ = 0;
  std::int64_t flit_hops_ = 0;
  std::int64_t last_movement_ = 0;
};

}  // namespace athena::timing
