#include "jobs/simulation/gradients.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "base/rng.h"
#include "exec/backward.h"
#include "exec/reference.h"
#include "exec/store.h"

namespace athena::jobs {
namespace {

using exec::Values;
using workload::Graph;
using workload::Op;
using workload::TensorId;

/// A training graph in which every value has a place of its own: repeated blocks one by one, every
/// write that is not in place under a new name, values handed on without a copy. (A program whose
/// time is asked for need not do that: it never looks at the numbers.)
class SinglePlaces {
 public:
  explicit SinglePlaces(const Graph& unrolled) : graph_(unrolled) {
    graph_.blocks.clear();
    for (const workload::Block& block : unrolled.blocks) {
      if (block.name == "update") continue;
      workload::Block one = block;
      for (const workload::Block::Carry& carry : block.entry) now_[carry.to] = at(carry.from);
      one.entry.clear();
      for (Op& op : one.ops) rename(op);
      graph_.blocks.push_back(std::move(one));
    }
  }
  [[nodiscard]] const Graph& graph() const { return graph_; }
  /// Where a tensor of the unrolled graph is in the end.
  [[nodiscard]] TensorId at(TensorId id) const {
    const auto found = now_.find(id);
    return found == now_.end() ? id : found->second;
  }

 private:
  void rename(Op& op) {
    const std::vector<TensorId> inputs = op.inputs;
    for (TensorId& id : op.inputs) id = id == workload::kNoTensor ? id : at(id);
    for (TensorId& id : op.outputs) {
      if (id == workload::kNoTensor) continue;
      const bool in_place = std::find(inputs.begin(), inputs.end(), id) != inputs.end();
      const bool adds = (op.kind == workload::OpKind::kEmbeddingBackward ||
                         (op.kind == workload::OpKind::kGemm && op.gemm().accumulate)) &&
                        written_.count(id) > 0;
      if (!in_place && !adds && (written_.count(id) > 0 || now_.count(id) > 0)) {
        workload::Tensor again = graph_.tensor(id);
        again.name += "'" + std::to_string(++names_);
        now_[id] = graph_.add(std::move(again));
      }
      written_.insert(id);
      id = at(id);
    }
  }

  Graph graph_;
  std::map<TensorId, TensorId> now_;
  std::set<TensorId> written_;  ///< by the unrolled graph's names
  int names_ = 0;
};

/// A store for a program in which some kernels are computed by definition, when they are done.
class TrainingStore : public exec::NumberStore {
 public:
  TrainingStore(const compiler::Compiled& compiled, const exec::Bodies& bodies)
      : NumberStore(compiled.program, bodies), graph_(compiled.graph) {
    for (std::size_t b = 0; b < compiled.mapping.blocks.size(); ++b) {
      const auto& plans = compiled.mapping.blocks[b].kernels;
      for (std::size_t k = 0; k < plans.size(); ++k) {
        Stage stage;
        for (const int op : plans[k].ops) {
          stage.ops.push_back(&compiled.graph.blocks[b].ops[static_cast<std::size_t>(op)]);
          stage.by_definition = stage.by_definition || exec::is_backward(*stage.ops.back());
        }
        place_[&compiled.program.blocks[b].kernels[k]] = stages_.size();
        stages_.push_back(std::move(stage));
      }
    }
  }

  void apply(const exec::Place& place, const program::Kernel& kernel,
             const program::Instruction& instruction, const program::Env& env,
             const exec::Slots& slots) override {
    if (reach(kernel)) NumberStore::apply(place, kernel, instruction, env, slots);
  }

  [[nodiscard]] exec::Moved fetch(const exec::Place& place, const program::Kernel& kernel,
                                  const program::Instruction& instruction, const program::Env& env,
                                  const exec::Slots& slots) override {
    if (!reach(kernel)) return {};
    return NumberStore::fetch(place, kernel, instruction, env, slots);
  }

