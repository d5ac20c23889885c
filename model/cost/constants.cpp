#include "cost/constants.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "base/text.h"

namespace athena::cost {
namespace {

// Distance of the 5 % point from the median of a normal distribution, in standard deviations.
constexpr double kSigmasTo5Percent = 1.6448536269514722;

std::string violation(const Constant& c) {
  if (!(c.low <= c.nominal && c.nominal <= c.high)) {
    return fmt::format("expected low <= nominal <= high, got {}, {}, {}.", c.low, c.nominal,
                       c.high);
  }
  const bool price = c.unit.rfind("USD", 0) == 0;
  if (price && c.low < 0.0)
    return fmt::format("a price cannot be negative, got {} {}.", c.low, c.unit);
  if (c.shape == Shape::kLognormal && c.low <= 0.0) {
    return fmt::format("a lognormal constant must stay above 0, got low {}.", c.low);
  }
  if (c.source.empty() && c.assumed.empty()) {
    return "a constant needs its 'source', or 'assumed' with the reasoning.";
  }
  return "";
}

}  // namespace

const config::StructSchema& schema_of(const ConstantsFile*) {
  static const config::StructSchema kSchema =
      config::SchemaBuilder<ConstantsFile>("cost constants", "Constants of the cost model.")
          .field("title", &ConstantsFile::title, "what the file is about")
          .field("constants", &ConstantsFile::constants, "name: {low, nominal, high, unit, source}")
          .build();
  return kSchema;
}

const config::StructSchema& schema_of(const Constant*) {
  static const config::StructSchema kSchema =
      config::SchemaBuilder<Constant>("cost constant", "A constant with its range and source.")
          .field("low", &Constant::low, "lowest plausible value", config::required())
          .field("nominal", &Constant::nominal, "most likely value", config::required())
          .field("high", &Constant::high, "highest plausible value", config::required())
          .field("unit", &Constant::unit, "unit as text", config::required())
          .field("shape", &Constant::shape, "triangular, or lognormal with low/high at 5 and 95 %")
          .field("source", &Constant::source, "where the figure comes from")
          .field("assumed", &Constant::assumed, "reasoning behind an unpublished figure")
          .check([](const Constant& c) { return violation(c); })
          .build();
  return kSchema;
}

double Constant::draw(Rng& rng) const {
  if (high <= low) return nominal;
  if (shape == Shape::kLognormal) {
    // Two half-widths, so that the median stays at the nominal value of a skewed range.
    const double z = rng.normal();
    const double width = z < 0.0 ? std::log(nominal / low) : std::log(high / nominal);
    return nominal * std::exp(z * width / kSigmasTo5Percent);
  }
  const double u = rng.uniform();
  const double range = high - low;
  const double below = nominal - low;
  if (u * range < below) return low + std::sqrt(u * range * below);
  return high - std::sqrt((1.0 - u) * range * (high - nominal));
}

std::size_t Constants::add(const std::string& name, const Constant& constant) {
  const auto found = positions_.find(name);
  if (found != positions_.end()) {
    items_[found->second] = constant;
    return found->second;
  }
  positions_.emplace(name, items_.size());
  items_.push_back(constant);
  names_.push_back(name);
  return items_.size() - 1;
}

void Constants::absorb(const config::Node& document) {
  const auto file = config::bind<ConstantsFile>(document);
  for (const auto& [name, constant] : file.constants) {
    if (has(name)) throw InputError(fmt::format("the constant '{}' is defined twice.", name));
    add(name, constant);
  }
}

Constants Constants::from(const config::Node& document) {
  Constants out;
  out.absorb(document);
  return out;
}

Constants Constants::load(const std::vector<std::string>& sets) {
  std::vector<config::Node> documents;
  std::vector<std::string> names;
  for (const std::string& file : config::list_documents("cost")) {
    documents.push_back(config::resolve(file, "cost"));
    const config::Node* constants = documents.back().find("constants");
    if (constants == nullptr) continue;
    for (const std::string& key : constants->keys()) names.push_back(key);
  }
  for (const std::string& set : sets) {
    const std::string name = set.substr(0, set.find_first_of(".="));
    config::Node* owner = nullptr;
    for (config::Node& document : documents) {
      const config::Node* constants = document.find("constants");
      if (constants != nullptr && constants->find(name) != nullptr) owner = &document;
    }
    if (owner == nullptr) {
      throw InputError(fmt::format("--constant {}: there is no constant '{}'.{}", set, name,
                                   did_you_mean(name, names)));
    }
    config::apply_set(*owner, "constants." + set);
  }
  Constants out;
  for (const config::Node& document : documents) out.absorb(document);
  return out;
}

std::size_t Constants::index(std::string_view name) const {
  const auto found = positions_.find(name);
  if (found == positions_.end()) {
    throw InputError(fmt::format("there is no cost constant '{}' in configs/cost/.{}", name,
                                 did_you_mean(name, names_)));
  }
  return found->second;
}

bool Constants::has(std::string_view name) const {
  return positions_.find(name) != positions_.end();
}

Values Constants::nominal() const {
  Values out;
  out.reserve(items_.size());
  for (const Constant& constant : items_) out.push_back(constant.nominal);
  return out;
}

}  // namespace athena::cost
