#include "base/error.h"
#include "cosim/rtl_factory.h"

#if ATHENA_HAVE_RTL
#include "cosim/verilated_block.h"
#include "softmax_4/Vsoftmax_4.h"
#endif

namespace athena::cosim {

#if ATHENA_HAVE_RTL
namespace {
class RtlSoftmax final : public VerilatedBlock<Vsoftmax_4> {
 public:
  explicit RtlSoftmax(std::uint64_t seed)
      : VerilatedBlock("vector_softmax", timing::softmax_ports(timing::SoftmaxRtlParams{}), seed) {
    Vsoftmax_4& t = top();
    bind_input("in_valid", t.in_valid_i);
    bind_input("in_last", t.in_last_i);
    bind_input("in_data", t.in_data_i);
    bind_input("out_ready", t.out_ready_i);
    bind_output("in_ready", t.in_ready_o);
    bind_output("out_valid", t.out_valid_o);
    bind_output("out_last", t.out_last_o);
    bind_output("out_data", t.out_data_o);
  }
};
}  // namespace
#endif

std::unique_ptr<RtlBlock> make_rtl_softmax([[maybe_unused]] std::uint64_t seed) {
#if ATHENA_HAVE_RTL
  return std::make_unique<RtlSoftmax>(seed);
#else
  throw InputError("this build has no Verilated blocks: install verilator and run cmake again");
#endif
}

}  // namespace athena::cosim