  void deliver(const exec::Place& place, const program::Kernel& kernel,
               const program::Instruction& instruction, const program::Env& env,
               const exec::Slots& slots, const exec::Moved& moved) override {
    if (reach(kernel)) NumberStore::deliver(place, kernel, instruction, env, slots, moved);
  }

  /// All kernels are done.
  void finish() { catch_up(stages_.size()); }
  [[nodiscard]] double loss() const { return loss_; }
  [[nodiscard]] std::size_t kernels() const { return stages_.size(); }
  [[nodiscard]] std::size_t by_definition() const {
    return static_cast<std::size_t>(std::count_if(stages_.begin(), stages_.end(),
                                                  [](const Stage& s) { return s.by_definition; }));
  }

 private:
  struct Stage {
    std::vector<const Op*> ops;
    bool by_definition = false;
  };

  /// Kernels follow each other: whoever sees one at work knows that those before it are done.
  /// True when its instructions say what it computes.
  bool reach(const program::Kernel& kernel) {
    const auto found = place_.find(&kernel);
    if (found == place_.end()) throw InternalError("an instruction of a kernel nobody compiled.");
    catch_up(found->second);
    return !stages_[found->second].by_definition;
  }

  void catch_up(std::size_t stage) {
    for (; next_ < stage; ++next_) {
      if (!stages_[next_].by_definition) continue;
      for (const Op* op : stages_[next_].ops) {
        if (done_.insert(op).second) define(*op);  // a split product has two kernels
      }
    }
  }

  void define(const Op& op) {
    Values values;
    const auto load = [&](TensorId id) {
      if (id == workload::kNoTensor) return;
      const std::vector<float> held = read(id);
      values[{id, 0}].assign(held.begin(), held.end());
    };
    for (const TensorId id : op.inputs) load(id);
    for (const TensorId id : op.outputs) load(id);
    exec::run_operator(graph_, op, values, &loss_);
    for (const TensorId id : op.outputs) {
      const std::vector<double>& v = values[{id, 0}];
      write(id, std::vector<float>(v.begin(), v.end()));
    }
  }

