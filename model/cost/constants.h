#pragma once
/// Every price, density and yield constant with its range and its source. One draw of all constants
/// is a plain vector of values in the order of the table; models ask for positions once and read
/// values by position, so that ten thousand draws cost milliseconds.
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "config/config.h"

namespace athena::cost {

/// How a constant varies between its low and high.
enum class Shape {
  kTriangular,  ///< peak at nominal, nothing outside [low, high]
  kLognormal,   ///< median at nominal; low and high are the 5 % and 95 % points
};
inline constexpr std::array<std::pair<Shape, std::string_view>, 2> kShapeNames{
    {{Shape::kTriangular, "triangular"}, {Shape::kLognormal, "lognormal"}}};
[[nodiscard]] constexpr const auto& enum_names(const Shape*) {
  return kShapeNames;
}

/// One constant as written in configs/cost/*.yaml. low <= nominal <= high; prices are not negative.
struct Constant {
  double low = 0.0;
  double nominal = 0.0;
  double high = 0.0;
  std::string unit{};
  Shape shape = Shape::kTriangular;
  std::string source;     ///< where the figure was published or measured
  std::string assumed{};  ///< or the reasoning behind an unpublished one

  /// One random value.
  [[nodiscard]] double draw(Rng& rng) const;
};
[[nodiscard]] const config::StructSchema& schema_of(const Constant*);

/// One file of configs/cost/.
struct ConstantsFile {
  std::string title{};
  std::map<std::string, Constant> constants;
};
[[nodiscard]] const config::StructSchema& schema_of(const ConstantsFile*);

/// One value per constant, in table order.
using Values = std::vector<double>;

/// The table of all constants.
class Constants {
 public:
  /// Reads every file of configs/cost/. `sets` are "name.nominal=12000" overrides. Throws
  /// InputError.
  [[nodiscard]] static Constants load(const std::vector<std::string>& sets = {});
  /// From one parsed document with a `constants:` map (tests, private tables).
  [[nodiscard]] static Constants from(const config::Node& document);

  /// Position of a constant. Throws InputError with the nearest name.
  [[nodiscard]] std::size_t index(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const;
  [[nodiscard]] const Constant& at(std::size_t position) const { return items_[position]; }
  [[nodiscard]] const Constant& at(std::string_view name) const { return items_[index(name)]; }
  [[nodiscard]] const std::string& name(std::size_t position) const { return names_[position]; }
  [[nodiscard]] std::size_t size() const { return items_.size(); }
  /// All constants at their nominal value.
  [[nodiscard]] Values nominal() const;
  /// Adds a constant (a product's own purchase price) and returns its position.
  std::size_t add(const std::string& name, const Constant& constant);

 private:
  void absorb(const config::Node& document);
  std::vector<Constant> items_{};
  std::vector<std::string> names_{};
  std::map<std::string, std::size_t, std::less<>> positions_;
};

}  // namespace athena::cost
