#pragma once
/// Sobol's low-discrepancy sequence: points that cover a box more evenly than random ones.
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/rng.h"

namespace athena::explore {

/// Gray-code order (Antonov and Saleev 1979) with the direction numbers of Joe and Kuo (2008,
/// new-joe-kuo-6). Dimensions beyond the table are padded with seeded random numbers.
class Sobol {
 public:
  explicit Sobol(std::size_t dimensions, std::uint64_t seed = 1);
  /// The next point of [0, 1)^dimensions; the origin is left out.
  [[nodiscard]] const std::vector<double>& next();

 private:
  static constexpr std::size_t kBits = 32;
  std::vector<std::array<std::uint32_t, kBits>> directions_;  ///< per tabulated dimension
  std::vector<std::uint32_t> state_;
  std::vector<double> point_;
  std::uint64_t count_ = 0;
  Rng padding_;
};

}  // namespace athena::explore
