#pragma once
/// What a sweep explores, as written in configs/sweeps/*.yaml: axes over any key, values derived
/// from them, conditions, what is measured on each candidate, what counts as good and what is
/// allowed.
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "config/node.h"
#include "explore/expression.h"
#include "explore/value.h"
#include "jobs/point.h"

namespace athena::config {
class StructSchema;
}

namespace athena::explore {

/// A key and the text it is set to. Keys are fields of a point (`batch`, `tp`, `on`, `stack` ...),
/// keys of its documents (`chip.memory.stacks`, `system.nodes`, `cost.wafer_usd`), or variables of
/// the sweep alone (`var.x`, for use in derived values).
using Setting = std::pair<std::string, std::string>;

/// A key and the values it takes.
struct Axis {
  std::string key;
  std::vector<std::string> texts;  ///< as set
  std::vector<Value> values;       ///< the same, for expressions
  Location where;
};

/// A key whose value follows from others.
struct Derived {
  std::string key;
  Expression expression;
};

/// One of the workloads that every candidate runs. A space without scenarios has one, named "".
struct Scenario {
  std::string name;
  std::vector<Setting> settings;
};

enum class Direction { kReport, kMinimise, kMaximise };

/// A number computed for every candidate.
struct Column {
  std::string name;
  Expression expression;
  Direction direction = Direction::kReport;
  std::string unit;     ///< of the number in tables; "" = no unit
  double factor = 1.0;  ///< base units per `unit`
};

/// Run the best again in a finer tier.
struct Promotion {
  std::string fidelity;
  int keep = 0;
};

/// A fixed design shown beside the candidates (the rival); axes and document keys do not apply.
struct Reference {
  std::string name;
  std::vector<Setting> settings;
};

/// A design of the space: its number in the full grid and one value per axis.
struct Candidate {
  std::uint64_t index = 0;
  std::vector<std::size_t> choice;  ///< per axis: which of its values
};

/// See the file's comment. Loaded by load_space.
struct Space {
  std::string name;
  std::string description;
  std::vector<Setting> fixed;
  std::vector<Axis> axes;
  std::vector<Derived> derived;
  std::vector<Expression> conditions;
  std::vector<Scenario> scenarios;
  std::vector<Column> columns;  ///< objectives first, then what is only reported
  std::vector<Expression> constraints;
  std::vector<Promotion> promotions;
  std::vector<Reference> references;
  std::string optimizer = "grid";
  int budget = 0;       ///< candidates in the first tier; 0 = the optimiser's default
  int population = 40;  ///< of evolving optimisers
  std::uint64_t seed = 1;
  std::string text;  ///< canonical YAML of the document: what a resumed sweep must agree with

  [[nodiscard]] std::size_t objectives() const;
  /// Candidates of the full grid, before conditions.
  [[nodiscard]] std::uint64_t size() const;
  [[nodiscard]] Candidate candidate(std::uint64_t index) const;
  [[nodiscard]] std::uint64_t index_of(const std::vector<std::size_t>& choice) const;

  /// Value of an axis, derived or fixed key for this candidate.
  [[nodiscard]] std::optional<Value> value_of(const Candidate& candidate,
                                              const std::string& key) const;
  /// True when every condition holds. Throws InputError when one cannot be evaluated.
  [[nodiscard]] bool allowed(const Candidate& candidate) const;
  /// What is set for this candidate: axes, then derived values, as texts.
  [[nodiscard]] std::vector<Setting> settings(const Candidate& candidate) const;

  /// One point per scenario, in their order. `fidelity` "" keeps the fixed one.
  [[nodiscard]] std::vector<jobs::PointSpec> points(const Candidate& candidate,
                                                    const std::string& fidelity) const;
  [[nodiscard]] std::vector<jobs::PointSpec> points(const Reference& reference,
                                                    const std::string& fidelity) const;
};

/// Finds configs/sweeps/NAME.yaml or a path, applies `--set`, and checks all that can be known
/// without running: keys, empty ranges, units of expressions. Throws InputError with its place.
[[nodiscard]] Space load_space(const std::string& name_or_path,
                               const std::vector<std::string>& sets = {});
[[nodiscard]] Space space_from_node(const config::Node& node);

/// The table of a sweep's document, for checking and documenting it; see config/schema.h.
[[nodiscard]] const config::StructSchema& sweep_schema();

/// Applies one setting to a point. Throws InputError for an unknown field.
void apply_setting(jobs::PointSpec& spec, const Setting& setting);

}  // namespace athena::explore
