#include "chip/cell_cache.h"

#include <algorithm>
#include <bit>

namespace athena::chip {
namespace {

constexpr std::int64_t kSlices = 64;
constexpr std::int64_t kWidestCell =
    2048;  // bytes: wide rows are cut so that column tiles can share them

std::uint64_t mask_of(std::int64_t first, std::int64_t last) {
  const std::int64_t count = last - first + 1;
  const std::uint64_t ones = count >= kSlices ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
  return ones << first;
}

}  // namespace

void CellCache::reset() {
  used_ = 0;
  grains_.clear();
  order_.clear();
  cells_.clear();
}

const CellCache::Grain& CellCache::grain(int region, const program::Region& shape,
                                         const CellWindow& window) {
  const auto index = static_cast<std::size_t>(region);
  if (grains_.size() <= index) grains_.resize(index + 1);
  Grain& grain = grains_[index];
  if (grain.rows == 0) {
    grain.slice = std::max<std::int64_t>(1, (window.rows + kSlices - 1) / kSlices);
    grain.rows = std::min(shape.rows, grain.slice * kSlices);
    grain.bytes =
        std::min({shape.row_bytes, kWidestCell, std::max<std::int64_t>(64, window.bytes)});
  }
  return grain;
}

void CellCache::evict() {
  const Cell& oldest = order_.back();
  const std::int64_t dirty = std::popcount(oldest.dirty) * oldest.slice_bytes;
  if (dirty > 0) {
    outcome_.evicted_dirty += dirty;
    outcome_.evicted_address = oldest.address;
  }
  used_ -= std::popcount(oldest.present) * oldest.slice_bytes;
  cells_.erase(oldest.key);
  order_.pop_back();
}

void CellCache::touch(std::uint64_t key, std::uint64_t mask, std::int64_t slice_bytes,
                      std::int64_t address, bool write, std::uint64_t& absent) {
  const auto found = cells_.find(key);
  if (found == cells_.end()) {
    absent = mask;
    order_.push_front({key, mask, write ? mask : 0, slice_bytes, address});
    cells_.emplace(key, order_.begin());
    used_ += std::popcount(mask) * slice_bytes;
  } else {
    Cell& cell = *found->second;
    absent = mask & ~cell.present;
    used_ += std::popcount(absent) * slice_bytes;
    cell.present |= mask;
    if (write) cell.dirty |= mask;
    order_.splice(order_.begin(), order_, found->second);
  }
  while (used_ > capacity_ && order_.size() > 1) evict();
}

const CellCache::Outcome& CellCache::access(int region, std::int64_t repeat,
                                            const program::Region& shape, const CellWindow& window,
                                            bool write) {
  outcome_.hit = outcome_.missed = outcome_.evicted_dirty = 0;
  outcome_.missing.clear();
  const Grain g = grain(region, shape, window);
  const std::int64_t last_row = std::min(shape.rows, window.row + window.rows) - 1;
  const std::int64_t last_byte = std::min(shape.row_bytes, window.column + window.bytes) - 1;
  for (std::int64_t cell_row = window.row / g.rows; cell_row <= last_row / g.rows; ++cell_row) {
    const std::int64_t base = cell_row * g.rows;
    const std::int64_t from = std::max(window.row, base) - base;
    const std::int64_t to = std::min(last_row, base + g.rows - 1) - base;
    const std::uint64_t mask = mask_of(from / g.slice, to / g.slice);
    for (std::int64_t cell_column = window.column / g.bytes; cell_column <= last_byte / g.bytes;
         ++cell_column) {
      const std::int64_t first_byte = cell_column * g.bytes;
      const std::int64_t width = std::min(g.bytes, shape.row_bytes - first_byte);
      const std::uint64_t key =
          (static_cast<std::uint64_t>(region) << 48) | (static_cast<std::uint64_t>(repeat) << 40) |
          (static_cast<std::uint64_t>(cell_row) << 20) | static_cast<std::uint64_t>(cell_column);
      std::uint64_t absent = 0;
      const std::int64_t address =
          shape.address + repeat * shape.repeat_stride + base * shape.pitch + first_byte;
      const std::int64_t from_byte = std::max(window.column, first_byte);
      const std::int64_t to_byte = std::min(first_byte + width - 1, last_byte);
      // A read of a part of a cell's columns makes it present with its last part: depth is walked
      // from left to right.
      if (write || to_byte == first_byte + width - 1) {
        touch(key, mask, g.slice * width, address, write, absent);
      } else {
        const auto found = cells_.find(key);
        absent = found == cells_.end() ? mask : mask & ~found->second->present;
      }
      const std::int64_t columns = to_byte - from_byte + 1;
      const std::int64_t touched = (to - from + 1) * columns;
      const std::int64_t missed =
          touched * std::popcount(absent) / std::max(1, std::popcount(mask));
      outcome_.missed += missed;
      outcome_.hit += touched - missed;
      if (absent == 0 || write) continue;
      const std::int64_t rows =
          std::max<std::int64_t>(1, (to - from + 1) * std::popcount(absent) / std::popcount(mask));
      const std::int64_t skipped = std::countr_zero(absent) * g.slice;
      outcome_.missing.push_back({base + std::max(from, skipped), rows, from_byte, columns});
    }
  }
  return outcome_;
}

}  // namespace athena::chip
