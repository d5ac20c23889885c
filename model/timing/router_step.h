#pragma once
/// Cycle-stepped model of `rtl/noc_router`: five ports, four virtual channels, credits, XY routing.
/// Four cycles per hop: VA, SA, ST, link. Same port, same cycle, same arbitration as the RTL.
#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "timing/block.h"

namespace athena::timing {

inline constexpr int kRouterPorts = 5;  ///< local, north (+y), east (+x), south, west
inline constexpr int kRouterVcs = 4;
inline constexpr int kFlitBits = 44;

struct RouterRtlParams {
  int depth = 8;             ///< flits per virtual channel at each input
  bool hold_packet = false;  ///< an output stays with a packet until its tail, while it moves
};

/// The unit that travels: 32 bits of payload with its address and channel.
struct Flit {
  std::uint32_t payload = 0;
  std::uint8_t x = 0;
  std::uint8_t y = 0;
  std::uint8_t vc = 0;
  bool tail = false;
  bool head = false;
  [[nodiscard]] std::uint64_t bits() const;
  static Flit from_bits(std::uint64_t bits);
};
/// Reads / writes flit `port` of a port's flit vector.
[[nodiscard]] Flit get_flit(const std::uint32_t* words, int port);
void put_flit(std::uint32_t* words, int port, const Flit& flit);

[[nodiscard]] Ports router_ports();

/// Round robin over up to 32 requesters, as `rtl/common/rr_arbiter.sv`.
class RoundRobin {
 public:
  /// One-hot grant, 0 when nobody asks. The turn moves when `accept`.
  [[nodiscard]] std::uint32_t grant(std::uint32_t requests) const {
    const std::uint32_t ahead = requests & mask_;
    const std::uint32_t from = ahead != 0 ? ahead : requests;
    return from & (~from + 1);
  }
  void accept(std::uint32_t granted) { mask_ = ~(granted | (granted - 1)); }

 private:
  std::uint32_t mask_ = ~0U;
};

class RouterStep final : public Block {
 public:
  explicit RouterStep(const RouterRtlParams& params);
  void reset() override;
  void cycle(const std::uint32_t* in, std::uint32_t* out) override;

 private:
  struct Channel {  ///< an input virtual channel
    std::deque<Flit> queue;
    bool has_out = false;
    bool holds = false;
    int route = 0;
  };
  struct OutputVc {
    bool taken = false;
    int credit = 0;
    RoundRobin va;
  };
  struct Output {
    bool switch_valid = false;
    Flit switch_flit;
    bool valid = false;
    Flit flit;
    RoundRobin sa;
  };
  [[nodiscard]] int route_of(const Flit& flit, std::uint32_t x, std::uint32_t y) const;

  RouterRtlParams params_;
  std::array<Channel, kRouterPorts * kRouterVcs> channels_;
  std::array<OutputVc, kRouterPorts * kRouterVcs> output_vcs_;
  std::array<Output, kRouterPorts> outputs_;
  std::array<RoundRobin, kRouterPorts> input_turn_;
  std::uint32_t credit_out_ = 0;
};

}  // namespace athena::timing
