#include "serving/trace.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "serving/trace_generator.h"

using namespace athena;
using namespace athena::serving;
namespace fs = std::filesystem;

namespace {

/// A folder that is gone after the test.
struct Scratch {
  fs::path folder = fs::temp_directory_path() / ("athena_trace_test_" + std::to_string(::getpid()));
  Scratch() { fs::create_directories(folder); }
  ~Scratch() { fs::remove_all(folder); }
  fs::path write(const std::string& name, const std::string& content) const {
    std::ofstream(folder / name, std::ios::binary) << content;
    return folder / name;
  }
};

std::vector<Request> all(TraceReader& reader) {
  std::vector<Request> requests;
  Request r;
  while (reader.next(r)) requests.push_back(r);
  return requests;
}

std::string complaint(const fs::path& path) {
  try {
    auto reader = open_trace(path);
    (void)all(*reader);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

fs::path shared(const char* name) {
  return fs::path(ATHENA_SOURCE_DIR) / ".." / "shared" / "traces" / name;
}

}  // namespace

TEST_CASE("Each form of trace is told by its content") {
  const Scratch scratch;
  const auto azure = all(*open_trace(scratch.write(
      "a.csv",
      "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-12-31 23:59:59.5000000,374,44\r\n"
      "2024-01-01 00:00:01.2500001,396,109")));
  REQUIRE(azure.size() == 2);
  CHECK(azure[0].arrival.value() == 0.0);
  CHECK(azure[1].arrival.value() == Approx(1.7500001).epsilon(1e-12));
  CHECK(azure[1].output_tokens == 109);
  const auto plain = all(*open_trace(scratch.write(
      "p.csv", "arrival_s,input_tokens,output_tokens,priority\n0.5,10,20,1\n\n0.5,11,21,0\n")));
  REQUIRE(plain.size() == 2);
  CHECK(plain[0].priority == 1);
  CHECK(plain[1].id == 1);
  const auto mooncake = all(*open_trace(scratch.write(
      "m.jsonl",
      R"({"timestamp": 40, "input_length": 600, "output_length": 3, "hash_ids": [7, 9]})")));
  REQUIRE(mooncake.size() == 1);
  CHECK(mooncake[0].arrival.value() == Approx(0.04));
  CHECK(mooncake[0].hashes == std::vector<std::uint64_t>{7, 9});
}

TEST_CASE("Bad rows are refused with their line") {
  const Scratch scratch;
  const std::string head = "arrival_s,input_tokens,output_tokens\n1,10,10\n";
  const struct {
    const char* row;
    const char* part;
  } cases[] = {{"2,10\n", ":3: a row of 3 fields"},      {"2,x,10\n", ":3: input_tokens must be"},
               {"2,10.5,10\n", ":3: input_tokens must"}, {"0.5,10,10\n", ":3: time goes backwards"},
               {"2,0,10\n", ":3: the request has 0"},    {"2,10,0\n", ":3: the request has 0"},
               {"2,-4,10\n", ":3: the request has -4"},  {"nan,10,10\n", ":3: arrival_s must be"},
               {"2,10,10,0\n", ":3: a row of 3 fields"}};
  for (const auto& c : cases) {
    const std::string said = complaint(scratch.write("bad.csv", head + c.row));
    CAPTURE(c.row, said);
    CHECK(said.find(c.part) != std::string::npos);
  }
  CHECK(complaint(scratch.write("e.csv", "")).find("empty") != std::string::npos);
  CHECK(complaint(scratch.write("h.csv", "arrival_s,input_tokens,output_tokens\n"))
            .find("no requests") != std::string::npos);
  CHECK(complaint(scratch.write("u.csv", "a,b,c\n1,2,3\n")).find("no known trace") !=
        std::string::npos);
  CHECK_FALSE(complaint(scratch.folder / "absent.csv").empty());
  const std::string azure = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
  CHECK(complaint(scratch.write("t.csv", azure + "2023-13-01 00:00:00,1,1\n"))
            .find(":2: TIMESTAMP") != std::string::npos);
  CHECK(complaint(scratch.write("b.csv",
                                azure + "2023-11-16 18:00:01.0,1,1\n2023-11-16 18:00:00.9,1,1\n"))
            .find(":3: time goes backwards") != std::string::npos);
  CHECK(complaint(scratch.write("j.jsonl", "{\"timestamp\": 1}\n")).find(":1: the key") !=
        std::string::npos);
  CHECK(complaint(
            scratch.write("k.jsonl",
                          R"({"timestamp":0,"input_length":600,"output_length":3,"hash_ids":[7]})"))
            .find("do not cover") != std::string::npos);
}

TEST_CASE("A window selects, limits and bends time") {
  const Scratch scratch;
  std::string text = "arrival_s,input_tokens,output_tokens\n";
  for (int i = 0; i < 100; ++i) text += std::to_string(i) + ",10,10\n";
  const fs::path path = scratch.write("w.csv", text);
  TraceWindow window;
  window.from = Seconds(10.0);
  window.to = Seconds(50.0);
  window.limit = 5;
  window.rate_scale = 2.0;
  const auto taken = all(*open_trace(path, window));
  REQUIRE(taken.size() == 5);
  CHECK(taken[0].arrival.value() == 0.0);
  CHECK(taken[4].arrival.value() == Approx(2.0));
  window.limit = 0;
  window.rate_scale = 1.0;
  window.time_scale = 3.0;
  const auto slow = all(*open_trace(path, window));
  REQUIRE(slow.size() == 40);
  CHECK(slow.back().arrival.value() == Approx(117.0));
  for (const auto& bad :
       {TraceWindow{Seconds(5.0), Seconds(5.0)}, TraceWindow{Seconds(0.0), Seconds(9.0), -1},
        TraceWindow{Seconds(0.0), Seconds(9.0), 0, 0.0},
        TraceWindow{Seconds(0.0), Seconds(9.0), 0, 1.0, -1.0},
        TraceWindow{Seconds(500.0), Seconds(900.0)}}) {
    CHECK_THROWS_AS(all(*open_trace(path, bad)), InputError);
  }
}

TEST_CASE("Generated traffic has the moments that were asked for") {
  TrafficSpec spec;
  spec.requests = 200000;
  spec.arrivals = {ArrivalProcess::kGamma, 5.0, 3.0};
  spec.input = {LengthDistribution::kLognormal, 800.0, 0.7, 1, 1 << 20};
  spec.output = {LengthDistribution::kUniform, 0.0, 0.0, 10, 30};
  const TraceSummary gamma = summarise(*generate(spec));
  CHECK(gamma.requests == 200000);
  CHECK(gamma.requests_per_s() == Approx(5.0).epsilon(0.03));
  CHECK(gamma.arrival_cv == Approx(3.0).epsilon(0.03));
  CHECK(static_cast<double>(gamma.input_tokens) / 2e5 == Approx(800.0).epsilon(0.01));
  CHECK(static_cast<double>(gamma.output_tokens) / 2e5 == Approx(20.0).epsilon(0.01));
  spec.arrivals.process = ArrivalProcess::kPoisson;
  CHECK(summarise(*generate(spec)).arrival_cv == Approx(1.0).epsilon(0.02));
  spec.arrivals.process = ArrivalProcess::kFixed;
  CHECK(summarise(*generate(spec)).arrival_cv == Approx(0.0).margin(1e-4));
}

TEST_CASE("The seed decides the traffic, and shared prefixes are found again") {
  TrafficSpec spec;
  spec.requests = 500;
  spec.input = {LengthDistribution::kFixed, 4096.0, 1.0, 1, 8192};
  spec.prefixes = {4, 2048, 0.5};
  const auto first = all(*generate(spec));
  const auto again = all(*generate(spec));
  spec.seed = 2;
  const auto other = all(*generate(spec));
  CHECK(first[77].arrival == again[77].arrival);
  CHECK(first[77].arrival != other[77].arrival);
  // Half of the prompts share 4 of their 8 blocks, all but the first to use them.
  CHECK(summarise(*generate(spec)).infinite_hit_rate() == Approx(0.25).margin(0.03));
}

TEST_CASE("The traces that ship with the repository load") {
  const fs::path folder = fs::path(ATHENA_SOURCE_DIR) / "workloads" / "traces";
  const TraceSummary chat = summarise(*open_trace(folder / "chat.yaml"));
  CHECK(chat.requests > 100);
  const TraceSummary plain = summarise(*open_trace(folder / "small.csv"));
  CHECK(plain.requests == 200);
  const TraceSummary prefix = summarise(*open_trace(folder / "small_prefix.jsonl"));
  CHECK(prefix.infinite_hit_rate() > 0.1);
}

TEST_CASE("Published traces read as their authors describe them") {
  if (!fs::exists(shared("AzureLLMInferenceTrace_conv.csv"))) {
    WARN("the published traces are not at hand; this test did nothing");
    return;
  }
  const TraceSummary conv = summarise(*open_trace(shared("AzureLLMInferenceTrace_conv.csv")));
  CHECK(conv.requests == 19366);
  CHECK(conv.input_tokens / conv.requests == 1154);
  CHECK(conv.output_tokens / conv.requests == 211);
  const TraceSummary code = summarise(*open_trace(shared("AzureLLMInferenceTrace_code.csv")));
  CHECK(code.requests == 8819);
  CHECK(code.arrival_cv == Approx(13.0).margin(0.5));
  const TraceSummary talk = summarise(*open_trace(shared("mooncake_conversation_trace.jsonl")));
  CHECK(talk.requests == 12031);
  CHECK(talk.infinite_hit_rate() == Approx(0.366).margin(0.001));
  const TraceSummary synthetic = summarise(*open_trace(shared("mooncake_synthetic_trace.jsonl")));
  CHECK(synthetic.infinite_hit_rate() == Approx(0.640).margin(0.001));
}
