#include "timing/hbm_tiles.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>
#include <string>

#include "timing/hbm_fast.h"

namespace athena::timing {
namespace {

constexpr std::int64_t kSegments = 2048;
/// Rows of a matrix of 8192 16-bit columns plus one line: no power of two, as padded matrices are.
constexpr std::int64_t kPitch = 16384 + 128;
/// Windows under way at once: what a few dozen cores fetch side by side.
constexpr std::int64_t kWindows = 32;
/// Rows between the fastest and the slowest of them. Assumed: a tile's depth.
constexpr std::int64_t kDrift = 32;
constexpr std::int64_t kStream = 16384;

double sample(const HbmSpec& spec, std::int64_t size) {
  HbmFast tiles(spec);
  Time end{0};
  for (std::int64_t row = 0; row < kSegments / kWindows; ++row) {
    for (std::int64_t window = 0; window < kWindows; ++window) {
      const std::int64_t address = (row + window * 5 % kDrift) * kPitch + window * size;
      end = std::max(
          end, tiles.access(Time(0), static_cast<std::uint64_t>(address), Bytes(size), false));
    }
  }
  HbmFast stream(spec);
  const Time sequential = stream.access(Time(0), 0, Bytes(kSegments * size), false);
  return std::max(1.0, end / sequential);
}

/// Everything that a memory's timing depends on.
std::string identity(const HbmSpec& spec) {
  std::string text = fmt::format(
      "{} {} {}x{} {} {} {} {} {} {} {} {} {}", spec.timing.name, spec.timing.gbps, spec.stacks,
      spec.channels_per_stack, spec.interleave.value(), spec.hash, static_cast<int>(spec.refresh),
      static_cast<int>(spec.page), static_cast<int>(spec.scheduler), spec.read_queue,
      spec.write_queue, spec.drain_high, spec.drain_low);
  for (const HbmMapSlice& slice : spec.map) {
    text += fmt::format(" {}:{}", static_cast<int>(slice.field), slice.bits);
  }
  return text;
}

}  // namespace

double tile_stretch(const HbmSpec& spec, std::int64_t bytes) {
  const auto size = static_cast<std::int64_t>(
      std::bit_ceil(static_cast<std::uint64_t>(std::max<std::int64_t>(bytes, 32))));
  if (size >= kStream) return 1.0;
  static thread_local std::map<std::string, double> known;
  const std::string key = fmt::format("{} {}", identity(spec), size);
  const auto found = known.find(key);
  if (found != known.end()) return found->second;
  return known[key] = sample(spec, size);
}

}  // namespace athena::timing
