#include "config/value_type.h"

#include <fmt/format.h>

#include <utility>

#include "base/text.h"
#include "config/schema.h"

namespace athena::config {
namespace {

using Form = ValueType::Form;

/// The innermost type: what a range talks about.
const ValueType& leaf(const ValueType& type) {
  return type.element ? leaf(*type.element) : type;
}

std::string limit_text(double value, const ValueType& type, const Constraint& constraint) {
  if (type.form == Form::kQuantity) return format_quantity(value, *type.dimension);
  const std::string number = format_number(value);
  return constraint.unit.empty() ? number : fmt::format("{} {}", number, constraint.unit);
}

}  // namespace

const Option kNoOption{};

void refine(Constraint& constraint, const Option& option) {
  if (option.min) {
    constraint.min = option.min;
    constraint.above_min = option.above_min;
  }
  if (option.max) constraint.max = option.max;
  if (option.required) constraint.required = true;
  if (!option.unit.empty()) constraint.unit = option.unit;
  if (option.min_items > 0) constraint.min_items = option.min_items;
  if (option.max_items) constraint.max_items = option.max_items;
}

Option range(double low, double high) {
  Option out;
  out.min = low;
  out.max = high;
  return out;
}

Option at_least(double low) {
  Option out;
  out.min = low;
  return out;
}

Option positive() {
  Option out = at_least(0.0);
  out.above_min = true;
  return out;
}

Option not_negative() {
  return at_least(0.0);
}

Option fraction() {
  return range(0.0, 1.0);
}

Option required() {
  Option out;
  out.required = true;
  return out;
}

Option unit(std::string_view text) {
  Option out;
  out.unit = text;
  return out;
}

Option items(std::size_t low, std::optional<std::size_t> high) {
  Option out;
  out.min_items = low;
  out.max_items = high;
  return out;
}

std::string type_text(const ValueType& type, const Constraint& constraint) {
  switch (type.form) {
    case Form::kBool:
      return "true or false";
    case Form::kInteger:
      return "whole number";
    case Form::kNumber:
      return constraint.unit.empty() ? "number" : fmt::format("number of {}", constraint.unit);
    case Form::kText:
      return "text";
    case Form::kQuantity:
      return std::string(type.dimension->name);
    case Form::kChoice:
      return "one of " + join(type.choices, ", ");
    case Form::kList:
      return "list: " + type_text(*type.element, constraint);
    case Form::kMap:
      return "map: " + type_text(*type.element, constraint);
    case Form::kOptional:
      return type_text(*type.element, constraint) + ", or nothing";
    case Form::kStruct:
      return "group " + type.structure().name();
    case Form::kAny:
      break;
  }
  return "anything";
}

std::string range_text(const ValueType& type, const Constraint& constraint) {
  const ValueType& inner = leaf(type);
  const auto text = [&](double value) { return limit_text(value, inner, constraint); };
  if (constraint.min && constraint.max)
    return fmt::format("{} to {}", text(*constraint.min), text(*constraint.max));
  if (constraint.min && constraint.above_min) return "above " + text(*constraint.min);
  if (constraint.min) return "at least " + text(*constraint.min);
  if (constraint.max) return "at most " + text(*constraint.max);
  return "";
}

}  // namespace athena::config
