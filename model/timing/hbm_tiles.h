#pragma once
/// What the memory delivers when many cores fetch tiles of a matrix side by side, from the bank
/// model and nothing else.
#include "timing/hbm_spec.h"

namespace athena::timing {

/// Factor by which short row segments stretch a transfer against one long stream of the same bytes
/// (1 or more). Measured on HbmFast once per size and memory, then remembered: 32 cores fetch
/// neighbouring column tiles of a matrix of 16-bit numbers whose rows are 16.5 KiB apart, `bytes`
/// of each row, and have drifted apart by up to 32 rows. Sizes are rounded up to a power of two;
/// from 16 KiB on a segment is a stream.
[[nodiscard]] double tile_stretch(const HbmSpec& spec, std::int64_t bytes);

}  // namespace athena::timing
