#pragma once
/// The closed forms of the systolic array against SCALE-Sim's cycle counts.
#include <filesystem>

#include "validate/error_table.h"

namespace athena::validate {

/// Runs every row of `file` (columns array_rows, array_cols, dataflow, M, N, K,
/// reported_total_cycles; optional compute_cycles, source) in SCALE-Sim's setting: folds that do
/// not overlap. SCALE-Sim reports the number of its last cycle, one less than their count; rows of
/// its compute engine alone have compute_cycles. Groups by dataflow, array and source. Rows that
/// were not simulated are skipped with that reason.
[[nodiscard]] ErrorTable validate_systolic(const std::filesystem::path& file);

}  // namespace athena::validate
