#include "base/error.h"
#include "cosim/rtl_factory.h"

#if ATHENA_HAVE_RTL
#include "cosim/verilated_block.h"
#include "hbm2e_32/Vhbm2e_32.h"
#endif

namespace athena::cosim {

#if ATHENA_HAVE_RTL
namespace {
class RtlHbm final : public VerilatedBlock<Vhbm2e_32> {
 public:
  explicit RtlHbm(std::uint64_t seed)
      : VerilatedBlock("hbm_scheduler", timing::hbm_scheduler_ports(), seed) {
    Vhbm2e_32& t = top();
    bind_input("req_valid", t.req_valid_i);
    bind_input("req_write", t.req_write_i);
    bind_input("req_bank", t.req_bank_i);
    bind_input("req_row", t.req_row_i);
    bind_input("req_col", t.req_col_i);
    bind_input("req_id", t.req_id_i);
    bind_output("req_ready", t.req_ready_o);
    bind_output("row_valid", t.row_valid_o);
    bind_output("row_op", t.row_op_o);
    bind_output("row_bank", t.row_bank_o);
    bind_output("row_row", t.row_row_o);
    bind_output("col_valid", t.col_valid_o);
    bind_output("col_write", t.col_write_o);
    bind_output("col_bank", t.col_bank_o);
    bind_output("col_col", t.col_col_o);
    bind_output("col_id", t.col_id_o);
    bind_output("busy", t.busy_o);
  }
};
}  // namespace
#endif

std::unique_ptr<RtlBlock> make_rtl_hbm([[maybe_unused]] std::uint64_t seed) {
#if ATHENA_HAVE_RTL
  return std::make_unique<RtlHbm>(seed);
#else
  throw InputError("this build has no Verilated blocks: install verilator and run cmake again");
#endif
}

}  // namespace athena::cosim
