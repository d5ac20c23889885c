#include "mapping/mapping.h"

#include <fmt/format.h>

namespace athena::mapping {
namespace {

std::string text_of(const GemmPlan& plan) {
  std::string text =
      fmt::format("tile {}x{}x{}, {} stages", plan.tile_m, plan.tile_n, plan.tile_k, plan.stages);
  if (plan.split_k > 1) text += fmt::format(", split-K {}", plan.split_k);
  if (plan.core_rows * plan.core_cols > 1)
    text += fmt::format(", cores {}x{}", plan.core_rows, plan.core_cols);
  if (plan.resident > 1) text += fmt::format(", {} resident", plan.resident);
  for (const Step& step : plan.epilogue) text += fmt::format(" + {}", timing::name(step.fn));
  return text;
}

std::string text_of(const AttentionPlan& plan) {
  std::string text = fmt::format("queries {} x keys {}, {} heads an item", plan.tile_q,
                                 plan.tile_kv, plan.heads_per_item);
  if (plan.splits > 1) text += fmt::format(", context split {}", plan.splits);
  if (plan.resident > 1) text += fmt::format(", {} resident", plan.resident);
  return text + (plan.matrix ? "" : ", on the vector unit") + (plan.backward ? ", backward" : "");
}

std::string text_of(const RowsPlan& plan) {
  std::string text = fmt::format("{} rows an item", plan.tile_rows);
  for (const Step& step : plan.steps) text += fmt::format(" + {}", timing::name(step.fn));
  return text;
}

std::string text_of(const CollectivePlan& plan) {
  return fmt::format("{} over {} ranks", workload::name(plan.shape.kind), plan.shape.size);
}

}  // namespace

std::string describe(const Plan& plan) {
  return std::visit([](const auto& value) { return text_of(value); }, plan);
}

}  // namespace athena::mapping
