#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "command_line.h"

using athena::test::Outcome;
using athena::test::refuses;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

std::string chip_with(const std::string& line) {
  return "base: athena\nname: mine\n" + line + "\n";
}

void refuses_chip(const std::string& text, const std::string& says) {
  refuses("config check --kind chips mine.yaml", says, {{"mine.yaml", text}});
}

}  // namespace

TEST_CASE("explain shows every key with value, origin and reason") {
  const Outcome outcome =
      athena::test::athena("config explain athena --set memory.stacks=6 --json");
  REQUIRE(outcome.exit_code == 0);
  const json object = json::parse(outcome.out);
  std::size_t assumed = 0;
  bool overridden = false;
  for (const json& key : object.at("keys")) {
    CAPTURE(key);
    CHECK_FALSE(key.at("key").get<std::string>().empty());
    CHECK_FALSE(key.at("doc").get<std::string>().empty());
    CHECK_FALSE(key.at("origin").get<std::string>().empty());
    CHECK_FALSE(key.at("value").get<std::string>().empty());
    assumed += key.at("assumed").get<std::string>().empty() ? 0 : 1;
    if (key.at("key") == "memory.stacks") {
      overridden = key.at("value") == "6" && key.at("origin") == "--set memory.stacks=6";
    }
  }
  CHECK(overridden);
  CHECK(assumed > 20);
}

TEST_CASE("the hash follows meaning, not spelling") {
  const auto hash = [](const std::string& arguments) {
    const Outcome outcome = athena::test::athena("config explain athena --json " + arguments);
    REQUIRE(outcome.exit_code == 0);
    return json::parse(outcome.out).at("hash").get<std::string>();
  };
  CHECK(hash("") == hash("--set 'clock.core=1530 MHz'"));
  CHECK(hash("") != hash("--set 'clock.core=1531 MHz'"));
}

TEST_CASE("an inherited document says from which file each value comes") {
  const Outcome outcome = athena::test::athena("config explain a100-sxm-40gb");
  REQUIRE(outcome.exit_code == 0);
  CHECK_THAT(outcome.out, Contains("a100-sxm-40gb.yaml:") && Contains("a100-sxm-80gb.yaml:"));
}

TEST_CASE("every shipped document fits its schema") {
  const Outcome listed = athena::test::athena("config list --json");
  REQUIRE(listed.exit_code == 0);
  const json kinds = json::parse(listed.out);
  for (const auto& [kind, names] : kinds.items()) {
    for (const json& name : names) {
      const Outcome outcome = athena::test::athena("config check --kind " + kind + " '" +
                                                   name.get<std::string>() + "'");
      CAPTURE(kind, name, outcome.err);
      CHECK(outcome.exit_code == 0);
    }
  }
}

TEST_CASE("the reference page is the one in the repository") {
  const Outcome outcome = athena::test::athena("config reference");
  REQUIRE(outcome.exit_code == 0);
  std::ifstream in(ATHENA_SOURCE_DIR "/configs/REFERENCE.md");
  std::ostringstream page;
  page << in.rdbuf();
  INFO("run: athena config reference --out configs/REFERENCE.md");
  CHECK(outcome.out == page.str());
}

TEST_CASE("schemas for editors are JSON and close every group") {
  const Outcome outcome = athena::test::athena("config schema chips");
  REQUIRE(outcome.exit_code == 0);
  const json schema = json::parse(outcome.out);
  CHECK(schema.at("additionalProperties") == false);
  for (const auto& [name, group] : schema.at("definitions").items()) {
    CAPTURE(name);
    CHECK(group.at("additionalProperties") == false);
  }
}

TEST_CASE("bad documents are refused with place and remedy") {
  refuses_chip(chip_with("memory: {stakcs: 4}"),
               "mine.yaml:3:10: there is no key 'stakcs' in 'memory'. Did you mean 'stacks'?");
  refuses_chip(chip_with("clock: {core: 1.53}"),
               "mine.yaml:3:15: clock.core: expected a frequency with its unit");
  refuses_chip(chip_with("clock: {core: 1.53 GB}"), "such as '1.53 GHz'; got '1.53 GB'");
  refuses_chip(chip_with("cluster: {count: 0}"), "cluster.count: must be 1 to 4096, got '0'");
  refuses_chip(chip_with("memory: {stacks: many}"), "expected a whole number, got 'many'");
  refuses_chip(chip_with("name: twice"), "mine.yaml:3:1: the key 'name' is given twice");
  refuses_chip("base: atena\nname: mine\n", "mine.yaml:1:7: base: there is no document 'atena'");
  refuses_chip("base: mine.yaml\nname: mine\n", "leads back to itself");
  refuses_chip("{\"name\": \"mine\", \"clock\": {\"core\":", "mine.yaml:");
  refuses_chip("- 1\n", "expected 'key: value' lines");
  refuses_chip("", "the key 'name' is missing");
  refuses("config check --kind chips none.yaml", "there is no file 'none.yaml'");
  refuses("config check none.yaml", "none.yaml");
  refuses("config explain atena", "Did you mean 'athena'?");
  refuses("config explain athena --set memory.stacks", "expected KEY=VALUE");
  refuses("config explain athena --set memory.stacks=0", "must be 1 to 64");
  refuses("config schema chisp", "Did you mean 'chips'?");
}

TEST_CASE("binary rubbish is refused, not a crash") {
  refuses_chip(std::string("\x00\xff\xfe\x01 {[", 7), "mine.yaml");
  refuses_chip(std::string(100000, '{'), "mine.yaml");
}
