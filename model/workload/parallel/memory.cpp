#include "workload/parallel/memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "workload/parallel/schedule.h"

namespace athena::workload {

namespace {

/// Extra buffers of an asynchronous weight gather: the next layer's arrive while this one computes.
constexpr int kPrefetchBuffers = 2;

bool transient(Role role) {
  return role == Role::kActivation || role == Role::kInput || role == Role::kOutput;
}

struct Span {
  std::size_t first = 0;
  std::size_t last = 0;
  int buffers = 1;
};

/// Most bytes of transient tensors alive at once while a block runs.
std::int64_t peak_of(const Graph& graph, const Block& block) {
  std::map<TensorId, Span> spans;
  std::map<TensorId, bool> written;
  const std::size_t end = block.ops.size();
  for (std::size_t i = 0; i < end; ++i) {
    const Op& op = block.ops[i];
    const bool gathers_weights = op.kind == OpKind::kCollective && op.collective().async &&
                                 op.collective().kind == CollectiveKind::kAllGather &&
                                 block.repeat > 1;
    for (const TensorId id : op.inputs) {
      if (!transient(graph.tensor(id).role)) continue;
      // Read before it is written here: alive since before the block.
      auto [span, fresh] = spans.try_emplace(id, Span{written[id] ? i : 0, i});
      span->second.last = i;
    }
    for (const TensorId id : op.outputs) {
      if (!transient(graph.tensor(id).role)) continue;
      written[id] = true;
      auto [span, fresh] = spans.try_emplace(id, Span{i, i});
      span->second.last = i;
      if (gathers_weights) span->second.buffers = kPrefetchBuffers;
    }
  }
  for (const auto* list : {&block.entry, &block.carried}) {
    for (const Block::Carry& c : *list) {
      if (spans.count(c.to) > 0) spans[c.to].first = 0;
      if (spans.count(c.from) > 0) spans[c.from].last = end;
    }
  }
  std::vector<std::int64_t> change(end + 2, 0);
  for (const auto& [id, span] : spans) {
    const std::int64_t bytes = graph.tensor(id).bytes * span.buffers;
    change[span.first] += bytes;
    change[span.last + 1] -= bytes;
  }
  std::int64_t alive = 0;
  std::int64_t peak = 0;
  for (const std::int64_t c : change) peak = std::max(peak, alive += c);
  return peak;
}

}  // namespace

std::string MemoryPlan::text() const {
  std::vector<std::string> parts;
  const auto add = [&](std::string_view what, Bytes bytes) {
    if (bytes.value() > 0) parts.push_back(fmt::format("{} {}", what, binary(bytes)));
  };
  add("weights", weights);
  add("gradients", gradients);
  add("optimizer", optimizer);
  add("activations", activations);
  add("KV cache", kv_cache);
  add("workspace", workspace);
  return join(parts, " + ") + " = " + binary(total());
}

MemoryPlan memory_of(const Graph& graph, int in_flight) {
  MemoryPlan plan;
  plan.weights = Bytes(graph.bytes_of(Role::kWeight));
  plan.gradients = Bytes(graph.bytes_of(Role::kGradient));
  plan.optimizer = Bytes(graph.bytes_of(Role::kOptimizer));
  plan.activations = Bytes(graph.bytes_of(Role::kSaved) * in_flight);
  plan.kv_cache = Bytes(graph.bytes_of(Role::kKvCache));
  std::int64_t peak = 0;
  for (const Block& block : graph.blocks) peak = std::max(peak, peak_of(graph, block));
  plan.workspace = Bytes(peak);
  return plan;
}

MemoryPlan plan_memory(const Transformer& model, const PhaseSpec& spec, int micro_batches) {
  const int chunks = spec.parallel.virtual_stages;
  MemoryPlan plan;
  for (int chunk = 0; chunk < chunks; ++chunk) {
    PhaseSpec one = spec;
    one.chunk = chunk;
    const MemoryPlan m = memory_of(build_graph(model, one));
    plan.weights += m.weights;
    plan.gradients += m.gradients;
    plan.optimizer += m.optimizer;
    plan.activations += m.activations;
    plan.kv_cache += m.kv_cache;
    plan.workspace = std::max(plan.workspace, m.workspace);
  }
  if (spec.phase != Phase::kTrain) return plan;
  // The chunks of a stage take turns, so what is in flight is a mix of them.
  const int held = peak_in_flight(spec.parallel, spec.stage, micro_batches);
  plan.activations = Bytes(plan.activations.value() * held / chunks);
  return plan;
}

MemoryPlan worst_stage(const Transformer& model, PhaseSpec spec, int micro_batches, int* stage) {
  MemoryPlan worst;
  for (int s = 0; s < spec.parallel.pp; ++s) {
    spec.stage = s;
    const MemoryPlan plan = plan_memory(model, spec, micro_batches);
    if (s > 0 && plan.total() <= worst.total()) continue;
    worst = plan;
    if (stage != nullptr) *stage = s;
  }
  return worst;
}

void require_fit(const MemoryPlan& plan, Bytes capacity, const std::string& where) {
  if (plan.total() <= capacity) return;
  const Bytes over = plan.total() - capacity;
  const std::pair<Bytes, const char*> remedies[] = {
      {plan.kv_cache, "a smaller batch or context, or an 8-bit KV cache, shrinks the KV cache"},
      {plan.activations, "--recompute full or a smaller --micro-batch shrinks the activations"},
      {plan.optimizer, "--zero 1 or more --dp shrinks the optimizer state"},
      {plan.weights, "more --tp or --pp, or a narrower --dtype, shrinks the weights"},
      {plan.gradients, "--zero 2 shrinks the gradients"},
      {plan.workspace, "a smaller batch shrinks the workspace"}};
  const auto* largest = &remedies[0];
  for (const auto& r : remedies) largest = r.first > largest->first ? &r : largest;
  throw Finding(fmt::format("does not fit: {} has {} of memory but needs {}, {} too much; {}",
                            where, binary(capacity), plan.text(), binary(over), largest->second));
}

}  // namespace athena::workload
