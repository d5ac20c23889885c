#pragma once
/// A sweep from start to end: search in the first tier, promotion of the best to finer ones, the
/// reference designs beside them; resumable at any moment.
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "explore/search.h"
#include "explore/space.h"
#include "explore/table.h"
#include "jobs/run_points.h"

namespace athena::explore {

/// Where a sweep stands, for a progress bar.
struct StudyProgress {
  double fraction = 0.0;
  std::string text;  ///< "812/4000 points, 312/s, 3 failed, best time_s 1.2e-3"
};

struct StudyOptions {
  std::filesystem::path folder;  ///< of the sweep's table
  SearchOptions search;
  bool resume = false;                ///< continue the sweep that the folder holds
  std::vector<std::string> warnings;  ///< of check_inputs, to be kept with the rows
  std::function<void(const StudyProgress&)> on_progress;
  const std::atomic<bool>* stop = nullptr;
};

struct StudySummary {
  std::size_t points = 0;  ///< asked for, in all tiers and scenarios, reference designs included
  std::size_t failed = 0;  ///< of those, without a result
  std::size_t cached = 0;  ///< of those, known before this call
  std::size_t candidates = 0;  ///< rows of the first tier
  double host_cpu_s = 0.0;     ///< of the points run by this call
  std::vector<std::string> warnings;
};

/// Runs `space` on `engine` (its callbacks are taken over). Rows are in FOLDER/sweep.sqlite
/// afterwards. Call check_search and check_inputs (honesty.h) first: they find bad input before
/// anything is written. Throws InputError (folder in use by another sweep, an objective that nobody
/// computes), MachineError (interrupted, full disk).
[[nodiscard]] StudySummary run_study(const Space& space, jobs::Engine& engine,
                                     const StudyOptions& options);

}  // namespace athena::explore
