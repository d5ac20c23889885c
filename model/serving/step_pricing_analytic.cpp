// The analytic tier: closed forms over the compiler's own mapping.
#include <algorithm>

#include "analytic/estimate.h"
#include "base/error.h"
#include "compiler/compile.h"
#include "serving/step_pricing.h"

namespace athena::serving {

OperatorKind kind_of(const std::string& block, const std::string& op, bool collective) {
  if (block == "head") return OperatorKind::kSequences;
  if (collective) return OperatorKind::kCollective;
  for (const char* name : {"attention", "qk", "softmax", "av", "delta_rule"}) {
    if (op == name) return OperatorKind::kAttention;
  }
  return OperatorKind::kTokens;
}

namespace {

class AnalyticPricer final : public StepPricer {
 public:
  explicit AnalyticPricer(const Hardware& hardware)
      : hardware_(hardware), rates_(analytic::rates_of(hardware.chip)), fabric_(hardware) {}

  PricedStep price(const workload::Graph& graph) override {
    const compiler::Compiled compiled = compiler::map(graph, hardware_.chip, hardware_.stack);
    PricedStep step;
    double launches = 0.0;
    for (std::size_t b = 0; b < compiled.mapping.blocks.size(); ++b) {
      const mapping::BlockPlan& plan = compiled.mapping.blocks[b];
      const workload::Block& block = compiled.graph.blocks[b];
      for (const mapping::KernelPlan& kernel : plan.kernels) {
        step.kernels.push_back(price_kernel(compiled, block, plan, kernel));
        step.seconds += step.kernels.back().seconds;
        launches += static_cast<double>(plan.repeat);
      }
    }
    // Where the host issues every kernel, the chip waits for it when it is the slower one.
    const config::StackConfig& stack = hardware_.stack;
    if (!stack.graph_capture) {
      step.seconds = std::max(step.seconds, launches * stack.host_per_kernel.value());
    }
    return step;
  }

 private:
  PricedKernel price_kernel(const compiler::Compiled& compiled, const workload::Block& block,
                            const mapping::BlockPlan& plan, const mapping::KernelPlan& kernel) {
    const workload::Op& op = block.ops.at(static_cast<std::size_t>(kernel.ops.front()));
    const auto* collective = std::get_if<mapping::CollectivePlan>(&kernel.plan);
    const analytic::Estimate estimate =
        analytic::estimate(kernel.plan, hardware_.chip, rates_, compiled.residency());
    PricedKernel out;
    out.name = op.name;
    out.kind = kind_of(plan.name, op.name, collective != nullptr);
    double once = hardware_.stack.kernel_gap.value();
    double bound = 0.0;
    if (collective != nullptr) {
      once += fabric_.of(collective->shape).value();
    } else {
      const double full = estimate.seconds();
      once += full;
      // How much longer it takes at half the clock says how much of it the clock bounds.
      bound = std::clamp(estimate.seconds(0.5) - full, 0.0, full);
    }
    const auto repeat = static_cast<double>(plan.repeat);
    out.seconds = once * repeat;
    out.clock_bound = bound * repeat;
    for (std::int64_t i = 0; i < plan.repeat; ++i) out.counts += estimate.counts;
    return out;
  }

  const Hardware& hardware_;
  analytic::Rates rates_;
  FabricPrices fabric_;
};

}  // namespace

std::unique_ptr<StepPricer> make_analytic_pricer(const Hardware& hardware) {
  return std::make_unique<AnalyticPricer>(hardware);
}

std::unique_ptr<StepPricer> make_step_pricer(const Hardware& hardware) {
  return make_analytic_pricer(hardware);
}

}  // namespace athena::serving
