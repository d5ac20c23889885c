/// The shipped model files, and the runs of identical layers.
#include "workload/transformer.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "config/resolve.h"

using namespace athena;
using namespace athena::workload;

TEST_CASE("shipped models have their published sizes") {
  const std::pair<const char*, double> expected[] = {
      {"gpt2", 0.1244},        {"gpt-j-6b", 6.05},          {"gpt3-175b", 174.6},
      {"gpt-1.3b", 1.318},     {"gpt-20b", 20.26},          {"llama-2-7b", 6.738},
      {"llama-2-70b", 68.98},  {"llama-3.1-8b", 8.03},      {"llama-3.1-70b", 70.55},
      {"mixtral-8x7b", 46.70}, {"deepseek-v2-lite", 15.71}, {"bert-large", 0.3351},
      {"mpt-1b", 1.31595},     {"mpt-7b", 6.649},           {"mpt-30b", 29.96}};
  for (const auto& [name, billions] : expected) {
    const Transformer m = load_transformer(name);
    INFO(m.summary());
    CHECK(static_cast<double>(m.parameter_count()) * 1e-9 == Approx(billions).epsilon(5e-4));
  }
}

TEST_CASE("every shipped model loads, by path too, and says what it is") {
  const std::filesystem::path folder =
      std::filesystem::path(ATHENA_SOURCE_DIR) / "workloads/models";
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".yaml") continue;
    const Transformer m = load_transformer(entry.path().string());
    INFO(entry.path());
    CHECK(m.summary().find("parameters") != std::string::npos);
    CHECK(m.parameter_count() > 0);
    ++count;
  }
  CHECK(count >= 18);
}

TEST_CASE("an override with --set changes a model file, and a wrong key is named") {
  CHECK(load_transformer("tiny-llama", {"layers=5"}).layers == 5);
  CHECK_THROWS_AS(load_transformer("tiny-llama", {"layrs=5"}), InputError);
  CHECK_THROWS_AS(load_transformer("tiny-lama"), InputError);
  CHECK_THROWS_AS(load_transformer("tiny-llama", {"kv_heads=3"}), InputError);
}

TEST_CASE("layer runs cover the stack exactly and are as few as its pattern allows") {
  Transformer m = load_transformer("tiny-llama");
  const auto covers = [](const Transformer& t, int begin, int end) {
    int next = begin;
    for (const LayerRun& run : t.layer_runs(begin, end)) {
      CHECK(run.first_layer == next);
      for (int r = 0; r < run.repeat; ++r) {
        for (const LayerKind& kind : run.period) {
          CHECK(kind == t.layer_kind(next));
          ++next;
        }
      }
    }
    CHECK(next == end);
  };
  m.layers = 96;
  CHECK(m.layer_runs().size() == 1);
  CHECK(m.layer_runs().front().repeat == 96);

  m.linear.full_attention_interval = 4;
  m.layers = 48;
  REQUIRE(m.layer_runs().size() == 1);
  CHECK(m.layer_runs().front().period.size() == 4);
  CHECK(m.layer_runs().front().repeat == 12);
  for (int begin = 0; begin < 9; ++begin) {
    for (int end = begin; end < 20; ++end) covers(m, begin, end);
  }

  Transformer d = load_transformer("deepseek-v2-lite");
  REQUIRE(d.layer_runs().size() == 2);
  CHECK(d.layer_runs()[1].repeat == 26);
  covers(d, 0, 27);
}
