#include "timing/hbm_slots.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <vector>

#include "base/rng.h"
#include "timing/hbm_load.h"

namespace athena::timing {
namespace {

struct Booked {
  std::int64_t clock;
  int group;
};

/// Clocks that two column commands to these groups must lie apart.
int spacing(const HbmTimingSet& timing, int a, int b, bool write) {
  if (a == b) return timing.tCCDL;
  const int sid_a = a / timing.bank_groups;
  const int sid_b = b / timing.bank_groups;
  if (sid_a == sid_b) return timing.tCCDS;
  const bool same_pseudo = sid_a / timing.stack_ids == sid_b / timing.stack_ids;
  if (!same_pseudo) return 1;  // the command bus of the channel
  return write ? timing.tCCDS : timing.tCCDR;
}

}  // namespace

TEST_CASE("column slots keep every spacing of the standard and waste none", "[hbm]") {
  const std::string name = GENERATE(as<std::string>{}, "HBM2-2.0Gbps-8Gb", "HBM3-6.4Gbps-16Gb8hi");
  const bool write = GENERATE(false, true);
  HbmTimingSet timing = load_timing(name);
  if (GENERATE(false, true)) timing.tCCDL = 7;  // longer than four clocks
  const int groups = timing.pseudo_channels * timing.stack_ids * timing.bank_groups;
  INFO(name << (write ? " writes" : " reads") << " tCCDL " << timing.tCCDL);
  HbmSlots slots(timing);
  Rng rng(7);
  std::vector<Booked> booked;
  const auto legal = [&](std::int64_t clock, int group) {
    for (const Booked& b : booked) {
      if (std::abs(b.clock - clock) < spacing(timing, b.group, group, write)) return false;
    }
    return true;
  };
  std::int64_t now = 0;
  for (int i = 0; i < 2000; ++i) {
    now += static_cast<std::int64_t>(rng.below(6));
    slots.move_to(now);
    while (!booked.empty() && booked.front().clock < now - 8) booked.erase(booked.begin());
    const int group = static_cast<int>(rng.below(static_cast<std::uint64_t>(groups)));
    const std::int64_t from = now + static_cast<std::int64_t>(rng.below(10));
    std::int64_t expected = from;
    while (!legal(expected, group)) ++expected;
    const std::int64_t slot = slots.first(from, std::uint32_t{1} << group);
    REQUIRE(slot == expected);
    if (slot > now + 40) continue;
    slots.book(group, write, slot);
    booked.push_back({slot, group});
    for (std::size_t k = booked.size() - 1; k > 0 && booked[k].clock < booked[k - 1].clock; --k) {
      std::swap(booked[k], booked[k - 1]);
    }
  }
}

TEST_CASE("a column bus that slept is free again", "[hbm]") {
  const HbmTimingSet timing = load_timing("HBM2-2.0Gbps-8Gb");
  HbmSlots slots(timing);
  slots.move_to(0);
  slots.book(3, false, 20);
  CHECK(slots.allowed(20) == 0);
  slots.move_to(1000000);
  for (std::int64_t clock = 1000000; clock < 1000040; ++clock) {
    CHECK(slots.allowed(clock) == ~std::uint32_t{0});
  }
}

}  // namespace athena::timing
