#pragma once
/// Programs as files: a compact binary form that round-trips exactly.
#include <string>
#include <string_view>

#include "program/program.h"

namespace athena::program {

/// What every program file begins with; another version of the format begins otherwise.
inline constexpr std::string_view kMagic = "ATHENAPROGRAM1\n";

/// Magic, format version, content (CBOR). The same program gives the same bytes.
[[nodiscard]] std::string encode(const Program& program);
/// Inverse of encode(). `name` is used in errors. Throws InputError for a file that is no program,
/// is truncated or damaged, or has another format version.
[[nodiscard]] Program decode(std::string_view bytes, const std::string& name);

}  // namespace athena::program
