#include "jobs/simulation/functional.h"

#include <cmath>

#include "base/error.h"
#include "base/hash.h"
#include "exec/reference.h"
#include "exec/store.h"
#include "jobs/simulation/gradients.h"

namespace athena::jobs {
namespace {

/// What is compared: the input of the sampling operator (the logits), else the last result.
workload::TensorId compared(const workload::Graph& graph) {
  workload::TensorId last = workload::kNoTensor;
  for (const workload::Block& block : graph.blocks) {
    for (const workload::Op& op : block.ops) {
      if (op.kind == workload::OpKind::kSampling) return op.inputs.at(0);
      if (!op.outputs.empty()) last = op.outputs[0];
    }
  }
  return last;
}

}  // namespace

nlohmann::ordered_json run_functional(StepRunner& runner, const Workload& work,
                                      const PointSpec& spec) {
  if (spec.fidelity == "analytic") {
    throw InputError(
        "--functional executes the program: it needs --fidelity transaction, not analytic.");
  }
  if (work.phase.parallel.world() > 1)
    throw InputError("--functional computes on one chip; leave --tp, --pp, --dp and --cp away.");
  if (work.program != nullptr) {
    throw InputError(
        "--functional holds a program against the model it came from: name the model, not the "
        "program file.");
  }
  if (work.phase.phase == workload::Phase::kTrain) return run_gradients(runner, work, spec);
  const std::int64_t vocab = work.has_model ? work.model.vocab : 1;
  const compiler::Compiled compiled = runner.compile(work.graph, true);
  const exec::Values inputs = exec::random_inputs(work.graph, vocab, spec.seed);
  exec::NumberStore store(compiled.program, runner.bodies());
  for (const auto& [where, values] : inputs) {
    const std::vector<float> narrow(values.begin(), values.end());
    store.write(where.first, narrow, where.second);
  }
  (void)runner.run(compiled, 0, &store);

  exec::Values reference = inputs;
  exec::run_reference(work.graph, reference);
  const workload::TensorId result = compared(work.graph);
  const std::vector<float> ours = store.read(result);
  const std::vector<double>& theirs = reference[{result, 0}];
  double difference = 0;
  double size = 0;
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    difference += std::pow(static_cast<double>(ours[i]) - theirs[i], 2);
    size += theirs[i] * theirs[i];
  }
  nlohmann::ordered_json json;
  json["rel_l2"] = size > 0 ? std::sqrt(difference / size) : 0.0;
  json["compared"] = work.graph.tensor(result).name;
  json["elements"] = theirs.size();
  json["dtype"] = std::string(name(work.graph.tensor(result).dtype));
  json["seed"] = spec.seed;
  // Equal bits, equal hash: what a block's RTL computes can be held against its model.
  json["result_hash"] = content_hash(
      std::string_view(reinterpret_cast<const char*>(ours.data()), ours.size() * sizeof(float)));
  return json;
}

}  // namespace athena::jobs
