#include "timing/hbm_ticks.h"

#include <cmath>

namespace athena::timing {

HbmTicks::HbmTicks(const HbmTimingSet& t) {
  per_clock = t.half_clock_rows != 0 ? 2 : 1;
  period = t.clock_period() / static_cast<std::int64_t>(per_clock);
  // ACT takes two clocks in HBM2 and one and a half in HBM3; PRE and REF one row cycle.
  act_bus = t.half_clock_rows != 0 ? 3 : 2;
  pre_bus = 1;
  col_bus = per_clock;
  const Tick act_off = act_bus - 1;
  const Tick pre_off = pre_bus - 1;
  const Tick col_off = col_bus - 1;
  const auto clocks = [&](int n) { return static_cast<Tick>(n) * per_clock; };
  const auto of_time = [&](Seconds s) {
    const double n = s.value() / to_seconds(t.clock_period()).value();
    return clocks(static_cast<int>(std::ceil(n - 1e-4)));
  };
  burst = clocks(t.tBL);
  act_rd = clocks(t.tRCDRD) + act_off - col_off;
  act_wr = clocks(t.tRCDWR) + act_off - col_off;
  act_pre = clocks(t.tRAS) + act_off - pre_off;
  act_act = clocks(t.tRC);
  act_ref = clocks(t.tRC) + act_off - pre_off;
  pre_act = clocks(t.tRP) + pre_off - act_off;
  pre_ref = clocks(t.tRP);
  pre_pre = clocks(t.tPPD);
  rd_pre = clocks(t.tRTP) + col_off - pre_off;
  wr_pre = clocks(t.tCWL + t.tBL + t.tWR) + col_off - pre_off;
  rrd_s = clocks(t.tRRDS);
  rrd_l = clocks(t.tRRDL);
  faw = clocks(t.tFAW);
  ccd_s = clocks(t.tCCDS);
  ccd_l = clocks(t.tCCDL);
  ccd_r = clocks(t.tCCDR);
  rtw = clocks(t.tRTW);
  wtr_s = clocks(t.tCWL + t.tBL + t.tWTRS);
  wtr_l = clocks(t.tCWL + t.tBL + t.tWTRL);
  read_latency = clocks(t.tCL + t.tBL);
  write_latency = clocks(t.tCWL + t.tBL);
  rfc = of_time(t.tRFC) + pre_off - act_off;
  refi = of_time(t.tREFI);
  rfc_pb = of_time(t.tRFCpb) + pre_off - act_off;
  // Every bank of both pseudo-channels once per tREFI.
  refi_pb =
      of_time(t.tREFI / static_cast<double>(t.pseudo_channels * t.bank_groups * t.banks_per_group));
  rrefd = of_time(t.tRREFD) + pre_off - act_off;
  act_refpb = clocks(t.tRRDS) + act_off - pre_off;
}

}  // namespace athena::timing
