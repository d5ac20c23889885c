#pragma once
/// HBM systems from configuration: timing sets of configs/memory/, derived sets at any data rate,
/// and the systems that reference runs and chips name.
#include <string>
#include <string_view>
#include <vector>

#include "config/chip.h"
#include "config/schema.h"
#include "timing/hbm_spec.h"

namespace athena::timing {

/// The table of a file of configs/memory/.
[[nodiscard]] const config::StructSchema& schema_of(const HbmTimingSet*);

/// The timing set called `name`: a file of configs/memory/ (or a path), or
/// `<standard>-<rate>Gbps-derived` at any rate. Checked; throws InputError with the nearest name.
[[nodiscard]] HbmTimingSet load_timing(const std::string& name);

/// A timing set's name with the suffixes of the reference runs: -noref, -4Gb, -perbank, -rqN (read
/// queue), -frfcfs (first ready), -base (none). `mapping` is `plain` or `hash`; 1 to 16 channels.
[[nodiscard]] HbmSpec spec_from_name(const std::string& name, int channels,
                                     std::string_view mapping);

/// What a chip's configuration says about its memory.
struct HbmSystem {
  std::string timing;
  double gbps_per_pin = 0.0;  ///< 0 = the timing set's own; else the set is re-clocked to it
  int stacks = 1;
  int channels_per_stack = 8;
  Bytes capacity{0};  ///< 0 = what the timing set's density gives; else rows are sized to it
  Bytes interleave{256};
  bool hash = true;
};
[[nodiscard]] HbmSpec make_spec(const HbmSystem& system);

/// An address map as users write it: "column 4" and so on, least significant field first. Throws
/// InputError with the nearest name.
[[nodiscard]] std::vector<HbmMapSlice> read_map(const std::vector<std::string>& fields);

/// Checks the memory section of a chip's document: the timing set is known, the address map takes
/// every bit once, the capacity is there. Throws InputError with the place.
void check_memory(const config::Node& chip);

/// The memory of a chip, re-clocked to its pins; rows as the timing set has them, or up to four
/// times as many where the chip's capacity needs them.
[[nodiscard]] HbmSpec memory_spec(const config::ChipConfig& chip);

}  // namespace athena::timing
