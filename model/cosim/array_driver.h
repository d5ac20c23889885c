#pragma once
/// The array's port driven by hand: the RTL alone, or model and RTL in lockstep.
#include <memory>

#include "cosim/array_port.h"
#include "cosim/rtl_block.h"

namespace athena::cosim {

/// `rtl` is the RTL in `block` (or is the block itself). `compare`: numbers and cycles are held
/// against the closed form and numerics/.
[[nodiscard]] std::unique_ptr<ArrayEngine> make_port_engine(const timing::SystolicRtlParams& params,
                                                            std::unique_ptr<timing::Block> block,
                                                            RtlBlock& rtl, bool compare);

}  // namespace athena::cosim
