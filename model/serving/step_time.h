#pragma once
/// How long one engine step takes. The serving model asks for nothing else of the hardware, so that
/// a closed form, a table measured on the simulator, and the simulator itself can stand behind it.
#include <cstdint>
#include <string>
#include <vector>

#include "base/units.h"
#include "workload/graph.h"

namespace athena::serving {

/// One engine step as a ragged batch. Entries follow workload::Sequences: q_len new tokens per
/// sequence, the last of which sees kv_len keys, its own included. q_len 1 is decode work.
struct StepShape {
  std::vector<workload::Sequences> groups;
  /// Sequences whose last token is sampled in this step (an unfinished chunk of a prompt is not).
  std::int64_t sampled = 0;

  [[nodiscard]] std::int64_t tokens() const;     ///< new tokens of all sequences
  [[nodiscard]] std::int64_t sequences() const;  ///< sequences that take part
  [[nodiscard]] std::int64_t decodes() const;    ///< sequences with one new token
  [[nodiscard]] bool empty() const { return groups.empty(); }
  /// Equal groups merged and sorted: equal work gives equal shapes.
  [[nodiscard]] StepShape canonical() const;
  /// "q=512,kv=1024x4;q=1,kv=2000x60", the form of `--batch-spec`.
  [[nodiscard]] std::string text() const;
};

/// Time and energy of one step of the whole system (all chips that serve one model replica).
struct StepCost {
  Seconds time{0.0};
  Joules energy{0.0};
};

/// Steps in a row that each cost a constant more than the one before: step i (from 0) costs
/// first + i * growth. Exact wherever the step time is piecewise linear in the KV length.
struct StepSegment {
  StepCost first;
  StepCost growth;
  std::int64_t steps = 1;  ///< how many steps this form covers, at least 1

  [[nodiscard]] Seconds time_of(std::int64_t n) const;   ///< of the first n steps together
  [[nodiscard]] Joules energy_of(std::int64_t n) const;  ///< of the first n steps together
  /// The most steps, at least 1 and at most `steps`, that all begin before `limit` when the first
  /// begins at 0.
  [[nodiscard]] std::int64_t steps_beginning_before(Seconds limit) const;
};

/// A source of step times. Deterministic: equal shapes give equal costs, in any order of asking.
class StepTime {
 public:
  StepTime() = default;
  StepTime(const StepTime&) = delete;
  StepTime& operator=(const StepTime&) = delete;
  virtual ~StepTime() = default;

  /// Cost of one step. `shape` is never empty. Throws athena::Error when the source cannot tell.
  [[nodiscard]] virtual StepCost cost(const StepShape& shape) = 0;
  [[nodiscard]] Seconds step(const StepShape& shape) { return cost(shape).time; }
  [[nodiscard]] Joules energy(const StepShape& shape) { return cost(shape).energy; }

  /// Cost of up to `max_steps` steps in which every sequence of a pure decode batch grows by one
  /// token per step. The default knows one step at a time.
  [[nodiscard]] virtual StepSegment segment(const StepShape& shape, std::int64_t max_steps);

  /// Power of the system while it waits for work.
  [[nodiscard]] virtual Watts idle_power() const { return Watts(0.0); }
};

}  // namespace athena::serving
