#include "explore/sobol.h"

#include <algorithm>
#include <bit>

namespace athena::explore {
namespace {

/// A primitive polynomial (degree, inner coefficients) and the first direction numbers.
struct Direction {
  std::size_t degree;
  std::uint32_t polynomial;
  std::array<std::uint32_t, 7> first;
};

// Rows 2..21 of new-joe-kuo-6; the first dimension is van der Corput's and needs none.
constexpr std::array<Direction, 20> kTable{{{1, 0, {1}},
                                            {2, 1, {1, 3}},
                                            {3, 1, {1, 3, 1}},
                                            {3, 2, {1, 1, 1}},
                                            {4, 1, {1, 1, 3, 3}},
                                            {4, 4, {1, 3, 5, 13}},
                                            {5, 2, {1, 1, 5, 5, 17}},
                                            {5, 4, {1, 1, 5, 5, 5}},
                                            {5, 7, {1, 1, 7, 11, 19}},
                                            {5, 11, {1, 1, 5, 1, 1}},
                                            {5, 13, {1, 1, 1, 3, 11}},
                                            {5, 14, {1, 3, 5, 5, 31}},
                                            {6, 1, {1, 3, 3, 9, 7, 49}},
                                            {6, 13, {1, 1, 1, 15, 21, 21}},
                                            {6, 16, {1, 3, 1, 13, 27, 49}},
                                            {6, 19, {1, 1, 1, 15, 7, 5}},
                                            {6, 22, {1, 3, 1, 15, 13, 25}},
                                            {6, 25, {1, 1, 5, 5, 19, 61}},
                                            {7, 1, {1, 3, 7, 11, 23, 15, 103}},
                                            {7, 4, {1, 3, 7, 13, 13, 15, 69}}}};

template <std::size_t N>
std::array<std::uint32_t, N> direction_numbers(std::size_t dimension) {
  std::array<std::uint32_t, N> v{};
  if (dimension == 0) {
    for (std::size_t i = 0; i < N; ++i) v[i] = 1U << (N - 1 - i);
    return v;
  }
  const Direction& row = kTable[dimension - 1];
  const std::size_t s = row.degree;
  for (std::size_t i = 0; i < N; ++i) {
    if (i < s) {
      v[i] = row.first[i] << (N - 1 - i);
      continue;
    }
    v[i] = v[i - s] ^ (v[i - s] >> s);
    for (std::size_t k = 1; k < s; ++k) {
      if (((row.polynomial >> (s - 1 - k)) & 1U) != 0U) v[i] ^= v[i - k];
    }
  }
  return v;
}

}  // namespace

Sobol::Sobol(std::size_t dimensions, std::uint64_t seed) : point_(dimensions), padding_(seed) {
  const std::size_t tabulated = std::min(dimensions, kTable.size() + 1);
  for (std::size_t i = 0; i < tabulated; ++i) directions_.push_back(direction_numbers<kBits>(i));
  state_.assign(tabulated, 0);
}

const std::vector<double>& Sobol::next() {
  const auto bit = static_cast<std::size_t>(std::countr_one(count_++));
  for (std::size_t i = 0; i < point_.size(); ++i) {
    if (i >= state_.size()) {
      point_[i] = padding_.uniform();
      continue;
    }
    state_[i] ^= directions_[i][bit % kBits];
    point_[i] = static_cast<double>(state_[i]) * 0x1.0p-32;
  }
  return point_;
}

}  // namespace athena::explore
