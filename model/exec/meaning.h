#pragma once
/// What an instruction does to memory. The machine decides when; at completion it calls this.
#include <array>
#include <cstdint>

#include "program/program.h"

namespace athena::exec {

/// Where an instruction ran: the core, and which of the core's scratch allocations it used.
struct Place {
  int core = 0;
  int context = 0;
  std::int64_t repeat = 0;
};

/// Stages of the rings that operands a, b, c, d of an instruction stood at.
using Slots = std::array<std::int64_t, 4>;

class Meaning {
 public:
  Meaning() = default;
  Meaning(const Meaning&) = delete;
  Meaning& operator=(const Meaning&) = delete;
  virtual ~Meaning() = default;
  /// Applies a load, store, matmul or vector instruction.
  virtual void apply(const Place& place, const program::Kernel& kernel,
                     const program::Instruction& instruction, const program::Env& env,
                     const Slots& slots) = 0;
};

}  // namespace athena::exec
