#pragma once
/// One rank's graph of an engine step, priced by a tier of the simulator.
#include <memory>
#include <string>
#include <vector>

#include "serving/simulator_steps.h"
#include "timing/collective.h"
#include "timing/power_governor.h"

namespace athena::serving {

/// The phase that stands for a ragged batch: decode when every sequence brings one token.
[[nodiscard]] workload::PhaseSpec phase_of(const Hardware& hardware,
                                           std::vector<workload::Sequences> batch, int stage);

/// The graph of one engine step on one rank. Engines launch prompts and decodes of a mixed batch as
/// attention kernels of their own (FlashInfer, vLLM), because no tiling suits both; so does this
/// graph.
[[nodiscard]] workload::Graph step_graph(const Hardware& hardware,
                                         const std::vector<workload::Sequences>& batch, int stage);

/// The shape of a model as text, for identities.
[[nodiscard]] std::string workload_text(const workload::Transformer& model);

/// The sequences that one of `parts` equal parts of a batch gets, the largest part: every
/// parts-th of the batch in order of work.
[[nodiscard]] std::vector<workload::Sequences> largest_part(const StepShape& shape, int parts);

/// A kernel as a tier timed it at full clock, all its executions in a step together.
struct PricedKernel {
  std::string name;  ///< of its first operator
  OperatorKind kind = OperatorKind::kTokens;
  double seconds = 0.0;
  double clock_bound = 0.0;  ///< part of them that stretches when the core clock falls
  timing::EventCounts counts;
};

/// What a tier says of one rank's step.
struct PricedStep {
  std::vector<PricedKernel> kernels;
  double seconds = 0.0;  ///< of the whole step at full clock, host excluded
};

/// Prices graphs of one hardware at full clock.
class StepPricer {
 public:
  virtual ~StepPricer() = default;
  [[nodiscard]] virtual PricedStep price(const workload::Graph& graph) = 0;
};
[[nodiscard]] std::unique_ptr<StepPricer> make_analytic_pricer(const Hardware& hardware);
/// The pricer of the hardware's tier.
[[nodiscard]] std::unique_ptr<StepPricer> make_step_pricer(const Hardware& hardware);

/// Attention, head, or per token: by the operator's place and name.
[[nodiscard]] OperatorKind kind_of(const std::string& block, const std::string& op,
                                   bool collective);

/// Time of collectives between the replica's chips.
class FabricPrices {
 public:
  explicit FabricPrices(const Hardware& hardware);
  [[nodiscard]] Seconds of(const workload::CollectiveShape& shape);
  [[nodiscard]] Seconds of(const std::string& kind, Bytes bytes, int ranks, int stride);

 private:
  const Hardware& hardware_;
  timing::CollectiveLibrary library_;
};

}  // namespace athena::serving
