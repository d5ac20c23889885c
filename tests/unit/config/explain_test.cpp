#include "config/explain.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "config/config.h"
#include "config/publish.h"

namespace sample_explain {

struct Inner {
  int count = 2;
  athena::Bytes size{64};
};

struct Outer {
  std::string name = "x";
  Inner inner;
  std::vector<Inner> list;
  std::map<std::string, double> rates{{"a", 1.0}};
  std::optional<int> maybe;
};

const athena::config::StructSchema& schema_of(const Inner*) {
  using namespace athena::config;
  static const StructSchema s = SchemaBuilder<Inner>("inner", "Inside.")
                                    .field("count", &Inner::count, "how | many", range(1, 9))
                                    .field("size", &Inner::size, "how large")
                                    .build();
  return s;
}

const athena::config::StructSchema& schema_of(const Outer*) {
  using namespace athena::config;
  static const StructSchema s = SchemaBuilder<Outer>("outer", "Outside.")
                                    .field("name", &Outer::name, "its name", required())
                                    .field("inner", &Outer::inner, "a group")
                                    .field("list", &Outer::list, "many groups")
                                    .field("rates", &Outer::rates, "by name")
                                    .field("maybe", &Outer::maybe, "perhaps")
                                    .build();
  return s;
}

}  // namespace sample_explain

using namespace athena::config;
using Catch::Matchers::Contains;
using sample_explain::Outer;

namespace {

const StructSchema& outer() {
  return schema_of(static_cast<const Outer*>(nullptr));
}

std::vector<ExplainedKey> explained(const std::string& text,
                                    const std::vector<std::string>& sets = {}) {
  Node node = parse_text(text, "f.yaml");
  for (const std::string& set : sets) apply_set(node, set);
  return explain(outer(), node);
}

ExplainedKey key(const std::vector<ExplainedKey>& keys, const std::string& path) {
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const auto& k) { return k.path == path; });
  REQUIRE(found != keys.end());
  return *found;
}

}  // namespace

TEST_CASE("every key is explained, given or not") {
  const auto keys = explained("name: n\ninner: {count: 3}\nlist: [{}, {size: 1 KiB}]\n");
  CHECK(keys.size() == 1 + 2 + 2 * 2 + 1 + 1);
  CHECK(key(keys, "inner.count").value == "3");
  CHECK(key(keys, "inner.count").origin == "f.yaml:2");
  CHECK(key(keys, "inner.count").range == "1 to 9");
  CHECK(key(keys, "inner.size").origin == "default");
  CHECK(key(keys, "list[1].size").value == "1 KiB");
  CHECK(key(keys, "list[1].size").origin == "f.yaml:3");
  CHECK(key(keys, "rates.a").value == "1");
  CHECK(key(keys, "maybe").value == "(none)");
}

TEST_CASE("notes follow their value, or speak for their group, until --set replaces it") {
  const std::string text =
      "name: {value: n, source: sheet}\ninner: {assumed: guess, count: 3, size: {value: 1 B, "
      "source: page}}\n";
  const auto keys = explained(text, {"inner.count=4"});
  CHECK(key(keys, "name").source == "sheet");
  CHECK(key(keys, "inner.size").source == "page");
  CHECK(key(keys, "inner.size").assumed.empty());
  CHECK(key(keys, "inner.count").origin == "--set inner.count=4");
  CHECK(key(keys, "inner.count").assumed.empty());
  CHECK(key(explained(text), "inner.count").assumed == "guess");
}

TEST_CASE("the effective document ignores order, notes and spelling") {
  const auto text = [](const std::string& yaml) {
    return to_yaml(effective(outer(), parse_text(yaml, "x")));
  };
  CHECK(text("name: n\ninner: {size: 1024 B}") ==
        text("inner: {size: {value: 1 KiB, source: s}}\nname: n"));
  CHECK(text("name: n") != text("name: m"));
}

TEST_CASE("the JSON schema closes groups and knows units") {
  const auto schema = json_schema(outer());
  CHECK(schema.at("additionalProperties") == false);
  CHECK(schema.at("properties").contains("base"));
  const auto inner = schema.at("definitions").at("inner");
  CHECK(inner.at("additionalProperties") == false);
  CHECK_THAT(inner.at("properties").at("size").dump(), Contains("GiB"));
  CHECK_THAT(inner.at("properties").at("count").dump(), Contains("\"maximum\":9"));
}

TEST_CASE("the reference page has one row per key and escapes its bars") {
  const std::string page = reference_page({Kind{"outers", &outer()}});
  CHECK_THAT(page, Contains("| `name` | text |  | (required) | its name |"));
  CHECK_THAT(page, Contains("how \\| many"));
  CHECK_THAT(page, Contains("| `list` | list of [inner](#inner) |"));
  CHECK(page.find("## inner") == page.rfind("## inner"));
}

TEST_CASE("kinds are found by name, by folder and by document") {
  const std::vector<Kind> kinds{Kind{"chips", &outer()}, Kind{"stacks", &outer()},
                                Kind{"stacks/collectives", &outer()}};
  CHECK(find_kind(kinds, "chips").name == "chips");
  CHECK_THROWS_WITH(find_kind(kinds, "chisp"), Contains("Did you mean 'chips'?"));
  CHECK(kind_of(kinds, "athena").name == "chips");
  CHECK(kind_of(kinds, ATHENA_SOURCE_DIR "/configs/chips/athena.yaml").name == "chips");
  CHECK(kind_of(kinds, ATHENA_SOURCE_DIR "/configs/stacks/bare.yaml").name == "stacks");
  CHECK(kind_of(kinds, ATHENA_SOURCE_DIR "/configs/stacks/collectives/nccl.yaml").name ==
        "stacks/collectives");
  CHECK_THROWS_WITH(kind_of(kinds, ATHENA_SOURCE_DIR "/LICENSE"), Contains("say --kind"));
  CHECK_THROWS_WITH(kind_of(kinds, "atena"), Contains("Did you mean 'athena'?"));
}
