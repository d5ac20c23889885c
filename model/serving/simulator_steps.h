#pragma once
/// The binding of serving to the chip simulator: one engine step of a model on one replica's chips,
/// compiled and timed like any other run.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "jobs/simulation/machine.h"
#include "serving/engine_config.h"
#include "serving/operator_timer.h"
#include "workload/build.h"
#include "workload/transformer.h"

namespace athena::serving {

/// What serves one replica, as the user says it. Empty or 0 = the document's own.
struct HardwareSpec {
  std::string on;                 ///< chip or system
  std::vector<std::string> sets;  ///< `--set`: chip., system. or stack. select the document
  std::string stack;
  std::string model;
  std::string dtype;
  std::string kv_dtype;  ///< format of keys and values (fp8 halves them)
  int tp = 1, pp = 1, ep = 1;
  std::string fidelity = "transaction";  ///< analytic | transaction
  int layers = 0;                        ///< only the first ones; 0 = all
  std::int64_t max_context = 0;
  double power_cap_w = 0.0;
};

/// The documents behind a HardwareSpec.
struct Hardware {
  jobs::Machine machine;
  workload::Transformer model;
  workload::Precision precision;
  workload::Parallelism parallel;  ///< of one replica; ep > 1 makes dp = ep attention groups
  std::string fidelity;
  std::int64_t max_context = 0;
  std::string identity;  ///< every document as resolved, in one text
  [[nodiscard]] int chips() const { return parallel.world(); }
};

/// Loads and checks. Throws InputError: unknown names, a parallelism that the model or the system
/// does not allow, an unknown tier.
[[nodiscard]] Hardware resolve_hardware(const HardwareSpec& spec);

/// The same with few layers and in the given tier: the ratio of two tiers is that of an operator's
/// time, and layers repeat.
[[nodiscard]] Hardware shallow(const HardwareSpec& spec, const std::string& fidelity);

/// KV pages that are left on the chips of a replica beside weights and activations. Throws Finding
/// when the weights alone do not fit.
[[nodiscard]] ReplicaMemory replica_memory(const Hardware& hardware, const EngineConfig& engine);

/// The simulator as an OperatorTimer. Pipeline stages work on different micro-batches at the same
/// time: a step in which every sequence advances by one token takes pp times the slowest stage's
/// time for a pp-th of the batch. With EP every attention group takes its share of the sequences.
/// The transaction tier runs in a child process, because a process can elaborate one chip only.
[[nodiscard]] std::unique_ptr<OperatorTimer> make_simulator_timer(const Hardware& hardware);

}  // namespace athena::serving
