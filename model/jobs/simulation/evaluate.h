#pragma once
/// PointSpec -> result: the one way in which a point is simulated, whoever asks.
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "exec/matrix_engine.h"
#include "jobs/evaluator.h"
#include "jobs/point.h"
#include "jobs/simulation/step.h"
#include "workload/build.h"
#include "workload/transformer.h"

namespace athena::jobs {

/// A part of a run that users see on its own.
struct PhaseResult {
  std::string name;  ///< prefill, decode, train, ...
  StepResult step;
  double tokens = 0;  ///< that the phase processes or makes, over all chips
  double steps = 1;
};

/// All of a point's result.
struct PointResult {
  std::string model;
  double parameters = 0;
  std::string phase;
  int chips = 1;
  double seconds = 0;
  double tokens = 0;  ///< made (decode, generate) or processed (prefill, train)
  std::vector<PhaseResult> phases;
  StepResult total;
  double model_flops = 0;             ///< matrix work of the model on all chips
  double peak_flops = 0;              ///< of one chip in the run's format
  double bubble = 0;                  ///< training: idle share of the pipeline
  nlohmann::ordered_json functional;  ///< null unless asked for
  nlohmann::ordered_json rtl;         ///< blocks that were RTL; null when none was
};

struct Workload;

/// Simulates points on one chip configuration. In the transaction tier a process can hold one of
/// them.
class PointRunner {
 public:
  explicit PointRunner(const PointSpec& spec);
  ~PointRunner();
  PointRunner(const PointRunner&) = delete;
  PointRunner& operator=(const PointRunner&) = delete;
  /// Runs a point whose machine is this runner's. Throws athena::Error.
  [[nodiscard]] PointResult run(const PointSpec& spec);
  [[nodiscard]] const Machine& machine() const { return machine_; }

 private:
  [[nodiscard]] PointResult run_with(exec::MatrixEngine* matrix, const Workload& work,
                                     const PointSpec& spec);
  Machine machine_;
  std::unique_ptr<StepRunner> runner_;
};

/// The workload of a point as graphs of one rank. Throws InputError.
struct Workload {
  workload::Transformer model;
  bool has_model = false;
  workload::PhaseSpec phase;
  std::string phase_name;
  std::int64_t batch = 1, input = 0, output = 0;
  workload::Graph graph;  ///< of the (first) phase; empty for training
  std::string text;       ///< canonical: hashed into the point's key
};
[[nodiscard]] Workload resolve_workload(const PointSpec& spec, const Machine& machine);

/// The result as `athena run --json` prints it, without vs, ratio and host. `details` adds the
/// table of kernels.
[[nodiscard]] nlohmann::ordered_json to_json(const PointResult& result, const PointSpec& spec,
                                             const Machine& machine, bool details);

/// The simulator as jobs::Evaluator.
[[nodiscard]] std::unique_ptr<Evaluator> make_simulation_evaluator(bool details);

}  // namespace athena::jobs
