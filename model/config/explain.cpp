#include "config/explain.h"

#include <algorithm>

namespace athena::config {
namespace {

using Form = ValueType::Form;

/// Walks the effective document beside the written one.
class Explainer {
 public:
  std::vector<ExplainedKey> keys;

  void structure(const StructSchema& schema, const Node& effective, const Node* written,
                 const std::string& path, const Node& note) {
    const Node group = group_note(written, note);
    for (const Field& field : schema.fields()) {
      const Node* value = effective.find(field.key);
      const Node* source = written == nullptr ? nullptr : written->find(field.key);
      const std::string below = path.empty() ? field.key : path + "." + field.key;
      if (value == nullptr) {
        add(field, "(none)", source, below, group, field.type);
      } else {
        this->value(field, field.type, *value, source, below, group);
      }
    }
  }

 private:
  /// `source` and `assumed` of a group hold for all its keys.
  static Node group_note(const Node* written, const Node& above) {
    Node note = above;
    if (written == nullptr) return note;
    const Node* source = written->find("source");
    const Node* assumed = written->find("assumed");
    if (source != nullptr || assumed != nullptr) note = Node{};
    if (source != nullptr) note.source = source->scalar;
    if (assumed != nullptr) note.assumed = assumed->scalar;
    return note;
  }

  void value(const Field& field, const ValueType& type, const Node& effective, const Node* written,
             const std::string& path, const Node& note) {
    const bool in_parts = type.element && has_parts(*type.element);
    if (type.form == Form::kOptional) {
      value(field, *type.element, effective, written, path, note);
    } else if (type.form == Form::kStruct) {
      structure(type.structure(), effective, written, path, note);
    } else if (type.form == Form::kMap && !effective.map.empty()) {
      const Node group = group_note(written, note);
      for (const Entry& entry : effective.map) {
        value(field, *type.element, entry.value,
              written == nullptr ? nullptr : written->find(entry.key), path + "." + entry.key,
              group);
      }
    } else if (type.form == Form::kList && in_parts && !effective.list.empty()) {
      for (std::size_t i = 0; i < effective.list.size(); ++i) {
        const bool present = written != nullptr && i < written->list.size();
        value(field, *type.element, effective.list[i], present ? &written->list[i] : nullptr,
              path + "[" + std::to_string(i) + "]", note);
      }
    } else {
      std::string text = to_yaml(effective);
      if (!text.empty() && text.back() == '\n') text.pop_back();
      std::replace(text.begin(), text.end(), '\n', ' ');
      add(field, text, written, path, note, type);
    }
  }

  static bool has_parts(const ValueType& type) {
    return type.form == Form::kStruct || type.form == Form::kMap ||
           (type.element && has_parts(*type.element));
  }

  void add(const Field& field, std::string text, const Node* written, const std::string& path,
           const Node& note, const ValueType& type) {
    const bool given = written != nullptr;
    const bool own_note = given && !(written->source.empty() && written->assumed.empty());
    const bool overridden = given && written->origin.starts_with("--set");
    const Node& why = own_note ? *written : note;
    keys.push_back(ExplainedKey{path, std::move(text), type_text(type, field.constraint),
                                range_text(type, field.constraint),
                                given ? written->origin : "default",
                                given && !overridden ? why.source : "",
                                given && !overridden ? why.assumed : "", field.doc});
  }
};

}  // namespace

Node effective(const StructSchema& schema, const Node& document) {
  const std::shared_ptr<void> object = schema.make();
  read_struct(schema, document, "", object.get());
  return write_struct(schema, object.get());
}

std::vector<ExplainedKey> explain(const StructSchema& schema, const Node& document) {
  Explainer explainer;
  explainer.structure(schema, effective(schema, document), &document, "", Node{});
  return std::move(explainer.keys);
}

}  // namespace athena::config
