#include "serving/step_graph.h"

#include <algorithm>

namespace athena::serving {

workload::PhaseSpec phase_of(const Hardware& hardware, std::vector<workload::Sequences> batch,
                             int stage) {
  workload::PhaseSpec spec;
  const bool decode =
      std::all_of(batch.begin(), batch.end(), [](const auto& s) { return s.q_len == 1; });
  spec.phase = decode ? workload::Phase::kDecode : workload::Phase::kPrefill;
  spec.batch = std::move(batch);
  spec.precision = hardware.precision;
  spec.max_context = hardware.max_context;
  spec.parallel = hardware.parallel;
  spec.stage = stage;
  return spec;
}

namespace {

/// One attention op of a mixed batch becomes two: decodes and prompts.
std::vector<workload::Op> split_attention(const workload::Op& op) {
  workload::AttentionShape decodes = op.attention(), prompts = op.attention();
  std::erase_if(decodes.batch, [](const auto& s) { return s.q_len > 1; });
  std::erase_if(prompts.batch, [](const auto& s) { return s.q_len == 1; });
  if (decodes.batch.empty() || prompts.batch.empty()) return {op};
  workload::Op first = op, second = op;
  first.shape = std::move(decodes);
  second.shape = std::move(prompts);
  second.name = kPromptAttention;
  return {std::move(first), std::move(second)};
}

}  // namespace

workload::Graph step_graph(const Hardware& hardware, const std::vector<workload::Sequences>& batch,
                           int stage) {
  workload::Graph graph = workload::build_graph(hardware.model, phase_of(hardware, batch, stage));
  for (workload::Block& block : graph.blocks) {
    std::vector<workload::Op> ops;
    for (workload::Op& op : block.ops) {
      if (op.kind != workload::OpKind::kAttention) {
        ops.push_back(std::move(op));
        continue;
      }
      for (workload::Op& part : split_attention(op)) ops.push_back(std::move(part));
    }
    block.ops = std::move(ops);
  }
  return graph;
}

std::vector<workload::Sequences> largest_part(const StepShape& shape, int parts) {
  StepShape sorted = shape.canonical();
  // The most work first, so that rounding favours the part that is returned.
  std::reverse(sorted.groups.begin(), sorted.groups.end());
  std::vector<workload::Sequences> out;
  std::int64_t place = 0;
  for (const auto& group : sorted.groups) {
    // Members of the group whose place in the batch is a multiple of `parts`.
    const std::int64_t first = ceil_div<std::int64_t>(place, parts) * parts;
    const std::int64_t end = place + group.count;
    const std::int64_t count = first < end ? (end - 1 - first) / parts + 1 : 0;
    if (count > 0) out.push_back({group.q_len, group.kv_len, count});
    place = end;
  }
  return out;
}

OperatorKind kind_of(std::string_view block, std::string_view op) {
  if (block == "head") return OperatorKind::kSequences;
  for (const std::string_view name :
       {std::string_view("attention"), kPromptAttention, std::string_view("qk"),
        std::string_view("softmax"), std::string_view("av"), std::string_view("delta_rule")}) {
    if (op == name) return OperatorKind::kAttention;
  }
  for (const std::string_view start :
       {"all_reduce", "all_gather", "all_to_all", "reduce_scatter", "send", "recv"}) {
    if (op.starts_with(start)) return OperatorKind::kCollective;
  }
  return OperatorKind::kTokens;
}

}  // namespace athena::serving
