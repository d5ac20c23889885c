#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "config/resolve.h"
#include "config/schema.h"
#include "explore/axis.h"
#include "explore/space.h"

namespace athena::explore {
namespace {

using config::Entry;
using config::Node;

/// The document as it is written; what its parts mean is read below.
struct SpaceDocument {
  std::string name;
  std::string description;
  Node fixed;
  Node axes;
  Node derived;
  Node where;
  Node scenarios;
  Node objectives;
  Node report;
  Node constraints;
  Node promote;
  Node references;
  std::string optimizer = "grid";
  int budget = 0;
  int population = 40;
  std::uint64_t seed = 1;
};

const config::StructSchema& schema_of(const SpaceDocument*) {
  using D = SpaceDocument;
  static const config::StructSchema schema =
      config::SchemaBuilder<D>("sweep", "What `athena sweep` explores.")
          .field("name", &D::name, "short name; default: the file's")
          .field("description", &D::description, "one line for people")
          .field("fixed", &D::fixed, "settings shared by all points, key: value")
          .field("axes", &D::axes, "key: list of values or range")
          .field("derived", &D::derived, "key: expression over axes")
          .field("where", &D::where, "conditions that a candidate must meet before it is run")
          .field("scenarios", &D::scenarios, "name: settings; every candidate runs each of them")
          .field("objectives", &D::objectives,
                 "list of {minimise|maximise: expression over results, name, unit}")
          .field("report", &D::report, "further expressions over results to tabulate")
          .field("constraints", &D::constraints, "conditions on results, with units")
          .field("promote", &D::promote, "list of {to: fidelity, keep: count}")
          .field("references", &D::references, "name: settings of a fixed design to compare with")
          .field("optimizer", &D::optimizer, "grid, random, sobol, nsga2 or cmaes")
          .field("budget", &D::budget, "candidates that the optimiser may run",
                 config::not_negative())
          .field("population", &D::population, "candidates per generation", config::range(8, 10000))
          .field("seed", &D::seed, "of the optimiser's random numbers")
          .build();
  return schema;
}

struct ColumnDocument {
  std::string minimise;
  std::string maximise;
  std::string value;
  std::string name;
  std::string unit;
};

const config::StructSchema& schema_of(const ColumnDocument*) {
  using D = ColumnDocument;
  static const config::StructSchema schema =
      config::SchemaBuilder<D>("sweep column", "A number computed for every candidate.")
          .field("minimise", &D::minimise, "expression over results that should be small")
          .field("maximise", &D::maximise, "expression over results that should be large")
          .field("value", &D::value, "expression over results that is only reported")
          .field("name", &D::name, "heading; default: the expression")
          .field("unit", &D::unit, "unit of the table; default: base units")
          .check([](const D& column) -> std::string {
            const int given = (column.minimise.empty() ? 0 : 1) +
                              (column.maximise.empty() ? 0 : 1) + (column.value.empty() ? 0 : 1);
            return given == 1 ? "" : "needs exactly one of minimise, maximise, value.";
          })
          .build();
  return schema;
}

struct PromotionDocument {
  std::string to;
  int keep = 0;
};

const config::StructSchema& schema_of(const PromotionDocument*) {
  using D = PromotionDocument;
  static const config::StructSchema schema =
      config::SchemaBuilder<D>("sweep promotion", "Run the best again in a finer tier.")
          .field("to", &D::to, "analytic, transaction or detailed", config::required())
          .field("keep", &D::keep, "how many of the best", config::required(),
                 config::at_least(1.0))
          .build();
  return schema;
}

const std::vector<Entry>& entries(const Node& node, const char* what) {
  if (node.is_null() || node.is_map()) return node.map;
  throw InputError(node.where,
                   fmt::format("{}: expected a map of keys, got {}", what, config::describe(node)));
}

const std::vector<Node>& items(const Node& node, const char* what) {
  if (node.is_null() || node.is_list()) return node.list;
  throw InputError(node.where,
                   fmt::format("{}: expected a list, got {}", what, config::describe(node)));
}

const std::string& scalar(const Node& node, const std::string& what) {
  if (node.is_scalar()) return node.scalar;
  throw InputError(node.where,
                   fmt::format("{}: expected a value, got {}", what, config::describe(node)));
}

/// Refuses a key that no point has, with its place and the nearest spelling.
void check_setting(const Location& where, const Setting& setting) {
  jobs::PointSpec scratch;
  try {
    apply_setting(scratch, setting);
  } catch (const InputError& error) {
    throw InputError(where, std::string(error.what()) +
                                " (keys of documents start with chip., system., stack. or cost.)");
  }
}

std::vector<Setting> read_settings(const Node& node, const char* what) {
  std::vector<Setting> out;
  for (const Entry& entry : entries(node, what)) {
    Setting setting{entry.key, scalar(entry.value, entry.key)};
    check_setting(entry.where, setting);
    out.push_back(std::move(setting));
  }
  return out;
}

void read_axes(const SpaceDocument& document, Space& space) {
  for (const Entry& entry : entries(document.axes, "axes")) {
    Axis axis = read_axis(entry.key, entry.value);
    for (const std::string& text : axis.texts) check_setting(entry.where, {entry.key, text});
    space.axes.push_back(std::move(axis));
  }
  for (const Entry& entry : entries(document.derived, "derived")) {
    space.derived.push_back(
        {entry.key, Expression::parse(scalar(entry.value, entry.key), entry.value.where)});
  }
  for (const Node& item : items(document.where, "where")) {
    space.conditions.push_back(Expression::parse(scalar(item, "where"), item.where));
  }
}

void read_scenarios(const SpaceDocument& document, Space& space) {
  for (const Entry& entry : entries(document.scenarios, "scenarios")) {
    space.scenarios.push_back({entry.key, read_settings(entry.value, "scenarios")});
  }
  if (space.scenarios.empty()) space.scenarios.push_back({"", {}});
  for (const Entry& entry : entries(document.references, "references")) {
    space.references.push_back({entry.key, read_settings(entry.value, "references")});
  }
}

Column read_column(const Node& node) {
  ColumnDocument document;
  if (node.is_scalar()) {
    document.value = node.scalar;
  } else {
    document = config::bind<ColumnDocument>(node);
  }
  Column column;
  std::string text = document.value;
  if (!document.minimise.empty()) {
    column.direction = Direction::kMinimise;
    text = document.minimise;
  } else if (!document.maximise.empty()) {
    column.direction = Direction::kMaximise;
    text = document.maximise;
  }
  column.expression = Expression::parse(text, node.where);
  column.name = document.name.empty() ? text : document.name;
  column.unit = document.unit;
  return column;
}

void read_columns(const SpaceDocument& document, Space& space) {
  for (const Node& item : items(document.objectives, "objectives")) {
    space.columns.push_back(read_column(item));
    if (space.columns.back().direction == Direction::kReport) {
      throw InputError(item.where, "an objective says minimise: or maximise:");
    }
  }
  for (const Node& item : items(document.report, "report")) {
    space.columns.push_back(read_column(item));
    space.columns.back().direction = Direction::kReport;
  }
  for (const Node& item : items(document.constraints, "constraints")) {
    space.constraints.push_back(Expression::parse(scalar(item, "constraints"), item.where));
  }
}

void read_promotions(const SpaceDocument& document, Space& space) {
  for (const Node& item : items(document.promote, "promote")) {
    const auto promotion = config::bind<PromotionDocument>(item);
    check_setting(item.where, {"fidelity", promotion.to});
    space.promotions.push_back({promotion.to, promotion.keep});
  }
  if (!space.promotions.empty() && space.objectives() == 0) {
    throw InputError(document.promote.where, "promote needs an objective to tell the best by");
  }
}

void check_names_once(const Space& space) {
  std::set<std::string> seen;
  const auto once = [&](const std::string& key, const Location& where) {
    if (!seen.insert(key).second) {
      throw InputError(where, fmt::format("'{}' is set in two places of the sweep", key));
    }
  };
  for (const Setting& setting : space.fixed) once(setting.first, {});
  for (const Axis& axis : space.axes) once(axis.key, axis.where);
  for (const Derived& derived : space.derived) once(derived.key, derived.expression.where());
  for (const Scenario& scenario : space.scenarios) {
    for (const Setting& setting : scenario.settings) {
      for (const Axis& axis : space.axes) {
        if (axis.key == setting.first) once(setting.first, axis.where);
      }
    }
  }
  std::set<std::string> headings;
  for (const Column& column : space.columns) {
    if (!headings.insert(column.name).second) {
      throw InputError(column.expression.where(),
                       fmt::format("two columns are named '{}'", column.name));
    }
  }
}

/// Every name that a candidate has a value for.
std::vector<std::string> candidate_names(const Space& space) {
  std::vector<std::string> names;
  for (const Axis& axis : space.axes) names.push_back(axis.key);
  for (const Derived& derived : space.derived) names.push_back(derived.key);
  for (const Setting& setting : space.fixed) names.push_back(setting.first);
  return names;
}

void check_known(const Space& space, const Expression& expression) {
  const std::vector<std::string> known = candidate_names(space);
  for (const std::string& name : expression.names()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw InputError(expression.where(), fmt::format("no axis or fixed key is named '{}'.{}",
                                                       name, did_you_mean(name, known)));
    }
  }
}

/// Evaluates the expressions over results with ones in place of results: finds wrong units before
/// anything runs.
void check_units(Space& space) {
  const Candidate first = space.candidate(0);
  const Lookup ones = [&](const std::string& name) -> std::optional<Value> {
    if (auto value = space.value_of(first, name)) return value;
    return number_value(1.0, unit_of_result(name).dimensions);
  };
  for (Column& column : space.columns) {
    const Dimensions measured = column.expression.number(ones).dimensions;
    if (column.unit.empty()) {
      if (!measured.bare()) column.unit = measured.text();
      continue;
    }
    const auto unit = find_unit(column.unit);
    if (!unit || unit->dimensions != measured) {
      throw InputError(column.expression.where(),
                       fmt::format("'{}' is measured in {}, not in '{}'", column.expression.text(),
                                   measured.text(), column.unit));
    }
    column.factor = unit->factor;
  }
  for (const Expression& constraint : space.constraints) {
    static_cast<void>(constraint.truth(ones));
  }
}

void check_space(Space& space) {
  if (space.axes.empty()) throw InputError("a sweep needs at least one axis");
  check_names_once(space);
  for (const Expression& condition : space.conditions) check_known(space, condition);
  for (const Derived& derived : space.derived) check_known(space, derived.expression);
  static_cast<void>(space.size());
  for (const Setting& setting : space.settings(space.candidate(0))) check_setting({}, setting);
  check_units(space);
}

}  // namespace

const config::StructSchema& sweep_schema() {
  return schema_of(static_cast<const SpaceDocument*>(nullptr));
}

Space space_from_node(const Node& node) {
  const auto document = config::bind<SpaceDocument>(node);
  Space space;
  space.name = document.name;
  space.description = document.description;
  space.optimizer = document.optimizer;
  space.budget = document.budget;
  space.population = document.population;
  space.seed = document.seed;
  space.text = config::to_yaml(node);
  space.fixed = read_settings(document.fixed, "fixed");
  read_axes(document, space);
  read_scenarios(document, space);
  read_columns(document, space);
  read_promotions(document, space);
  check_space(space);
  return space;
}

Space load_space(const std::string& name_or_path, const std::vector<std::string>& sets) {
  const auto path = config::find_document(name_or_path, "sweeps");
  config::Node node = config::resolve(path.string(), "sweeps", sets);
  if (node.find("name") == nullptr) node.set("name", config::scalar_node(path.stem().string()));
  return space_from_node(node);
}

}  // namespace athena::explore
