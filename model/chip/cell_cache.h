#pragma once
/// What a hardware cache holds, at the grain at which kernels touch it: cells of a region, each
/// with a mask of 64 row slices, replaced least recently used. Exact for tiles that align with the
/// grain of the first kernel that touched the region; a line-by-line cache would cost a thousand
/// times more.
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
    std::int64_t hit = 0;              ///< bytes
    std::int64_t missed = 0;           ///< bytes
    std::vector<CellWindow> missing;   ///< what to fetch from memory (reads)
    std::int64_t evicted_dirty = 0;    ///< bytes to write back
    std::int64_t evicted_address = 0;  ///< of the last dirty cell that left
  };

  explicit CellCache(std::int64_t capacity) : capacity_(capacity) {}

  /// Reads or writes a window of the copy `repeat` of region number `region`; what was absent
  /// becomes present (written data dirty). The result is valid until the next call.
  const Outcome& access(int region, std::int64_t repeat, const program::Region& shape,
                        const CellWindow& window, bool write);
  void reset();

 private:
  struct Grain {
    std::int64_t rows = 0;   ///< of a cell
    std::int64_t slice = 1;  ///< rows of one mask bit
    std::int64_t bytes = 0;  ///< columns of a cell
  };
  struct Cell {
    std::uint64_t key = 0;
    std::uint64_t present = 0;
    std::uint64_t dirty = 0;
    std::int64_t slice_bytes = 0;
    std::int64_t address = 0;
  };
  const Grain& grain(int region, const program::Region& shape, const CellWindow& window);
  void touch(std::uint64_t key, std::uint64_t mask, std::int64_t slice_bytes, std::int64_t address,
             bool write, std::uint64_t& absent);
  void evict();

  std::int64_t capacity_;
  std::int64_t used_ = 0;
  std::vector<Grain> grains_;
  std::list<Cell> order_;  ///< most recent first
  std::unordered_map<std::uint64_t, std::list<Cell>::iterator> cells_;
  Outcome outcome_;
};

}  // namespace athena::chip
