#pragma once
/// Numbers with units as text: "1.8 TB/s", "64 GiB", "1.53 GHz".
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"

namespace athena::config {

/// A unit of a dimension; value in base units = number * times / over. Two factors instead of one
/// keep decimal fractions such as 1 ns exact to the last bit that a double has.
struct Unit {
  std::string_view name;
  double times = 1.0;
  double over = 1.0;
  bool preferred = true;  ///< used when writing; false = accepted spelling only
};

/// What a quantity measures and the units that its text may carry.
struct Dimension {
  std::string_view name;     ///< "rate"
  std::string_view article;  ///< "a" or "an"
  std::string_view example;  ///< "1.8 TB/s"
  std::vector<Unit> units;
};

/// The dimension of a quantity type of base/units.h.
template <class Q>
[[nodiscard]] const Dimension& dimension_of();
template <>
const Dimension& dimension_of<Cycles>();
template <>
const Dimension& dimension_of<Bytes>();
template <>
const Dimension& dimension_of<Seconds>();
template <>
const Dimension& dimension_of<Time>();
template <>
const Dimension& dimension_of<Hertz>();
template <>
const Dimension& dimension_of<BytesPerSecond>();
template <>
const Dimension& dimension_of<Joules>();
template <>
const Dimension& dimension_of<Watts>();
template <>
const Dimension& dimension_of<SquareMm>();
template <>
const Dimension& dimension_of<Usd>();

/// A number followed by the rest of the text, both without surrounding blanks; empty when the text
/// does not start with a finite decimal number. "$" may stand before the number.
struct NumberAndUnit {
  long double number = 0;
  std::string_view unit;
};
[[nodiscard]] std::optional<NumberAndUnit> split_number(std::string_view text);

/// `text` in base units. Returns the reason why not as `problem` ("" = fine): a sentence part such
/// as "expected a rate with its unit (B/s, ..., such as '1.8 TB/s'), got '1.8'".
struct ParsedQuantity {
  long double value = 0;
  std::string problem;
};
[[nodiscard]] ParsedQuantity parse_quantity(std::string_view text, const Dimension& dimension);

/// Shortest text that parses back to exactly `value`.
[[nodiscard]] std::string format_quantity(double value, const Dimension& dimension);
[[nodiscard]] std::string format_quantity(std::int64_t value, const Dimension& dimension);

/// Shortest decimal text that parses back to exactly `value`.
[[nodiscard]] std::string format_number(double value);

}  // namespace athena::config
