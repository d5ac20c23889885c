#include "timing/hbm_queued.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "base/error.h"
#include "base/rng.h"
#include "timing/hbm_load.h"
#include "unit/timing/hbm_legality.h"

using namespace athena;
using namespace athena::timing;

namespace {

struct Outcome {
  Time end{0};
  std::uint64_t completions = 0;
  std::vector<HbmIssued> commands;
  HbmCounters counters;
};

/// Keeps `window` requests in flight; `next(i)` gives the i-th.
template <class Next>
Outcome saturate(const HbmSpec& spec, std::uint64_t count, std::uint64_t window, Next next,
                 bool record = false) {
  HbmQueued memory(spec);
  Outcome outcome;
  if (record) memory.record(0, &outcome.commands);
  std::uint64_t sent = 0;
  Time now(0);
  while (outcome.completions < count) {
    while (sent < count && memory.outstanding() < window) {
      HbmRequest request = next(sent);
      request.arrival = now;
      request.tag = sent++;
      memory.submit(request);
    }
    now += memory.lookahead();
    memory.advance(now);
    for (const HbmCompletion& done : memory.completions()) {
      outcome.end = std::max(outcome.end, done.finish);
      ++outcome.completions;
    }
    memory.completions().clear();
  }
  outcome.counters = memory.counters(outcome.end);
  return outcome;
}

double bandwidth(const HbmSpec& spec, const Outcome& outcome) {
  const auto bytes =
      static_cast<double>(outcome.counters.read_bytes + outcome.counters.write_bytes);
  return bytes / to_seconds(outcome.end).value() / spec.peak().value();
}

HbmRequest sequential(std::uint64_t i) {
  return {i * 64, Bytes(64), false, Time(0), 0};
}

auto random_reads(const HbmSpec& spec, std::uint64_t seed) {
  return [rng = Rng(seed), chunks = static_cast<std::uint64_t>(spec.capacity().value()) /
                                    64](std::uint64_t) mutable {
    return HbmRequest{rng.below(chunks) * 64, Bytes(64), false, Time(0), 0};
  };
}

}  // namespace

TEST_CASE("every command sequence obeys the standard", "[hbm]") {
  const std::string name = GENERATE(as<std::string>{}, "HBM2-2.0Gbps-8Gb", "HBM2E-3.2Gbps-derived",
                                    "HBM3-6.4Gbps-16Gb8hi");
  const HbmRefresh refresh = GENERATE(HbmRefresh::kAllBank, HbmRefresh::kPerBank);
  const HbmPagePolicy page = GENERATE(HbmPagePolicy::kOpen, HbmPagePolicy::kClosed);
  const double writes = GENERATE(0.35, 0.0);  // reads alone are decided ahead of time
  HbmSpec spec = spec_from_name(name, 1, "hash");
  spec.refresh = refresh;
  spec.page = page;
  spec.scheduler =
      page == HbmPagePolicy::kOpen ? HbmScheduler::kRowHitFirst : HbmScheduler::kFirstReady;
  // Random accesses of mixed length: 250,000 commands and more of each of eight set-ups.
  Rng rng(7);
  const auto capacity = static_cast<std::uint64_t>(spec.capacity().value());
  const auto next = [&](std::uint64_t) {
    const std::uint64_t bytes = 32U << rng.below(4);
    const std::uint64_t where = rng.chance(0.5) ? capacity : std::uint64_t{1} << 16;
    return HbmRequest{rng.below(where / bytes) * bytes, Bytes(static_cast<std::int64_t>(bytes)),
                      rng.chance(writes), Time(0), 0};
  };
  const Outcome outcome = saturate(spec, 50000, 200, next, true);
  REQUIRE(outcome.commands.size() > 200000);
  hbm_test::LegalityChecker checker(spec.timing);
  std::string broken;
  std::size_t i = 0;
  for (; i < outcome.commands.size() && broken.empty(); ++i) {
    broken = checker.check(outcome.commands[i]);
  }
  INFO(name << " command " << i);
  CHECK(broken.empty());
  if (!broken.empty()) FAIL(broken);
}

