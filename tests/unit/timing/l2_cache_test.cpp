#include "timing/l2_cache.h"

#include <catch2/catch.hpp>

#include "base/error.h"
#include "base/rng.h"

using namespace athena;
using namespace athena::timing;

namespace {

L2Spec spec_of(std::int64_t kib, int partitions = 1, bool duplicate = false) {
  L2Spec spec;
  spec.capacity = Bytes(kib << 10);
  spec.partitions = partitions;
  spec.duplicate = duplicate;
  spec.slices = 8 * partitions;
  return spec;
}

}  // namespace

TEST_CASE("every byte read is a hit or a miss", "[l2]") {
  L2Cache cache(spec_of(256, GENERATE(1, 2), GENERATE(true, false)));
  Rng rng(1);
  Bytes asked{0};
  for (int i = 0; i < 3000; ++i) {
    const Bytes bytes(static_cast<std::int64_t>(1 + rng.below(16384)));
    const auto partition =
        static_cast<int>(rng.below(static_cast<std::uint64_t>(cache.spec().partitions)));
    const L2Access a = cache.read(partition, rng.below(4), rng.below(40), bytes);
    CHECK(a.hit + a.miss == bytes);
    asked += bytes;
    REQUIRE(cache.resident() <= cache.spec().capacity);
  }
  CHECK(cache.counters().hit + cache.counters().miss == asked);
}

TEST_CASE("least recently used blocks leave first", "[l2]") {
  L2Cache cache(spec_of(64));
  const Bytes block(16 << 10);
  for (std::uint64_t b = 0; b < 4; ++b) CHECK(cache.read(0, 1, b, block).miss == block);
  CHECK(cache.read(0, 1, 0, block).hit == block);   // 0 is now the newest
  CHECK(cache.read(0, 1, 4, block).miss == block);  // pushes 1 out
  CHECK(cache.read(0, 1, 0, block).hit == block);
  CHECK(cache.read(0, 1, 1, block).miss == block);
}

TEST_CASE("a working set that fits is fetched once, one that does not thrashes", "[l2]") {
  const std::int64_t blocks = GENERATE(3, 4, 5);
  L2Cache cache(spec_of(64));
  for (int round = 0; round < 10; ++round) {
    for (std::int64_t b = 0; b < blocks; ++b) {
      (void)cache.read(0, 7, static_cast<std::uint64_t>(b), Bytes(16 << 10));
    }
  }
  const std::int64_t once = blocks * (16 << 10);
  CHECK(cache.counters().miss == Bytes(blocks <= 4 ? once : 10 * once));
}

TEST_CASE("dirty bytes are written back exactly once", "[l2]") {
  L2Cache cache(spec_of(64));
  Bytes back{0};
  for (std::uint64_t b = 0; b < 20; ++b) back += cache.write(0, 2, b, Bytes(8 << 10)).write_back;
  back += cache.flush();
  CHECK(back == Bytes(20 * (8 << 10)));
  CHECK(cache.resident() == Bytes(0));
  (void)cache.write(0, 3, 0, Bytes(4096));
  cache.drop(3);
  CHECK(cache.flush() == Bytes(0));
}

TEST_CASE("partitions that keep copies halve the capacity of shared data", "[l2]") {
  L2Cache copies(spec_of(64, 2, true));
  L2Cache shared(spec_of(64, 2, false));
  for (int round = 0; round < 2; ++round) {
    for (std::uint64_t b = 0; b < 3; ++b) {
      for (int p = 0; p < 2; ++p) {
        (void)copies.read(p, 1, b, Bytes(16 << 10));
        (void)shared.read(p, 1, b, Bytes(16 << 10));
      }
    }
  }
  CHECK(copies.counters().miss > shared.counters().miss);
}

TEST_CASE("slices serve no faster than their bandwidth", "[l2]") {
  L2Cache cache(spec_of(64));
  Time end{0};
  for (int i = 0; i < 100; ++i) end = cache.serve(Time(0), 0, 0, Bytes(65536));
  const double rate = cache.spec().slice_bandwidth.value() * cache.spec().slices;
  const double least = 100 * 65536 / rate + cache.spec().latency.value();
  CHECK(to_seconds(end).value() == Approx(least).epsilon(1e-6));
}

TEST_CASE("an impossible cache is refused", "[l2]") {
  L2Spec spec = spec_of(64);
  spec.slices = 0;
  CHECK_THROWS_AS(L2Cache(spec), InputError);
}
