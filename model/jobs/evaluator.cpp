#include "jobs/evaluator.h"

#include <utility>

#include "base/error.h"

namespace athena::jobs {
namespace {
EvaluatorFactory& registered() {
  static EvaluatorFactory factory;
  return factory;
}
}  // namespace

void set_evaluator_factory(EvaluatorFactory factory) {
  registered() = std::move(factory);
}

std::unique_ptr<Evaluator> make_evaluator() {
  if (!registered()) throw InternalError("no evaluator is registered for simulated points");
  return registered()();
}

}  // namespace athena::jobs
