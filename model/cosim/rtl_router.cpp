#include "base/error.h"
#include "cosim/rtl_factory.h"

#if ATHENA_HAVE_RTL
#include "cosim/verilated_block.h"
#include "router_hold/Vrouter_hold.h"
#include "router_mix/Vrouter_mix.h"
#endif

namespace athena::cosim {

#if ATHENA_HAVE_RTL
namespace {
template <class Top>
class RtlRouter final : public VerilatedBlock<Top> {
 public:
  explicit RtlRouter(std::uint64_t seed)
      : VerilatedBlock<Top>("noc_router", timing::router_ports(), seed) {
    Top& t = this->top();
    this->bind_input("x", t.x_i);
    this->bind_input("y", t.y_i);
    this->bind_input("in_valid", t.in_valid_i);
    this->bind_input("in_flit", t.in_flit_i);
    this->bind_input("credit", t.credit_i);
    this->bind_output("out_valid", t.out_valid_o);
    this->bind_output("out_flit", t.out_flit_o);
    this->bind_output("credit_back", t.credit_o);
  }
  /// Flits of ports that send nothing are don't-care: shown as zero, as in the model.
  void cycle(const std::uint32_t* in, std::uint32_t* out) override {
    VerilatedBlock<Top>::cycle(in, out);
    const auto valid = out[this->ports().output("out_valid").word];
    std::uint32_t* flits = out + this->ports().output("out_flit").word;
    for (int o = 0; o < timing::kRouterPorts; ++o) {
      if ((valid >> o & 1U) == 0) timing::put_flit(flits, o, timing::Flit{});
    }
  }
};
}  // namespace
#endif

std::unique_ptr<RtlBlock> make_rtl_router([[maybe_unused]] bool hold_packet,
                                          [[maybe_unused]] std::uint64_t seed) {
#if ATHENA_HAVE_RTL
  if (hold_packet) return std::make_unique<RtlRouter<Vrouter_hold>>(seed);
  return std::make_unique<RtlRouter<Vrouter_mix>>(seed);
#else
  throw InputError("this build has no Verilated blocks: install verilator and run cmake again");
#endif
}

}  // namespace athena::cosim
