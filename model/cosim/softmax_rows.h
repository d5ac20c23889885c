#pragma once
/// Whole rows through a softmax unit, RTL or model, with both streams always ready.
#include <cstdint>
#include <span>
#include <vector>

#include "timing/block.h"
#include "timing/softmax_step.h"

namespace athena::cosim {

/// BF16 bits, whole beats.
using SoftmaxRow = std::vector<std::uint16_t>;

/// Resets nothing: rows follow what ran before. Returns the cycles from the first beat's entry to
/// the cycle in which the last beat is seen; `results` (may be null) gets the rows that came out.
/// Throws Contradiction when rows never end.
std::int64_t run_softmax_rows(timing::Block& unit, const timing::SoftmaxRtlParams& params,
                              std::span<const SoftmaxRow> rows, std::vector<SoftmaxRow>* results);

}  // namespace athena::cosim
