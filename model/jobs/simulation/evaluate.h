#pragma once
/// PointSpec -> result: the one way in which a point is simulated, whoever asks.
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "exec/bodies.h"
#include "jobs/evaluator.h"
#include "jobs/point.h"
#include "jobs/simulation/step.h"
#include "workload/build.h"
#include "workload/import/chakra.h"
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
  nlohmann::ordered_json training;    ///< of a training step: bubble, communication, memory
  nlohmann::ordered_json replay;      ///< of a trace: nodes, what they lacked, communication
  nlohmann::ordered_json rtl;         ///< blocks that were RTL; null when none was
};

struct Workload;

/// Simulates points on one chip configuration. In the transaction tier a process can hold one of
/// them.
class PointRunner {
 public:
  explicit PointRunner(const PointSpec& spec);
  PointRunner(std::shared_ptr<const Machine> machine, const std::string& fidelity);
  ~PointRunner();
  PointRunner(const PointRunner&) = delete;
  PointRunner& operator=(const PointRunner&) = delete;
  /// Runs a point whose machine is this runner's. Throws athena::Error.
  [[nodiscard]] PointResult run(const PointSpec& spec);
  [[nodiscard]] const Machine& machine() const { return *machine_; }
  /// From now on results carry timelines (transaction tier).
  void record(const timing::TimelineOptions& options) { runner_->record(options); }

 private:
  [[nodiscard]] PointResult run_with(const exec::Bodies& bodies, const Workload& work,
                                     const PointSpec& spec);
  std::shared_ptr<const Machine> machine_;
  std::unique_ptr<StepRunner> runner_;
};

/// The workload of a point as graphs of one rank. Throws InputError.
struct Workload {
  std::shared_ptr<const program::Program> program;  ///< a compiled one, from a file; else null
  workload::Trace trace;  ///< of a program, to be replayed; empty otherwise
  workload::Transformer model;
  bool has_model = false;
  workload::PhaseSpec phase;
  std::string phase_name;
  std::int64_t batch = 1, input = 0, output = 0;
  workload::Graph graph;  ///< of the (first) phase; empty for training
};
[[nodiscard]] Workload resolve_workload(const PointSpec& spec, const Machine& machine);
/// Everything that decides the workload, as canonical text, without building any graph: what a
/// point's key needs. Throws InputError when the workload's file cannot be read; whether the
/// workload can run is not looked at.
[[nodiscard]] std::string workload_text(const PointSpec& spec);

/// The result as `athena run --json` prints it, without vs, ratio and host. `details` adds the
/// table of kernels.
[[nodiscard]] nlohmann::ordered_json to_json(const PointResult& result, const PointSpec& spec,
                                             const Machine& machine, bool details);

/// Timelines and maps of memory of a result, by phase; null when none were kept. What a report
/// draws: flows over time, engines of the chosen cores over one repetition of the longest block
/// (at most `most_spans` a lane, neighbours merged), bytes per link.
[[nodiscard]] nlohmann::ordered_json timeline_json(const PointResult& result,
                                                   const Machine& machine,
                                                   std::size_t most_spans = 1500);

/// What an evaluator adds to the results that every sweep needs.
struct SimulationDetails {
  bool kernels = false;  ///< the table of kernels
  /// Keep timelines; their summary becomes the result's `timeline`.
  std::optional<timing::TimelineOptions> timeline;
  /// Called in the worker process with everything that the result is made of.
  std::function<void(const PointSpec&, const PointResult&, const Machine&)> on_result;
};

/// The simulator as jobs::Evaluator.
[[nodiscard]] std::unique_ptr<Evaluator> make_simulation_evaluator(SimulationDetails details);
[[nodiscard]] inline std::unique_ptr<Evaluator> make_simulation_evaluator(bool kernels) {
  SimulationDetails details;
  details.kernels = kernels;
  return make_simulation_evaluator(std::move(details));
}

}  // namespace athena::jobs
