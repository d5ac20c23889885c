#pragma once
/// Kinds of documents: what may stand in configs/KIND/ and which table reads it. Rooms define the
/// tables; the command line gathers them, so that this room needs to know none.
#include <functional>
#include <string>
#include <vector>

#include "config/node.h"
#include "config/schema.h"

namespace athena::config {

struct Kind {
  std::string name;  ///< folder below configs/ (or workloads/): "chips"
  const StructSchema* schema = nullptr;
  /// Checks beyond the table (other files it names, physics); throws InputError. May be empty.
  std::function<void(const Node&)> check = {};
};

/// The kind called `name`. Throws InputError with the nearest one.
[[nodiscard]] const Kind& find_kind(const std::vector<Kind>& kinds, const std::string& name);

/// The kind of a document: by its folder when it is a path, else the first kind in the list that
/// has a document of that name (a chip goes before the product that prices it). Throws InputError.
[[nodiscard]] const Kind& kind_of(const std::vector<Kind>& kinds, const std::string& name_or_path);

/// Reads the document as its kind and runs the kind's checks. Throws InputError.
void check_document(const Kind& kind, const Node& document);

}  // namespace athena::config
