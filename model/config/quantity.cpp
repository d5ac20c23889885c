#include "config/quantity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>

#include "base/text.h"

namespace athena::config {
namespace {

constexpr double kKi = 1024.0;
constexpr bool kAlias = false;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Length of the decimal number at the start of `text`, 0 if there is none. Hexadecimal, inf and
/// nan, which strtold would take, are no numbers here.
std::size_t number_length(std::string_view text) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t start = i;
    while (i < text.size() && is_digit(text[i])) ++i;
    return i - start;
  };
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
  std::size_t count = digits();
  if (i < text.size() && text[i] == '.') {
    ++i;
    count += digits();
  }
  if (count == 0) return 0;
  const std::size_t mantissa_end = i;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    if (digits() == 0) return mantissa_end;
  }
  return i;
}

std::vector<std::string> unit_names(const Dimension& dimension) {
  std::vector<std::string> names;
  for (const Unit& unit : dimension.units) {
    if (unit.preferred) names.emplace_back(unit.name);
  }
  return names;
}

bool same_but_for_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

/// The commonest slip is the case of a letter ("tb/s").
std::string nearest_unit(std::string_view word, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (same_but_for_case(word, name)) return " Did you mean '" + name + "'?";
  }
  return did_you_mean(word, names);
}

const Unit* find_unit(const Dimension& dimension, std::string_view name) {
  for (const Unit& unit : dimension.units) {
    if (unit.name == name) return &unit;
  }
  return nullptr;
}

long double in_base(long double number, const Unit& unit) {
  return number * static_cast<long double>(unit.times) / static_cast<long double>(unit.over);
}

/// The shortest of the texts in each preferred unit that `exact` accepts; the largest unit wins a
/// tie.
template <class Exact>
std::string shortest(double value, const Dimension& dimension, const Exact& exact) {
  std::string best;
  std::size_t best_length = 0;
  double best_scale = 0.0;
  for (const Unit& unit : dimension.units) {
    if (!unit.preferred) continue;
    const double number =
        static_cast<double>(static_cast<long double>(value) * static_cast<long double>(unit.over) /
                            static_cast<long double>(unit.times));
    const std::string text = format_number(number) + " " + std::string(unit.name);
    if (!exact(text)) continue;
    const double scale = unit.times / unit.over;
    // People write 512 KiB, not 0.5 MiB.
    const std::size_t length = text.size() + (std::abs(number) < 1.0 && value != 0.0 ? 2 : 0);
    if (!best.empty() && length > best_length) continue;
    if (!best.empty() && length == best_length && scale < best_scale) continue;
    best = text;
    best_length = length;
    best_scale = scale;
  }
  return best;
}

std::string base_unit(const Dimension& dimension) {
  for (const Unit& unit : dimension.units) {
    if (unit.times == 1.0 && unit.over == 1.0 && unit.preferred) return std::string(unit.name);
  }
  return "";
}

}  // namespace

template <>
const Dimension& dimension_of<Cycles>() {
  static const Dimension d{
      "number of clock cycles", "a", "20 cycles", {{"cycles"}, {"cycle", 1, 1, kAlias}}};
  return d;
}

template <>
const Dimension& dimension_of<Bytes>() {
  static const Dimension d{"size",
                           "a",
                           "64 GiB",
                           {{"B"},
                            {"KiB", kKi},
                            {"MiB", kKi * kKi},
                            {"GiB", kKi * kKi * kKi},
                            {"TiB", kKi * kKi * kKi * kKi},
                            {"kB", 1e3},
                            {"MB", 1e6},
                            {"GB", 1e9},
                            {"TB", 1e12}}};
  return d;
}

template <>
const Dimension& dimension_of<BytesPerSecond>() {
  static const Dimension d{"rate",
                           "a",
                           "1.8 TB/s",
                           {{"B/s"},
                            {"kB/s", 1e3},
                            {"MB/s", 1e6},
                            {"GB/s", 1e9},
                            {"TB/s", 1e12},
                            {"PB/s", 1e15},
                            {"Mb/s", 1e6, 8, kAlias},
                            {"Gb/s", 1e9, 8, kAlias},
                            {"Tb/s", 1e12, 8, kAlias}}};
  return d;
}

template <>
const Dimension& dimension_of<Hertz>() {
  static const Dimension d{
      "frequency", "a", "1.53 GHz", {{"Hz"}, {"kHz", 1e3}, {"MHz", 1e6}, {"GHz", 1e9}}};
  return d;
}

