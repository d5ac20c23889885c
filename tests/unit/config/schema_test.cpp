#include "config/schema.h"

#include <catch2/catch.hpp>

#include "base/error.h"
#include "config/parse.h"

namespace sample {

using athena::Bytes;
using athena::Cycles;
using athena::Dtype;
using athena::Hertz;

enum class Shape { kRound, kSquare };
inline std::vector<std::pair<Shape, std::string>> enum_names(const Shape*) {
  return {{Shape::kRound, "round"}, {Shape::kSquare, "square"}};
}

struct Part {
  int count = 3;
  Bytes size{1024};
};

struct Whole {
  bool on = true;
  std::int64_t big = 1;
  double share = 0.5;
  double energy = 3.9;
  std::string text = "none";
  Hertz clock{1e9};
  Cycles wait{4};
  Shape shape = Shape::kRound;
  Dtype type = Dtype::kBf16;
  std::vector<int> list{1, 2};
  std::vector<Part> parts;
  std::map<Dtype, double> rates{{Dtype::kBf16, 1.0}};
  std::map<std::string, Part> named;
  std::optional<Bytes> maybe;
  std::optional<Part> maybe_part;
  std::array<int, 3> dims{1, 1, 1};
  Part part{.count = 7, .size = Bytes(0)};
};

const athena::config::StructSchema& schema_of(const Part*) {
  using namespace athena::config;
  static const StructSchema s = SchemaBuilder<Part>("part", "A part.")
                                    .field("count", &Part::count, "how many", range(1, 16))
                                    .field("size", &Part::size, "bytes of each", not_negative())
                                    .build();
  return s;
}

const athena::config::StructSchema& schema_of(const Whole*) {
  using namespace athena::config;
  static const StructSchema s =
      SchemaBuilder<Whole>("whole", "Everything.")
          .field("on", &Whole::on, "switch")
          .field("big", &Whole::big, "number")
          .field("share", &Whole::share, "share", fraction())
          .field("energy", &Whole::energy, "energy", unit("pJ/bit"), positive())
          .field("text", &Whole::text, "text")
          .field("clock", &Whole::clock, "clock", range(Hertz(1e6), Hertz(5e9)))
          .field("wait", &Whole::wait, "wait")
          .field("shape", &Whole::shape, "shape")
          .field("type", &Whole::type, "format")
          .field("list", &Whole::list, "list", range(0, 9), items(1, 4))
          .field("parts", &Whole::parts, "parts")
          .field("rates", &Whole::rates, "rates")
          .field("named", &Whole::named, "named")
          .field("maybe", &Whole::maybe, "maybe")
          .field("maybe_part", &Whole::maybe_part, "maybe part")
          .field("dims", &Whole::dims, "dims")
          .field("part", &Whole::part, "part")
          .check([](const Whole& w) {
            return w.big == 13 ? std::string("13 is unlucky.") : std::string();
          })
          .build();
  return s;
}

struct Strict {
  std::string name;
};
const athena::config::StructSchema& schema_of(const Strict*) {
  using namespace athena::config;
  static const StructSchema s = SchemaBuilder<Strict>("strict", "Needs a name.")
                                    .field("name", &Strict::name, "its name", required())
                                    .build();
  return s;
}

}  // namespace sample

using namespace athena;
using namespace athena::config;
using Catch::Matchers::Contains;
using sample::Whole;

namespace {
Whole bound(const std::string& text) {
  return bind<Whole>(parse_text(text, "x"));
}
}  // namespace

TEST_CASE("every type is read") {
  const Whole w = bound(
      "on: false\nbig: -5\nshare: 12.5 %\nenergy: 4 pJ/bit\ntext: 16\nclock: 1.53 GHz\nwait: 9 "
      "cycles\n"
      "shape: square\ntype: fp8\nlist: [3]\nparts: [{count: 2}, {size: 2 KiB}]\nrates: {int8: 2, "
      "fp16: 1}\n"
      "named: {a: {count: 1}}\nmaybe: 3 B\nmaybe_part: {count: 9}\ndims: [1, 2, 3]\npart: {size: 5 "
      "B}\n");
  CHECK_FALSE(w.on);
  CHECK(w.big == -5);
  CHECK(w.share == 0.125);
  CHECK(w.energy == 4.0);
  CHECK(w.text == "16");
  CHECK(w.clock == Hertz(1.53e9));
  CHECK(w.wait == Cycles(9));
  CHECK(w.shape == sample::Shape::kSquare);
  CHECK(w.type == Dtype::kFp8E4M3);
  CHECK(w.list == std::vector<int>{3});
  REQUIRE(w.parts.size() == 2);
  CHECK(w.parts[0].size == Bytes(1024));
  CHECK(w.parts[1].size == Bytes(2048));
  CHECK(w.rates == std::map<Dtype, double>{{Dtype::kInt8, 2.0}, {Dtype::kFp16, 1.0}});
  CHECK(w.named.at("a").count == 1);
  CHECK(w.maybe == Bytes(3));
  CHECK(w.maybe_part->count == 9);
  CHECK(w.dims == std::array<int, 3>{1, 2, 3});
  CHECK(w.part.count == 7);  // the default of the place where the struct stands, not of its type
  CHECK(w.part.size == Bytes(5));
}

