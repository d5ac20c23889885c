#include "config/kind.h"

#include <filesystem>

#include "base/error.h"
#include "base/text.h"
#include "config/resolve.h"

namespace athena::config {
namespace {

std::vector<std::string> names_of(const std::vector<Kind>& kinds) {
  std::vector<std::string> out;
  out.reserve(kinds.size());
  for (const Kind& kind : kinds) out.push_back(kind.name);
  return out;
}

const Kind* by_name(const std::vector<Kind>& kinds, const std::string& name) {
  for (const Kind& kind : kinds) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

bool is_file(const std::string& text) {
  std::error_code code;
  return std::filesystem::is_regular_file(text, code);
}

/// The deepest folder decides; of kinds that both fit, the longer name ("stacks/collectives").
const Kind& kind_by_folder(const std::vector<Kind>& kinds, const std::string& path) {
  const std::filesystem::path absolute = std::filesystem::absolute(path).lexically_normal();
  for (std::filesystem::path folder = absolute.parent_path(); folder.has_relative_path();
       folder = folder.parent_path()) {
    const Kind* best = nullptr;
    for (const Kind& kind : kinds) {
      if (!folder.generic_string().ends_with("/" + kind.name)) continue;
      if (best == nullptr || kind.name.size() > best->name.size()) best = &kind;
    }
    if (best != nullptr) return *best;
  }
  throw InputError("'" + path + "' lies in no folder that tells its kind; say --kind (" +
                   join(names_of(kinds), ", ") + ").");
}

}  // namespace

const Kind& find_kind(const std::vector<Kind>& kinds, const std::string& name) {
  if (const Kind* kind = by_name(kinds, name)) return *kind;
  throw InputError("there is no kind of document '" + name + "'." +
                   did_you_mean(name, names_of(kinds)) +
                   " There are: " + join(names_of(kinds), ", ") + ".");
}

const Kind& kind_of(const std::vector<Kind>& kinds, const std::string& name_or_path) {
  if (is_file(name_or_path)) return kind_by_folder(kinds, name_or_path);
  if (name_or_path.find('/') != std::string::npos)
    throw InputError("there is no file '" + name_or_path + "'.");
  std::vector<std::string> all;
  for (const Kind& kind : kinds) {
    for (const std::string& name : list_documents(kind.name)) {
      if (name == name_or_path) return kind;
      all.push_back(name);
    }
  }
  for (const Kind& kind : kinds) {
    if (has_document(name_or_path, kind.name)) return kind;
  }
  throw InputError("there is no document '" + name_or_path + "'." +
                   did_you_mean(name_or_path, all));
}

void check_document(const Kind& kind, const Node& document) {
  const std::shared_ptr<void> object = kind.schema->make();
  read_struct(*kind.schema, document, "", object.get());
  if (kind.check) kind.check(document);
}

}  // namespace athena::config
