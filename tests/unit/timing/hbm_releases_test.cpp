#include "timing/hbm_releases.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <iterator>
#include <set>

#include "base/rng.h"

namespace athena::timing {

TEST_CASE("every queue place is given up once, at its clock", "[hbm]") {
  HbmReleases releases;
  releases.reset();
  std::array<std::set<std::int64_t>, 2> held;  // a clock carries one column command
  Rng rng(5);
  std::int64_t now = 0;
  for (int i = 0; i < 5000; ++i) {
    now += static_cast<std::int64_t>(rng.below(i % 50 == 0 ? 200 : 4));
    std::array<int, 2> due{};
    for (std::size_t mode = 0; mode < 2; ++mode) {
      const auto end = held[mode].upper_bound(now);
      due[mode] = static_cast<int>(std::distance(held[mode].begin(), end));
      held[mode].erase(held[mode].begin(), end);
    }
    REQUIRE(releases.count(now) == due);
    REQUIRE(releases.count(now) == std::array<int, 2>{0, 0});
    const std::int64_t clock = now + 1 + static_cast<std::int64_t>(rng.below(60));
    const std::size_t mode = rng.below(2);
    if (held[0].count(clock) + held[1].count(clock) == 0) {
      releases.add(mode, clock);
      held[mode].insert(clock);
    }
    std::int64_t next = HbmReleases::kNever;
    for (const auto& of : held) {
      if (!of.empty()) next = std::min(next, *of.begin());
    }
    REQUIRE(releases.next() == next);
    HbmReleases::Cursor cursor(releases, mode);
    int count = 0;
    for (const std::int64_t at : held[mode]) REQUIRE(cursor.of(++count) == at);
    REQUIRE(cursor.of(count + 1) == HbmReleases::kNever);
  }
}

}  // namespace athena::timing
