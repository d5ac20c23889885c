#pragma once
/// A training step: stages simulated, then their schedule.
#include <nlohmann/json.hpp>

#include "jobs/simulation/evaluate.h"
#include "jobs/simulation/side_stream.h"
#include "workload/parallel/memory.h"

namespace athena::jobs {

struct TrainResult {
  StepResult step;              ///< of one chip (mean over stages), bubble included in `seconds`
  double tokens = 0;            ///< per step, all chips
  double bubble = 0;            ///< idle share of the pipeline
  double model_flops = 0;       ///< forward and backward without recompute, all chips
  double hardware_flops = 0;    ///< with what is computed again, all chips
  Communication communication;  ///< of one rank and step, mean over stages
  double host_seconds = 0;      ///< of the step, in which the host prepares the next
  int micro_batches = 1;        ///< per replica
  std::int64_t micro_batch = 1, global_batch = 1;  ///< sequences
  workload::MemoryPlan memory;                     ///< of the rank that needs most
  int fullest_stage = 0;                           ///< whose rank that is
  Bytes capacity{0};
};

/// As `training` of a result: units in the keys.
[[nodiscard]] nlohmann::ordered_json to_json(const TrainResult& result);

/// Throws Finding when a rank's memory does not suffice, InputError for batches that do not divide.
[[nodiscard]] TrainResult run_training(StepRunner& runner, const Workload& work,
                                       const PointSpec& spec);

}  // namespace athena::jobs
