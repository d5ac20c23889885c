#pragma once
/// What the memory delivers when many cores fetch tiles of a matrix side by side, from the bank
/// model and nothing else.
#include "timing/hbm_spec.h"

namespace athena::timing {

/// What a fetch of tiles is measured by.
enum class TileFetch {
  kWave,   ///< 2048 segments asked for at once, to the last byte: channels do not end together
  kSteady  ///< every core asks for its next tile when one has come; start and end are left out
};

/// Factor by which short row segments stretch a transfer against one long stream of the same bytes
/// (1 or more): cores fetch neighbouring column tiles of a matrix of 16-bit numbers whose rows are
/// 16.1 KiB apart, `bytes` of each row. Measured on HbmFast once per size, memory and kind of
/// fetch, then remembered. Sizes are rounded up to a power of two; from 16 KiB on a segment is a
/// stream.
[[nodiscard]] double tile_stretch(const HbmSpec& spec, std::int64_t bytes,
                                  TileFetch fetch = TileFetch::kWave);

}  // namespace athena::timing
