#pragma once
/// How the parts of a core name variables and streams.
#include <cstddef>
#include <cstdint>

#include "program/program.h"

namespace athena::compute {

/// Place of a program variable in an environment.
constexpr std::size_t index_of(program::Var var) {
  return static_cast<std::size_t>(var);
}
/// A stream of a context as the tag of a callback.
constexpr std::uint32_t tag_of(std::uint32_t context, std::size_t engine) {
  return context * 8 + static_cast<std::uint32_t>(engine);
}

}  // namespace athena::compute
