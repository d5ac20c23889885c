#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "command_line.h"

using athena::test::Outcome;
using athena::test::refuses;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {
const std::string kTiny = "{root}/workloads/models/tiny-llama.yaml";
}

TEST_CASE("runs with bad input are refused") {
  refuses("run", "--on");
  refuses("run none.yaml --on athena", "none.yaml");
  refuses("run " + kTiny + " --on atena", "Did you mean 'athena'?");
  refuses("run " + kTiny + " --on athena --vs a100-sxm-80bg", "Did you mean 'a100-sxm-80gb'?");
  refuses("run " + kTiny + " --on athena --batch 0", "batch");
  refuses("run " + kTiny + " --on athena --input 0", "input");
  refuses("run " + kTiny + " --on athena --tp 3", "heads");
  refuses("run " + kTiny + " --on athena --phase prefil", "Did you mean 'prefill'?");
  refuses("run " + kTiny + " --on athena --dtype bf61", "Did you mean 'bf16'?");
  refuses("run " + kTiny + " --on athena --set cluster.count=0",
          "cluster.count: must be 1 to 4096");
  refuses("run " + kTiny + " --on athena --set memroy.stacks=3", "Did you mean 'memory'?");
  refuses("run " + kTiny + " --on athena --bacth 3", "Did you mean '--batch'?");
  refuses("run " + kTiny + " --on athena --input 100000000", "context");
}

TEST_CASE("bad models are refused with their place") {
  refuses("run broken.json --on athena", "broken.json",
          {{"broken.json", "{\"model_type\": \"llama\", "}});
  refuses("run partial.json --on athena", "hidden_size",
          {{"partial.json", "{\"model_type\": \"llama\", \"num_hidden_layers\": 2}"}});
  refuses("run strange.json --on athena", "model_type",
          {{"strange.json", "{\"hidden_size\": 64}"}});
}

TEST_CASE("what does not fit is a finding that names the sizes") {
  const Outcome outcome =
      athena::test::athena("run {root}/workloads/models/gpt3-175b.yaml --on athena --input 128");
  CHECK(outcome.exit_code == 1);
  CHECK_THAT(outcome.err, Contains("GiB") || Contains("GB"));
  CHECK(outcome.out.empty());
  CHECK(outcome.written.empty());
}

TEST_CASE("a missing file is refused with its nearest neighbour") {
  refuses("run {root}/workloads/models/llama-2-7c.yaml --on athena",
          "Did you mean 'llama-2-7b.yaml'?");
}

TEST_CASE("a variant of a chip is called as its file and says which key it got wrong") {
  refuses("run " + kTiny + " --on small.yaml", "Did you mean 'count'?",
          {{"small.yaml", "base: athena\ncluster: {cout: 4}\n"}});
  const Outcome outcome = athena::test::athena(
      "run " + kTiny + " --on small.yaml --json",
      {{"small.yaml", "base: athena\ncluster: {count: 4}\nnoc: {rows: 2, cols: 2}\n"}});
  REQUIRE(outcome.exit_code == 0);
  CHECK(json::parse(outcome.out).at("chip") == "small");
}

TEST_CASE("a compiled program runs from its file as the model did, and on no other chip") {
  const std::string make = "compile " + kTiny + " --on athena --phase decode --input 16 -o p.bin";
  const Outcome compiled =
      athena::test::athena(make + " >&2 && " ATHENA_BINARY " run p.bin --on athena --json");
  INFO(compiled.err);
  REQUIRE(compiled.exit_code == 0);
  const Outcome model =
      athena::test::athena("run " + kTiny + " --on athena --phase decode --input 16 --json");
  REQUIRE(model.exit_code == 0);
  const json from_file = json::parse(compiled.out);
  const json from_model = json::parse(model.out);
  CHECK(from_file.at("provenance").at("program_hash") ==
        from_model.at("provenance").at("program_hash"));
  CHECK(from_file.at("cycles") == from_model.at("cycles"));
  const Outcome other =
      athena::test::athena(make + " >&2 && " ATHENA_BINARY " run p.bin --on a100-sxm-80gb");
  CHECK(other.exit_code == 2);
  CHECK_THAT(other.err, Contains("was compiled for 'athena'"));
}
