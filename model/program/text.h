#pragma once
/// Programs as text for people, and back: assemble(disassemble(p)) is p, byte for byte once
/// encoded.
#include <string>
#include <string_view>

#include "program/program.h"

namespace athena::program {

/// One line per region, buffer, part and instruction.
[[nodiscard]] std::string disassemble(const Program& program);
/// Inverse of disassemble(). Throws InputError with file and line.
[[nodiscard]] Program assemble(std::string_view text, const std::string& file);

}  // namespace athena::program
