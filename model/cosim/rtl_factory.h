#pragma once
/// Makers of Verilated blocks, one per block, without any V*.h. Each throws InputError when the
/// build has no Verilated block of these parameters (no Verilator, or another geometry).
#include <cstdint>
#include <memory>
#include <vector>

#include "cosim/rtl_block.h"
#include "timing/systolic_step.h"

namespace athena::cosim {

/// Parameter sets of the array that are verilated (those of CMakeLists.txt in this folder).
[[nodiscard]] std::vector<timing::SystolicRtlParams> systolic_variants();
[[nodiscard]] std::unique_ptr<RtlBlock> make_rtl_systolic(const timing::SystolicRtlParams& params,
                                                          std::uint64_t seed);

}  // namespace athena::cosim
