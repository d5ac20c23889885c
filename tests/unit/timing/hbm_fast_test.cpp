#include "timing/hbm_fast.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "base/error.h"
#include "base/rng.h"
#include "timing/hbm_load.h"
#include "timing/hbm_queued.h"

using namespace athena;
using namespace athena::timing;

namespace {

HbmSpec chip_memory(const std::string& timing, int stacks) {
  HbmSystem system;
  system.timing = timing;
  system.stacks = stacks;
  system.channels_per_stack = 8;
  return make_spec(system);
}

/// `window` requests of `bytes` in flight; addresses from `next`.
template <class Next>
double fast_bandwidth(const HbmSpec& spec, int count, std::size_t window, Bytes bytes, Next next) {
  HbmFast memory(spec);
  std::vector<Time> back(window, Time(0));
  Time now(0), end(0);
  for (int i = 0; i < count; ++i) {
    Time& slot = back[static_cast<std::size_t>(i) % window];
    now = std::max(now, slot);
    slot = memory.access(now, next(i), bytes, false);
    end = std::max(end, slot);
  }
  return static_cast<double>(bytes.value()) * count / to_seconds(end).value() / spec.peak().value();
}

/// The same of the queued tier, 64 B each.
template <class Next>
double queued_bandwidth(const HbmSpec& spec, int count, std::size_t window, Next next) {
  HbmQueued memory(spec);
  Time now(0), end(0);
  int sent = 0;
  while (sent < count || memory.outstanding() > 0) {
    while (sent < count && memory.outstanding() < window) {
      memory.submit({next(sent), Bytes(64), false, now, 0});
      ++sent;
    }
    now += memory.lookahead();
    memory.advance(now);
    for (const auto& done : memory.completions()) end = std::max(end, done.finish);
    memory.completions().clear();
  }
  return 64.0 * count / to_seconds(end).value() / spec.peak().value();
}

}  // namespace

TEST_CASE("the fast tier agrees with the queued one on simple patterns", "[hbm]") {
  const std::string name = GENERATE(as<std::string>{}, "HBM2-2.0Gbps-8Gb", "HBM3-6.4Gbps-16Gb8hi");
  const bool random = GENERATE(false, true);
  const HbmSpec spec = spec_from_name(name, 1, "hash");
  const int count = 30000;
  const auto capacity = static_cast<std::uint64_t>(spec.capacity().value());
  const auto addresses = [random, capacity, rng = Rng(2)](int i) mutable {
    return random ? rng.below(capacity / 64) * 64 : static_cast<std::uint64_t>(i) * 64;
  };
  const double fast = fast_bandwidth(spec, count, 256, Bytes(64), addresses);

  const double queued = queued_bandwidth(spec, count, 256, addresses);
  CHECK(fast == Approx(queued).epsilon(random ? 0.10 : 0.03));
}

// Each request opens a row. Every few of them meet the same bank, so that banks become ready in
// groups, whose rows tRRD and tFAW keep apart.
TEST_CASE("rows of banks that become ready together open one after the other", "[hbm]") {
  const HbmSpec spec = spec_from_name("HBM2E-3.2Gbps-derived", 1, "hash");
  const auto capacity = static_cast<std::uint64_t>(spec.capacity().value());
  const auto strided = [&](int i) { return static_cast<std::uint64_t>(i) * 16384 % capacity; };
  const double fast = fast_bandwidth(spec, 20000, 256, Bytes(64), strided);
  CHECK(fast == Approx(queued_bandwidth(spec, 20000, 256, strided)).epsilon(0.10));
}

TEST_CASE("large transactions stream at what refresh leaves", "[hbm]") {
  const HbmSpec spec = chip_memory("HBM2E-3.2Gbps-derived", GENERATE(4, 5));
  const Bytes tile(GENERATE(32 << 10, 256 << 10, 1 << 20));
  // A gigabyte: the run covers a hundred refreshes.
  const auto count = static_cast<int>((std::int64_t{1} << 30) / tile.value());
  const double reached = fast_bandwidth(spec, count, 8, tile, [&](int i) {
    return static_cast<std::uint64_t>(i) * static_cast<std::uint64_t>(tile.value());
  });
  CHECK(reached > 0.86);
  CHECK(reached < 0.91);
}

