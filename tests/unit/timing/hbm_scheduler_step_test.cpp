#include "timing/hbm_scheduler_step.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "timing/hbm_load.h"

namespace {
using namespace athena;
using namespace athena::timing;
}  // namespace

TEST_CASE("the scheduler is built for the derived HBM2E set, figure by figure") {
  const HbmSchedulerParams p;
  const HbmTimingSet t = load_timing("HBM2E-3.2Gbps-derived");
  const auto clocks = [&](Seconds s) {
    return static_cast<int>(std::lround(s.value() / to_seconds(t.clock_period()).value()));
  };
  CHECK(p.t_rcd_rd == t.tRCDRD);
  CHECK(p.t_rcd_wr == t.tRCDWR);
  CHECK(p.t_rp == t.tRP);
  CHECK(p.t_ras == t.tRAS);
  CHECK(p.t_rc == t.tRC);
  CHECK(p.t_wr == t.tWR);
  CHECK(p.t_rtp == t.tRTP);
  CHECK(p.t_ccd_s == t.tCCDS);
  CHECK(p.t_ccd_l == t.tCCDL);
  CHECK(p.t_rrd_s == t.tRRDS);
  CHECK(p.t_rrd_l == t.tRRDL);
  CHECK(p.t_faw == t.tFAW);
  CHECK(p.t_wtr_s == t.tWTRS);
  CHECK(p.t_wtr_l == t.tWTRL);
  CHECK(p.cl == t.tCL);
  CHECK(p.cwl == t.tCWL);
  CHECK(p.bl == t.tBL);
  CHECK(p.t_rfc == clocks(t.tRFC));
  CHECK(p.t_refi == clocks(t.tREFI));
}
