#include "timing/hbm_spec.h"

#include <catch2/catch.hpp>
#include <set>

#include "base/error.h"
#include "base/rng.h"
#include "timing/hbm_load.h"
#include "timing/hbm_map.h"

using namespace athena;
using namespace athena::timing;

TEST_CASE("a derived set keeps the nanoseconds and rounds up", "[hbm]") {
  const HbmTimingSet base = load_timing("HBM2-2.0Gbps-8Gb");
  const double rate = GENERATE(2.4, 2.8, 3.2, 3.6, 4.0);
  const HbmTimingSet fast = derive_timing(base, "HBM2E", rate);
  const double period = 2.0 / rate;
  for (const auto& [from, to] : {std::pair{base.tCL, fast.tCL},
                                 {base.tRP, fast.tRP},
                                 {base.tRAS, fast.tRAS},
                                 {base.tFAW, fast.tFAW},
                                 {base.tWR, fast.tWR},
                                 {base.tRRDS, fast.tRRDS}}) {
    CHECK(to * period >= from * 1.0 - 1e-3);
    CHECK((to - 1) * period < from * 1.0);
  }
  CHECK(fast.tRC == fast.tRAS + fast.tRP);
  CHECK(fast.tCCDL == base.tCCDL);
  CHECK_NOTHROW(check(fast));
}

TEST_CASE("the published derived sets", "[hbm]") {
  const HbmTimingSet e = load_timing("HBM2E-3.2Gbps-derived");
  CHECK(e.tCL == 23);
  CHECK(e.tCWL == 8);
  CHECK(e.tRCDWR == 20);
  CHECK(e.tRC == 78);
  CHECK(e.tFAW == 24);
  CHECK(e.tWTRL == 13);
  const HbmTimingSet h = load_timing("HBM3-5.2Gbps-derived");
  CHECK(h.tCL == 17);
  CHECK(h.tRCDRD == 26);
  CHECK(h.tRC == 59);
  CHECK(h.tFAW == 20);
  CHECK(h.channel_peak().value() == Approx(5.2e9 * 64 / 8).epsilon(1e-4));
}

TEST_CASE("names that are slightly wrong get a hint", "[hbm]") {
  const auto message = [](const std::string& name) {
    try {
      (void)load_timing(name);
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(message("HBM2F-3.2Gbps-derived").find("HBM2") != std::string::npos);
  CHECK(message("HBM2E-fastGbps-derived").find("data rate") != std::string::npos);
  CHECK(message("HBM2-2.0Gbps-8G").find("HBM2-2.0Gbps-8Gb") != std::string::npos);
  CHECK_THROWS_AS(spec_from_name("HBM2-2.0Gbps-8Gb", 1, "hashed"), InputError);
}

TEST_CASE("suffixes of the reference runs", "[hbm]") {
  CHECK(spec_from_name("HBM2-2.0Gbps-8Gb-noref", 1, "hash").refresh == HbmRefresh::kNone);
  CHECK(spec_from_name("HBM2-2.0Gbps-8Gb-perbank", 1, "hash").refresh == HbmRefresh::kPerBank);
  CHECK(spec_from_name("HBM2-2.0Gbps-8Gb-4Gb", 1, "hash").timing.tRFC.value() == Approx(260e-9));
  CHECK(spec_from_name("HBM2-2.0Gbps-8Gb-rq128", 1, "hash").read_queue == 128);
  CHECK(spec_from_name("HBM2-2.0Gbps-8Gb-frfcfs", 1, "hash").scheduler ==
        HbmScheduler::kFirstReady);
}

TEST_CASE("a set that contradicts itself is refused", "[hbm]") {
  HbmTimingSet t = load_timing("HBM2-2.0Gbps-8Gb");
  SECTION("row cycle") {
    t.tRC = t.tRAS + t.tRP - 1;
  }
  SECTION("refresh") {
    t.tRFC = t.tREFI;
  }
  SECTION("four activates") {
    t.tFAW = t.tRRDS - 1;
  }
  SECTION("bursts overlap") {
    t.tCCDS = t.tBL - 1;
  }
  SECTION("organisation") {
    t.rows = 3000;
  }
  SECTION("zero") {
    t.tCL = 0;
  }
  SECTION("column commands further apart than the column bus looks") {
    t.tCCDL = 9;
  }
  SECTION("more bank groups than the column bus knows") {
    t.stack_ids = 4;
    t.bank_groups = 8;
    t.banks_per_group = 1;
  }
  CHECK_THROWS_AS(check(t), InputError);
}

TEST_CASE("interleave and map are checked", "[hbm]") {
  HbmSpec spec = spec_from_name("HBM2-2.0Gbps-8Gb", 8, "plain");
  spec.interleave = Bytes(GENERATE(16, 96, 8192));
  CHECK_THROWS_AS(check(spec), InputError);
  spec.interleave = Bytes(128);
  spec.map = {{HbmField::kOffset, 5},  {HbmField::kColumn, 5},    {HbmField::kPseudoChannel, 1},
              {HbmField::kChannel, 3}, {HbmField::kBankGroup, 2}, {HbmField::kBank, 2},
              {HbmField::kRow, 16}};
  CHECK_NOTHROW(HbmMap(spec));
  spec.map[1].bits = 4;
  CHECK_THROWS_AS(HbmMap(spec), InputError);
  spec.map[1].bits = 6;
  CHECK_THROWS_AS(HbmMap(spec), InputError);
}

TEST_CASE("an address map is a bijection at every granularity", "[hbm]") {
  HbmSpec spec = spec_from_name("HBM3-6.4Gbps-16Gb8hi", GENERATE(1, 3, 8, 10), "hash");
  spec.interleave = Bytes(GENERATE(32, 64, 128, 256, 1024, 4096));
  spec.hash = GENERATE(true, false);
  spec.timing.rows = 4;
  const HbmMap map(spec);
  std::set<std::uint64_t> seen;
  bool inside = true;
  const std::uint64_t accesses = map.capacity() / 32;
  for (std::uint64_t i = 0; i < accesses; ++i) {
    const HbmPlace p = map.place(i * 32);
    inside = inside && p.channel < static_cast<std::uint32_t>(spec.channels()) &&
             p.bank < static_cast<std::uint32_t>(spec.timing.banks()) && p.column < 32 && p.row < 4;
    seen.insert(((std::uint64_t{p.channel} * 64 + p.bank) * 32 + p.column) * 4 + p.row);
  }
  CHECK(inside);
  CHECK(seen.size() == accesses);
}

TEST_CASE("hashing spreads power-of-two strides over the channels", "[hbm]") {
  const std::uint64_t stride = GENERATE(256, 1024, 4096, 16384);
  HbmSpec spec = spec_from_name("HBM2-2.0Gbps-8Gb", GENERATE(8, 5), "hash");
  const HbmMap map(spec);
  std::vector<int> count(static_cast<std::size_t>(spec.channels()), 0);
  for (std::uint64_t i = 0; i < 8192; ++i) ++count[map.place(i * stride).channel];
  const int fair = 8192 / spec.channels();
  for (const int n : count) CHECK(n > fair / 2);
}
