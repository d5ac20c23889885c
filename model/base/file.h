#pragma once
/// Files, with the two promises the rest of the house relies on: a file is read whole or the reason
/// is said, and a result file is either the old one or the complete new one, never half of it.
#include <filesystem>
#include <string>
#include <string_view>

namespace athena {

/// The whole file. Throws InputError when it is missing or cannot be read.
[[nodiscard]] std::string read_file(const std::filesystem::path& path);

/// Writes to a temporary sibling, syncs it and renames it into place; creates missing folders.
/// Throws MachineError (full disk, no permission), leaving nothing behind.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

}  // namespace athena
