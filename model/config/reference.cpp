#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "config/publish.h"

namespace athena::config {
namespace {

using Form = ValueType::Form;

constexpr const char* kHead =
    "# Configuration reference\n"
    "\n"
    "Written by `athena config reference`; a test compares it. Values carry units (`1.8 TB/s`,\n"
    "`64 GiB`, `1.53 GHz`); any value may be `{value: X, source: \"...\"}` or\n"
    "`{value: X, assumed: \"...\"}`; `base: NAME` inherits from another document of the kind;\n"
    "`--set a.b.c=value` overrides one key.\n";

std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

/// The table that a value leads to, through lists, maps and optionals.
const StructSchema* below(const ValueType& type) {
  if (type.form == Form::kStruct) return &type.structure();
  return type.element ? below(*type.element) : nullptr;
}

std::string default_text(const Field& field, const Node& defaults) {
  if (field.constraint.required) return "(required)";
  if (below(field.type) != nullptr) return "";
  const Node* value = defaults.find(field.key);
  if (value == nullptr) return "(none)";
  std::string text = to_yaml(*value);
  text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  constexpr std::size_t kLongest = 60;
  if (text.size() > kLongest) text = text.substr(0, kLongest) + " ...";
  return text.empty() ? "" : "`" + text + "`";
}

std::string type_cell(const Field& field) {
  const StructSchema* group = below(field.type);
  if (group == nullptr) return type_text(field.type, field.constraint);
  std::string link = fmt::format("[{0}](#{0})", group->name());
  if (field.type.form == Form::kList) return "list of " + link;
  if (field.type.form == Form::kMap) return "map of " + link;
  return link;
}

class Page {
 public:
  std::string text = kHead;

  void kind(const Kind& kind) {
    text += fmt::format("\n# Documents of kind {}\n", kind.name);
    section(*kind.schema);
  }

 private:
  void section(const StructSchema& schema) {
    if (std::find(done_.begin(), done_.end(), &schema) != done_.end()) return;
    done_.push_back(&schema);
    text += fmt::format("\n## {}\n{}\n\n", schema.name(), schema.doc());
    text += "| key | type | range | default | what it is |\n|---|---|---|---|---|\n";
    const Node defaults = write_struct(schema, schema.make().get());
    for (const Field& field : schema.fields()) {
      text += fmt::format("| `{}` | {} | {} | {} | {} |\n", field.key, cell(type_cell(field)),
                          cell(range_text(field.type, field.constraint)),
                          cell(default_text(field, defaults)), cell(field.doc));
    }
    for (const Field& field : schema.fields()) {
      if (const StructSchema* group = below(field.type)) section(*group);
    }
  }

  std::vector<const StructSchema*> done_;
};

}  // namespace

std::string reference_page(const std::vector<Kind>& kinds) {
  Page page;
  for (const Kind& kind : kinds) page.kind(kind);
  return std::move(page.text);
}

}  // namespace athena::config
