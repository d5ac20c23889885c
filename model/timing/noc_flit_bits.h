#pragma once
/// Bit sets and flit words of the flit tier; private to its two source files.
#include <bit>
#include <cstddef>
#include <cstdint>

namespace athena::timing::flit {

using Mask = std::uint64_t;

inline constexpr std::uint32_t kHead = 1;  ///< a flit is its packet's number and these two bits
inline constexpr std::uint32_t kTail = 2;

[[nodiscard]] inline std::size_t at(int i) {
  return static_cast<std::size_t>(i);
}
[[nodiscard]] inline Mask bit(std::uint32_t i) {
  return Mask{1} << i;
}

/// First member of a non-empty set at or after `from`, cyclically.
[[nodiscard]] inline int round_robin(Mask set, unsigned from) {
  const Mask later = from < 64 ? set & (~Mask{0} << from) : 0;
  return std::countr_zero(later != 0 ? later : set);
}

}  // namespace athena::timing::flit
