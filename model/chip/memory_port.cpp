#include "chip/memory_port.h"

#include <algorithm>
#include <bit>

namespace athena::chip {
namespace {

constexpr std::int64_t kSampleSegments = 2048;
/// Rows of a matrix of 8192 16-bit columns plus one line: no power of two, as padded matrices are.
constexpr std::int64_t kSamplePitch = 16384 + 128;
/// Windows under way at once in the sample: what a few dozen cores fetch side by side.
constexpr std::int64_t kSampleWindows = 32;
/// Rows between the fastest and the slowest of them. Assumed: a tile's depth.
constexpr std::int64_t kSampleDrift = 32;
/// Bytes from which a transfer is taken to load all channels alike: it covers a good part of them,
/// and dozens of its kind are under way at once, so the rest evens out. Smaller ones are placed on
/// their own channels.
constexpr std::int64_t kScattered = 8192;

}  // namespace

MemoryPort::MemoryPort(const timing::HbmSpec& spec) : memory_(spec), spec_(spec) {}

double MemoryPort::stretch(std::int64_t row_bytes) {
  const auto size = static_cast<std::int64_t>(
      std::bit_ceil(static_cast<std::uint64_t>(std::max<std::int64_t>(row_bytes, 32))));
  if (size >= 16384) return 1.0;
  const auto known = stretch_.find(size);
  if (known != stretch_.end()) return known->second;
  timing::HbmFast tiles(spec_);
  Time end{0};
  const std::int64_t rows = kSampleSegments / kSampleWindows;
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t window = 0; window < kSampleWindows; ++window) {
      // Cores fetch neighbouring column tiles and have drifted apart by a few rows.
      const std::int64_t address = (row + window * 5 % kSampleDrift) * kSamplePitch + window * size;
      end = std::max(
          end, tiles.access(Time(0), static_cast<std::uint64_t>(address), Bytes(size), false));
    }
  }
  timing::HbmFast stream(spec_);
  const Time sequential = stream.access(Time(0), 0, Bytes(kSampleSegments * size), false);
  const double ratio = std::max(1.0, end / sequential);
  stretch_[size] = ratio;
  return ratio;
}

Time MemoryPort::access(Time arrival, std::uint64_t address, Bytes row_bytes, std::int64_t rows,
                        Bytes pitch, bool write) {
  if (rows <= 0 || row_bytes.value() <= 0) return arrival;
  const std::int64_t bytes = row_bytes.value() * rows;
  if (rows == 1 || row_bytes == pitch) {
    return bytes < kScattered ? memory_.access(arrival, address, Bytes(bytes), write)
                              : memory_.spread(arrival, address, Bytes(bytes), write);
  }
  if (bytes < kScattered) return memory_.access_2d(arrival, address, row_bytes, rows, pitch, write);
  const auto stretched =
      static_cast<std::int64_t>(static_cast<double>(bytes) * stretch(row_bytes.value()));
  const std::uint64_t limit = memory_.capacity() - static_cast<std::uint64_t>(stretched);
  return memory_.spread(arrival, std::min(address, limit), Bytes(stretched), write);
}

void note_memory(timing::Timeline& timeline, const config::ChipConfig& chip, Time done,
                 std::int64_t bytes, bool write) {
  const Time least = to_time(Seconds(static_cast<double>(bytes) / chip.memory.peak.value()));
  timeline.flow(write ? timing::Flow::kMemoryWrite : timing::Flow::kMemoryRead,
                std::max(Time(0), done - least), done, static_cast<double>(bytes));
}

}  // namespace athena::chip
