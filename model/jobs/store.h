#pragma once
/// The store of finished points: one SQLite file, one row per point, named by the content hash of
/// everything its result depends on, so that a point already known is never run again.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"
#include "base/units.h"

namespace athena::jobs {

/// One finished point.
struct StoredPoint {
  std::string key;   ///< content hash (Evaluator::key)
  std::string spec;  ///< canonical text of the PointSpec that first gave this key
  ExitCode code = ExitCode::kOk;
  std::string error;   ///< one sentence when code is not kOk
  std::string result;  ///< JSON text when code is kOk
  double host_cpu_s = 0.0;
  Bytes host_max_rss{0};

  /// True when the outcome is a property of the point (a result, a finding, bad input, a
  /// contradiction); false when the machine or a crash made it, so that another try may succeed.
  [[nodiscard]] bool lasting() const {
    return code != ExitCode::kMachine && code != ExitCode::kInternal;
  }
};

/// Write-ahead logging: a process killed at any moment leaves every committed row and no half row;
/// several processes on one machine may share the file.
class Store {
 public:
  /// Opens or creates. Throws InputError when the file is not a store or has a newer schema, and
  /// MachineError when it cannot be opened.
  explicit Store(const std::filesystem::path& file);
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  ~Store();

  [[nodiscard]] std::optional<StoredPoint> find(const std::string& key);

  /// Writes all rows in one transaction. A known lasting row is kept as it is (equal keys have
  /// equal results); a row that did not last is replaced. Throws MachineError (full disk) with
  /// nothing of this call written.
  void put(std::span<const StoredPoint> points);

  [[nodiscard]] std::int64_t size();
  /// Every row, in order of key.
  void for_each(const std::function<void(const StoredPoint&)>& visit);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// One line of JSON for one stored point, and back: the format of a cluster task's result file.
/// stored_point_from_line throws InputError on a torn or foreign line.
[[nodiscard]] std::string to_line(const StoredPoint& point);
[[nodiscard]] StoredPoint stored_point_from_line(const std::string& line);

}  // namespace athena::jobs
