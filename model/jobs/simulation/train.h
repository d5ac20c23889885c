#pragma once
/// A training step: stages simulated, then their schedule.
#include "jobs/simulation/evaluate.h"

namespace athena::jobs {

struct TrainResult {
  StepResult step;         ///< of one chip (mean over stages), bubble included in `seconds`
  double tokens = 0;       ///< per step, all chips
  double bubble = 0;       ///< idle share of the pipeline
  double model_flops = 0;  ///< forward and backward without recompute, all chips
};

/// Throws Finding when a rank's memory does not suffice, InputError for batches that do not divide.
[[nodiscard]] TrainResult run_training(StepRunner& runner, const Workload& work,
                                       const PointSpec& spec);

}  // namespace athena::jobs
