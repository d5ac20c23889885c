#pragma once
/// One graph on one chip: compiled, run in the asked tier, with power.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "chip/simulator.h"
#include "compiler/compile.h"
#include "exec/bodies.h"
#include "exec/meaning.h"
#include "jobs/simulation/machine.h"
#include "timing/timeline.h"

namespace athena::jobs {

/// A stretch of memory and what it holds.
struct MemoryUse {
  std::string name;
  std::string role;  ///< weight, activation, kv cache, input, output, workspace, optimizer
  std::int64_t address = 0;
  std::int64_t bytes = 0;   ///< from its first byte to its last, all copies
  std::int64_t copies = 1;  ///< one per repetition of the block that uses it
  bool on_chip = false;     ///< in cluster scratchpads, not in HBM
};

/// What a step took; in both tiers the same fields.
struct StepResult {
  double seconds = 0;
  timing::PathShares path;  ///< critical path; the power share is what the cap cost
  std::vector<chip::KernelResult> kernels;
  timing::EventCounts counts;
  double memory_read = 0, memory_written = 0, cache_hits = 0, cache_misses = 0;  ///< bytes
  double flops = 0;        ///< useful matrix work of this rank
  double energy_j = 0;     ///< of this chip
  double power_w = 0;      ///< mean
  double clock_ratio = 1;  ///< core clock under the cap
  std::string program_hash;
  std::uint64_t events = 0;
  std::int64_t simulated_repeats = 0, skipped_repeats = 0;
  std::shared_ptr<const timing::Timeline> timeline;  ///< of the first step, when asked for
  std::vector<MemoryUse> memory_map;                 ///< of the first step, where addresses exist

  /// Adds `factor` executions of another step.
  void add(const StepResult& other, double factor);
};

/// Compiles and runs graphs. Holds the elaborated chip: one per process for the transaction tier.
class StepRunner {
 public:
  StepRunner(const Machine& machine, std::string fidelity);
  ~StepRunner();
  StepRunner(const StepRunner&) = delete;
  StepRunner& operator=(const StepRunner&) = delete;

  [[nodiscard]] compiler::Compiled compile(const workload::Graph& graph, bool exact = false) const;
  /// Runs a compiled graph; `extra_keys` is added to every sequence's context (launch value).
  [[nodiscard]] StepResult run(const compiler::Compiled& compiled, std::int64_t extra_keys = 0,
                               exec::Meaning* meaning = nullptr);
  /// Runs a program as it is. Throws InputError in the analytic tier, which needs its mapping.
  [[nodiscard]] StepResult run(const program::Program& program);
  [[nodiscard]] StepResult run(const workload::Graph& graph) { return run(compile(graph)); }
  [[nodiscard]] const Machine& machine() const { return machine_; }
  /// Work that now overlaps draws more at a time than it did in a row: lowers the clock until the
  /// power cap holds again, and settles power and energy.
  void keep_cap(StepResult& step) const;
  /// From now on every run of the transaction tier keeps a timeline and a map of memory.
  void record(const timing::TimelineOptions& options) { record_ = options; }
  /// Blocks in the place of the chip's own models, in runs of the transaction and detailed tiers.
  void set_bodies(const exec::Bodies& bodies) { bodies_ = bodies; }
  [[nodiscard]] const exec::Bodies& bodies() const { return bodies_; }
  /// Memory as in the detailed tier, whatever the fidelity.
  void set_queued_memory(bool queued) { queued_memory_ = queued; }

 private:
  [[nodiscard]] StepResult analytic(const compiler::Compiled& compiled, double ratio,
                                    std::int64_t extra_keys) const;
  [[nodiscard]] StepResult transaction(const program::Program& program, double ratio,
                                       std::int64_t extra_keys, exec::Meaning* meaning);
  void regulate(StepResult& result, double nominal_seconds) const;
  void settle_power(StepResult& result, double nominal_seconds) const;
  void show_kernel_power(StepResult& result) const;
  [[nodiscard]] timing::Activity activity(const StepResult& step, double nominal_seconds) const;

  const Machine& machine_;
  std::string fidelity_;
  analytic::Rates rates_;
  timing::ChipEnergy energy_;
  timing::PowerModel power_;
  std::unique_ptr<chip::Simulator> simulator_;
  std::optional<timing::TimelineOptions> record_;
  exec::Bodies bodies_;
  bool queued_memory_ = false;
};

}  // namespace athena::jobs
