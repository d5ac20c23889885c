#include "timing/hbm_tiles.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <queue>
#include <string>
#include <vector>

#include "timing/hbm_fast.h"

namespace athena::timing {
namespace {

/// Rows of a matrix of 8192 16-bit columns plus one line: no power of two, as padded matrices are.
constexpr std::int64_t kPitch = 16384 + 128;
/// Cores that fetch side by side, each down its own columns: they share out the width of the
/// matrix.
constexpr std::int64_t kLeastCores = 32;
constexpr std::int64_t kMostCores = 128;
/// Bytes of one tile, and tiles that a core has under way: three stages for each of two items, as
/// large matrix kernels have. Small ones: it is asked for in every point of a sweep.
constexpr std::int64_t kTileBytes = 4096;
constexpr std::int64_t kMostRows = 32;
constexpr std::int64_t kAhead = 6;
constexpr std::int64_t kTiles = 16;  ///< of one core
constexpr std::int64_t kStream = 16384;

constexpr std::int64_t kSegments = 2048;
/// Windows under way at once: what a few dozen cores fetch side by side.
constexpr std::int64_t kWindows = 32;
/// Rows between the fastest and the slowest of them. Assumed: a tile's depth.
constexpr std::int64_t kDrift = 32;

/// All windows of a wave, to the last byte of the fullest channel.
double wave(const HbmSpec& spec, std::int64_t size) {
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

/// Time per byte in the middle of the fetch, when every core is under way, against the bare bus.
/// Without refresh, which stops a stream just as long.
double steady(HbmSpec spec, std::int64_t size) {
  spec.refresh = HbmRefresh::kNone;
  HbmFast memory(spec);
  const std::int64_t cores = std::clamp(kStream / size, kLeastCores, kMostCores);
  const std::int64_t all = cores * kTiles;
  const std::int64_t rows = std::clamp<std::int64_t>(kTileBytes / size, 1, kMostRows);
  struct Next {
    Time at{0};
    std::int64_t core = 0;
    bool operator<(const Next& other) const {
      return at != other.at ? at > other.at : core > other.core;
    }
  };
  std::priority_queue<Next> ready;
  for (std::int64_t i = 0; i < cores * kAhead; ++i) ready.push({Time(0), i % cores});
  std::array<std::int64_t, kMostCores> fetched{};
  std::vector<Time> ends;
  ends.reserve(static_cast<std::size_t>(all));
  while (static_cast<std::int64_t>(ends.size()) < all) {
    const Next next = ready.top();
    ready.pop();
    std::int64_t& tile = fetched[static_cast<std::size_t>(next.core)];
    if (tile == kTiles) continue;
    const auto address =
        static_cast<std::uint64_t>(tile++ * rows * kPitch + next.core * size) % memory.capacity();
    ends.push_back(memory.access_2d(next.at, address, Bytes(size), rows, Bytes(kPitch), false));
    ready.push({ends.back(), next.core});
  }
  std::sort(ends.begin(), ends.end());
  const Time middle =
      ends[static_cast<std::size_t>(all * 3 / 4)] - ends[static_cast<std::size_t>(all / 4)];
  const Time bus = transfer_time(Bytes(all / 2 * rows * size), spec.peak());
  return std::max(1.0, middle / bus);
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

double tile_stretch(const HbmSpec& spec, std::int64_t bytes, TileFetch fetch) {
  const auto size = static_cast<std::int64_t>(
      std::bit_ceil(static_cast<std::uint64_t>(std::max<std::int64_t>(bytes, 32))));
  if (size >= kStream) return 1.0;
  static thread_local std::map<std::string, double> known;
  const std::string key = fmt::format("{} {} {}", identity(spec), size, static_cast<int>(fetch));
  const auto found = known.find(key);
  if (found != known.end()) return found->second;
  return known[key] = fetch == TileFetch::kWave ? wave(spec, size) : steady(spec, size);
}

}  // namespace athena::timing
