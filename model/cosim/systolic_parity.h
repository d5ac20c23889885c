#pragma once
/// Whole products on the Verilated array against the closed form and the bit-exact model.
#include <string>
#include <vector>

#include "timing/systolic_step.h"

namespace athena::cosim {

/// One PARITY line per product; throws DivergenceError or Contradiction on a difference.
[[nodiscard]] std::vector<std::string> systolic_parity(const timing::SystolicRtlParams& params);

}  // namespace athena::cosim
