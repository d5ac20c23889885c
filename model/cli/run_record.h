#pragma once
/// What `athena run` keeps of a run besides its result: timelines for the report, traces.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "jobs/simulation/evaluate.h"

namespace athena::cli {

struct RecordFlags {
  bool trace = false;
  std::string window;             ///< "FROM:TO"; "" = all
  std::string level = "engines";  ///< engines | kernels
  int cores = 1;                  ///< whose engines are traced

  void add_to(CLI::App& command);
  /// Throws InputError for flags that contradict each other or cannot be read.
  void check(const std::string& out) const;
};

/// Details of the run of `ours` (and of its rival): kernels always, timelines where there is a
/// folder to keep them, traces written into it by the worker processes.
[[nodiscard]] jobs::SimulationDetails record(const RecordFlags& flags, const std::string& out,
                                             const jobs::PointSpec& ours);

/// Moves the timelines out of a result (and of its `vs`) into FOLDER/timeline.json. Without a
/// timeline, nothing is written.
void keep_timeline(const std::filesystem::path& folder, nlohmann::ordered_json& run);

/// Traces that a run without recorded timelines (analytic tier) has: its kernels one after the
/// other. Does nothing when the worker wrote one. Returns the names of the trace files.
[[nodiscard]] std::vector<std::string> finish_trace(const RecordFlags& flags,
                                                    const std::filesystem::path& folder,
                                                    const nlohmann::ordered_json& run);

}  // namespace athena::cli
