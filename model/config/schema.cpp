#include "config/schema.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace athena::config {
namespace {

std::string joined(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

/// `source:` and `assumed:` inside a group are notes on the whole group.
bool is_group_note(const Entry& entry) {
  return (entry.key == "source" || entry.key == "assumed") && entry.value.is_scalar();
}

void refuse_unknown_keys(const StructSchema& schema, const Node& node, const std::string& path) {
  for (const Entry& entry : node.map) {
    if (schema.find(entry.key) != nullptr || is_group_note(entry)) continue;
    const std::string group = path.empty() ? "a " + schema.name() : "'" + path + "'";
    std::string remedy = did_you_mean(entry.key, schema.keys());
    if (remedy.empty()) remedy = " Its keys: " + join(schema.keys(), ", ") + ".";
    throw InputError(entry.where,
                     fmt::format("there is no key '{}' in {}.{} (See configs/REFERENCE.md, section "
                                 "{}.)",
                                 entry.key, group, remedy, schema.name()));
  }
}

}  // namespace

const Field* StructSchema::find(std::string_view key) const {
  for (const Field& field : fields_) {
    if (field.key == key) return &field;
  }
  return nullptr;
}

std::vector<std::string> StructSchema::keys() const {
  std::vector<std::string> out;
  out.reserve(fields_.size());
  for (const Field& field : fields_) out.push_back(field.key);
  return out;
}

void StructSchema::add(std::string_view key, std::string_view doc, std::ptrdiff_t offset,
                       const MemberAccess& access, std::initializer_list<const Option*> options) {
  Field field{std::string(key), std::string(doc), access.type(), {}, offset, &access};
  for (const Option* option : options) refine(field.constraint, *option);
  fields_.push_back(std::move(field));
}

std::string StructSchema::violation(const void* object) const {
  for (const auto& rule : checks_) {
    std::string sentence = rule(object);
    if (!sentence.empty()) return sentence;
  }
  return "";
}

void read_struct(const StructSchema& schema, const Node& node, const std::string& path,
                 void* object) {
  if (!node.is_map())
    refuse(node, path,
           fmt::format("expected the keys of a {} ({}), got {}.", schema.name(),
                       join(schema.keys(), ", "), describe(node)));
  refuse_unknown_keys(schema, node, path);
  for (const Field& field : schema.fields()) {
    const Node* value = node.find(field.key);
    if (value != nullptr) {
      field.read(*value, joined(path, field.key), object);
    } else if (field.constraint.required) {
      refuse(node, path, fmt::format("the key '{}' is missing ({}).", field.key, field.doc));
    }
  }
  const std::string broken = schema.violation(object);
  if (!broken.empty()) refuse(node, path, broken);
}

Node write_struct(const StructSchema& schema, const void* object) {
  Node node = map_node();
  for (const Field& field : schema.fields()) {
    Node value = field.write(object);
    if (!value.is_null()) node.set(field.key, std::move(value));
  }
  return node;
}

}  // namespace athena::config