TEST_CASE("queues of more pieces than the scheduler looks at lose none and stay legal", "[hbm]") {
  HbmSpec spec = spec_from_name("HBM2E-3.2Gbps-derived", 1, "hash");
  spec.read_queue = spec.write_queue = 512;
  Rng rng(9);
  const auto next = [&](std::uint64_t i) {
    // Pieces of one access: as many as there are places. Now and then only writes, which drain.
    return HbmRequest{rng.below(1 << 20) * 32, Bytes(32), i % 5000 < 2000 || rng.chance(0.4),
                      Time(0), 0};
  };
  const Outcome outcome = saturate(spec, 40000, 2000, next, true);
  CHECK(outcome.counters.read_bytes + outcome.counters.write_bytes == 40000U * 32);
  hbm_test::LegalityChecker checker(spec.timing);
  for (const HbmIssued& command : outcome.commands) {
    if (const std::string broken = checker.check(command); !broken.empty()) FAIL(broken);
  }
}

TEST_CASE("the checker itself notices an illegal command", "[hbm]") {
  const HbmTimingSet t = load_timing("HBM2-2.0Gbps-8Gb");
  const auto first_error = [&](std::vector<HbmIssued> commands) {
    hbm_test::LegalityChecker checker(t);
    for (const HbmIssued& c : commands) {
      if (const std::string bad = checker.check(c); !bad.empty()) return bad;
    }
    return std::string();
  };
  CHECK(first_error({{0, HbmCommand::kActivate, 0, false, 5}, {15, HbmCommand::kRead, 0, false, 5}})
            .empty());
  CHECK_FALSE(
      first_error({{0, HbmCommand::kActivate, 0, false, 5}, {14, HbmCommand::kRead, 0, false, 5}})
          .empty());
  CHECK_FALSE(
      first_error({{0, HbmCommand::kActivate, 0, false, 5}, {15, HbmCommand::kRead, 0, false, 6}})
          .empty());
  CHECK_FALSE(first_error({{0, HbmCommand::kActivate, 0, false, 5},
                           {2, HbmCommand::kActivate, 4, false, 5}})
                  .empty());
}

TEST_CASE("bytes in are bytes out, whatever their length and alignment", "[hbm]") {
  const HbmSpec spec = spec_from_name("HBM3-6.4Gbps-16Gb8hi", GENERATE(1, 3, 8), "hash");
  Rng rng(3);
  std::uint64_t accesses = 0;
  const auto next = [&](std::uint64_t i) {
    const std::uint64_t address = rng.below(1 << 20);
    const auto bytes = static_cast<std::int64_t>(1 + rng.below(3000));
    const std::uint64_t first = address / 32;
    const std::uint64_t last = (address + static_cast<std::uint64_t>(bytes) - 1) / 32;
    accesses += last - first + 1;
    return HbmRequest{address, Bytes(bytes), i % 4 == 0, Time(0), 0};
  };
  const Outcome outcome = saturate(spec, 2000, 64, next);
  CHECK(outcome.completions == 2000);
  CHECK(outcome.counters.reads + outcome.counters.writes + outcome.counters.forwarded == accesses);
}

TEST_CASE("refresh bounds the sequential bandwidth; without it nothing is lost", "[hbm]") {
  const std::string name = GENERATE(as<std::string>{}, "HBM2-2.0Gbps-8Gb", "HBM2E-3.2Gbps-derived",
                                    "HBM3-6.4Gbps-16Gb8hi");
  HbmSpec spec = spec_from_name(name, 1, "plain");
  const HbmTimingSet& t = spec.timing;
  const double clock = to_seconds(t.clock_period()).value();
  const double bound =
      1.0 - ((t.tRTP + t.tRP + t.tRCDRD) * clock + t.tRFC.value()) / t.tREFI.value();
  const Outcome refreshed = saturate(spec, 60000, 256, sequential);
  CHECK(bandwidth(spec, refreshed) <= bound + 0.01);  // one refresh more or less in the run
  CHECK(bandwidth(spec, refreshed) >= bound - 0.02);
  spec.refresh = HbmRefresh::kNone;
  CHECK(bandwidth(spec, saturate(spec, 60000, 256, sequential)) >= 0.99);
}

