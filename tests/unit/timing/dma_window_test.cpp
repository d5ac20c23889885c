#include "timing/dma_window.h"

#include <catch2/catch.hpp>

#include "base/error.h"

using namespace athena;
using namespace athena::timing;

TEST_CASE("throughput is window over round trip, or the port", "[dma]") {
  const std::int64_t window = GENERATE(8192, 32768, 131072);
  const std::int64_t chunk = GENERATE(2048, 8192, 65536);
  const Time trip(500000000);  // 500 ns
  DmaWindow dma{Bytes(window), BytesPerSecond(0)};
  Time now(0), end(0);
  const int count = 4000;
  for (int i = 0; i < count; ++i) {
    const Time issued = dma.admit(now, Bytes(chunk));
    end = dma.complete(issued, issued + trip, issued + trip, Bytes(chunk));
    now = issued;
    REQUIRE(dma.in_flight() <= dma.window());
  }
  const double rate =
      static_cast<double>(count) * static_cast<double>(chunk) / to_seconds(end).value();
  const double limit = static_cast<double>(window) / to_seconds(trip).value();
  CHECK(rate <= limit * 1.01);
  CHECK(rate >= limit * 0.9);
}

TEST_CASE("a fast memory is not slowed down by a large window", "[dma]") {
  DmaWindow dma{Bytes(1 << 20), BytesPerSecond(100e9)};
  Time end(0);
  for (int i = 0; i < 100; ++i) {
    const Time issued = dma.admit(Time(0), Bytes(4096));
    end = dma.complete(issued, issued + Time(1000000), issued + Time(1000000), Bytes(4096));
  }
  CHECK(to_seconds(end).value() == Approx(99 * 4096 / 100e9 + 1e-9).epsilon(1e-3));
}

TEST_CASE("a window without bytes is refused", "[dma]") {
  CHECK_THROWS_AS(DmaWindow(Bytes(0), BytesPerSecond(0)), InputError);
}
