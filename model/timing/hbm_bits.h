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
/// Index of the lowest set bit; `mask` is not zero.
inline int lowest(std::uint64_t mask) {
  return __builtin_ctzll(mask);
}
/// Number of set bits, in a few plain instructions.
inline int count_bits(std::uint64_t mask) {
  if ((mask & (mask - 1)) == 0) return mask != 0 ? 1 : 0;
  mask -= (mask >> 1) & 0x5555555555555555ULL;
  mask = (mask & 0x3333333333333333ULL) + ((mask >> 2) & 0x3333333333333333ULL);
  mask = (mask + (mask >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
  return static_cast<int>((mask * 0x0101010101010101ULL) >> 56);
}
/// `mask` without its lowest `count` set bits.
inline std::uint64_t drop_bits(std::uint64_t mask, int count) {
  // Without a branch for the usual counts: taking zero from a mask leaves all its bits.
  for (int i = 0; i < 4; ++i) mask &= mask - static_cast<std::uint64_t>(i < count);
  for (; count > 4; --count) mask &= mask - 1;
  return mask;
}
/// Of a power of two.
inline int log2_of(int value) {
  return std::bit_width(static_cast<unsigned>(value)) - 1;
}
inline void raise(Tick& floor, Tick value) {
  floor = value > floor ? value : floor;
}
inline void lower(Tick& wake, Tick value) {
  wake = value < wake ? value : wake;
}
/// For choices without a branch: all bits set, or none.
inline Tick all_ones(bool condition) {
  return -static_cast<Tick>(condition);
}
/// `yes` where `mask` is all ones, `no` where it is zero.
inline Tick select(Tick mask, Tick yes, Tick no) {
  return no ^ ((yes ^ no) & mask);
}
inline std::size_t at(int i) {
  return static_cast<std::size_t>(i);
}

}  // namespace athena::timing
