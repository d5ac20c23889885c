#pragma once
/// The seam between "many runs" and the simulator. `jobs` knows nothing about chips: it asks an
/// Evaluator for a point's identity and for its result.
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "jobs/point.h"

namespace athena::jobs {

/// Turns a PointSpec into a RunResult. An instance lives in one worker process, is used by one
/// thread, and sees many points; it may cache whatever it resolved (jobs calls key(),
/// elaboration_key() and evaluate() for the same point close together, in that order).
class Evaluator {
 public:
  Evaluator() = default;
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;
  virtual ~Evaluator() = default;

  /// Content hash of everything that the result depends on: resolved configs, program inputs
  /// (model, op, batch, parallelism, fidelity, seed ...) and the version of the simulator. Two
  /// specs with equal keys have equal results. Cheap, no SystemC elaboration: it is also called in
  /// the parent. Throws InputError for an unknown key or a value out of range.
  [[nodiscard]] virtual std::string key(const PointSpec& spec) = 0;

  /// Points with equal, non-empty elaboration keys may run in one process that elaborated SystemC
  /// for the first of them. "" = needs no elaboration (analytic tier) and runs in any process. Same
  /// promises as key().
  [[nodiscard]] virtual std::string elaboration_key(const PointSpec& spec) = 0;

  /// The RunResult as JSON: the keys of `athena run --json` (without `vs`, `ratio` and `host`,
  /// which jobs measures), plus, when spec.cost is given, `cost` with the keys of `athena cost
  /// --json` (manufacturing_usd {nominal, ...}, area_mm2 ...), and `usd_per_mtok` and
  /// `energy_per_token_j` where tokens are made. Sweeps name these keys by dotted path as
  /// objectives; the end of a key names its unit (_s, _j, _w, _mm2, _bytes, _usd, _per_s). Keep it
  /// a summary of a few kilobytes (no per-op table): every point's result is stored. Deterministic.
  /// Throws athena::Error; a Finding (does not fit) is a row with its reason, not a failure of the
  /// sweep.
  [[nodiscard]] virtual nlohmann::ordered_json evaluate(const PointSpec& spec) = 0;
};

using EvaluatorFactory = std::function<std::unique_ptr<Evaluator>()>;

/// Registers how this process and its forked workers make their Evaluator; the last call wins. Done
/// once by the command line's main and by tests.
void set_evaluator_factory(EvaluatorFactory factory);

/// A new Evaluator. Throws InternalError when no factory was registered.
[[nodiscard]] std::unique_ptr<Evaluator> make_evaluator();

}  // namespace athena::jobs
