#include "config/resolve.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "config/parse.h"

namespace athena::config {
namespace {

namespace fs = std::filesystem;

/// Longest chain of `base:`; real ones are two or three long.
constexpr std::size_t kMaxBaseDepth = 16;

bool is_path(const std::string& text) {
  const std::string extension = fs::path(text).extension().string();
  return text.find('/') != std::string::npos || extension == ".yaml" || extension == ".yml" ||
         extension == ".json";
}

std::vector<fs::path> folders(std::string_view kind) {
  const fs::path root = repository_root();
  return {root / "configs" / kind, root / "workloads" / kind};
}

std::vector<fs::path> documents(std::string_view kind) {
  std::vector<fs::path> out;
  std::error_code code;
  for (const fs::path& folder : folders(kind)) {
    for (const auto& entry : fs::directory_iterator(folder, code)) {
      if (entry.path().extension() == ".yaml") out.push_back(entry.path());
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool has_alias(const fs::path& path, const std::string& name) {
  const Node document = parse_file(path);
  const Node* aliases = document.find("aliases");
  if (aliases == nullptr) return false;
  return std::any_of(aliases->list.begin(), aliases->list.end(),
                     [&](const Node& alias) { return alias.scalar == name; });
}

/// The file of a document, empty when there is none.
fs::path locate(const std::string& name_or_path, std::string_view kind) {
  std::error_code code;
  if (is_path(name_or_path)) return fs::exists(name_or_path, code) ? fs::path(name_or_path) : "";
  for (const fs::path& folder : folders(kind)) {
    fs::path candidate = folder / (name_or_path + ".yaml");
    if (fs::exists(candidate, code)) return candidate;
  }
  for (const fs::path& path : documents(kind)) {
    if (has_alias(path, name_or_path)) return path;
  }
  return "";
}

/// Paths in errors and origins are written relative to the working directory where that is shorter.
std::string shown(const fs::path& path) {
  // Finding the way from folder to folder asks the system for every step of it: once is enough.
  thread_local std::map<std::pair<fs::path, fs::path>, std::string> known;
  std::error_code code;
  std::string& text = known[{fs::current_path(code), path}];
  if (!text.empty()) return text;
  const fs::path relative = fs::relative(path, code);
  const bool shorter =
      !code && !relative.empty() && relative.string().size() < path.string().size();
  text = shorter ? relative.string() : path.string();
  return text;
}

/// That a file is missing, and which of its neighbours may have been meant.
std::string missing_file(const std::string& path) {
  const fs::path folder = fs::path(path).has_parent_path() ? fs::path(path).parent_path() : ".";
  std::vector<std::string> names;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return "there is no file '" + path + "'." +
         did_you_mean(fs::path(path).filename().string(), names);
}

Node load_chain(const fs::path& path, std::string_view kind, std::vector<fs::path>& chain);

/// The document that `base` of `document` names: a file beside it, or a document of the kind.
Node load_base(const Node& base, const fs::path& of, std::string_view kind,
               std::vector<fs::path>& chain) {
  if (!base.is_scalar())
    throw InputError(base.where, "base: expected a name or a file, got " + describe(base) + ".");
  fs::path path;
  try {
    path = is_path(base.scalar) ? of.parent_path() / base.scalar : find_document(base.scalar, kind);
  } catch (const InputError& error) {
    throw InputError(base.where, std::string("base: ") + error.what());
  }
  std::error_code code;
  if (!fs::exists(path, code)) throw InputError(base.where, "base: " + missing_file(path.string()));
  const auto same = [&](const fs::path& seen) { return fs::equivalent(seen, path, code); };
  if (std::any_of(chain.begin(), chain.end(), same))
    throw InputError(base.where, "base: '" + base.scalar + "' leads back to itself.");
  if (chain.size() >= kMaxBaseDepth)
    throw InputError(base.where, fmt::format("base: more than {} documents deep.", kMaxBaseDepth));
  return load_chain(path, kind, chain);
}

Node load_chain(const fs::path& path, std::string_view kind, std::vector<fs::path>& chain) {
  chain.push_back(path);
  Node document = parse_file(shown(path));
  if (document.is_null()) document = map_node();
  if (!document.is_map())
    throw InputError(Location{shown(path), 1, 1},
                     "expected 'key: value' lines, got " + describe(document) + ".");
  const Node* base = document.find("base");
  if (base == nullptr) return document;
  Node under = load_base(*base, path, kind, chain);
  under.erase("aliases");
  // A variant that gives itself no name is called as its file is.
  if (Node* name = under.find("name"); name != nullptr && name->is_scalar())
    name->scalar = path.stem().string();
  document.erase("base");
  return merge(std::move(under), document);
}

/// "a.b[0].c" -> a, b, 0, c.
std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> out(1);
  for (const char c : path) {
    if (c == '.' || c == '[') {
      out.emplace_back();
    } else if (c != ']') {
      out.back() += c;
    }
  }
  return out;
}

Node* step_into_list(Node& list, const std::string& word, const std::string& sofar,
                     const Location& where) {
  std::size_t index = 0;
  const char* const end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data(), end, index);
  if (error != std::errc() || stop != end)
    throw InputError(where,
                     fmt::format("'{}' is a list; expected an index, got '{}'.", sofar, word));
  if (index >= list.list.size())
    throw InputError(where, fmt::format("'{}' has {} items; there is no index {}.", sofar,
                                        list.list.size(), index));
  return &list.list[index];
}

/// A value that YAML reads as one plain scalar of exactly this text: most of what `--set` and
/// sweeps give. Anything else goes to the parser.
bool is_plain_scalar(std::string_view text) {
  if (text.empty() || std::isalnum(static_cast<unsigned char>(text.front())) == 0 ||
      text.back() == ' ' || text == "null" || text == "Null" || text == "NULL") {
    return false;
  }
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == ' ' || c == '.' || c == '-' || c == '_' || c == '/';
  });
}

Node value_of(std::string_view text, const std::string& origin) {
  return is_plain_scalar(text) ? scalar_node(std::string(text)) : parse_text(text, origin);
}

void mark_origin(Node& node, const std::string& origin, const Location& where) {
  node.origin = origin;
  node.where = where;
  for (Entry& entry : node.map) {
    entry.where = where;
    mark_origin(entry.value, origin, where);
  }
  for (Node& item : node.list) mark_origin(item, origin, where);
}

}  // namespace

