#include "jobs/point.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>
#include <variant>

#include "base/error.h"
#include "base/text.h"

namespace athena::jobs {
namespace {

using Json = nlohmann::ordered_json;
using Member =
    std::variant<std::string PointSpec::*, std::int64_t PointSpec::*, std::uint64_t PointSpec::*,
                 double PointSpec::*, bool PointSpec::*, std::vector<std::string> PointSpec::*,
                 std::map<std::string, std::string> PointSpec::*,
                 std::map<std::string, std::int64_t> PointSpec::*>;

struct Field {
  std::string name;
  std::string flag;  ///< the flag of `athena run` that sets it; "" = the positional argument
  Member member;
  std::vector<std::string> choices{};  ///< allowed texts; empty = any
};

const std::vector<Field>& fields() {
  static const std::vector<Field> table = {
      {"on", "--on", &PointSpec::on},
      {"sets", "--set", &PointSpec::sets},
      {"stack", "--stack", &PointSpec::stack},
      {"cost", "--cost", &PointSpec::cost, {"nominal"}},
      {"power_cap_w", "--power-cap", &PointSpec::power_cap_w},
      {"rtl", "--rtl", &PointSpec::rtl},
      {"model", "", &PointSpec::model},
      {"op", "--op", &PointSpec::op},
      {"op_sizes", "--op-size", &PointSpec::op_sizes},
      {"phase", "--phase", &PointSpec::phase, {"prefill", "decode", "generate", "train"}},
      {"batch", "--batch", &PointSpec::batch},
      {"input", "--input", &PointSpec::input},
      {"output", "--output", &PointSpec::output},
      {"batch_spec", "--batch-spec", &PointSpec::batch_spec},
      {"layers", "--layers", &PointSpec::layers},
      {"max_context", "--max-context", &PointSpec::max_context},
      {"dtype", "--dtype", &PointSpec::dtype},
      {"tp", "--tp", &PointSpec::tp},
      {"pp", "--pp", &PointSpec::pp},
      {"dp", "--dp", &PointSpec::dp},
      {"ep", "--ep", &PointSpec::ep},
      {"cp", "--cp", &PointSpec::cp},
      {"nodes", "--nodes", &PointSpec::nodes},
      {"virtual_stages", "--virtual-stages", &PointSpec::virtual_stages},
      {"sequence_parallel", "--sequence-parallel", &PointSpec::sequence_parallel},
      {"micro_batch", "--micro-batch", &PointSpec::micro_batch},
      {"global_batch", "--global-batch", &PointSpec::global_batch},
      {"recompute", "--recompute", &PointSpec::recompute, {"none", "selective", "full"}},
      {"zero", "--zero", &PointSpec::zero, {"0", "1", "2", "3"}},
      {"all_ranks", "--all-ranks", &PointSpec::all_ranks},
      {"fidelity", "--fidelity", &PointSpec::fidelity, {"analytic", "transaction", "detailed"}},
      {"functional", "--functional", &PointSpec::functional},
      {"seed", "--seed", &PointSpec::seed},
  };
  return table;
}

const Field& find_field(std::string_view name) {
  for (const Field& field : fields()) {
    if (field.name == name) return field;
  }
  throw InputError(
      fmt::format("a point has no field '{}'.{}", name, did_you_mean(name, field_names())));
}

void check_choice(const Field& field, const std::string& text) {
  if (field.choices.empty()) return;
  for (const std::string& choice : field.choices) {
    if (text == choice) return;
  }
  throw InputError(fmt::format("{} is '{}', expected one of {}.{}", field.name, text,
                               join(field.choices, ", "), did_you_mean(text, field.choices)));
}

template <class Number>
Number parse_number(const std::string& field, std::string_view text) {
  Number value{};
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size() || value < Number{}) {
    throw InputError(fmt::format("{} is '{}', expected a {} not below zero", field, text,
                                 std::is_floating_point_v<Number> ? "number" : "whole number"));
  }
  return value;
}

/// Watts, with or without the unit written.
double parse_watts(const std::string& field, std::string_view text) {
  while (!text.empty() && (text.back() == 'W' || text.back() == ' ')) text.remove_suffix(1);
  const double value = parse_number<double>(field, text);
  if (!std::isfinite(value)) throw InputError(field + " is not a finite number of watts");
  return value;
}

/// JSON value of one field, or nothing when it equals the default's.
std::optional<Json> field_json(const PointSpec& spec, const Field& field) {
  static const PointSpec defaults;
  return std::visit(
      [&](auto member) -> std::optional<Json> {
        if (spec.*member == defaults.*member) return std::nullopt;
        return Json(spec.*member);
      },
      field.member);
}

void assign(PointSpec& spec, const Field& field, const Json& json) {
  std::visit(
      [&](auto member) {
        using T = std::decay_t<decltype(spec.*member)>;
        if constexpr (std::is_same_v<T, std::int64_t>) {
          if (!json.is_number_integer() || json.get<std::int64_t>() < 0) {
            throw InputError(field.name + " must be a whole number not below zero");
          }
          check_choice(field, std::to_string(json.get<std::int64_t>()));
        }
        try {
          spec.*member = json.get<T>();
        } catch (const Json::exception&) {
          throw InputError(
              fmt::format("{} has the value {} of the wrong kind", field.name, json.dump()));
        }
        if constexpr (std::is_same_v<T, std::string>) check_choice(field, spec.*member);
      },
      field.member);
}

/// Quoted for a POSIX shell when it needs to be.
std::string shell_quote(const std::string& text) {
  static constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::string flag_text(const Field& field, const std::string& value) {
  return fmt::format(" {} {}", field.flag, shell_quote(value));
}

std::string flags_of(const PointSpec& spec, const Field& field) {
  return std::visit(
      [&](auto member) -> std::string {
        const auto& value = spec.*member;
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::string>) {
          return flag_text(field, value);
        } else if constexpr (std::is_same_v<T, bool>) {
          return " " + field.flag;
        } else if constexpr (std::is_same_v<T, double>) {
          return flag_text(field, fmt::format("{}W", value));
        } else if constexpr (std::is_arithmetic_v<T>) {
          return flag_text(field, std::to_string(value));
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          std::string out;
          for (const std::string& item : value) out += flag_text(field, item);
          return out;
        } else {
          std::string out;
          for (const auto& [name, item] : value) {
            out += flag_text(field, fmt::format("{}={}", name, item));
          }
          return out;
        }
      },
      field.member);
}

/// `rtl.BLOCK` and `op_sizes.NAME`; false when the field has no such prefix.
bool set_map_entry(PointSpec& spec, std::string_view field, std::string_view value) {
  const std::size_t dot = field.find('.');
  if (dot == std::string_view::npos) return false;
  const std::string entry(field.substr(dot + 1));
  if (field.substr(0, dot) == "rtl") {
    spec.rtl[entry] = std::string(value);
    return true;
  }
  if (field.substr(0, dot) == "op_sizes") {
    spec.op_sizes[entry] = parse_number<std::int64_t>(std::string(field), value);
    return true;
  }
  return false;
}

}  // namespace

