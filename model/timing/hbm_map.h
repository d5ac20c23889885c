#pragma once
/// From an address to channel, bank, row and column: any list of bit slices with XOR hashing,
/// applied as one linear map over GF(2) by table look-up, a quarter of the address bits each.
#include <cstdint>
#include <vector>

#include "timing/hbm_spec.h"

namespace athena::timing {

/// Where one column access lands.
struct HbmPlace {
  std::uint32_t channel = 0;
  std::uint32_t bank =
      0;  ///< in the channel: pseudo-channel, SID, bank group, bank (top to bottom)
  std::uint32_t column = 0;
  std::uint32_t row = 0;
};

/// Bijective map of [0, capacity) onto (channel, bank, row, column). A channel count that is no
/// power of two is divided out first; hashing then rotates the channels instead of XOR-ing them.
class HbmMap {
 public:
  /// Throws InputError when the slices repeat or miss a bit, or do not fit the organisation.
  explicit HbmMap(const HbmSpec& spec);

  [[nodiscard]] HbmPlace place(std::uint64_t address) const {
    std::uint64_t inner = address;
    std::uint64_t turn = 0;
    if (odd_channels_ != 0) {
      const std::uint64_t block = address >> interleave_bits_;
      const std::uint64_t group = block / odd_channels_;
      turn = block - group * odd_channels_;
      inner = (group << interleave_bits_) | (address & interleave_mask_);
      if (hash_) turn += rotation(group);
    }
    inner >>= low_bits_;
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < kTables; ++i) {
      word ^= tables_[(i << table_bits_) + (inner & table_mask_)];
      inner >>= table_bits_;
    }
    HbmPlace place;
    place.bank = static_cast<std::uint32_t>(word & 0xff);
    place.column = static_cast<std::uint32_t>((word >> kColumnShift) & 0xff);
    place.row = static_cast<std::uint32_t>(word >> kRowShift);
    place.channel = odd_channels_ != 0
                        ? static_cast<std::uint32_t>(turn % odd_channels_)
                        : static_cast<std::uint32_t>((word >> kChannelShift) & 0xfff);
    return place;
  }
  /// Longest run of bytes, aligned to itself, that stays in one row of one bank.
  [[nodiscard]] std::uint32_t run_bytes() const { return run_bytes_; }
  [[nodiscard]] std::uint64_t capacity() const { return capacity_; }
  /// Addresses must be below capacity(): throws InputError naming the address otherwise.
  void check_range(std::uint64_t address, Bytes bytes) const;

  /// Where each field's bits are taken from (before hashing), least significant first.
  [[nodiscard]] const std::vector<HbmMapSlice>& slices() const { return slices_; }

 private:
  static constexpr std::size_t kTables = 4;
  static constexpr int kColumnShift = 8;
  static constexpr int kChannelShift = 16;
  static constexpr int kRowShift = 32;

  [[nodiscard]] std::uint64_t rotation(std::uint64_t group) const {
    // Multiplicative (Fibonacci) hashing of the group number: 2^64 / golden ratio.
    return (group * 0x9e3779b97f4a7c15ULL) >> 40;
  }

  std::vector<std::uint64_t> tables_;  // of equal size, one behind the other
  std::vector<HbmMapSlice> slices_;
  std::uint64_t odd_channels_ = 0;  // 0: the channel is part of the linear map
  std::uint64_t interleave_mask_ = 0;
  std::uint64_t capacity_ = 0;
  std::uint32_t run_bytes_ = 0;
  int interleave_bits_ = 0;
  int low_bits_ = 0;    // inside an access: they choose nothing
  int table_bits_ = 1;  // address bits that index one table
  std::uint64_t table_mask_ = 1;
  bool hash_ = false;
};

}  // namespace athena::timing
