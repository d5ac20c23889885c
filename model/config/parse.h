#pragma once
/// Text to tree. JSON is read too, being YAML.
#include <filesystem>
#include <string>
#include <string_view>

#include "config/node.h"

namespace athena::config {

/// Reads one strict YAML document: no duplicate keys, anchors, tags or second document. A map
/// {value: X, source: "..."} or {value: X, assumed: "..."} becomes X carrying that note.
/// Throws InputError with file:line:column.
[[nodiscard]] Node parse_file(const std::filesystem::path& path);

/// The same for a text; `name` stands for the file in places and origins.
[[nodiscard]] Node parse_text(std::string_view text, const std::string& name);

}  // namespace athena::config