TEST_CASE("random 64 B is bound by the row bus and by tFAW", "[hbm]") {
  HbmSpec spec = spec_from_name("HBM2-2.0Gbps-8Gb", 1, "hash");
  spec.refresh = HbmRefresh::kNone;
  spec.timing.tFAW = GENERATE(15, 30, 60);
  const Outcome outcome = saturate(spec, 20000, 256, random_reads(spec, 5));
  // A row miss takes 2 + 1 clocks of the row bus and moves 64 B in 4 clocks of one of two buses.
  const double row_bus = 2.0 / 3.0;
  const double faw = 4.0 * 4.0 / spec.timing.tFAW;
  CHECK(bandwidth(spec, outcome) <= std::min(row_bus, faw) * 1.005);
  CHECK(bandwidth(spec, outcome) >= std::min(row_bus, faw) * 0.9);
}

TEST_CASE("a deeper queue is never slower", "[hbm]") {
  double before = 0.0;
  for (const int queue : {8, 16, 32, 64, 128}) {
    HbmSpec spec = spec_from_name("HBM2E-3.2Gbps-derived", 1, "hash");
    spec.read_queue = queue;
    const double now = bandwidth(spec, saturate(spec, 20000, 512, random_reads(spec, 9)));
    CHECK(now >= before * 0.995);
    before = now;
  }
}

TEST_CASE("the same input gives the same commands, to the tick", "[hbm]") {
  const HbmSpec spec = spec_from_name("HBM3-6.4Gbps-16Gb8hi", 1, "hash");
  const Outcome a = saturate(spec, 3000, 100, random_reads(spec, 1), true);
  const Outcome b = saturate(spec, 3000, 100, random_reads(spec, 1), true);
  REQUIRE(a.commands.size() == b.commands.size());
  for (std::size_t i = 0; i < a.commands.size(); ++i) {
    REQUIRE(a.commands[i].tick == b.commands[i].tick);
    REQUIRE(a.commands[i].bank == b.commands[i].bank);
  }
}

TEST_CASE("the data bus's time is accounted for completely", "[hbm]") {
  const HbmSpec spec = spec_from_name("HBM2-2.0Gbps-8Gb", 2, "hash");
  const auto next = [r = random_reads(spec, 4)](std::uint64_t i) mutable {
    HbmRequest request = r(i);
    request.write = i % 3 == 0;
    return request;
  };
  const Outcome outcome = saturate(spec, 20000, 256, next);
  double sum = 0.0;
  for (std::size_t i = 0; i < kHbmLosses; ++i) {
    CHECK(outcome.counters.share(static_cast<HbmLoss>(i)) >= 0.0);
    sum += outcome.counters.share(static_cast<HbmLoss>(i));
  }
  CHECK(sum == Approx(1.0).epsilon(1e-9));
  CHECK(outcome.counters.share(HbmLoss::kData) == Approx(bandwidth(spec, outcome)).epsilon(0.01));
  CHECK(outcome.counters.share(HbmLoss::kTurnaround) > 0.0);
  CHECK(outcome.counters.share(HbmLoss::kRefresh) > 0.05);
}

TEST_CASE("a read of what waits to be written is answered from the write queue", "[hbm]") {
  HbmQueued memory(spec_from_name("HBM2-2.0Gbps-8Gb", 1, "plain"));
  // Reads keep the controller busy, so that the write waits.
  for (std::uint64_t i = 0; i < 16; ++i) {
    memory.submit({(i + 1) << 20, Bytes(64), false, Time(0), i});
  }
  memory.submit({4096, Bytes(64), true, Time(0), 100});
  memory.submit({4096, Bytes(32), false, Time(0), 101});
  memory.submit({4096 + 32, Bytes(64), false, Time(0), 102});  // half of it is elsewhere
  while (memory.outstanding() > 0) memory.advance(memory.next_event());
  const HbmCounters counters = memory.counters(Time(0));
  CHECK(counters.forwarded == 2);
  CHECK(counters.reads == 16 * 2 + 1);
  CHECK(counters.writes == 2);
}

