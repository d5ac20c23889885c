#pragma once
/// Chooses tiles, stages, splits and placements of one kernel by pricing candidates analytically.
#include "analytic/estimate.h"
#include "config/chip.h"
#include "config/stack.h"
#include "mapping/mapping.h"

namespace athena::compiler {

/// Fills the free parameters of `kernel.plan` with the fastest legal choice and sets `seconds`.
/// Throws Finding when no choice fits the core's memory, saying what needs how much.
void choose(mapping::KernelPlan& kernel, const config::ChipConfig& chip,
            const config::StackConfig& stack, const analytic::Rates& rates,
            const analytic::Residency& residency);

/// Scratchpad bytes that one work item may use: all of it divided by the residents on a work-queue
/// chip, half of it on a static one (the other half belongs to the next kernel, which prefetches).
[[nodiscard]] std::int64_t scratch_budget(const config::ChipConfig& chip);

}  // namespace athena::compiler
