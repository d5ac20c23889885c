#include "serving/kv_cache.h"

#include <catch2/catch.hpp>
#include <deque>

#include "base/error.h"
#include "base/rng.h"

using namespace athena;
using namespace athena::serving;

namespace {
std::vector<std::string> audit(const KvCache& cache, const std::deque<KvHolding>& holdings) {
  std::vector<const KvHolding*> list;
  for (const auto& h : holdings) list.push_back(&h);
  return cache.audit(list);
}
}  // namespace

TEST_CASE("Pages are owned once under random use, with and without a limit") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    const std::int64_t total = rng.chance(0.3) ? 0 : 60;
    KvCache cache(total, 4, 16, true);
    std::deque<KvHolding> holdings;
    for (int step = 0; step < 200; ++step) {
      const auto tokens = static_cast<std::int64_t>(1 + rng.below(80));
      if (rng.chance(0.5)) {
        // Equal hashes mean equal content, so a block begun is never named like a whole one.
        const std::uint64_t stem = rng.below(3) * 10;
        std::vector<std::uint64_t> hashes;
        for (std::int64_t b = 0; b < tokens / 16; ++b) {
          hashes.push_back(stem + static_cast<std::uint64_t>(b));
        }
        if (tokens % 16 != 0)
          hashes.push_back(1000 + stem * 100 + static_cast<std::uint64_t>(tokens));
        KvHolding holding;
        cache.share(holding, hashes, cache.match(hashes).blocks);
        if (cache.grow(holding, tokens)) {
          cache.publish(holding, hashes, tokens);
          REQUIRE(holding.page_count() == cache.pages_for(tokens));
          holdings.push_back(holding);
        } else {
          cache.release(holding);
        }
      } else if (!holdings.empty()) {
        const auto which = rng.below(holdings.size());
        cache.release(holdings[which]);
        holdings.erase(holdings.begin() + static_cast<std::ptrdiff_t>(which));
      }
      const auto problems = audit(cache, holdings);
      CAPTURE(problems);
      REQUIRE(problems.empty());
      if (total > 0) REQUIRE(cache.held() <= total);
    }
    for (auto& h : holdings) cache.release(h);
    REQUIRE(cache.held() == 0);
    if (total > 0) REQUIRE(cache.available() == total);
  }
}

TEST_CASE("The audit finds what is wrong") {
  KvCache cache(10, 4, 16, false);
  std::deque<KvHolding> holdings(2);
  REQUIRE(cache.grow(holdings[0], 8));
  REQUIRE(cache.grow(holdings[1], 8));
  CHECK(audit(cache, holdings).empty());
  auto twice = holdings;
  twice[1].pages[0] = twice[0].pages[0];
  CHECK_FALSE(audit(cache, twice).empty());
  auto lost = holdings;
  lost[0].pages.pop_back();
  CHECK_FALSE(audit(cache, lost).empty());
}

TEST_CASE("A failed growth changes nothing, and idle prefixes make room") {
  KvCache cache(8, 4, 16, true);
  KvHolding first;
  REQUIRE(cache.grow(first, 32));
  cache.publish(first, {1, 2}, 32);
  KvHolding second;
  CHECK_FALSE(cache.grow(second, 4));
  CHECK(second.page_count() == 0);
  cache.release(first);
  CHECK(cache.match({1, 2}).tokens == 32);
  REQUIRE(cache.grow(second, 4));
  // The end of a prefix is forgotten before its beginning.
  CHECK(cache.match({1, 2}).blocks == 1);
  CHECK(cache.stats().pages_evicted == 4);
}

TEST_CASE("Pages that do not divide the hash blocks are refused") {
  CHECK_THROWS_AS(KvCache(8, 12, 512, true), InputError);
  CHECK_NOTHROW(KvCache(8, 12, 512, false));
}
