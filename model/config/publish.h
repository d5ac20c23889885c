#pragma once
/// A schema as others read it: JSON Schema for editors, a markdown page for people.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "config/kind.h"
#include "config/schema.h"

namespace athena::config {

/// JSON Schema (draft-07) of documents of this table; quantities are strings with their units.
[[nodiscard]] nlohmann::ordered_json json_schema(const StructSchema& schema);

/// The reference page of all kinds: every key with type, range, default and documentation.
[[nodiscard]] std::string reference_page(const std::vector<Kind>& kinds);

}  // namespace athena::config
