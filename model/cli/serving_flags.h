#pragma once
/// Flags that `serve`, `capacity` and `export` share, and what they stand for.
#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "serving/engine_config.h"
#include "serving/operator_tables.h"
#include "serving/operator_timer.h"
#include "serving/simulator_steps.h"

namespace athena::cli {

/// Which hardware and model, and how steps are timed.
struct HardwareFlags {
  serving::HardwareSpec spec;
  std::string vs;
  std::string vs_stack;
  std::vector<std::string> vs_sets;
  std::string store;  ///< folder of stored step times
  bool no_store = false;
  void add_to(CLI::App& command, bool with_vs);
  /// `--set vs:...` goes to the other side. Called once after parsing.
  void split_sets();
  [[nodiscard]] serving::HardwareSpec other() const;
};

/// Policies of the engine: a document and flags on top of it.
struct EngineFlags {
  std::string document = "vllm";
  std::vector<std::string> sets;
  std::string batching, order, preemption, router;
  std::int64_t max_batch = 0, max_tokens = 0, page_tokens = 0;
  int replicas = 0, prefill_replicas = 0, decode_replicas = 0;
  bool prefix_cache = false;
  void add_to(CLI::App& command);
  /// Throws InputError.
  [[nodiscard]] serving::ServiceConfig config() const;
};

/// One side of a comparison, ready to serve.
class ServingSide {
 public:
  /// `exact`: every distinct step is simulated.
  ServingSide(const serving::HardwareSpec& spec, const serving::ServiceConfig& config,
              const std::string& store, bool exact, double tolerance);
  [[nodiscard]] serving::StepTime& steps();
  /// The tables are still those of the closed forms: show it steps of a run, and run again.
  [[nodiscard]] bool wants_calibration() const;
  void calibrate(const serving::StepSample& sample);
  /// Writes what was measured to the folder of stored step times.
  void save();
  [[nodiscard]] const serving::Hardware& hardware() const { return hardware_; }
  [[nodiscard]] const serving::ReplicaMemory& memory() const { return memory_; }
  [[nodiscard]] std::string config_hash() const;
  /// Dollars per chip and hour from the cost model; empty where it knows no such product.
  [[nodiscard]] std::optional<double> price() const;
  /// How the step times came about, for results. The steps of `checked` are simulated whole.
  [[nodiscard]] nlohmann::ordered_json step_times(const serving::StepSample& checked);

 private:
  /// A simulator and what it measured.
  struct Source {
    std::unique_ptr<serving::OperatorTimer> timer;
    std::unique_ptr<serving::MeasurementStore> store;
  };
  [[nodiscard]] Source source(const serving::Hardware& hardware) const;

  serving::HardwareSpec spec_;
  std::string folder_;
  serving::Hardware hardware_;
  serving::ReplicaMemory memory_;
  Source steps_;   ///< whole steps in the asked tier
  Source closed_;  ///< whole steps in closed form, where the asked tier is another one
  Source few_;     ///< few layers in the asked tier
  Source few_closed_;
  std::unique_ptr<serving::OperatorTables> tables_;
  std::unique_ptr<serving::Calibration> calibration_;
  std::unique_ptr<serving::ExactSteps> exact_;
};

/// Where step times are kept between runs: $ATHENA_CACHE, else $XDG_CACHE_HOME/athena, else
/// ~/.cache/athena, below it step_times/.
[[nodiscard]] std::string default_step_store();

/// {cpu_s, max_rss_bytes} of this process and its children.
[[nodiscard]] nlohmann::ordered_json host_json();

}  // namespace athena::cli
