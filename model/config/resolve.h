#pragma once
/// From a name on the command line to the effective document: finds the file, applies `base:` and
/// `--set`.
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "config/node.h"
#include "config/schema.h"

namespace athena::config {

/// The folder that holds configs/ and workloads/: $ATHENA_ROOT, else the source tree this binary
/// was built from, else the working directory.
[[nodiscard]] std::filesystem::path repository_root();

/// The file of a document: `name_or_path` itself when it is a path (has a '/' or an extension
/// .yaml, .yml, .json), else configs/KIND/NAME.yaml or workloads/KIND/NAME.yaml, by file name or
/// by one of the document's `aliases`. Throws InputError with the nearest name.
[[nodiscard]] std::filesystem::path find_document(const std::string& name_or_path,
                                                  std::string_view kind);

/// Whether find_document() would find one.
[[nodiscard]] bool has_document(const std::string& name_or_path, std::string_view kind);

/// Names of all documents of a kind that ship with the repository, sorted.
[[nodiscard]] std::vector<std::string> list_documents(std::string_view kind);

/// The document with its `base:` chain merged below it (maps key by key, everything else replaced;
/// `name` and `aliases` are not inherited) and the `--set` overrides on top. Throws InputError.
[[nodiscard]] Node resolve(const std::string& name_or_path, std::string_view kind,
                           const std::vector<std::string>& sets = {});

/// Applies one "a.b.c=value" or "a.list.0=value" (also list[0]); the value is YAML.
void apply_set(Node& document, const std::string& assignment);

/// `over` on top of `under`, as `base:` does it.
[[nodiscard]] Node merge(Node under, const Node& over);

/// resolve and bind in one.
template <class T>
[[nodiscard]] T load(const std::string& name_or_path, std::string_view kind,
                     const std::vector<std::string>& sets = {}) {
  return bind<T>(resolve(name_or_path, kind, sets));
}

}  // namespace athena::config
