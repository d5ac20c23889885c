#pragma once
/// From an address to channel, bank, row and column: any list of bit slices with XOR hashing,
/// applied as one linear map over GF(2) by table look-up, nine address bits each.
#include <array>
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
  /// Throws InputError when the slices repeat or miss a bit, or do not fit the organisation, or the
  /// capacity is above what the tables look up (2 TiB at 32 B per access).
  explicit HbmMap(const HbmSpec& spec);

  [[nodiscard, gnu::always_inline]] HbmPlace place(std::uint64_t address) const {
    if (odd_channels_ != 0) [[unlikely]]
      return place_divided(address);
    const std::uint64_t word = look_up(address);
    return place_of(word, static_cast<std::uint32_t>((word >> kChannelShift) & 0xfff));
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
  static constexpr int kTableBits = 9;
  static constexpr std::uint64_t kTableMask = (std::uint64_t{1} << kTableBits) - 1;
  static constexpr int kColumnShift = 8;
  static constexpr int kChannelShift = 16;
  static constexpr int kRowShift = 32;

  /// For a channel count that is no power of two.
  [[nodiscard, gnu::noinline]] HbmPlace place_divided(std::uint64_t address) const {
    const std::uint64_t block = address >> interleave_bits_;
    const std::uint64_t group = block / odd_channels_;
    std::uint64_t turn = block - group * odd_channels_;
    if (hash_) turn += rotation(group);
    return place_of(look_up((group << interleave_bits_) | (address & interleave_mask_)),
                    static_cast<std::uint32_t>(turn % odd_channels_));
  }
  [[nodiscard, gnu::always_inline]] std::uint64_t look_up(std::uint64_t address) const {
    static_assert(kTables == 4);  // written out: a loop of fixed length is not unrolled
    const std::uint64_t a = address >> low_bits_;
    return tables_[0][a & kTableMask] ^ tables_[1][(a >> kTableBits) & kTableMask] ^
           tables_[2][(a >> 2 * kTableBits) & kTableMask] ^
           tables_[3][(a >> 3 * kTableBits) & kTableMask];
  }
  static HbmPlace place_of(std::uint64_t word, std::uint32_t channel) {
    return {channel, static_cast<std::uint32_t>(word & 0xff),
            static_cast<std::uint32_t>((word >> kColumnShift) & 0xff),
            static_cast<std::uint32_t>(word >> kRowShift)};
  }
  [[nodiscard]] std::uint64_t rotation(std::uint64_t group) const {
    // Multiplicative (Fibonacci) hashing of the group number: 2^64 / golden ratio.
    return (group * 0x9e3779b97f4a7c15ULL) >> 40;
  }

  /// The word of every value of nine address bits, from the lowest on.
  std::array<std::array<std::uint64_t, std::size_t{1} << kTableBits>, kTables> tables_{};
  std::vector<HbmMapSlice> slices_;
  std::uint64_t odd_channels_ = 0;  // 0: the channel is part of the linear map
  std::uint64_t interleave_mask_ = 0;
  std::uint64_t capacity_ = 0;
  std::uint32_t run_bytes_ = 0;
  int interleave_bits_ = 0;
  int low_bits_ = 0;  // inside an access: they choose nothing
  bool hash_ = false;
};

}  // namespace athena::timing
