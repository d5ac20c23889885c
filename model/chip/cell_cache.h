#pragma once
/// What a hardware cache holds, at the grain of lines in matrices: a cell is a block of row slices
/// by lines, with one bit for each slice of each line, replaced least recently used.
///
/// Exact in what is present (lines of 128 bytes, slices of one to four rows); coarse only in what
/// leaves: a cell at a time, less than a hundredth of any cache it is used for. A line-by-line
/// cache would cost a thousand times more.
#include <array>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

#include "program/program.h"

namespace athena::chip {

/// A rectangle of a region's copy.
struct CellWindow {
  std::int64_t row = 0, rows = 0;      ///< rows
  std::int64_t column = 0, bytes = 0;  ///< byte columns
};

class CellCache {
 public:
  /// Data that must move because of one access.
  struct Outcome {
    std::int64_t hit = 0;                ///< bytes served by the cache
    std::int64_t missed = 0;             ///< bytes fetched from memory (reads), whole lines
    std::int64_t missing_row = 0;        ///< first row fetched
    std::int64_t missing_column = 0;     ///< first byte column fetched
    std::int64_t missing_row_bytes = 0;  ///< contiguous bytes of a fetched row
    std::int64_t evicted_dirty = 0;      ///< bytes to write back
    std::int64_t evicted_address = 0;    ///< of the last dirty cell that left
  };

  /// `capacity` in bytes.
  explicit CellCache(std::int64_t capacity) : capacity_(capacity) {}

  /// Reads or writes a window of the copy `repeat` of region number `region`; what was absent
  /// becomes present (written data dirty, without a fetch: caches keep a mask of written sectors).
  /// The result is valid until the next call.
  const Outcome& access(int region, std::int64_t repeat, const program::Region& shape,
                        const CellWindow& window, bool write);
  void reset();

 private:
  static constexpr std::size_t kLines = 16;  ///< lines in a row of a cell
  struct Cell {
    std::uint64_t key = 0;
    std::array<std::uint64_t, kLines> present{};  ///< bit: a slice of rows
    std::array<std::uint64_t, kLines> dirty{};
    std::int64_t bytes = 0;  ///< held
    std::int64_t dirty_bytes = 0;
    std::int64_t address = 0;
  };
  /// The part of a window that lies in one cell.
  struct Part {
    std::uint64_t slices = 0;     ///< mask
    std::int64_t last_slice = 0;  ///< number of the region's last slice in this cell, or 64
    std::int64_t last_rows = 0;   ///< rows of that slice
    std::size_t first_line = 0, last_line = 0;
    std::int64_t row = 0, column = 0;  ///< of the cell
  };
  std::int64_t slice_of(int region, const program::Region& shape, const CellWindow& window);
  Cell& find(std::uint64_t key, std::int64_t address);
  void touch(Cell& cell, const Part& part, std::int64_t slice, std::int64_t row_bytes, bool write);
  void evict();

  std::int64_t capacity_;
  std::int64_t used_ = 0;
  std::vector<std::int64_t> slices_;  ///< rows of a slice, by region
  std::list<Cell> order_;             ///< most recent first
  std::unordered_map<std::uint64_t, std::list<Cell>::iterator> cells_;
  Outcome outcome_;
};

}  // namespace athena::chip
