#pragma once
/// The part of a result that a caller looks at. A sweep reads a handful of numbers of results that
/// have hundreds: what it does not read is stored as text and never parsed in the parent.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace athena::jobs {

/// Dotted paths under which one wanted value may be found, the first that exists counts.
using Alternatives = std::vector<std::string>;

/// What stands under a dotted path of a JSON object; null when nothing does.
[[nodiscard]] const nlohmann::ordered_json* find_path(const nlohmann::ordered_json& json,
                                                      std::string_view path);

/// The wanted values of `result`, under the paths at which they were found. A result that lacks one
/// of them is returned whole: whoever asked can then say what it does have.
[[nodiscard]] nlohmann::ordered_json excerpt_of(const nlohmann::ordered_json& result,
                                                const std::vector<Alternatives>& wanted);

}  // namespace athena::jobs
