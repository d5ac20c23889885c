#include "base/units.h"

#include <catch2/catch.hpp>
#include <type_traits>

using namespace athena;

// A unit never turns into another or into a bare number by accident.
static_assert(!std::is_convertible_v<Bytes, Cycles>);
static_assert(!std::is_convertible_v<std::int64_t, Bytes>);
static_assert(!std::is_convertible_v<Seconds, double>);
static_assert(std::is_same_v<decltype(Bytes(4) / Bytes(2)), double>);

TEST_CASE("arithmetic stays in its unit") {
  CHECK(Bytes(3) + Bytes(4) == Bytes(7));
  CHECK(Bytes(7) - Bytes(4) == Bytes(3));
  CHECK(2 * Bytes(3) == Bytes(3) * 2);
  CHECK(Bytes(6) / Bytes(4) == 1.5);
  CHECK(2_KiB == Bytes(2048));
  CHECK(1_GiB == 1024 * 1_MiB);
  CHECK(Seconds(1.0) < Seconds(2.0));
}

TEST_CASE("time converts both ways without drift") {
  for (const std::int64_t fs : {1LL, 653594771LL, 123456789012345LL}) {
    CHECK(to_time(to_seconds(Time(fs))) == Time(fs));
  }
  const Hertz clock(1.53e9);
  for (const std::int64_t n : {1LL, 1000LL, 1234567LL}) {
    CHECK(to_cycles(periods(static_cast<double>(n), clock), clock) == Cycles(n));
  }
  CHECK(transfer_time(Bytes(1'800'000'000'000), BytesPerSecond(1.8e12)) == to_time(Seconds(1.0)));
}

TEST_CASE("rounding helpers cover and never overshoot by a whole step") {
  for (int a = 0; a < 50; ++a) {
    for (int b = 1; b < 9; ++b) {
      CHECK(ceil_div(a, b) * b >= a);
      CHECK((ceil_div(a, b) - 1) * b < a);
      CHECK(round_up(a, b) % b == 0);
    }
  }
}
