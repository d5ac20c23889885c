#pragma once
/// Memory as a chip uses it: windows of matrices, mostly large ones, from many cores at once.
///
/// A window of several KiB is handed to the memory model as one transaction of all channels.
/// What its short rows cost beyond a sequential stream (rows opened for little data) is taken from
/// the memory model itself: at elaboration a sample of windows of each row length is timed segment
/// by segment, and the ratio to a stream stretches the transaction. Nothing is fitted.
#include <cstdint>
#include <map>

#include "config/chip.h"
#include "timing/hbm_fast.h"
#include "timing/timeline.h"

namespace athena::chip {

class MemoryPort {
 public:
  explicit MemoryPort(const timing::HbmSpec& spec);
  /// Completion of the last byte of `rows` segments of `row_bytes`, `pitch` apart. In global time
  /// order.
  Time access(Time arrival, std::uint64_t address, Bytes row_bytes, std::int64_t rows, Bytes pitch,
              bool write);
  void reset() { memory_.reset(); }
  [[nodiscard]] const timing::HbmFast& model() const { return memory_; }
  /// Time per byte of short segments relative to a sequential stream, at least 1.
  [[nodiscard]] double stretch(std::int64_t row_bytes);

 private:
  timing::HbmFast memory_;
  timing::HbmSpec spec_;
  std::map<std::int64_t, double> stretch_;  ///< by row bytes, a power of two
};

/// Puts a transfer whose last byte passed the pins at `done` on the timeline: it began no later
/// than its bytes take at the memory's peak.
void note_memory(timing::Timeline& timeline, const config::ChipConfig& chip, Time done,
                 std::int64_t bytes, bool write);

}  // namespace athena::chip
