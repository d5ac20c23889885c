#pragma once
/// One task of a cluster job: a file of points in, a file of results out, made so that a task
/// killed at any moment keeps what it had finished.
#include <filesystem>
#include <string>
#include <vector>

#include "jobs/point.h"
#include "jobs/run_points.h"
#include "jobs/store.h"

namespace athena::jobs {

/// The files of task `number` in a round's folder.
struct TaskFiles {
  std::filesystem::path points;   ///< one canonical text per line
  std::filesystem::path partial;  ///< lines of StoredPoint, appended as points finish
  std::filesystem::path results;  ///< the same, complete; appears by renaming `partial`
};
[[nodiscard]] TaskFiles task_files(const std::filesystem::path& folder, std::size_t number);

void write_task(const TaskFiles& files, const std::vector<PointSpec>& points);

/// Runs the points of a task that its partial results lack. Used by the hidden command that cluster
/// jobs call. Throws InputError, MachineError (also when interrupted; a later call continues).
void run_task(const TaskFiles& files, const Options& options);

/// The whole lines of a file of results; a torn last line is left out. Empty when the file is
/// absent.
[[nodiscard]] std::vector<StoredPoint> read_results(const std::filesystem::path& file);

}  // namespace athena::jobs