TEST_CASE("a lockstep span equals its pieces", "[hbm]") {
  const HbmSpec spec = chip_memory("HBM2E-3.2Gbps-derived", 4);
  const int tiles = 300;
  const std::int64_t bytes = 256 << 10;
  HbmFast whole(spec), pieces(spec);
  Time now(0), end(0);
  for (int i = 0; i < tiles; ++i) {
    const auto address = static_cast<std::uint64_t>(i) * static_cast<std::uint64_t>(bytes);
    now = whole.access(Time(0), address, Bytes(bytes), false);
    for (std::int64_t at = 0; at < bytes; at += 256) {
      end = std::max(
          end, pieces.access(Time(0), address + static_cast<std::uint64_t>(at), Bytes(256), false));
    }
  }
  CHECK(to_seconds(now).value() == Approx(to_seconds(end).value()).epsilon(0.03));
}

TEST_CASE("rows of a tile cost more than the same bytes in one piece", "[hbm]") {
  const HbmSpec spec = chip_memory("HBM2E-3.2Gbps-derived", 4);
  HbmFast strided(spec), solid(spec);
  Time a(0), b(0);
  for (int i = 0; i < 200; ++i) {
    const auto address = static_cast<std::uint64_t>(i) * 512;
    a = strided.access_2d(Time(0), address, Bytes(512), 64, Bytes(24576), false);
    b = solid.access(Time(0), address * 64, Bytes(512 * 64), false);
  }
  CHECK(a > b);
  CHECK(to_seconds(a).value() < 8.0 * to_seconds(b).value());
  CHECK(strided.counters(a).read_bytes == solid.counters(b).read_bytes);
}

TEST_CASE("an unloaded read costs activate, column and burst", "[hbm]") {
  const HbmSpec spec = spec_from_name("HBM2-2.0Gbps-8Gb", 1, "plain");
  HbmFast memory(spec);
  const Time first = memory.access(Time(0), 0, Bytes(32), false);
  // One tick to look at it, ACT (2 cycles) to RD, RD to data, data.
  CHECK(first == spec.timing.clock_period() * (1 + 15 + 14 + 2));
  const Time hit = memory.access(first, 32, Bytes(32), false);
  CHECK(hit - first == spec.timing.clock_period() * (1 + 14 + 2));
}

TEST_CASE("writes among reads turn the bus, writes alone do not", "[hbm]") {
  const HbmSpec spec = spec_from_name("HBM2-2.0Gbps-8Gb", 1, "hash");
  const auto run = [&](int writes_of_three) {
    HbmFast memory(spec);
    Time end(0);
    for (int i = 0; i < 20000; ++i) {
      end = std::max(end, memory.access(Time(0), static_cast<std::uint64_t>(i) * 64, Bytes(64),
                                        i % 3 < writes_of_three));
    }
    return to_seconds(end).value();
  };
  CHECK(run(1) > 1.1 * run(0));
  CHECK(run(3) < 1.05 * run(0));
}

TEST_CASE("shares of the data bus add to one, bytes are counted once", "[hbm]") {
  const HbmSpec spec = chip_memory("HBM3-6.4Gbps-16Gb8hi", 1);
  HbmFast memory(spec);
  Rng rng(3);
  Time now(0);
  std::uint64_t bytes = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::int64_t size = std::int64_t{64} << rng.below(12);
    const std::uint64_t address = rng.below(memory.capacity() / static_cast<std::uint64_t>(size)) *
                                  static_cast<std::uint64_t>(size);
    now = std::max(now, memory.access(now, address, Bytes(size), rng.chance(0.3)));
    bytes += static_cast<std::uint64_t>(size);
  }
  const HbmCounters c = memory.counters(now);
  CHECK(c.read_bytes + c.write_bytes == bytes);
  double sum = 0.0;
  for (std::size_t i = 0; i < kHbmLosses; ++i) sum += c.share(static_cast<HbmLoss>(i));
  CHECK(sum == Approx(1.0).epsilon(1e-9));
  CHECK(memory.energy(now).total().value() > 0.0);
}

TEST_CASE("reset gives the first run again", "[hbm]") {
  const HbmSpec spec = chip_memory("HBM2E-3.2Gbps-derived", 5);
  HbmFast memory(spec);
  const auto run = [&] {
    Rng rng(9);
    Time now(0);
    for (int i = 0; i < 500; ++i) {
      now = memory.access(now, rng.below(1 << 20) * 64, Bytes(64 << (i % 12)), i % 5 == 0);
    }
    return now;
  };
  const Time first = run();
  memory.reset();
  CHECK(run() == first);
}

TEST_CASE("beyond the capacity is refused", "[hbm]") {
  HbmFast memory(spec_from_name("HBM2-2.0Gbps-8Gb", 1, "plain"));
  CHECK_THROWS_AS(memory.access(Time(0), memory.capacity(), Bytes(64), false), InputError);
}
