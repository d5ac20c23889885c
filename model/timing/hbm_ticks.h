#pragma once
/// A timing set as the command scheduler needs it: ticks between first cycles of commands.
#include <cstdint>

#include "timing/hbm_spec.h"

namespace athena::timing {

/// One tick is tCK, or tCK/2 where row commands count in half clocks.
using Tick = std::int64_t;

/// JEDEC measures between the last cycles of two commands; a controller counts from first cycles,
/// so every figure is corrected by the lengths of the two commands (`off` below).
struct HbmTicks {
  explicit HbmTicks(const HbmTimingSet& t);

  Time period{0};     ///< one tick
  int per_clock = 1;  ///< ticks of one tCK; columns, ACT and REF start on multiples of this
  Tick act_bus = 0, pre_bus = 0, col_bus = 0;  ///< command bus occupancy
  Tick burst = 0;                              ///< data bus occupancy of one access
  Tick act_rd = 0, act_wr = 0, act_pre = 0, act_act = 0, act_ref = 0;
  Tick pre_act = 0, pre_ref = 0, pre_pre = 0;
  Tick rd_pre = 0, wr_pre = 0;
  Tick rrd_s = 0, rrd_l = 0, faw = 0;
  Tick ccd_s = 0, ccd_l = 0, ccd_r = 0;
  Tick rtw = 0, wtr_s = 0, wtr_l = 0;
  Tick read_latency = 0, write_latency = 0;  ///< column command to last byte
  Tick rfc = 0, refi = 0, rfc_pb = 0, refi_pb = 0, rrefd = 0, act_refpb = 0;

  [[nodiscard]] Time time(Tick t) const { return period * t; }
};

}  // namespace athena::timing
