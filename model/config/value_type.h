#pragma once
/// What a schema says about the type of one key: enough for error sentences, `explain`, the JSON
/// Schema of editors and the reference page.
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/quantity.h"

namespace athena::config {

class StructSchema;

/// The shape of a value. Lists, maps and optionals have an element; structs a schema.
struct ValueType {
  enum class Form {
    kBool,
    kInteger,
    kNumber,
    kText,
    kQuantity,
    kChoice,
    kList,
    kMap,
    kOptional,
    kStruct,
    kAny
  };
  Form form = Form::kAny;
  const Dimension* dimension = nullptr;              ///< kQuantity
  std::vector<std::string> choices{};                ///< kChoice: allowed words
  std::vector<std::string> key_choices{};            ///< kMap with a closed set of keys, else empty
  std::shared_ptr<const ValueType> element{};        ///< kList, kMap, kOptional
  std::function<const StructSchema&()> structure{};  ///< kStruct; late, so that types may nest
};

/// What a field asks of its value beyond the type. Ranges are in base units and hold for every
/// number below the field (list items, map values).
struct Constraint {
  std::optional<double> min;
  std::optional<double> max;
  bool above_min = false;  ///< min itself is excluded
  bool required = false;   ///< no default: the key must be given
  std::string unit;        ///< plain numbers: the compound unit they must be written with
  std::size_t min_items = 0;
  std::optional<std::size_t> max_items;
};

/// A part of a constraint; given after the doc of a field. Parts that say nothing change nothing.
using Option = Constraint;

/// Says nothing.
extern const Option kNoOption;

/// `constraint` with what `option` says.
void refine(Constraint& constraint, const Option& option);

/// From low to high, both included, in base units.
[[nodiscard]] Option range(double low, double high);
template <class Tag, class Rep>
[[nodiscard]] Option range(Quantity<Tag, Rep> low, Quantity<Tag, Rep> high) {
  return range(static_cast<double>(low.value()), static_cast<double>(high.value()));
}
[[nodiscard]] Option at_least(double low);
template <class Tag, class Rep>
[[nodiscard]] Option at_least(Quantity<Tag, Rep> low) {
  return at_least(static_cast<double>(low.value()));
}
/// Above zero.
[[nodiscard]] Option positive();
/// Zero or above.
[[nodiscard]] Option not_negative();
/// From 0 to 1; "88 %" is read as 0.88.
[[nodiscard]] Option fraction();
/// The key has no default.
[[nodiscard]] Option required();
/// A plain number written with this compound unit: unit("pJ/bit") reads "3.9 pJ/bit" as 3.9.
/// The text must outlive the table (a literal does).
[[nodiscard]] Option unit(std::string_view text);
/// Number of items of a list.
[[nodiscard]] Option items(std::size_t low, std::optional<std::size_t> high = std::nullopt);

/// "rate", "list of sizes", "one of mesh, torus", "group hbm": for people.
[[nodiscard]] std::string type_text(const ValueType& type, const Constraint& constraint);
/// "1 to 16", "above 0 Hz", "" when anything goes.
[[nodiscard]] std::string range_text(const ValueType& type, const Constraint& constraint);

}  // namespace athena::config
