#include "explore/measure.h"

#include <fmt/format.h>

#include <cmath>

#include "base/text.h"

namespace athena::explore {
namespace {

using Json = nlohmann::ordered_json;

/// A quantity with uncertainty stands for its nominal value.
const Json* walk(const Json& json, std::string_view path) {
  const Json* const at = jobs::find_path(json, path);
  const bool uncertain = at != nullptr && at->is_object() && at->contains("nominal");
  return uncertain ? &(*at)["nominal"] : at;
}

std::optional<Value> as_value(const Json* json, const std::string& path) {
  if (json == nullptr) return std::nullopt;
  if (json->is_boolean()) return truth_value(json->get<bool>());
  if (json->is_string()) return word_value(json->get<std::string>());
  if (!json->is_number()) return std::nullopt;
  const UnitScale unit = unit_of_result(path);
  return number_value(json->get<double>() * unit.factor, unit.dimensions);
}

void collect_paths(const Json& json, const std::string& prefix, std::vector<std::string>& out) {
  if (!json.is_object()) {
    if (json.is_number() || json.is_boolean() || json.is_string()) out.push_back(prefix);
    return;
  }
  if (json.contains("nominal")) out.push_back(prefix);
  for (const auto& [name, value] : json.items()) {
    collect_paths(value, prefix.empty() ? name : fmt::format("{}.{}", prefix, name), out);
  }
}

std::vector<std::string> result_paths(const Space& space, const Results& results) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < results.size(); ++i) {
    collect_paths(results[i], space.scenarios[i].name, out);
  }
  return out;
}

Lookup lookup_in(const Space& space, const Candidate* candidate, const Results& results) {
  return [&space, candidate, &results](const std::string& name) -> std::optional<Value> {
    if (candidate != nullptr) {
      if (auto value = space.value_of(*candidate, name)) return value;
    }
    return result_value(space, results, name);
  };
}

}  // namespace

std::optional<Value> result_value(const Space& space, const Results& results,
                                  const std::string& path) {
  const std::size_t dot = path.find('.');
  for (std::size_t i = 0; i < results.size(); ++i) {
    const std::string& name = space.scenarios[i].name;
    if (name.empty() || dot == std::string::npos || path.compare(0, dot, name) != 0) continue;
    return as_value(walk(results[i], std::string_view(path).substr(dot + 1)), path);
  }
  for (const Json& result : results) {
    if (auto value = as_value(walk(result, path), path)) return value;
  }
  return std::nullopt;
}

std::vector<jobs::Alternatives> wanted_values(const Space& space) {
  std::vector<jobs::Alternatives> wanted;
  const Candidate any{0, std::vector<std::size_t>(space.axes.size(), 0)};
  const auto add = [&](const Expression& expression) {
    for (const std::string& name : expression.names()) {
      if (space.value_of(any, name)) continue;  // an axis or a derived key, no result
      jobs::Alternatives paths{name};
      const std::size_t dot = name.find('.');
      for (const Scenario& scenario : space.scenarios) {
        if (dot == std::string::npos || name.compare(0, dot, scenario.name) != 0) continue;
        paths = {name.substr(dot + 1)};
      }
      wanted.push_back(std::move(paths));
    }
  };
  for (const Column& column : space.columns) add(column.expression);
  for (const Expression& constraint : space.constraints) add(constraint);
  return wanted;
}

void check_columns(const Space& space, const Candidate& candidate, const Results& results) {
  const Lookup lookup = lookup_in(space, &candidate, results);
  const auto check = [&](const Expression& expression) {
    for (const std::string& name : expression.names()) {
      if (lookup(name)) continue;
      throw InputError(expression.where(),
                       fmt::format("'{}': no result has '{}'.{}", expression.text(), name,
                                   did_you_mean(name, result_paths(space, results))));
    }
  };
  for (const Column& column : space.columns) check(column.expression);
  for (const Expression& constraint : space.constraints) check(constraint);
}

void measure(const Space& space, const Candidate* candidate, const Results& results, Row& row) {
  const Lookup lookup = lookup_in(space, candidate, results);
  try {
    for (const Column& column : space.columns) {
      const double value = column.expression.number(lookup).number() / column.factor;
      if (!std::isfinite(value)) {
        throw Finding(fmt::format("'{}' is not a finite number", column.name));
      }
      row.columns.push_back(value);
    }
    for (const Expression& constraint : space.constraints) {
      row.violations.push_back(constraint.violation(lookup));
    }
  } catch (const Error& error) {
    row.columns.clear();
    row.violations.clear();
    row.code = error.code();
    row.error = error.what();
  }
}

Objectives minimised(const Space& space, const Row& row) {
  Objectives out;
  for (std::size_t i = 0; i < space.columns.size(); ++i) {
    const Direction direction = space.columns[i].direction;
    if (direction == Direction::kMinimise) out.push_back(row.columns[i]);
    if (direction == Direction::kMaximise) out.push_back(-row.columns[i]);
  }
  return out;
}

}  // namespace athena::explore
