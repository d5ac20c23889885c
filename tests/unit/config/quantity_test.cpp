#include "config/quantity.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "base/rng.h"

using namespace athena;
using namespace athena::config;
using Catch::Matchers::Contains;

namespace {

template <class Q>
double parsed(std::string_view text) {
  const ParsedQuantity out = parse_quantity(text, dimension_of<Q>());
  CAPTURE(text, out.problem);
  REQUIRE(out.problem.empty());
  return static_cast<double>(out.value);
}

}  // namespace

TEST_CASE("units mean what they say") {
  CHECK(parsed<Bytes>("64 GiB") == 64.0 * 1073741824.0);
  CHECK(parsed<Bytes>("64GB") == 64e9);
  CHECK(parsed<Bytes>("1.5 KiB") == 1536.0);
  CHECK(parsed<BytesPerSecond>("1.8 TB/s") == 1.8e12);
  CHECK(parsed<BytesPerSecond>("400 Gb/s") == 50e9);
  CHECK(parsed<Hertz>("1.53 GHz") == 1.53e9);
  CHECK(parsed<Seconds>("100 ns") == 100e-9);
  CHECK(parsed<Time>("2.5 us") == 2.5e9);
  CHECK(parsed<Joules>("3.9 pJ") == 3.9e-12);
  CHECK(parsed<Watts>("1.2e3 mW") == 1.2);
  CHECK(parsed<SquareMm>("820 mm^2") == 820.0);
  CHECK(parsed<Usd>("1.5 M$") == 1.5e6);
  CHECK(parsed<Usd>("$17000") == 17000.0);
  CHECK(parsed<Cycles>("20 cycles") == 20.0);
  CHECK(parsed<Cycles>("-1 cycle") == -1.0);
}

TEST_CASE("a missing or wrong unit is refused with the expected ones") {
  const auto problem = [](std::string_view text, const Dimension& dimension) {
    return parse_quantity(text, dimension).problem;
  };
  CHECK_THAT(problem("1.8", dimension_of<BytesPerSecond>()),
             Contains("expected a rate with its unit (B/s,"));
  CHECK_THAT(problem("1.8 tb/s", dimension_of<BytesPerSecond>()), Contains("Did you mean 'TB/s'?"));
  CHECK_THAT(problem("64 GHz", dimension_of<Bytes>()), Contains("such as '64 GiB'; got '64 GHz'"));
  for (const char* text : {"", "GiB", "0x10 B", "inf B", "nan B", "1e999 B", "1 2 B", "1.2.3 B",
                           "- 1 B", "$5 B", "1 GiB GiB"}) {
    CAPTURE(text);
    CHECK_FALSE(problem(text, dimension_of<Bytes>()).empty());
  }
}

TEMPLATE_TEST_CASE("written quantities read back exactly", "", Hertz, Seconds, BytesPerSecond,
                   Joules, Watts, SquareMm, Usd) {
  Rng rng(7);
  const Dimension& dimension = dimension_of<TestType>();
  for (int i = 0; i < 2000; ++i) {
    const double value = std::exp(rng.uniform(-40.0, 40.0)) * (rng.chance(0.1) ? -1.0 : 1.0);
    const std::string text = format_quantity(value, dimension);
    CAPTURE(text);
    REQUIRE(static_cast<double>(parse_quantity(text, dimension).value) == value);
  }
}

TEMPLATE_TEST_CASE("written whole quantities read back exactly", "", Bytes, Time, Cycles) {
  Rng rng(8);
  const Dimension& dimension = dimension_of<TestType>();
  for (int i = 0; i < 2000; ++i) {
    const auto value = static_cast<std::int64_t>(rng.next() >> (1 + rng.below(62)));
    const std::string text = format_quantity(value, dimension);
    CAPTURE(text);
    REQUIRE(static_cast<std::int64_t>(parse_quantity(text, dimension).value) == value);
  }
}

TEST_CASE("quantities are written the way people write them") {
  CHECK(format_quantity(1.53e9, dimension_of<Hertz>()) == "1.53 GHz");
  CHECK(format_quantity(1.8e12, dimension_of<BytesPerSecond>()) == "1.8 TB/s");
  CHECK(format_quantity(std::int64_t{64} << 30, dimension_of<Bytes>()) == "64 GiB");
  CHECK(format_quantity(std::int64_t{80'000'000'000}, dimension_of<Bytes>()) == "80 GB");
  CHECK(format_quantity(100e-9, dimension_of<Seconds>()) == "100 ns");
  CHECK(format_quantity(0.0, dimension_of<Watts>()) == "0 W");
  CHECK(format_quantity(17000.0, dimension_of<Usd>()) == "17000 $");
}
