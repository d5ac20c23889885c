#include "explore/value.h"

#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "config/quantity.h"

namespace athena::explore {
namespace {

using config::dimension_of;

enum Base : std::size_t { kTime, kEnergy, kArea, kData, kMoney, kToken, kVolt };

Dimensions dimensions(std::initializer_list<std::pair<Base, int>> parts) {
  Dimensions out;
  for (const auto& [base, exponent] : parts) out.exponents[base] = exponent;
  return out;
}

struct Measured {
  Dimensions dimensions;
  const config::Dimension* units;
};

/// The config room's dimensions, each with its place in ours.
const std::vector<Measured>& measured() {
  static const std::vector<Measured> table = {
      {dimensions({{kTime, 1}}), &dimension_of<Seconds>()},
      {dimensions({{kTime, -1}}), &dimension_of<Hertz>()},
      {dimensions({{kData, 1}}), &dimension_of<Bytes>()},
      {dimensions({{kData, 1}, {kTime, -1}}), &dimension_of<BytesPerSecond>()},
      {dimensions({{kEnergy, 1}}), &dimension_of<Joules>()},
      {dimensions({{kEnergy, 1}, {kTime, -1}}), &dimension_of<Watts>()},
      {dimensions({{kArea, 1}}), &dimension_of<SquareMm>()},
      {dimensions({{kMoney, 1}}), &dimension_of<Usd>()},
      {Dimensions{}, &dimension_of<Cycles>()},
  };
  return table;
}

const std::vector<std::pair<std::string, UnitScale>>& units() {
  static const auto table = [] {
    std::vector<std::pair<std::string, UnitScale>> out;
    for (const Measured& entry : measured()) {
      for (const config::Unit& unit : entry.units->units) {
        out.emplace_back(std::string(unit.name),
                         UnitScale{unit.times / unit.over, entry.dimensions});
      }
    }
    const Dimensions token = dimensions({{kToken, 1}});
    for (const auto& [name, size] : std::vector<std::pair<std::string, double>>{{"token", 1},
                                                                                {"tokens", 1},
                                                                                {"tok", 1},
                                                                                {"ktok", 1e3},
                                                                                {"Mtok", 1e6},
                                                                                {"Mtokens", 1e6}}) {
      out.emplace_back(name, UnitScale{size, token});
    }
    out.emplace_back("V", UnitScale{1.0, dimensions({{kVolt, 1}})});
    return out;
  }();
  return table;
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

/// Percentiles and the like name a statistic, not a quantity.
bool is_statistic(std::string_view name) {
  for (const std::string_view known :
       {"nominal", "mean", "median", "min", "max", "p5", "p50", "p90", "p95", "p99"}) {
    if (name == known) return true;
  }
  return false;
}

}  // namespace

Dimensions operator*(const Dimensions& a, const Dimensions& b) {
  Dimensions out;
  for (std::size_t i = 0; i < Dimensions::kCount; ++i) {
    out.exponents[i] = a.exponents[i] + b.exponents[i];
  }
  return out;
}

Dimensions operator/(const Dimensions& a, const Dimensions& b) {
  Dimensions out;
  for (std::size_t i = 0; i < Dimensions::kCount; ++i) {
    out.exponents[i] = a.exponents[i] - b.exponents[i];
  }
  return out;
}

std::string Dimensions::text() const {
  if (bare()) return "no unit";
  if (*this == dimensions({{kEnergy, 1}, {kTime, -1}})) return "W";
  if (*this == dimensions({{kTime, -1}})) return "Hz";
  static constexpr std::array<const char*, kCount> kNames{"s",   "J",     "mm^2", "B",
                                                          "USD", "token", "V"};
  std::string above;
  std::string below;
  for (std::size_t i = 0; i < kCount; ++i) {
    std::string& side = exponents[i] > 0 ? above : below;
    for (int n = std::abs(exponents[i]); n > 0; --n) {
      side += (side.empty() ? "" : " ") + std::string(kNames[i]);
    }
  }
  if (below.empty()) return above;
  return (above.empty() ? "1" : above) + "/" + below;
}

std::optional<UnitScale> find_unit(std::string_view unit) {
  for (const auto& [name, scale] : units()) {
    if (name == unit) return scale;
  }
  const std::size_t slash = unit.rfind('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto above = find_unit(unit.substr(0, slash));
  const auto below = find_unit(unit.substr(slash + 1));
  if (!above || !below) return std::nullopt;
  return UnitScale{above->factor / below->factor, above->dimensions / below->dimensions};
}

std::string nearest_unit(std::string_view unit) {
  std::vector<std::string> names;
  for (const auto& [name, scale] : units()) names.push_back(name);
  return did_you_mean(unit, names);
}

Value number_value(double number, const Dimensions& dimensions) {
  return {number, dimensions};
}
Value word_value(std::string word) {
  return {std::move(word), {}};
}
Value truth_value(bool truth) {
  return {truth, {}};
}

Value value_from_text(std::string_view text) {
  if (text == "true" || text == "false") return truth_value(text == "true");
  const auto parts = config::split_number(text);
  if (!parts) return word_value(std::string(text));
  const auto number = static_cast<double>(parts->number);
  if (parts->unit.empty()) return number_value(number);
  const auto unit = find_unit(parts->unit);
  if (!unit) return word_value(std::string(text));
  return number_value(number * unit->factor, unit->dimensions);
}

std::string to_text(const Value& value) {
  if (value.is_word()) return value.word();
  if (value.is_truth()) return value.truth() ? "true" : "false";
  const double number = value.number();
  if (!std::isfinite(number)) throw InputError("a derived value is not a finite number");
  constexpr double kExactlyWhole = 9007199254740992.0;  // 2^53
  const bool whole = number == std::floor(number) && std::abs(number) < kExactlyWhole;
  if (value.dimensions.bare()) {
    return whole ? std::to_string(static_cast<long long>(number)) : config::format_number(number);
  }
  for (const Measured& entry : measured()) {
    if (entry.dimensions != value.dimensions) continue;
    // Sizes are whole bytes in every document.
    if (entry.units == &dimension_of<Bytes>() && whole) {
      return config::format_quantity(static_cast<std::int64_t>(number), *entry.units);
    }
    return config::format_quantity(number, *entry.units);
  }
  if (value.dimensions == dimensions({{kVolt, 1}})) return config::format_number(number) + " V";
  throw InputError(fmt::format("no configuration key is measured in {}", value.dimensions.text()));
}

UnitScale unit_of_result(std::string_view path) {
  std::size_t dot = path.rfind('.');
  if (dot != std::string_view::npos && is_statistic(path.substr(dot + 1))) {
    path = path.substr(0, dot);
    dot = path.rfind('.');
  }
  const std::string_view name = dot == std::string_view::npos ? path : path.substr(dot + 1);
  static const std::vector<std::pair<std::string_view, std::string_view>> endings = {
      {"tokens_per_s", "token/s"},
      {"bytes_per_s", "B/s"},
      {"usd_per_mtok", "USD/Mtok"},
      {"_per_token_j", "J/token"},
      {"_per_s", "Hz"},
      {"_s", "s"},
      {"_j", "J"},
      {"_w", "W"},
      {"_mm2", "mm^2"},
      {"_bytes", "B"},
      {"_usd", "USD"},
      {"_hz", "Hz"}};
  for (const auto& [ending, unit] : endings) {
    if (ends_with(name, ending)) return find_unit(unit).value();
  }
  return {};
}

}  // namespace athena::explore
