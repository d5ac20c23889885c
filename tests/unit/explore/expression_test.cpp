#include "explore/expression.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "base/rng.h"

using namespace athena;
using namespace athena::explore;
using Catch::Contains;

namespace {

std::optional<Value> sample(const std::string& name) {
  static const std::map<std::string, Value> values = {
      {"a", number_value(3)},
      {"chip.clock", value_from_text("1.5 GHz")},
      {"time_s", value_from_text("2 s")},
      {"area", value_from_text("800 mm2")},
      {"phase", word_value("decode")},
      {"deep.er.b_2", number_value(7)},
  };
  const auto found = values.find(name);
  if (found == values.end()) return std::nullopt;
  return found->second;
}

Expression parsed(const std::string& text) {
  return Expression::parse(text, {"space.yaml", 3, 5});
}
double number(const std::string& text) {
  return parsed(text).number(sample).number();
}
bool truth(const std::string& text) {
  return parsed(text).truth(sample);
}

}  // namespace

TEST_CASE("arithmetic follows the usual precedence") {
  CHECK(number("1 + 2 * 3") == 7);
  CHECK(number("(1 + 2) * 3") == 9);
  CHECK(number("2 ^ 3 ^ 2") == 512);
  CHECK(number("-2 ^ 2") == -4);
  CHECK(number("10 - 4 - 3") == 3);
  CHECK(number("16 / 4 / 2") == 2);
  CHECK(number("8 / a") == Approx(8.0 / 3));
  CHECK(number("deep.er.b_2 * 2") == 14);
  CHECK(number("max(1, min(5, a), 2)") == 3);
  CHECK(number("ceil(2.1) + floor(2.9) + round(2.5) + sqrt(9) + log2(8) + abs(0 - 4)") == 18);
  CHECK(number("a > 2 ? 10 : 20") == 10);
  CHECK(number("1e3 + 1.5E-1") == Approx(1000.15));
}

TEST_CASE("conditions compare numbers and words, and stop early") {
  CHECK(truth("a >= 3 && a < 4"));
  CHECK(truth("phase == 'decode' && phase != 'prefill'"));
  CHECK(truth("!(a == 4) || nothing > 3"));
  CHECK_FALSE(truth("false && nothing > 3"));
  CHECK(truth("chip.clock <= 1500 MHz"));
  CHECK(truth("area > 0"));  // zero needs no unit
}

TEST_CASE("units go through the arithmetic") {
  const Value cycles = parsed("time_s * chip.clock").number(sample);
  CHECK(cycles.dimensions.bare());
  CHECK(cycles.number() == Approx(3e9));
  CHECK(parsed("16 GiB * 4").number(sample).number() == 16.0 * 4 * 1024 * 1024 * 1024);
  CHECK(parsed("410 GB/s / chip.clock").number(sample).dimensions == find_unit("B")->dimensions);
  CHECK(parsed("700 W * time_s").number(sample).dimensions == find_unit("J")->dimensions);
  CHECK(parsed("3 USD/Mtok").number(sample).number() == Approx(3e-6));
  CHECK(parsed("area ^ 2").number(sample).dimensions.text() == "mm^2 mm^2");
}

TEST_CASE("wrong units, kinds and names are refused with place and reason") {
  const auto why = [](const std::string& text) -> std::string {
    try {
      static_cast<void>(parsed(text).evaluate(sample));
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  };
  CHECK_THAT(why("time_s + area"), Contains("space.yaml:3:5"));
  CHECK_THAT(why("time_s + area"), Contains("a value in s") && Contains("mm^2"));
  CHECK_THAT(why("area <= 858"), Contains("without unit"));
  CHECK_THAT(why("area <= 858 W"), Contains("in W"));
  CHECK_THAT(why("phase + 1"), Contains("the word 'decode'"));
  CHECK_THAT(why("a && true"), Contains("true or false"));
  CHECK_THAT(why("log2(area)"), Contains("without unit"));
  CHECK_THAT(why("area ^ 0.5"), Contains("whole exponent"));
  CHECK_THAT(why("nothing + 1"), Contains("there is no 'nothing'"));
}

TEST_CASE("what is no expression is refused at its character") {
  for (const char* text : {"", "1 +", "(1", "1)", "a b", "3 GHx", "mni(1)", "'open", "1 = 2",
                           "a ? 1", "min()", "ceil(1, 2)", "&", ".", "a..", "2 ** 3"}) {
    INFO(text);
    CHECK_THROWS_AS(parsed(text).evaluate(sample), InputError);
  }
  CHECK_THROWS_WITH(parsed("3 GHx"), Contains("Did you mean 'GHz'"));
  CHECK_THROWS_WITH(parsed("mni(1)"), Contains("Did you mean 'min'"));
  CHECK_THROWS_AS(parsed(std::string(5000, '(')), InputError);
}

TEST_CASE("random text never does anything but parse or be refused") {
  Rng rng(3);
  const std::string letters = "a1.+-*/()<>=!&|?:' GHzW^,_e\xc2";
  int evaluated = 0;
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text(rng.below(12), ' ');
    for (char& c : text) c = letters[rng.below(letters.size())];
    try {
      static_cast<void>(parsed(text).evaluate(sample));
      ++evaluated;
    } catch (const InputError&) {
      ++refused;
    }
  }
  CHECK(evaluated + refused == 20000);
  CHECK(evaluated > 0);  // the letters do form expressions
  CHECK(refused > 0);
}

TEST_CASE("a violation grows with the distance from the bound") {
  CHECK(parsed("area <= 800 mm2").violation(sample) == 0);
  CHECK(parsed("area <= 400 mm2").violation(sample) == Approx(1.0));
  CHECK(parsed("area <= 640 mm2").violation(sample) == Approx(0.25));
  CHECK(parsed("area < 800 mm2").violation(sample) > 0);
  CHECK(parsed("a == 4").violation(sample) == 1.0);
  CHECK(parsed("a >= 3 && area > 0").violation(sample) == 0);
}

TEST_CASE("values become the text that documents take, and come back the same") {
  for (const char* text : {"16", "1.5 GHz", "64 GiB", "0.25", "410 GB/s", "500 W", "2.5 us", "word",
                           "true", "858 mm^2", "3.9 pJ"}) {
    const Value value = value_from_text(text);
    const Value again = value_from_text(to_text(value));
    INFO(text << " -> " << to_text(value));
    CHECK(again.content == value.content);
    CHECK(again.dimensions == value.dimensions);
  }
  CHECK(to_text(number_value(64)) == "64");
  CHECK(to_text(parsed("16 GiB * 4").evaluate(sample)) == "64 GiB");
  CHECK_THROWS_AS(to_text(number_value(std::nan(""))), InputError);
  CHECK_THROWS_AS(to_text(parsed("area * time_s").evaluate(sample)), InputError);
}

TEST_CASE("the end of a result's key names its unit") {
  CHECK(unit_of_result("decode.time_s").dimensions.text() == "s");
  CHECK(unit_of_result("tokens_per_s").dimensions.text() == "token/s");
  CHECK(unit_of_result("cost.manufacturing_usd.nominal").dimensions.text() == "USD");
  CHECK(unit_of_result("usd_per_mtok").dimensions.text() == "USD/token");
  CHECK(unit_of_result("energy_per_token_j").dimensions.text() == "J/token");
  CHECK(unit_of_result("cost.area_mm2").dimensions.text() == "mm^2");
  CHECK(unit_of_result("mfu").dimensions.bare());
  CHECK(unit_of_result("cycles").dimensions.bare());
}
