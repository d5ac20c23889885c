#include "config/codec.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/text.h"
#include "config/schema.h"

namespace athena::config {
namespace {

using Form = ValueType::Form;

/// A scalar is wanted; a map {value: X, sorce: Y} is a misspelled note.
void expect_scalar(const Node& node, const std::string& path, const std::string& wanted) {
  if (node.is_scalar()) return;
  if (node.find("value") != nullptr) {
    static const std::vector<std::string> kNotes{"value", "source", "assumed"};
    for (const Entry& entry : node.map) {
      if (nearest(entry.key, kNotes) == entry.key) continue;
      throw InputError(
          entry.where,
          fmt::format("{}: a value may be {{value:, source:}} or {{value:, assumed:}}, "
                      "there is no '{}'.{}",
                      path, entry.key, did_you_mean(entry.key, kNotes)));
    }
  }
  refuse(node, path, fmt::format("expected {}, got {}.", wanted, describe(node)));
}

bool inside(long double value, const Constraint& c) {
  if (c.min && (value < static_cast<long double>(*c.min) ||
                (c.above_min && value <= static_cast<long double>(*c.min))))
    return false;
  return !c.max || value <= static_cast<long double>(*c.max);
}

void expect_inside(long double value, const Node& node, const std::string& path,
                   const ValueType& type, const Constraint& c) {
  if (inside(value, c)) return;
  refuse(node, path, fmt::format("must be {}, got '{}'.", range_text(type, c), node.scalar));
}

}  // namespace

void refuse(const Node& node, const std::string& path, const std::string& problem) {
  const std::string sentence = path.empty() ? problem : path + ": " + problem;
  if (node.where.file.empty()) throw InputError(sentence);
  throw InputError(node.where, sentence);
}

bool read_bool(const Node& node, const std::string& path) {
  expect_scalar(node, path, "true or false");
  if (node.scalar == "true") return true;
  if (node.scalar == "false") return false;
  refuse(node, path, fmt::format("expected true or false, got {}.", describe(node)));
}

std::int64_t read_integer(const Node& node, const std::string& path, const ValueType& type,
                          const Constraint& constraint) {
  expect_scalar(node, path, "a whole number");
  std::int64_t value = 0;
  const char* const end = node.scalar.data() + node.scalar.size();
  const auto [stop, error] = std::from_chars(node.scalar.data(), end, value);
  if (error != std::errc() || stop != end)
    refuse(node, path, fmt::format("expected a whole number, got {}.", describe(node)));
  expect_inside(static_cast<long double>(value), node, path, type, constraint);
  return value;
}

double read_number(const Node& node, const std::string& path, const ValueType& type,
                   const Constraint& constraint) {
  const std::string wanted = constraint.unit.empty()
                                 ? "a number"
                                 : fmt::format("a number of {0}, such as '3 {0}'", constraint.unit);
  expect_scalar(node, path, wanted);
  const std::optional<NumberAndUnit> parts = split_number(node.scalar);
  const bool percent = parts && constraint.unit.empty() && parts->unit == "%";
  if (!parts || (!percent && parts->unit != constraint.unit))
    refuse(node, path, fmt::format("expected {}, got {}.", wanted, describe(node)));
  const auto value = static_cast<double>(percent ? parts->number / 100.0L : parts->number);
  expect_inside(static_cast<long double>(value), node, path, type, constraint);
  return value;
}

std::string read_text(const Node& node, const std::string& path) {
  expect_scalar(node, path, "text");
  return node.scalar;
}

long double read_quantity(const Node& node, const std::string& path, const ValueType& type,
                          const Constraint& constraint) {
  const Dimension& dimension = *type.dimension;
  expect_scalar(
      node, path,
      fmt::format("{} {} such as '{}'", dimension.article, dimension.name, dimension.example));
  const ParsedQuantity parsed = parse_quantity(node.scalar, dimension);
  if (!parsed.problem.empty()) refuse(node, path, parsed.problem);
  expect_inside(parsed.value, node, path, type, constraint);
  return parsed.value;
}

std::size_t read_choice(const Node& node, const std::string& path,
                        const std::vector<std::string>& choices) {
  const std::string wanted = "one of " + join(choices, ", ");
  expect_scalar(node, path, wanted);
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (choices[i] == node.scalar) return i;
  }
  refuse(node, path,
         fmt::format("expected {}; got {}.{}", wanted, describe(node),
                     did_you_mean(node.scalar, choices)));
}

void expect_list(const Node& node, const std::string& path, const Constraint& constraint) {
  if (!node.is_list())
    refuse(node, path, fmt::format("expected a list [..], got {}.", describe(node)));
  const std::size_t n = node.list.size();
  if (n >= constraint.min_items && (!constraint.max_items || n <= *constraint.max_items)) return;
  const std::string wanted =
      !constraint.max_items ? fmt::format("at least {}", constraint.min_items)
      : *constraint.max_items == constraint.min_items
          ? fmt::format("{}", constraint.min_items)
          : fmt::format("{} to {}", constraint.min_items, *constraint.max_items);
  refuse(node, path, fmt::format("expected a list of {} items, got {}.", wanted, n));
}

void expect_map(const Node& node, const std::string& path) {
  if (!node.is_map())
    refuse(node, path, fmt::format("expected a group of keys, got {}.", describe(node)));
}

void check_whole(long double value, const Node& node, const std::string& path,
                 const ValueType& type) {
  constexpr long double kLimit = 9.2e18L;
  if (value == std::floor(value) && std::abs(value) < kLimit) return;
  std::string base;
  for (const Unit& unit : type.dimension->units) {
    if (base.empty() && unit.times == 1.0 && unit.over == 1.0) base = unit.name;
  }
  refuse(node, path,
         fmt::format("expected a whole number of {} below 9.2e18, got '{}'.", base, node.scalar));
}

void check_integer_fits(bool fits, const Node& node, const std::string& path) {
  if (!fits) refuse(node, path, fmt::format("the number {} does not fit here.", describe(node)));
}

std::string write_number(double value, const Constraint& constraint) {
  const std::string text = format_number(value);
  return constraint.unit.empty() ? text : fmt::format("{} {}", text, constraint.unit);
}

const std::vector<std::string>& dtype_words() {
  static const std::vector<std::string> words = [] {
    std::vector<std::string> out;
    for (int i = 0; i <= static_cast<int>(Dtype::kInt32); ++i)
      out.emplace_back(name(static_cast<Dtype>(i)));
    return out;
  }();
  return words;
}

}  // namespace athena::config