TEST_CASE("a dump binds back to itself and has one canonical text") {
  const std::string changed =
      "maybe: 3 B\nparts: [{count: 2}]\nnamed: {a: {}, b: {}}\ntext: 'a: b'\n";
  for (const std::string& text : {std::string("{}"), changed}) {
    const std::string once = to_yaml(dump(bound(text)));
    CHECK(to_yaml(dump(bound(once))) == once);
  }
  CHECK(to_yaml(dump(bound("clock: 1530 MHz"))) == to_yaml(dump(bound("clock: 1.53 GHz"))));
  CHECK(to_yaml(dump(bound("list: [1]"))) != to_yaml(dump(bound("list: [2]"))));
}

TEST_CASE("slips are answered with place, expectation and nearest spelling") {
  struct Case {
    const char* text;
    const char* says;
  };
  const auto bad = GENERATE(values<Case>({
      {"part:\n  cuont: 3\n", "x:2:3: there is no key 'cuont' in 'part'. Did you mean 'count'?"},
      {"zzzzzzzz: 3\n", "Its keys: on, big,"},
      {"on: yes\n", "x:1:5: on: expected true or false, got 'yes'."},
      {"big: 1.5\n", "expected a whole number"},
      {"big: 99999999999999999999\n", "expected a whole number"},
      {"big: 13\n", "13 is unlucky."},
      {"share: 1.5\n", "must be 0 to 1, got '1.5'"},
      {"share: 150 %\n", "must be 0 to 1"},
      {"share: 3 GiB\n", "expected a number"},
      {"energy: 4\n", "expected a number of pJ/bit, such as '3 pJ/bit', got '4'"},
      {"energy: 0 pJ/bit\n", "must be above 0 pJ/bit"},
      {"clock: 1.53\n", "x:1:8: clock: expected a frequency with its unit (Hz, kHz, MHz, GHz)"},
      {"clock: 9 GHz\n", "must be 1 MHz to 5 GHz, got '9 GHz'"},
      {"wait: 1.5 cycles\n", "expected a whole number of cycles"},
      {"shape: sqare\n", "Did you mean 'square'?"},
      {"type: bf61\n", "Did you mean 'bf16'?"},
      {"list: 3\n", "expected a list"},
      {"list: []\n", "a list of 1 to 4 items, got 0"},
      {"list: [1, 99]\n", "x:1:11: list[1]: must be 0 to 9"},
      {"dims: [1, 2]\n", "a list of 3 items"},
      {"rates: {bf61: 1}\n", "x:1:9: rates: expected one of"},
      {"parts: [{count: 99}]\n", "parts[0].count: must be 1 to 16, got '99'"},
      {"parts: {}\n", "expected a list"},
      {"part: 3\n", "expected the keys of a part (count, size), got '3'"},
      {"part: ~\n", "got nothing"},
      {"text: [a]\n", "expected text, got a list"},
      {"clock: {value: 1 GHz, sorce: x}\n", "Did you mean 'source'?"},
      {"- 1\n", "expected the keys of a whole"},
  }));
  CAPTURE(bad.text);
  CHECK_THROWS_WITH(bound(bad.text), Contains(bad.says));
  CHECK_THROWS_AS(bound(bad.text), InputError);
}

TEST_CASE("a number that its member cannot hold is refused") {
  CHECK_THROWS_WITH(bound("dims: [5000000000, 1, 1]"), Contains("does not fit here"));
}

TEST_CASE("a required key has no default") {
  CHECK_THROWS_WITH(bind<sample::Strict>(parse_text("{}", "x")),
                    Contains("the key 'name' is missing (its name)"));
}

TEST_CASE("groups may carry a note of their own") {
  CHECK(bound("part: {count: 2, source: sheet}\n").part.count == 2);
}
