#pragma once
/// The model against figures measured on silicon, in the one table format that the project uses for
/// them (docs of `athena validate --against`).
#include <filesystem>
#include <functional>
#include <string>

#include "validate/error_table.h"

namespace athena::validate {

struct MeasuredOptions {
  std::string fidelity = "analytic";
  std::string chip;            ///< of rows that name none
  int workers = 0;             ///< processes of the slower tiers; 0 = one per core
  bool compare_tiers = false;  ///< also run the transaction tier and report how far the two differ
};

struct MeasuredResult {
  ErrorTable table;
  double tier_median = 0;  ///< median of |transaction / analytic - 1|, when compared
  std::size_t tier_rows = 0;
};

/// Simulates every row of `file`. Rows that cannot be simulated are listed with line and reason.
/// Also reads tables of products with columns M,K,N,<chip>_us. Throws InputError when the file
/// cannot be read or lacks the needed columns.
[[nodiscard]] MeasuredResult validate_measured(const std::filesystem::path& file,
                                               const MeasuredOptions& options,
                                               const std::function<void(double)>& progress = {});

/// The figures that ship with the project.
[[nodiscard]] std::filesystem::path shipped_figures();

/// A page with the scatter of model against measured figures, one colour per operator, and the
/// tables. Self-contained.
[[nodiscard]] std::string scatter_page(const ErrorTable& table);

}  // namespace athena::validate
