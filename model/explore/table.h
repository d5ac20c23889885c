#pragma once
/// The rows of one sweep: an SQLite file in the sweep's folder that says what was asked and holds
/// one row per candidate and tier. Points themselves live in the store; this is what `show` reads.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"

namespace athena::explore {

/// One candidate (or reference design) in one tier.
struct Row {
  int stage = 0;              ///< 0 = the first tier, 1 = after one promotion ...
  std::int64_t index = 0;     ///< number in the full grid; reference designs count -1, -2 ...
  std::int64_t sequence = 0;  ///< order in which the optimiser asked for it
  ExitCode code = ExitCode::kOk;
  std::string error;               ///< one sentence when code is not kOk
  std::vector<double> columns;     ///< as Space::columns, in their units; empty when it failed
  std::vector<double> violations;  ///< per constraint, 0 = holds; empty when it failed
  std::int64_t failed_points = 0;  ///< of its scenarios
  double host_cpu_s = 0.0;         ///< of all its points

  /// False when the machine or a crash decided: a resumed sweep tries such a row again.
  [[nodiscard]] bool lasting() const {
    return code != ExitCode::kMachine && code != ExitCode::kInternal;
  }
  [[nodiscard]] bool ok() const { return code == ExitCode::kOk; }
  /// Has a result that meets every constraint.
  [[nodiscard]] bool feasible() const;
};

class SweepTable {
 public:
  /// Opens or creates FOLDER/sweep.sqlite. Throws as jobs::Database.
  explicit SweepTable(const std::filesystem::path& folder);
  SweepTable(const SweepTable&) = delete;
  SweepTable& operator=(const SweepTable&) = delete;
  ~SweepTable();

  /// True when the folder holds a sweep already.
  [[nodiscard]] static bool exists(const std::filesystem::path& folder);
  /// The file that exists() looks for.
  [[nodiscard]] static std::filesystem::path file(const std::filesystem::path& folder);

  /// Facts about the sweep by name ("space", "settings", "warnings"); "" when absent.
  [[nodiscard]] std::string fact(const std::string& name);
  void set_fact(const std::string& name, const std::string& value);

  /// All in one transaction; a row that is there already is replaced.
  void put(std::span<const Row> rows);
  [[nodiscard]] std::optional<Row> find(int stage, std::int64_t index);
  /// By stage, then index.
  [[nodiscard]] std::vector<Row> rows();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace athena::explore
