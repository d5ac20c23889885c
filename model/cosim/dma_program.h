#pragma once
/// Lists of DMA descriptors against a memory of fixed latency: on the model, on the RTL, and in
/// closed form.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "timing/block.h"
#include "timing/dma_step.h"

namespace athena::cosim {

/// A memory that takes every request at once.
struct DmaMemory {
  int read_latency = 24;   ///< cycles from a read's acceptance to its first beat; one beat a cycle
  int write_latency = 10;  ///< cycles from a burst's last beat to its acknowledgement
};

/// Runs the descriptors, offered one behind the other, and returns for each the cycles from the
/// first one's acceptance to its semaphore. Throws Contradiction when data is lost or a semaphore
/// is wrong.
[[nodiscard]] std::vector<std::int64_t> run_dma_program(
    timing::Block& engine, std::span<const timing::DmaDescriptor> program, const DmaMemory& memory);

/// One PARITY line per program; throws Contradiction when cycles differ: of every copy alone
/// against the closed form, of whole programs against the stepped model.
[[nodiscard]] std::vector<std::string> dma_parity();

}  // namespace athena::cosim
