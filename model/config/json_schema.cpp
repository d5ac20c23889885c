#include <map>
#include <string>

#include "config/publish.h"

namespace athena::config {
namespace {

using Form = ValueType::Form;
using Json = nlohmann::ordered_json;

constexpr const char* kNumberPattern = "[-+]?[0-9]+(\\.[0-9]*)?([eE][-+]?[0-9]+)?";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '$' || c == '^' || c == '.' || c == '*' || c == '/') out += '\\';
    out += c;
  }
  return out;
}

std::string pattern_of(const Dimension& dimension) {
  std::string units;
  for (const Unit& unit : dimension.units) units += (units.empty() ? "" : "|") + escaped(unit.name);
  return "^" + std::string(kNumberPattern) + " ?(" + units + ")$";
}

/// Collects the structs met on the way under "definitions", so that tables may nest.
class SchemaWriter {
 public:
  Json definitions = Json::object();

  Json structure(const StructSchema& schema) {
    Json properties = Json::object();
    Json needed = Json::array();
    for (const Field& field : schema.fields()) {
      Json property = value(field.type, field.constraint);
      property["description"] = field.doc;
      properties[field.key] = std::move(property);
      if (field.constraint.required) needed.push_back(field.key);
    }
    for (const char* note : {"source", "assumed"}) {
      if (!properties.contains(note))
        properties[note] = {{"type", "string"}, {"description", "note on this group"}};
    }
    Json out{{"type", "object"}, {"description", schema.doc()}};
    out["properties"] = std::move(properties);
    out["additionalProperties"] = false;
    if (!needed.empty()) out["required"] = std::move(needed);
    return out;
  }

 private:
  Json value(const ValueType& type, const Constraint& constraint) {
    switch (type.form) {
      case Form::kStruct:
        return reference(type.structure());
      case Form::kMap: {
        Json out{{"type", "object"}};
        out["additionalProperties"] = value(*type.element, constraint);
        if (!type.key_choices.empty()) out["propertyNames"] = {{"enum", type.key_choices}};
        return out;
      }
      case Form::kList: {
        Json out{{"type", "array"}};
        out["items"] = value(*type.element, constraint);
        if (constraint.min_items > 0) out["minItems"] = constraint.min_items;
        if (constraint.max_items) out["maxItems"] = *constraint.max_items;
        return annotated(std::move(out));
      }
      case Form::kOptional: {
        Json out;
        out["anyOf"] = Json::array({value(*type.element, constraint), Json{{"type", "null"}}});
        return out;
      }
      case Form::kAny:
        return Json::object();
      default:
        return annotated(scalar(type, constraint));
    }
  }

  static Json scalar(const ValueType& type, const Constraint& constraint) {
    if (type.form == Form::kBool) return {{"type", "boolean"}};
    if (type.form == Form::kText) return {{"type", Json::array({"string", "number", "boolean"})}};
    if (type.form == Form::kChoice) return {{"enum", type.choices}};
    if (type.form == Form::kQuantity)
      return {{"type", "string"}, {"pattern", pattern_of(*type.dimension)}};
    if (!constraint.unit.empty()) {
      const std::string pattern =
          "^" + std::string(kNumberPattern) + " ?" + escaped(constraint.unit) + "$";
      return {{"type", "string"}, {"pattern", pattern}};
    }
    Json out{{"type", type.form == Form::kInteger ? "integer" : "number"}};
    if (constraint.min)
      out[constraint.above_min ? "exclusiveMinimum" : "minimum"] = *constraint.min;
    if (constraint.max) out["maximum"] = *constraint.max;
    if (type.form == Form::kInteger) return out;
    const std::string percent = "^" + std::string(kNumberPattern) + " ?%$";
    Json either;
    either["anyOf"] = Json::array({out, Json{{"type", "string"}, {"pattern", percent}}});
    return either;
  }

  /// X, or {value: X, source: ...}, or {value: X, assumed: ...}.
  static Json annotated(Json plain) {
    const Json text{{"type", "string"}};
    Json note{{"type", "object"}};
    note["properties"] = {{"value", plain}, {"source", text}, {"assumed", text}};
    note["required"] = Json::array({"value"});
    note["minProperties"] = 2;
    note["additionalProperties"] = false;
    Json out;
    out["anyOf"] = Json::array({std::move(plain), std::move(note)});
    return out;
  }

  Json reference(const StructSchema& schema) {
    const auto [known, fresh] = names_.try_emplace(&schema, schema.name());
    if (fresh) {
      if (definitions.contains(schema.name()))
        known->second += "-" + std::to_string(definitions.size());
      definitions[known->second] = Json::object();  // holds the place of a table that nests itself
      definitions[known->second] = structure(schema);
    }
    return {{"allOf", Json::array({Json{{"$ref", "#/definitions/" + known->second}}})}};
  }

  std::map<const StructSchema*, std::string> names_;
};

}  // namespace

Json json_schema(const StructSchema& schema) {
  SchemaWriter writer;
  Json root{{"$schema", "http://json-schema.org/draft-07/schema#"}, {"title", schema.name()}};
  Json body = writer.structure(schema);
  body["properties"]["base"] = {{"type", "string"},
                                {"description", "document of the same kind to inherit from"}};
  // What a base gives need not be repeated.
  if (body.contains("required")) body.erase("required");
  root.update(body);
  root["definitions"] = std::move(writer.definitions);
  return root;
}

}  // namespace athena::config
