#include "chip/cell_cache.h"

#include <algorithm>
#include <bit>

namespace athena::chip {
namespace {

constexpr std::int64_t kSlices = 64;      // rows of a cell, in slices
constexpr std::int64_t kLine = 128;       // bytes
constexpr std::int64_t kMostOfSlice = 4;  // rows

std::uint64_t mask_of(std::int64_t first, std::int64_t last) {
  const std::int64_t count = last - first + 1;
  const std::uint64_t ones = count >= kSlices ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
  return ones << first;
}

}  // namespace

void CellCache::reset() {
  used_ = 0;
  slices_.clear();
  order_.clear();
  cells_.clear();
}

/// Fixed by the first window of a region: a slice is no coarser than a sixty-fourth of it.
std::int64_t CellCache::slice_of(int region, const program::Region& shape,
                                 const CellWindow& window) {
  const auto index = static_cast<std::size_t>(region);
  if (slices_.size() <= index) slices_.resize(index + 1, 0);
  std::int64_t& slice = slices_[index];
  if (slice == 0) {
    const std::int64_t rows = std::min(shape.rows, window.rows);
    slice = std::clamp<std::int64_t>(rows / kSlices, 1, kMostOfSlice);
  }
  return slice;
}

void CellCache::evict() {
  const Cell& oldest = order_.back();
  if (oldest.dirty_bytes > 0) {
    outcome_.evicted_dirty += oldest.dirty_bytes;
    outcome_.evicted_address = oldest.address;
  }
  used_ -= oldest.bytes;
  cells_.erase(oldest.key);
  order_.pop_back();
}

CellCache::Cell& CellCache::find(std::uint64_t key, std::int64_t address) {
  const auto found = cells_.find(key);
  if (found != cells_.end()) {
    order_.splice(order_.begin(), order_, found->second);
    return order_.front();
  }
  order_.emplace_front();
  order_.front().key = key;
  order_.front().address = address;
  cells_.emplace(key, order_.begin());
  return order_.front();
}

void CellCache::touch(Cell& cell, const Part& part, std::int64_t slice, std::int64_t row_bytes,
                      bool write) {
  std::int64_t run = 0;  // contiguous lines fetched
  for (std::size_t line = part.first_line; line <= part.last_line; ++line) {
    const std::int64_t start = part.column + static_cast<std::int64_t>(line) * kLine;
    const std::int64_t width = std::min(kLine, row_bytes - start);
    const auto bytes_of = [&](std::uint64_t mask) {
      std::int64_t rows = std::popcount(mask) * slice;
      if (part.last_slice < kSlices && ((mask >> part.last_slice) & 1U) != 0)
        rows -= slice - part.last_rows;
      return rows * width;
    };
    const std::uint64_t absent = part.slices & ~cell.present[line];
    cell.present[line] |= part.slices;
    const std::int64_t arrived = absent == 0 ? 0 : bytes_of(absent);
    cell.bytes += arrived;
    used_ += arrived;
    if (write) {
      const std::uint64_t clean = part.slices & ~cell.dirty[line];
      cell.dirty[line] |= part.slices;
      if (clean != 0) cell.dirty_bytes += bytes_of(clean);
      continue;
    }
    if (absent == 0) {
      run = 0;
      continue;
    }
    if (outcome_.missed == 0) {
      outcome_.missing_row = part.row + std::countr_zero(absent) * slice;
      outcome_.missing_column = start;
    }
    run += width;
    outcome_.missed += arrived;
    outcome_.missing_row_bytes = std::max(outcome_.missing_row_bytes, run);
  }
}

const CellCache::Outcome& CellCache::access(int region, std::int64_t repeat,
                                            const program::Region& shape, const CellWindow& window,
                                            bool write) {
  outcome_ = {};
  const std::int64_t slice = slice_of(region, shape, window);
  const std::int64_t cell_rows = slice * kSlices;
  constexpr std::int64_t kCellBytes = kLine * static_cast<std::int64_t>(kLines);
  const std::int64_t last_row = std::min(shape.rows, window.row + window.rows) - 1;
  const std::int64_t last_byte = std::min(shape.row_bytes, window.column + window.bytes) - 1;
  for (std::int64_t i = window.row / cell_rows; i <= last_row / cell_rows; ++i) {
    Part part;
    part.row = i * cell_rows;
    part.slices = mask_of((std::max(window.row, part.row) - part.row) / slice,
                          (std::min(last_row, part.row + cell_rows - 1) - part.row) / slice);
    part.last_slice = std::min((shape.rows - 1 - part.row) / slice, kSlices);
    part.last_rows = shape.rows - part.row - part.last_slice * slice;
    for (std::int64_t j = window.column / kCellBytes; j <= last_byte / kCellBytes; ++j) {
      part.column = j * kCellBytes;
      part.first_line =
          static_cast<std::size_t>((std::max(window.column, part.column) - part.column) / kLine);
      part.last_line = static_cast<std::size_t>(
          (std::min(last_byte, part.column + kCellBytes - 1) - part.column) / kLine);
      const std::uint64_t key =
          (static_cast<std::uint64_t>(region) << 48) | (static_cast<std::uint64_t>(repeat) << 40) |
          (static_cast<std::uint64_t>(i) << 20) | static_cast<std::uint64_t>(j);
      const std::int64_t address =
          shape.address + repeat * shape.repeat_stride + part.row * shape.pitch + part.column;
      touch(find(key, address), part, slice, shape.row_bytes, write);
    }
  }
  while (used_ > capacity_ && order_.size() > 1) evict();
  const std::int64_t asked = (last_row - window.row + 1) * (last_byte - window.column + 1);
  outcome_.hit = std::max<std::int64_t>(0, asked - outcome_.missed);
  return outcome_;
}

}  // namespace athena::chip