TEST_CASE("long segments cost what their 64 B pieces cost", "[hbm]") {
  const std::string name = GENERATE(as<std::string>{}, "HBM2-2.0Gbps-8Gb", "HBM2E-3.2Gbps-derived",
                                    "HBM3-6.4Gbps-16Gb8hi");
  const HbmSpec spec = spec_from_name(name, 1, "hash");
  const std::uint64_t chunks = static_cast<std::uint64_t>(spec.capacity().value()) / 2048;
  const auto chunk = [&](std::uint64_t i) {
    return (i * 0x9e3779b97f4a7c15ULL >> 20) % chunks * 2048;  // Fibonacci hashing
  };
  const auto pieces = [&](std::uint64_t i) {
    return HbmRequest{chunk(i / 32) + i % 32 * 64, Bytes(64), false, Time(0), 0};
  };
  const auto whole = [&](std::uint64_t i) {
    return HbmRequest{chunk(i), Bytes(2048), false, Time(0), 0};
  };
  const double small = bandwidth(spec, saturate(spec, 32 * 1500, 256, pieces));
  const double large = bandwidth(spec, saturate(spec, 1500, 8, whole));
  INFO(name);
  CHECK(large == Approx(small).epsilon(0.03));
}

TEST_CASE("counts over time take bounded memory and grow", "[hbm]") {
  HbmSeries series;
  series.reset(10);
  HbmCounters counters;
  for (Tick now = 0; now < 100000; ++now) {
    ++counters.reads;
    if (series.next() <= now) series.add(now, counters);
  }
  REQUIRE(series.samples().size() < HbmSeries::kSamples);
  REQUIRE(series.samples().size() >= HbmSeries::kSamples / 2 - 1);
  for (std::size_t i = 1; i < series.samples().size(); ++i) {
    CHECK(series.samples()[i].tick > series.samples()[i - 1].tick);
    CHECK(series.samples()[i].reads > series.samples()[i - 1].reads);
  }
}

TEST_CASE("energy counts commands", "[hbm]") {
  HbmTimingSet t = load_timing("HBM2-2.0Gbps-8Gb");
  HbmCounters c;
  c.activates = 10;
  c.reads = 100;
  c.writes = 50;
  const HbmEnergy energy = energy_of(t, c, Seconds(0.0), 1);
  CHECK(energy.activate.value() == Approx(10 * 909e-12));
  CHECK(energy.read.value() == Approx(100 * 256 * 2.24e-12));
  CHECK(energy.io.value() == Approx(150 * 256 * 0.30e-12));
  CHECK(energy.background.value() == 0.0);
  CHECK(energy.total().value() == Approx(energy.activate.value() + energy.read.value() +
                                         energy.write.value() + energy.io.value()));
}

TEST_CASE("an access beyond the capacity is refused in one sentence", "[hbm]") {
  HbmQueued memory(spec_from_name("HBM2-2.0Gbps-8Gb", 1, "plain"));
  const auto capacity = static_cast<std::uint64_t>(memory.spec().capacity().value());
  CHECK_NOTHROW(memory.submit({capacity - 64, Bytes(64), false, Time(0), 0}));
  CHECK_THROWS_AS(memory.submit({capacity - 32, Bytes(64), false, Time(0), 0}), InputError);
  CHECK_THROWS_AS(memory.submit({0, Bytes(0), false, Time(0), 0}), InputError);
}

TEST_CASE("a window of rows is one request that ends with its last row", "[hbm]") {
  const HbmSpec spec = spec_from_name("HBM2E-3.2Gbps-derived", 8, "hash");
  const auto run = [&](bool window) {
    HbmQueued memory(spec);
    if (window) {
      memory.submit({4096, Bytes(256), false, Time(0), 7, 64, Bytes(24576)});
    } else {
      for (std::uint64_t row = 0; row < 64; ++row) {
        memory.submit({4096 + row * 24576, Bytes(256), false, Time(0), 7});
      }
    }
    Time end(0);
    std::size_t answers = 0;
    for (Time now(0); memory.outstanding() > 0;) {
      now += memory.lookahead();
      memory.advance(now);
      for (const HbmCompletion& done : memory.completions()) {
        end = std::max(end, done.finish);
        ++answers;
        CHECK(done.tag == 7);
      }
      memory.completions().clear();
    }
    return std::pair(end, answers);
  };
  const auto one = run(true);
  const auto many = run(false);
  CHECK(one.first == many.first);
  CHECK(one.second == 1);
  CHECK(many.second == 64);
  HbmQueued memory(spec);
  const auto last = static_cast<std::uint64_t>(spec.capacity().value()) - 256;
  CHECK_THROWS_AS(memory.submit({last, Bytes(256), false, Time(0), 0, 2, Bytes(256)}), InputError);
}
