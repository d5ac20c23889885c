#include "base/text.h"

#include <catch2/catch.hpp>
#include <limits>

using namespace athena;

TEST_CASE("nearest finds slips and refuses strangers") {
  const std::vector<std::string> words{"stacks", "size", "banks", "latency_cycles"};
  CHECK(nearest("stakcs", words) == "stacks");
  CHECK(nearest("latency_cycle", words) == "latency_cycles");
  CHECK(nearest("stacks", words) == "stacks");
  CHECK(nearest("completely-else", words).empty());
  CHECK(nearest("x", {}).empty());
  CHECK(did_you_mean("sise", words) == " Did you mean 'size'?");
  CHECK(did_you_mean("qqqqqqqq", words).empty());
}

TEST_CASE("numbers are shown with three digits and the right prefix") {
  CHECK(si(1.8e12, "B/s") == "1.80 TB/s");
  CHECK(si(999.6, "W") == "1.00 kW");
  CHECK(si(123.4, "W") == "123 W");
  CHECK(si(12.34e-9, "s") == "12.3 ns");
  CHECK(si(-2.5e6, "Hz") == "-2.50 MHz");
  CHECK(si(0.0, "s") == "0 s");
  CHECK(binary(Bytes(512)) == "512 B");
  CHECK(binary(64_GiB) == "64.0 GiB");
  CHECK(show(Seconds(1.23e-3)) == "1.23 ms");
}

TEST_CASE("the shown number never differs from the value by more than half a digit") {
  for (double value = 1.3e-11; value < 1e17; value *= 1.37) {
    const std::string text = si(value, "");
    CAPTURE(value, text);
    const double mantissa = std::stod(text);
    const double exponent = std::log10(value / mantissa);
    CHECK(exponent == Approx(std::round(exponent)).margin(0.003));
    CHECK(mantissa < 1000.0);
  }
}

TEST_CASE("join separates") {
  CHECK(join({}, ", ").empty());
  CHECK(join({"a"}, ", ") == "a");
  CHECK(join({"a", "b", "c"}, ", ") == "a, b, c");
}
