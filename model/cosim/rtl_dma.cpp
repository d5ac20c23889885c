#include "base/error.h"
#include "cosim/rtl_factory.h"

#if ATHENA_HAVE_RTL
#include "cosim/verilated_block.h"
#include "dma_64/Vdma_64.h"
#endif

namespace athena::cosim {

#if ATHENA_HAVE_RTL
namespace {
class RtlDma final : public VerilatedBlock<Vdma_64> {
 public:
  explicit RtlDma(std::uint64_t seed)
      : VerilatedBlock("dma_engine", timing::dma_ports(timing::DmaRtlParams{}), seed) {
    Vdma_64& t = top();
    bind_input("desc_valid", t.desc_valid_i);
    bind_input("desc_src", t.desc_src_i);
    bind_input("desc_dst", t.desc_dst_i);
    bind_input("desc_src_stride1", t.desc_src_stride1_i);
    bind_input("desc_src_stride2", t.desc_src_stride2_i);
    bind_input("desc_dst_stride1", t.desc_dst_stride1_i);
    bind_input("desc_dst_stride2", t.desc_dst_stride2_i);
    bind_input("desc_count0", t.desc_count0_i);
    bind_input("desc_count1", t.desc_count1_i);
    bind_input("desc_count2", t.desc_count2_i);
    bind_input("desc_sem", t.desc_sem_i);
    bind_input("ar_ready", t.ar_ready_i);
    bind_input("r_valid", t.r_valid_i);
    bind_input("r_last", t.r_last_i);
    bind_input("r_data", t.r_data_i);
    bind_input("aw_ready", t.aw_ready_i);
    bind_input("w_ready", t.w_ready_i);
    bind_input("b_valid", t.b_valid_i);
    bind_input("sem_ready", t.sem_ready_i);
    bind_output("desc_ready", t.desc_ready_o);
    bind_output("ar_valid", t.ar_valid_o);
    bind_output("ar_addr", t.ar_addr_o);
    bind_output("ar_len", t.ar_len_o);
    bind_output("r_ready", t.r_ready_o);
    bind_output("aw_valid", t.aw_valid_o);
    bind_output("aw_addr", t.aw_addr_o);
    bind_output("aw_len", t.aw_len_o);
    bind_output("w_valid", t.w_valid_o);
    bind_output("w_last", t.w_last_o);
    bind_output("w_data", t.w_data_o);
    bind_output("b_ready", t.b_ready_o);
    bind_output("sem_valid", t.sem_valid_o);
    bind_output("sem_id", t.sem_id_o);
    bind_output("busy", t.busy_o);
  }
};
}  // namespace
#endif

std::unique_ptr<RtlBlock> make_rtl_dma([[maybe_unused]] std::uint64_t seed) {
#if ATHENA_HAVE_RTL
  return std::make_unique<RtlDma>(seed);
#else
  throw InputError("this build has no Verilated blocks: install verilator and run cmake again");
#endif
}

}  // namespace athena::cosim
