#pragma once
/// Large tables column by column: what a page can hold ten thousand rows of.
#include <filesystem>
#include <nlohmann/json.hpp>

namespace athena::report {

/// A CSV file as {column: [numbers or texts]}, with `rows` (in the file) and `step` (every step-th
/// row is kept so that at most `limit` remain). Throws InputError when it cannot be read or a row
/// has another number of fields than the head.
[[nodiscard]] nlohmann::ordered_json csv_columns(const std::filesystem::path& path,
                                                 std::size_t limit);

/// The JSON of `athena sweep show` with its `rows` turned into `table`: {candidate: [...], tier:
/// [...], settings: {key: {texts: [...], index: [...]}}, columns: {name: [...]}, feasible: [0|1],
/// front: [0|1], reasons: {texts, index}}. An absent value is null, an absent text index -1.
/// Numbers keep six digits.
[[nodiscard]] nlohmann::ordered_json sweep_columns(nlohmann::ordered_json sweep);

}  // namespace athena::report