template <>
const Dimension& dimension_of<Seconds>() {
  static const Dimension d{"time",
                           "a",
                           "2.5 us",
                           {{"s"},
                            {"ms", 1, 1e3},
                            {"us", 1, 1e6},
                            {"ns", 1, 1e9},
                            {"ps", 1, 1e12},
                            {"fs", 1, 1e15},
                            {"\xc2\xb5s", 1, 1e6, kAlias},
                            {"min", 60, 1, kAlias},
                            {"h", 3600, 1, kAlias},
                            {"days", 86400, 1, kAlias},
                            {"years", 365.25 * 86400, 1, kAlias}}};
  return d;
}

template <>
const Dimension& dimension_of<Time>() {
  static const Dimension d{"time",
                           "a",
                           "2.5 us",
                           {{"fs"},
                            {"ps", 1e3},
                            {"ns", 1e6},
                            {"us", 1e9},
                            {"ms", 1e12},
                            {"s", 1e15},
                            {"\xc2\xb5s", 1e9, 1, kAlias}}};
  return d;
}

template <>
const Dimension& dimension_of<Joules>() {
  static const Dimension d{"energy",
                           "an",
                           "3.9 pJ",
                           {{"J"},
                            {"kJ", 1e3},
                            {"mJ", 1, 1e3},
                            {"uJ", 1, 1e6},
                            {"nJ", 1, 1e9},
                            {"pJ", 1, 1e12},
                            {"fJ", 1, 1e15},
                            {"kWh", 3.6e6, 1, kAlias}}};
  return d;
}

template <>
const Dimension& dimension_of<Watts>() {
  static const Dimension d{
      "power", "a", "500 W", {{"W"}, {"kW", 1e3}, {"MW", 1e6}, {"mW", 1, 1e3}, {"uW", 1, 1e6}}};
  return d;
}

template <>
const Dimension& dimension_of<SquareMm>() {
  static const Dimension d{"area",
                           "an",
                           "820 mm^2",
                           {{"mm^2"},
                            {"um^2", 1, 1e6},
                            {"mm2", 1, 1, kAlias},
                            {"mm\xc2\xb2", 1, 1, kAlias},
                            {"cm^2", 100, 1, kAlias}}};
  return d;
}

template <>
const Dimension& dimension_of<Usd>() {
  static const Dimension d{
      "sum of money",
      "a",
      "17000 $",
      {{"$"}, {"M$", 1e6}, {"B$", 1e9}, {"k$", 1e3, 1, kAlias}, {"USD", 1, 1, kAlias}}};
  return d;
}

std::optional<NumberAndUnit> split_number(std::string_view text) {
  text = trimmed(text);
  const bool dollar = text.starts_with("$");
  if (dollar) text = trimmed(text.substr(1));
  const std::size_t length = number_length(text);
  if (length == 0) return std::nullopt;
  const std::string digits(text.substr(0, length));
  const long double number = std::strtold(digits.c_str(), nullptr);
  if (!std::isfinite(static_cast<double>(number))) return std::nullopt;
  const std::string_view rest = trimmed(text.substr(length));
  if (dollar && !rest.empty()) return std::nullopt;
  return NumberAndUnit{number, dollar ? std::string_view("$") : rest};
}

ParsedQuantity parse_quantity(std::string_view text, const Dimension& dimension) {
  const std::optional<NumberAndUnit> parts = split_number(text);
  const Unit* unit = parts ? find_unit(dimension, parts->unit) : nullptr;
  if (unit != nullptr) return {in_base(parts->number, *unit), ""};
  const std::vector<std::string> names = unit_names(dimension);
  std::string problem =
      fmt::format("expected {} {} with its unit ({}), such as '{}'; got '{}'.", dimension.article,
                  dimension.name, join(names, ", "), dimension.example, text);
  if (parts && !parts->unit.empty()) problem += nearest_unit(parts->unit, names);
  return {0, std::move(problem)};
}

std::string format_number(double value) {
  return fmt::format("{}", value);
}

std::string format_quantity(double value, const Dimension& dimension) {
  const auto exact = [&](const std::string& text) {
    return static_cast<double>(parse_quantity(text, dimension).value) == value;
  };
  const std::string text = shortest(value, dimension, exact);
  return text.empty() ? format_number(value) + " " + base_unit(dimension) : text;
}

std::string format_quantity(std::int64_t value, const Dimension& dimension) {
  const auto exact = [&](const std::string& text) {
    const long double back = parse_quantity(text, dimension).value;
    return back == static_cast<long double>(value);
  };
  const std::string text = shortest(static_cast<double>(value), dimension, exact);
  return text.empty() ? fmt::format("{} {}", value, base_unit(dimension)) : text;
}

}  // namespace athena::config
