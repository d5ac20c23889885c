#pragma once
/// The cluster engine: points packed into the tasks of Slurm array jobs. What is finished is known
/// from result files and our store alone, so that a lost node, a wiped controller or a killed
/// parent costs time, never a point.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "jobs/run_points.h"

namespace athena::jobs {

struct SlurmOptions {
  std::filesystem::path folder;  ///< of task and result files; seen by every node
  std::vector<std::string>
      task_command;                 ///< put before the points file: {"athena", "sweep", "task"}
  std::vector<std::string> sbatch;  ///< further arguments of sbatch (--partition=..., ...)
  std::size_t points_per_task = 0;  ///< 0 = four tasks per processor of the cluster
  int cpus_per_task = 1;
};

/// Submits with sbatch, watches result files, asks squeue only whether a job is still there. When
/// SLURM_CONF is not set and the machine has no configuration of its own, the one of
/// `scripts/slurm-local start` is used. Options::store is required.
class SlurmEngine : public Engine {
 public:
  /// Throws MachineError when there is no Slurm or no controller answers.
  SlurmEngine(SlurmOptions slurm, Options options);
  ~SlurmEngine() override;
  [[nodiscard]] std::vector<Outcome> run(std::span<const PointSpec> points) override;
  [[nodiscard]] Options& options() override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace athena::jobs
