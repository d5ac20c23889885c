#pragma once
/// A plain list of matrix products as a workload: CSV with a header row. Columns `m,n,k` (A is
/// m x k, B is k x n) in any order; optional `name`, `count` (how often the product runs, default
/// 1, each time with another B) and `precision` (default: the one given).
#include <filesystem>
#include <string>
#include <string_view>

#include "workload/build.h"

namespace athena::workload {

/// One block per row. Throws InputError with file and line: a missing or unknown column (with the
/// nearest), a cell that is no whole number above 0, a file without rows.
[[nodiscard]] Graph import_gemm_list(const std::filesystem::path& path, const Precision& precision);
[[nodiscard]] Graph import_gemm_list_text(std::string_view text, const std::string& file,
                                          const Precision& precision);

}  // namespace athena::workload
