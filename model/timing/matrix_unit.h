#pragma once
/// Cycles of one core's matrix units on one tile product.
#include <cstdint>

#include "base/dtype.h"
#include "config/chip.h"

namespace athena::timing {

/// A product of m x n results over depth k as the matrix units of one core run it. Unit: core
/// cycles.
struct MatmulCycles {
  double occupied = 0;  ///< until the units can take the next product
  double latency = 0;   ///< from the last operand to the last result, beyond `occupied`
};

/// Systolic units (depth 1) stream tiles through stationary weights as timing/systolic.h says;
/// dot-product units (depth > 1) make rows x cols results per step of `depth` products, and edges
/// are padded to that shape. Operands come from the scratchpad at operand_bytes_per_cycle, each
/// read once per sub-tile that a group of threads holds in registers (64 x 64, or 32 x 32 on small
/// tiles), so that small tiles are bound by the scratchpad; its port also takes in the operands
/// that arrive. Throws InputError when the units cannot run `type`.
[[nodiscard]] MatmulCycles matmul_cycles(const config::MatrixConfig& unit, Dtype type,
                                         std::int64_t m, std::int64_t n, std::int64_t k);

/// Bytes that the units read from the scratchpad per step of the depth of an m x n tile: each
/// operand once per sub-tile in registers, as above.
[[nodiscard]] double operand_bytes(Dtype type, std::int64_t m, std::int64_t n);

}  // namespace athena::timing