Json to_json(const PointSpec& spec) {
  Json json = Json::object();
  for (const Field& field : fields()) {
    if (auto value = field_json(spec, field)) json[field.name] = std::move(*value);
  }
  return json;
}

PointSpec point_from_json(const Json& json) {
  if (!json.is_object()) throw InputError("a point is a JSON object, not " + json.dump());
  PointSpec spec;
  for (const auto& [name, value] : json.items()) assign(spec, find_field(name), value);
  return spec;
}

std::string canonical_text(const PointSpec& spec) {
  return to_json(spec).dump();
}

PointSpec point_from_text(std::string_view text) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::exception& error) {
    throw InputError(fmt::format("a point's text is not JSON: {}", error.what()));
  }
  return point_from_json(json);
}

void set_field(PointSpec& spec, std::string_view name, std::string_view value) {
  if (name == "set") {
    if (value.find('=') == std::string_view::npos) {
      throw InputError(fmt::format("'{}' is not of the form path=value", value));
    }
    spec.sets.emplace_back(value);
    return;
  }
  if (set_map_entry(spec, name, value)) return;
  const Field& field = find_field(name);
  check_choice(field, std::string(value));
  std::visit(
      [&](auto member) {
        using T = std::decay_t<decltype(spec.*member)>;
        if constexpr (std::is_same_v<T, std::string>) {
          spec.*member = std::string(value);
        } else if constexpr (std::is_same_v<T, bool>) {
          if (value != "true" && value != "false") {
            throw InputError(fmt::format("{} is '{}', expected true or false", name, value));
          }
          spec.*member = value == "true";
        } else if constexpr (std::is_same_v<T, double>) {
          spec.*member = parse_watts(field.name, value);
        } else if constexpr (std::is_arithmetic_v<T>) {
          spec.*member = parse_number<T>(field.name, value);
        } else {
          throw InputError(fmt::format("{} takes entries: write {}.NAME", name, name));
        }
      },
      field.member);
}

const std::vector<std::string>& field_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const Field& field : fields()) out.push_back(field.name);
    return out;
  }();
  return names;
}

std::string command_line(const PointSpec& spec) {
  if (!spec.op.empty()) return "athena run --point " + shell_quote(canonical_text(spec));
  std::string out = "athena run " + shell_quote(spec.model);
  for (const Field& field : fields()) {
    if (!field.flag.empty() && field_json(spec, field)) out += flags_of(spec, field);
  }
  return out;
}

}  // namespace athena::jobs