  const Graph& graph_;
  std::vector<Stage> stages_;
  std::map<const program::Kernel*, std::size_t> place_;
  std::set<const Op*> done_;
  std::size_t next_ = 0;
  double loss_ = 0;
};

/// The forward part of a training graph.
Graph forward_of(const Graph& graph) {
  Graph forward = graph;
  std::erase_if(forward.blocks, [](const workload::Block& block) {
    return block.name.find(".backward") != std::string::npos;
  });
  return forward;
}

double loss_at(const Graph& forward, const Values& inputs, const Values& direction, double step) {
  Values moved = inputs;
  for (const auto& [where, d] : direction) {
    std::vector<double>& v = moved[where];
    for (std::size_t i = 0; i < v.size(); ++i) v[i] += step * d[i];
  }
  double loss = 0;
  exec::run_reference(forward, moved, &loss);
  return loss;
}

/// Weight and its gradient, in the graph of single places.
using Pairs = std::vector<std::pair<TensorId, TensorId>>;

Pairs gradients_of(const Graph& unrolled, const SinglePlaces& places) {
  std::map<std::string, TensorId> by_name;
  for (std::size_t i = 0; i < unrolled.tensors.size(); ++i)
    by_name[unrolled.tensors[i].name] = static_cast<TensorId>(i);
  Pairs pairs;
  for (const auto& [name, id] : by_name) {
    if (unrolled.tensor(id).role != workload::Role::kWeight) continue;
    const auto gradient = by_name.find("grad." + name);
    if (gradient != by_name.end()) pairs.emplace_back(id, places.at(gradient->second));
  }
  return pairs;
}

double squared(const std::vector<double>& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return sum;
}

/// The loss along a direction that mixes the gradient with noise of the same size: what finite
/// differences of the forward operators say, and what the chip's gradients say.
nlohmann::ordered_json along_a_direction(const Graph& graph, const Values& inputs,
                                         const Pairs& pairs, const Values& chip,
                                         std::uint64_t seed) {
  Rng rng(seed + 1);
  Values direction;
  double foretold = 0, size = 0;
  for (const auto& [weight, gradient] : pairs) {
    const std::vector<double>& g = chip.at({gradient, 0});
    const double spread = std::sqrt(squared(g) / static_cast<double>(g.size()));
    std::vector<double>& d = direction[{weight, 0}];
    for (const double x : g) d.push_back(x + spread * rng.normal());
    size += squared(d);
  }
  for (const auto& [weight, gradient] : pairs) {
    std::vector<double>& d = direction[{weight, 0}];
    const std::vector<double>& g = chip.at({gradient, 0});
    for (std::size_t i = 0; i < d.size(); ++i) foretold += (d[i] /= std::sqrt(size)) * g[i];
  }
  constexpr double kStep = 1e-4;
  const Graph forward = forward_of(graph);
  const double measured =
      (loss_at(forward, inputs, direction, kStep) - loss_at(forward, inputs, direction, -kStep)) /
      (2 * kStep);
  return {{"loss_slope", measured},
          {"slope_by_gradients", foretold},
          {"relative_error", std::abs(foretold / measured - 1.0)}};
}

}  // namespace

nlohmann::ordered_json run_gradients(StepRunner& runner, const Workload& work,
                                     const PointSpec& spec) {
  workload::PhaseSpec phase = work.phase;
  phase.part = workload::TrainPart::kWhole;
  const Graph unrolled = workload::unroll(workload::build_graph(work.model, phase));
  const SinglePlaces places(unrolled);
  const Graph& graph = places.graph();
  const compiler::Compiled compiled = runner.compile(graph, true);
  const Values inputs = exec::random_inputs(graph, work.model.vocab, spec.seed);
  TrainingStore store(compiled, runner.bodies());
  for (const auto& [where, values] : inputs) {
    store.write(where.first, std::vector<float>(values.begin(), values.end()), where.second);
  }
  (void)runner.run(compiled, 0, &store);
  store.finish();

  Values reference = inputs;
  double loss = 0;
  exec::run_reference(graph, reference, &loss);

  const Pairs pairs = gradients_of(unrolled, places);
  if (pairs.empty()) throw InternalError("a training graph without gradients.");
  Values chip;
  double difference = 0, size = 0, worst = 0;
  std::int64_t elements = 0;
  std::string worst_name, bytes;
  for (const auto& [weight, gradient] : pairs) {
    const std::vector<float> ours = store.read(gradient);
    const std::vector<double>& theirs = reference[{gradient, 0}];
    chip[{gradient, 0}].assign(ours.begin(), ours.end());
    double apart = 0;
    for (std::size_t i = 0; i < theirs.size(); ++i)
      apart += std::pow(static_cast<double>(ours[i]) - theirs[i], 2);
    const double own = squared(theirs);
    difference += apart;
    size += own;
    elements += static_cast<std::int64_t>(theirs.size());
    bytes.append(reinterpret_cast<const char*>(ours.data()), ours.size() * sizeof(float));
    const double relative = own > 0 ? std::sqrt(apart / own) : 0.0;
    if (relative < worst) continue;
    worst = relative;
    worst_name = graph.tensor(weight).name;
  }
  nlohmann::ordered_json json;
  json["rel_l2"] = size > 0 ? std::sqrt(difference / size) : 0.0;
  json["compared"] = "gradients of " + std::to_string(pairs.size()) + " weights";
  json["elements"] = elements;
  json["dtype"] = std::string(name(graph.tensor(pairs.front().first).dtype));
  json["seed"] = spec.seed;
  json["worst"] = {{"weight", worst_name}, {"rel_l2", worst}};
  json["loss"] = store.loss();
  json["loss_reference"] = loss;
  json["finite_difference"] = along_a_direction(graph, inputs, pairs, chip, spec.seed);
  json["kernels"] = store.kernels();
  json["kernels_by_definition"] = store.by_definition();
  json["result_hash"] = content_hash(bytes);
  return json;
}

}  // namespace athena::jobs
