#include "base/error.h"
#include "cosim/rtl_factory.h"

#if ATHENA_HAVE_RTL
#include "cosim/verilated_block.h"
#include "dma_1024/Vdma_1024.h"
#include "dma_64/Vdma_64.h"
#endif

namespace athena::cosim {

#if ATHENA_HAVE_RTL
namespace {
template <class Top>
class RtlDma final : public VerilatedBlock<Top> {
 public:
  RtlDma(const timing::DmaRtlParams& params, std::uint64_t seed)
      : VerilatedBlock<Top>("dma_engine", timing::dma_ports(params), seed) {
    Top& t = this->top();
    this->bind_input("desc_valid", t.desc_valid_i);
    this->bind_input("desc_src", t.desc_src_i);
    this->bind_input("desc_dst", t.desc_dst_i);
    this->bind_input("desc_src_stride1", t.desc_src_stride1_i);
    this->bind_input("desc_src_stride2", t.desc_src_stride2_i);
    this->bind_input("desc_dst_stride1", t.desc_dst_stride1_i);
    this->bind_input("desc_dst_stride2", t.desc_dst_stride2_i);
    this->bind_input("desc_count0", t.desc_count0_i);
    this->bind_input("desc_count1", t.desc_count1_i);
    this->bind_input("desc_count2", t.desc_count2_i);
    this->bind_input("desc_sem", t.desc_sem_i);
    this->bind_input("ar_ready", t.ar_ready_i);
    this->bind_input("r_valid", t.r_valid_i);
    this->bind_input("r_last", t.r_last_i);
    this->bind_input("r_data", t.r_data_i);
    this->bind_input("aw_ready", t.aw_ready_i);
    this->bind_input("w_ready", t.w_ready_i);
    this->bind_input("b_valid", t.b_valid_i);
    this->bind_input("sem_ready", t.sem_ready_i);
    this->bind_output("desc_ready", t.desc_ready_o);
    this->bind_output("ar_valid", t.ar_valid_o);
    this->bind_output("ar_addr", t.ar_addr_o);
    this->bind_output("ar_len", t.ar_len_o);
    this->bind_output("r_ready", t.r_ready_o);
    this->bind_output("aw_valid", t.aw_valid_o);
    this->bind_output("aw_addr", t.aw_addr_o);
    this->bind_output("aw_len", t.aw_len_o);
    this->bind_output("w_valid", t.w_valid_o);
    this->bind_output("w_last", t.w_last_o);
    this->bind_output("w_data", t.w_data_o);
    this->bind_output("b_ready", t.b_ready_o);
    this->bind_output("sem_valid", t.sem_valid_o);
    this->bind_output("sem_id", t.sem_id_o);
    this->bind_output("busy", t.busy_o);
  }
};
}  // namespace
#endif

std::vector<timing::DmaRtlParams> dma_variants() {
  // As in CMakeLists.txt: the default, and the tile of configs/chips/athena-mini.yaml.
  return {timing::DmaRtlParams{}, timing::DmaRtlParams{1024, 8, 512, 64, 64}};
}

std::unique_ptr<RtlBlock> make_rtl_dma([[maybe_unused]] const timing::DmaRtlParams& params,
                                       [[maybe_unused]] std::uint64_t seed) {
#if ATHENA_HAVE_RTL
  const std::vector<timing::DmaRtlParams> built = dma_variants();
  if (params == built[0]) return std::make_unique<RtlDma<Vdma_64>>(params, seed);
  if (params == built[1]) return std::make_unique<RtlDma<Vdma_1024>>(params, seed);
  throw InputError("no DMA engine of these parameters was verilated");
#else
  throw InputError("this build has no Verilated blocks: install verilator and run cmake again");
#endif
}

}  // namespace athena::cosim
