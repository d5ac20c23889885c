#include "explore/axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "config/quantity.h"
#include "config/schema.h"

namespace athena::explore {
namespace {

using config::Node;

constexpr std::size_t kMaxValues = 100000;
constexpr double kSlack = 1e-9;  // of a step: decimal steps do not add up exactly in binary

enum class Scale { kLinear, kLog };

[[maybe_unused]] const std::vector<std::pair<Scale, std::string_view>>& enum_names(const Scale*) {
  static const std::vector<std::pair<Scale, std::string_view>> names = {{Scale::kLinear, "linear"},
                                                                        {Scale::kLog, "log"}};
  return names;
}

struct Range {
  std::string from;
  std::string to;
  std::string step;
  double factor = 0.0;
  int points = 0;
  Scale scale = Scale::kLinear;
};

const config::StructSchema& schema_of(const Range*) {
  static const config::StructSchema schema =
      config::SchemaBuilder<Range>("range", "Values of a sweep's axis, both ends included.")
          .field("from", &Range::from, "first value, with its unit", config::required())
          .field("to", &Range::to, "last value, in the unit of `from`", config::required())
          .field("step", &Range::step, "difference of neighbours")
          .field("factor", &Range::factor, "ratio of neighbours", config::at_least(1.0))
          .field("points", &Range::points, "number of values", config::at_least(1.0))
          .field("scale", &Range::scale, "spacing of `points`: linear or log")
          .check([](const Range& range) -> std::string {
            const int ways = (range.step.empty() ? 0 : 1) + (range.factor > 0.0 ? 1 : 0) +
                             (range.points > 0 ? 1 : 0);
            return ways == 1 ? "" : "a range needs exactly one of step, factor, points.";
          })
          .build();
  return schema;
}

struct Ends {
  double from = 0.0;
  double to = 0.0;
  std::string unit;  ///< as written at `from`
  bool whole = false;
};

double in_unit(const std::string& text, const std::string& unit, const Node& node,
               const std::string& key) {
  const auto parts = config::split_number(text);
  if (!parts) {
    throw InputError(node.where, fmt::format("{}: '{}' is not a number", key, text));
  }
  const auto number = static_cast<double>(parts->number);
  if (parts->unit == unit) return number;
  const auto mine = find_unit(parts->unit);
  const auto wanted = find_unit(unit);
  if (!mine || !wanted || mine->dimensions != wanted->dimensions) {
    throw InputError(node.where, fmt::format("{}: '{}' is not in {}", key, text,
                                             unit.empty() ? "a plain number" : "units of " + unit));
  }
  return number * mine->factor / wanted->factor;
}

Ends read_ends(const std::string& key, const Node& node, const Range& range) {
  const auto parts = config::split_number(range.from);
  if (!parts) {
    throw InputError(node.where, fmt::format("{}: '{}' is not a number", key, range.from));
  }
  Ends ends;
  ends.unit = std::string(parts->unit);
  if (!ends.unit.empty() && !find_unit(ends.unit)) {
    throw InputError(node.where, fmt::format("{}: '{}' is not a unit.{}", key, ends.unit,
                                             nearest_unit(ends.unit)));
  }
  ends.from = static_cast<double>(parts->number);
  ends.to = in_unit(range.to, ends.unit, node, key);
  if (ends.to < ends.from) {
    throw InputError(
        node.where, fmt::format("{}: the range from {} to {} is empty", key, range.from, range.to));
  }
  ends.whole =
      ends.unit.empty() && ends.from == std::floor(ends.from) && ends.to == std::floor(ends.to);
  return ends;
}

std::vector<double> stepped(const Ends& ends, double step, const Node& node,
                            const std::string& key) {
  if (step <= 0.0) throw InputError(node.where, key + ": the step must be above zero");
  const double count = std::floor((ends.to - ends.from) / step + kSlack) + 1.0;
  if (count > static_cast<double>(kMaxValues)) {
    throw InputError(node.where, fmt::format("{}: more than {} values", key, kMaxValues));
  }
  std::vector<double> out;
  for (double i = 0.0; i < count; i += 1.0) out.push_back(ends.from + i * step);
  return out;
}

std::vector<double> multiplied(const Ends& ends, double factor, const Node& node,
                               const std::string& key) {
  if (factor <= 1.0) throw InputError(node.where, key + ": the factor must be above one");
  if (ends.from <= 0.0) throw InputError(node.where, key + ": a ratio needs a start above zero");
  std::vector<double> out;
  for (double value = ends.from; value <= ends.to * (1.0 + kSlack); value *= factor) {
    out.push_back(value);
    if (out.size() > kMaxValues) {
      throw InputError(node.where, fmt::format("{}: more than {} values", key, kMaxValues));
    }
  }
  return out;
}

std::vector<double> spaced(const Ends& ends, const Range& range, const Node& node,
                           const std::string& key) {
  const bool log = range.scale == Scale::kLog;
  if (log && ends.from <= 0.0) {
    throw InputError(node.where, key + ": a log range needs a start above zero");
  }
  std::vector<double> out;
  for (int i = 0; i < range.points; ++i) {
    const double share = range.points == 1 ? 0.0 : static_cast<double>(i) / (range.points - 1);
    const double value = log ? ends.from * std::pow(ends.to / ends.from, share)
                             : ends.from + share * (ends.to - ends.from);
    // Between whole ends only whole values make sense (batch sizes, counts of things).
    out.push_back(ends.whole ? std::round(value) : value);
  }
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::vector<std::string> range_texts(const std::string& key, const Node& node) {
  const auto range = config::bind<Range>(node);
  const Ends ends = read_ends(key, node, range);
  std::vector<double> numbers;
  if (!range.step.empty()) {
    numbers = stepped(ends, in_unit(range.step, ends.unit, node, key), node, key);
  } else if (range.factor > 0.0) {
    numbers = multiplied(ends, range.factor, node, key);
  } else {
    numbers = spaced(ends, range, node, key);
  }
  std::vector<std::string> texts;
  for (const double number : numbers) {
    // Twelve digits hide the dust of 0.1 + 0.2 and nothing else.
    std::string text = fmt::format("{:.12g}", number);
    if (!ends.unit.empty()) text += " " + ends.unit;
    texts.push_back(std::move(text));
  }
  return texts;
}

std::vector<std::string> list_texts(const std::string& key, const Node& node) {
  std::vector<std::string> texts;
  for (const Node& item : node.list) {
    if (!item.is_scalar()) {
      throw InputError(item.where,
                       fmt::format("{}: expected a value, got {}", key, config::describe(item)));
    }
    if (std::find(texts.begin(), texts.end(), item.scalar) != texts.end()) {
      throw InputError(item.where, fmt::format("{}: '{}' is there twice", key, item.scalar));
    }
    texts.push_back(item.scalar);
  }
  return texts;
}

}  // namespace

Axis read_axis(const std::string& key, const Node& node) {
  Axis axis;
  axis.key = key;
  axis.where = node.where;
  if (node.is_list()) {
    axis.texts = list_texts(key, node);
  } else if (node.is_map()) {
    axis.texts = range_texts(key, node);
  } else {
    throw InputError(node.where,
                     fmt::format("{}: expected a list of values or a range such as {{from: 1, to: "
                                 "8, factor: 2}}, got {}",
                                 key, config::describe(node)));
  }
  if (axis.texts.empty()) throw InputError(node.where, key + ": the list of values is empty");
  for (const std::string& text : axis.texts) axis.values.push_back(value_from_text(text));
  return axis;
}

}  // namespace athena::explore
