#pragma once
/// Values of a sweep's axes and expressions: numbers that know what they measure, words, and truth.
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace athena::explore {

/// Exponents over the base units second, joule, mm^2, byte, dollar, token, volt. All zero: a bare
/// number.
struct Dimensions {
  static constexpr std::size_t kCount = 7;
  std::array<int, kCount> exponents{};
  bool operator==(const Dimensions&) const = default;
  [[nodiscard]] bool bare() const { return *this == Dimensions{}; }
  /// "B/s", "W", "token/s", "no unit": for people.
  [[nodiscard]] std::string text() const;
};

[[nodiscard]] Dimensions operator*(const Dimensions& a, const Dimensions& b);
[[nodiscard]] Dimensions operator/(const Dimensions& a, const Dimensions& b);

/// A unit's size in base units and what it measures.
struct UnitScale {
  double factor = 1.0;
  Dimensions dimensions;
};

/// "GB/s", "mm2", "J/token", "USD": every unit of the config room, tokens (token, tok, ktok, Mtok),
/// volts, and quotients of them. Empty when unknown.
[[nodiscard]] std::optional<UnitScale> find_unit(std::string_view unit);
/// " Did you mean 'GHz'?" or "".
[[nodiscard]] std::string nearest_unit(std::string_view unit);

/// A number in base units with its dimensions, a word, or a truth value.
struct Value {
  std::variant<double, std::string, bool> content = 0.0;
  Dimensions dimensions;

  [[nodiscard]] bool is_number() const { return std::holds_alternative<double>(content); }
  [[nodiscard]] bool is_word() const { return std::holds_alternative<std::string>(content); }
  [[nodiscard]] bool is_truth() const { return std::holds_alternative<bool>(content); }
  [[nodiscard]] double number() const { return std::get<double>(content); }
  [[nodiscard]] const std::string& word() const { return std::get<std::string>(content); }
  [[nodiscard]] bool truth() const { return std::get<bool>(content); }
};

[[nodiscard]] Value number_value(double number, const Dimensions& dimensions = {});
[[nodiscard]] Value word_value(std::string word);
[[nodiscard]] Value truth_value(bool truth);

/// A value as written in a YAML scalar: "1.5 GHz" is a frequency, "16" a bare number, "true" truth,
/// everything else a word.
[[nodiscard]] Value value_from_text(std::string_view text);

/// Text that a config document or a point's field takes: "65536 B", "1.5 GHz", "8", "true". A whole
/// bare number is written without a fraction. Throws InputError for a quantity that no config unit
/// measures (a product of units, say) and for a number that is not finite.
[[nodiscard]] std::string to_text(const Value& value);

/// What a result's key measures, from the unit that ends its name: "decode.time_s" is a time,
/// "cost.manufacturing_usd.nominal" money. `scale` turns the stored number into base units.
[[nodiscard]] UnitScale unit_of_result(std::string_view path);

}  // namespace athena::explore
