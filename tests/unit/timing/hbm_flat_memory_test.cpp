/// No allocation per request: the heap is counted, so the same holds for any number of requests.
#include <sys/resource.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <ctime>
#include <new>

#include "base/rng.h"
#include "timing/hbm_fast.h"
#include "timing/hbm_load.h"
#include "timing/hbm_queued.h"

namespace {
std::atomic<std::uint64_t> allocations{0};
}

// Counts what the whole executable asks for. The address sanitizer has a heap of its own: beside it
// nothing is counted, and the cases say so.
#ifdef __SANITIZE_ADDRESS__
constexpr bool kCounted = false;
#else
constexpr bool kCounted = true;
void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
#endif

using namespace athena;
using namespace athena::timing;

namespace {

/// Requests of all kinds in a closed loop through the queued model.
void drive(HbmQueued& memory, Rng& rng, Time& now, int count) {
  const auto lines = static_cast<std::uint64_t>(memory.spec().capacity().value()) / 4096;
  for (int sent = 0; sent < count;) {
    while (sent < count && memory.outstanding() < 256) {
      const auto bytes = static_cast<std::int64_t>(64 << rng.below(4));
      memory.submit({rng.below(lines) * 4096, Bytes(bytes), rng.chance(0.3), now, 0});
      ++sent;
    }
    now += memory.lookahead();
    memory.advance(now);
    memory.completions().clear();
  }
}

}  // namespace

TEST_CASE("requests in steady state allocate nothing", "[hbm]") {
  if (!kCounted) WARN("not counted beside the address sanitizer");
  const HbmSpec spec = spec_from_name("HBM3-6.4Gbps-16Gb8hi", 4, "hash");
  SECTION("queued") {
    HbmQueued memory(spec);
    Rng rng(5);
    Time now(0);
    drive(memory, rng, now, 200000);
    const std::uint64_t before = allocations;
    drive(memory, rng, now, 300000);
    CHECK(allocations - before == 0);
  }
  SECTION("fast") {
    HbmFast memory(spec);
    Rng rng(5);
    Time now(0);
    const auto lines = static_cast<std::uint64_t>(spec.capacity().value()) / 4096;
    const auto some = [&](int count) {
      for (int i = 0; i < count; ++i) {
        now += Time(1000000);
        (void)memory.access(now, rng.below(lines) * 4096, Bytes(64 << rng.below(4)),
                            rng.chance(0.3));
      }
    };
    some(200000);
    const std::uint64_t before = allocations;
    some(300000);
    CHECK(allocations - before == 0);
  }
}

// Minutes: in `scripts/test --full`, or by name: test_timing "[long]".
TEST_CASE("10^9 sequential requests need no more memory than the first million", "[.][long][hbm]") {
  constexpr std::uint64_t kMillion = 1000000;
  constexpr std::uint64_t kAll = 1000 * kMillion;
  HbmQueued memory(spec_from_name("HBM2E-3.2Gbps-derived", 1, "hash"));
  const std::uint64_t lines = static_cast<std::uint64_t>(memory.spec().capacity().value()) / 64;
  const auto resident = [] {  // KiB, the most so far
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  Time now(0);
  std::uint64_t sent = 0, answered = 0, allocated = 0;
  long before = 0;
  const std::clock_t began = std::clock();
  while (answered < kAll) {
    for (; sent < kAll && memory.outstanding() < 256; ++sent) {
      memory.submit({sent % lines * 64, Bytes(64), false, now, sent});
    }
    now += memory.lookahead();
    memory.advance(now);
    answered += memory.completions().size();
    memory.completions().clear();
    if (before == 0 && answered > kMillion) {
      before = resident();
      allocated = allocations;
    }
  }
  const double cpu = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
  CHECK(allocations - allocated == 0);
  CHECK(resident() - before <= 64);
  CHECK(memory.counters(now).reads == 2 * kAll);
  const double gbps = 64e-9 * static_cast<double>(kAll) / to_seconds(now).value();
  WARN("10^9 requests in " << cpu << " CPU-s, " << static_cast<double>(kAll) / cpu / 1e6 << " M/s; "
                           << gbps << " GB/s simulated; at most " << resident() << " KiB resident, "
                           << before << " KiB after the first million");
}
