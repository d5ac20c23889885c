#pragma once
/// What an instruction does to memory. The machine decides when; at completion it calls this.
#include <array>
#include <cstdint>
#include <vector>

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

/// The bytes that a load or store moves, row by row without gaps.
struct Moved {
  std::int64_t rows = 0, row_bytes = 0;
  std::vector<std::uint8_t> bytes;
};

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
  /// The two halves of a load or store, for machines whose DMA engines carry the bytes themselves:
  /// what lies at its source now, ..
  [[nodiscard]] virtual Moved fetch(const Place& /*place*/, const program::Kernel& /*kernel*/,
                                    const program::Instruction& /*instruction*/,
                                    const program::Env& /*env*/, const Slots& /*slots*/) {
    return {};
  }
  /// .. and putting what came out where it belongs. A meaning that does not part the two applies
  /// the whole at the end.
  virtual void deliver(const Place& place, const program::Kernel& kernel,
                       const program::Instruction& instruction, const program::Env& env,
                       const Slots& slots, const Moved& /*moved*/) {
    apply(place, kernel, instruction, env, slots);
  }
};

}  // namespace athena::exec
