#pragma once
/// Small arithmetic that the HBM models share.
#include <bit>
#include <cstddef>
#include <cstdint>

#include "timing/hbm_ticks.h"

namespace athena::timing {

constexpr std::uint64_t bit(int i) {
  return std::uint64_t{1} << i;
}
/// Index of the lowest set bit.
inline int lowest(std::uint64_t mask) {
  return std::countr_zero(mask);
}
/// Of a power of two.
inline int log2_of(int value) {
  return std::bit_width(static_cast<unsigned>(value)) - 1;
}
inline void raise(Tick& floor, Tick value) {
  if (value > floor) floor = value;
}
inline void lower(Tick& wake, Tick value) {
  if (value < wake) wake = value;
}
inline std::size_t at(int i) {
  return static_cast<std::size_t>(i);
}

}  // namespace athena::timing
