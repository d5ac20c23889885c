#pragma once
/// Makers of Verilated blocks, one per block, without any V*.h. Each throws InputError when the
/// build has no Verilated block of these parameters (no Verilator, or another geometry).
#include <cstdint>
#include <memory>
#include <vector>

#include "cosim/rtl_block.h"
#include "timing/dma_step.h"
#include "timing/hbm_scheduler_step.h"
#include "timing/router_step.h"
#include "timing/softmax_step.h"
#include "timing/systolic_step.h"

namespace athena::cosim {

/// Parameter sets of the array that are verilated (those of CMakeLists.txt in this folder).
[[nodiscard]] std::vector<timing::SystolicRtlParams> systolic_variants();
[[nodiscard]] std::unique_ptr<RtlBlock> make_rtl_systolic(const timing::SystolicRtlParams& params,
                                                          std::uint64_t seed);

/// Parameter sets of the DMA engine that are verilated.
[[nodiscard]] std::vector<timing::DmaRtlParams> dma_variants();
[[nodiscard]] std::unique_ptr<RtlBlock> make_rtl_dma(const timing::DmaRtlParams& params,
                                                     std::uint64_t seed);
/// Router with eight flits per virtual channel.
[[nodiscard]] std::unique_ptr<RtlBlock> make_rtl_router(bool hold_packet, std::uint64_t seed);
/// Scheduler with the default HbmSchedulerParams.
[[nodiscard]] std::unique_ptr<RtlBlock> make_rtl_hbm(std::uint64_t seed);
/// Softmax unit with the default SoftmaxRtlParams.
[[nodiscard]] std::unique_ptr<RtlBlock> make_rtl_softmax(std::uint64_t seed);

}  // namespace athena::cosim
