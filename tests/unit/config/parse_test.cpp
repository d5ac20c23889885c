#include "config/parse.h"

#include <catch2/catch.hpp>
#include <string>

#include "base/error.h"

using namespace athena;
using namespace athena::config;
using Catch::Matchers::Contains;

TEST_CASE("values keep their place and their origin") {
  const Node node = parse_text("a: 1\nb:\n  c: 64 GiB\n", "x.yaml");
  REQUIRE(node.keys() == std::vector<std::string>{"a", "b"});
  const Node& c = *node.find("b")->find("c");
  CHECK(c.scalar == "64 GiB");
  CHECK(c.where.text() == "x.yaml:3:6");
  CHECK(c.origin == "x.yaml:3");
}

TEST_CASE("JSON is read, escapes included") {
  const Node node = parse_text("{\n\t\"a\": [1, 2.5, null],\"b\":{\"c\":\"x\\ny\"}}", "x.json");
  REQUIRE(node.find("a")->list.size() == 3);
  CHECK(node.find("a")->list[2].is_null());
  CHECK(node.find("b")->find("c")->scalar == "x\ny");
}

TEST_CASE("a value with a note becomes the value carrying it") {
  const Node node = parse_text(
      "a: {value: 3, source: sheet}\nb: {value: [1, 2], assumed: guess}\nc: {value: 1, other: 2}\n",
      "x");
  CHECK(node.find("a")->scalar == "3");
  CHECK(node.find("a")->source == "sheet");
  CHECK(node.find("b")->list.size() == 2);
  CHECK(node.find("b")->assumed == "guess");
  CHECK(node.find("c")->is_map());
}

TEST_CASE("what is not strict YAML is refused with its place") {
  struct Case {
    const char* text;
    const char* says;
  };
  const auto bad = GENERATE(values<Case>({
      {"a: 1\nb: 2\na: 3\n", "x:3:1: the key 'a' is given twice (first on line 1)"},
      {"{a: {b: 1, b: 2}}", "x:1:12: the key 'b' is given twice"},
      {"a: &n 1\nb: *n\n", "x:1:4: anchors"},
      {"a: !!int 3\n", "x:1:4: tags"},
      {"a: 1\n---\nb: 2\n", "more than one YAML document"},
      {"{\"a\": [1, 2", "is a bracket never closed?"},
      {"a: [1, 2\nb: 3", "not valid YAML"},
      {"a: b: c\n", "x:1:5: not valid YAML"},
      {"? [1, 2]\n: 3\n", "x:1:3: expected a plain word as key"},
      {"~: 3\n", "a key must be a plain word"},
      {"\"unterminated", "not valid YAML"},
  }));
  CAPTURE(bad.text);
  CHECK_THROWS_WITH(parse_text(bad.text, "x"), Contains(bad.says));
  CHECK_THROWS_AS(parse_text(bad.text, "x"), InputError);
}

TEST_CASE("deep nesting is refused, not a crash") {
  const std::string deep(100000, '[');
  CHECK_THROWS_AS(parse_text(deep, "x"), InputError);
}

TEST_CASE("canonical text parses back to the same text") {
  const char* text =
      GENERATE("a: 1\n", "a:\n  - b: 1\n    c: [1, 2]\n  - [x, y]\n  - ~\n", "{}", "[]",
               "a: []\nb: {}\n", "a: 'it: is # a \"mess\"'\nb: \"\\n\\t\\\\\"\nc: '~'\nd: ''\n",
               "a: -3 C\nb: '- x'\nc: '%x'\n", "- - 1\n  - - 2\n    - {a: 1}\n",
               "'a b': 1\n'true': \"a, b\"\n", "a: '---'\nb: '2026-01-01'\n",
               "a: \xc2\xb5s\nb: \"\\x01\"\n", "' lead': 'trail '\n");
  CAPTURE(text);
  const std::string once = to_yaml(parse_text(text, "x"));
  CAPTURE(once);
  CHECK(to_yaml(parse_text(once, "y")) == once);
}

TEST_CASE("canonical text does not change what a scalar says") {
  for (const std::string word :
       {"",   "~",  "null", "- x", "a: b", "#c", "*a",   "&a",      "!t",  "x\ny",
        "\"", "'",  " x",   "x ",  "%",    "@",  "`",    "---",     "...", "-",
        "?",  ": ", "[",    "{",   "$5",   "\\", "\x7f", "\xc2\xb5"}) {
    CAPTURE(word);
    Node map = map_node();
    map.set(word.empty() ? "k" : word, list_node({scalar_node(word), map_node()}));
    map.set("plain", scalar_node(word));
    const Node back = parse_text(to_yaml(map), "y");
    REQUIRE(back.map.size() == 2);
    CHECK(back.map[1].value.is_scalar());
    CHECK(back.map[1].value.scalar == word);
    CHECK(back.map[0].value.list[0].scalar == word);
    if (!word.empty()) CHECK(back.map[0].key == word);
  }
}
