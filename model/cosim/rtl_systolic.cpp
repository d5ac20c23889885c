#include <fmt/format.h>

#include "base/error.h"
#include "cosim/array_port.h"
#include "cosim/rtl_factory.h"

#if ATHENA_HAVE_RTL
#include "cosim/verilated_block.h"
#include "systolic_bf16_16x16x1/Vsystolic_bf16_16x16x1.h"
#include "systolic_bf16_8x8x4/Vsystolic_bf16_8x8x4.h"
#include "systolic_int8_16x16x1/Vsystolic_int8_16x16x1.h"
#include "systolic_mx8_8x8x4/Vsystolic_mx8_8x8x4.h"
#endif

namespace athena::cosim {
namespace {

using timing::ArrayFormat;
using timing::SystolicRtlParams;

/// The parameter sets of CMakeLists.txt in this folder.
constexpr int kAccRows = 64;
#if ATHENA_HAVE_RTL && VM_COVERAGE
constexpr timing::ArrayGeometry kSquare{4, 4, 1};
constexpr timing::ArrayGeometry kDot{4, 4, 4};
#else
constexpr timing::ArrayGeometry kSquare{16, 16, 1};
constexpr timing::ArrayGeometry kDot{8, 8, 4};
#endif
const SystolicRtlParams kBf16Square{kSquare, ArrayFormat::kBf16, 1, kAccRows};
const SystolicRtlParams kBf16Dot{kDot, ArrayFormat::kBf16, 2, kAccRows};
const SystolicRtlParams kInt8Square{kSquare, ArrayFormat::kInt8, 1, kAccRows};
const SystolicRtlParams kMx8Dot{kDot, ArrayFormat::kMx8, 1, kAccRows};

#if ATHENA_HAVE_RTL
template <class Top>
class RtlSystolic final : public VerilatedBlock<Top> {
 public:
  RtlSystolic(const SystolicRtlParams& params, std::uint64_t seed)
      : VerilatedBlock<Top>("systolic_array", timing::systolic_ports(params), seed) {
    Top& t = this->top();
    this->bind_input("wt_valid", t.wt_valid_i);
    this->bind_input("wt_data", t.wt_data_i);
    this->bind_input("wt_scale", t.wt_scale_i);
    this->bind_input("act_valid", t.act_valid_i);
    this->bind_input("act_data", t.act_data_i);
    this->bind_input("act_scale", t.act_scale_i);
    this->bind_input("act_first", t.act_first_i);
    this->bind_input("act_last", t.act_last_i);
    this->bind_input("act_tile_last", t.act_tile_last_i);
    this->bind_input("init_valid", t.init_valid_i);
    this->bind_input("init_data", t.init_data_i);
    this->bind_input("init_last", t.init_last_i);
    this->bind_input("out_ready", t.out_ready_i);
    this->bind_output("wt_ready", t.wt_ready_o);
    this->bind_output("act_ready", t.act_ready_o);
    this->bind_output("init_ready", t.init_ready_o);
    this->bind_output("out_valid", t.out_valid_o);
    this->bind_output("out_data", t.out_data_o);
    this->bind_output("out_last", t.out_last_o);
  }
};
#endif

}  // namespace

std::vector<SystolicRtlParams> systolic_variants() {
  return {kBf16Square, kBf16Dot, kInt8Square, kMx8Dot};
}

std::vector<SystolicRtlParams> built_arrays() {
#if ATHENA_HAVE_RTL
  return systolic_variants();
#else
  return {};
#endif
}

std::unique_ptr<RtlBlock> make_rtl_systolic(const SystolicRtlParams& params,
                                            [[maybe_unused]] std::uint64_t seed) {
  timing::check(params);
#if ATHENA_HAVE_RTL
  if (params == kBf16Square) {
    return std::make_unique<RtlSystolic<Vsystolic_bf16_16x16x1>>(params, seed);
  }
  if (params == kBf16Dot) {
    return std::make_unique<RtlSystolic<Vsystolic_bf16_8x8x4>>(params, seed);
  }
  if (params == kInt8Square) {
    return std::make_unique<RtlSystolic<Vsystolic_int8_16x16x1>>(params, seed);
  }
  if (params == kMx8Dot) {
    return std::make_unique<RtlSystolic<Vsystolic_mx8_8x8x4>>(params, seed);
  }
  throw InputError(fmt::format(
      "no Verilated systolic_array of {}x{}x{} with {} hop registers and {} accumulator rows was "
      "built "
      "for this format; add it to model/cosim/CMakeLists.txt or use one of those that are: bf16 "
      "16x16x1 and 8x8x4, int8 16x16x1, mx8 8x8x4",
      params.geometry.rows, params.geometry.cols, params.geometry.depth, params.psum_hop,
      params.acc_rows));
#else
  throw InputError("this build has no Verilated blocks: install verilator and run cmake again");
#endif
}

}  // namespace athena::cosim