fs::path repository_root() {
  if (const char* root = std::getenv("ATHENA_ROOT"); root != nullptr && *root != '\0') return root;
  std::error_code code;
  fs::path source(ATHENA_DEFAULT_ROOT);
  if (fs::exists(source / "configs", code)) return source;
  return fs::current_path();
}

std::vector<std::string> list_documents(std::string_view kind) {
  std::vector<std::string> out;
  for (const fs::path& path : documents(kind)) out.push_back(path.stem().string());
  return out;
}

bool has_document(const std::string& name_or_path, std::string_view kind) {
  return !locate(name_or_path, kind).empty();
}

fs::path find_document(const std::string& name_or_path, std::string_view kind) {
  fs::path found = locate(name_or_path, kind);
  if (!found.empty()) return found;
  if (is_path(name_or_path)) throw InputError(missing_file(name_or_path));
  const std::vector<std::string> names = list_documents(kind);
  std::string remedy = did_you_mean(name_or_path, names);
  if (remedy.empty() && !names.empty()) remedy = " There are: " + join(names, ", ") + ".";
  throw InputError(fmt::format("there is no document '{}' in {}/.{}", name_or_path,
                               (fs::path("configs") / kind).string(), remedy));
}

Node merge(Node under, const Node& over) {
  if (!under.is_map() || !over.is_map()) return over;
  for (const Entry& entry : over.map) {
    Node* below = under.find(entry.key);
    if (below != nullptr) {
      *below = merge(std::move(*below), entry.value);
    } else {
      under.map.push_back(entry);
    }
  }
  under.where = over.where;
  under.origin = over.origin;
  return under;
}

void apply_set(Node& document, const std::string& assignment) {
  const std::size_t equals = assignment.find('=');
  const std::string origin = "--set " + assignment;
  const Location where{origin};
  if (equals == std::string::npos || equals == 0)
    throw InputError(where, "expected KEY=VALUE, such as memory.stacks=6.");
  Node value = value_of(std::string_view(assignment).substr(equals + 1), origin);
  mark_origin(value, origin, where);
  const std::vector<std::string> words = split_path(assignment.substr(0, equals));
  Node* node = &document;
  std::string sofar;
  for (const std::string& word : words) {
    if (word.empty()) throw InputError(where, "the key has an empty part.");
    if (node->is_list()) {
      node = step_into_list(*node, word, sofar, where);
    } else if (node->is_scalar()) {
      throw InputError(where, fmt::format("'{}' is a value, there is nothing below it.", sofar));
    } else {
      Node* below = node->find(word);
      if (below == nullptr) {
        Node missing;
        missing.where = where;
        below = &node->set(word, std::move(missing));
      }
      node = below;
    }
    sofar += (sofar.empty() ? "" : ".") + word;
  }
  *node = std::move(value);
}

Node resolve(const std::string& name_or_path, std::string_view kind,
             const std::vector<std::string>& sets) {
  const fs::path path = find_document(name_or_path, kind);
  std::vector<fs::path> chain;
  Node document = load_chain(path, kind, chain);
  for (const std::string& assignment : sets) apply_set(document, assignment);
  return document;
}

}  // namespace athena::config
