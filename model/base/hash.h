#pragma once
/// Content hashes that name artefacts (configs, programs, results) across runs and machines.
#include <string>
#include <string_view>

namespace athena {

/// 128-bit XXH3 of the bytes, as 32 lower-case hexadecimal digits. Not for secrets.
[[nodiscard]] std::string content_hash(std::string_view bytes);

}  // namespace athena
