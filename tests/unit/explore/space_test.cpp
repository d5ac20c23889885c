#include "explore/space.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <set>

#include "config/parse.h"
#include "explore/axis.h"

using namespace athena;
using namespace athena::explore;
using Catch::Contains;

namespace {

Space space(const std::string& text) {
  return space_from_node(config::parse_text(text, "space.yaml"));
}

std::vector<std::string> axis(const std::string& text) {
  return read_axis("chip.k", config::parse_text(text, "space.yaml")).texts;
}

const std::string kSpace = R"(
fixed: {on: chip, model: m, chip.fixed: 3}
axes:
  chip.stacks: [4, 5, 6]
  tp: {from: 1, to: 8, factor: 2}
  var.scale: [1, 2]
derived:
  chip.capacity: chip.stacks * 16 GiB * var.scale
  batch: tp * 8
where: ["tp <= chip.stacks"]
scenarios:
  prefill: {phase: prefill, input: 512}
  decode: {phase: decode}
references:
  rival: {on: other, tp: 2}
objectives: [{minimise: prefill.time_s}, {maximise: decode.tokens_per_s, unit: ktok/s}]
)";

}  // namespace

TEST_CASE("axes are lists and ranges with both ends") {
  using Texts = std::vector<std::string>;
  CHECK(axis("[a, 2, 1.5 GHz]") == Texts{"a", "2", "1.5 GHz"});
  CHECK(axis("{from: 1.0 GHz, to: 1.4 GHz, step: 0.1 GHz}") ==
        Texts{"1 GHz", "1.1 GHz", "1.2 GHz", "1.3 GHz", "1.4 GHz"});
  CHECK(axis("{from: 1 GHz, to: 1200 MHz, step: 100 MHz}") == Texts{"1 GHz", "1.1 GHz", "1.2 GHz"});
  CHECK(axis("{from: 1, to: 64, factor: 4}") == Texts{"1", "4", "16", "64"});
  CHECK(axis("{from: 1, to: 1000, points: 4, scale: log}") == Texts{"1", "10", "100", "1000"});
  CHECK(axis("{from: 1, to: 10, points: 4, scale: log}") == Texts{"1", "2", "5", "10"});
  CHECK(axis("{from: 0, to: 1.5 , points: 4}") == Texts{"0", "0.5", "1", "1.5"});
  CHECK(axis("{from: 5, to: 5, step: 1}") == Texts{"5"});
  for (double step = 0.01; step < 1.0; step += 0.01) {
    const auto texts = axis("{from: 0, to: 1, step: " + std::to_string(step) + "}");
    CHECK(texts.size() == static_cast<std::size_t>(1.0 / step + 1e-6) + 1);
  }
}

TEST_CASE("ranges that make no sense are refused") {
  CHECK_THROWS_WITH(axis("[]"), Contains("empty"));
  CHECK_THROWS_WITH(axis("[1, 1]"), Contains("twice"));
  CHECK_THROWS_WITH(axis("[[1]]"), Contains("expected a value"));
  CHECK_THROWS_WITH(axis("3"), Contains("expected a list"));
  CHECK_THROWS_WITH(axis("{from: 2, to: 1, step: 1}"), Contains("is empty"));
  CHECK_THROWS_WITH(axis("{from: 1, to: 2, step: 0}"), Contains("above zero"));
  CHECK_THROWS_WITH(axis("{from: 1, to: 2}"), Contains("exactly one"));
  CHECK_THROWS_WITH(axis("{from: 1, to: 2, step: 1, points: 3}"), Contains("exactly one"));
  CHECK_THROWS_WITH(axis("{from: 0, to: 2, factor: 2}"), Contains("above zero"));
  CHECK_THROWS_WITH(axis("{from: 1, to: 2, factor: 1}"), Contains("above one"));
  CHECK_THROWS_WITH(axis("{from: 1 GHz, to: 2 GB, step: 1 GHz}"), Contains("units of GHz"));
  CHECK_THROWS_WITH(axis("{from: 1 Ghz, to: 2 GHz, step: 1 GHz}"), Contains("Did you mean 'GHz'"));
  CHECK_THROWS_WITH(axis("{from: 0, to: 1, step: 1e-9}"), Contains("more than"));
  CHECK_THROWS_WITH(axis("{from: 1, too: 2}"), Contains("Did you mean 'to'"));
}

TEST_CASE("numbers and choices of candidates are each other's inverse") {
  const Space s = space(kSpace);
  CHECK(s.size() == 3 * 4 * 2);
  std::set<std::vector<std::size_t>> seen;
  for (std::uint64_t i = 0; i < s.size(); ++i) {
    const Candidate candidate = s.candidate(i);
    CHECK(s.index_of(candidate.choice) == i);
    seen.insert(candidate.choice);
  }
  CHECK(seen.size() == s.size());
}

TEST_CASE("a candidate's points carry fixed, scenario, axis and derived settings") {
  const Space s = space(kSpace);
  const Candidate last = s.candidate(s.size() - 1);
  CHECK_FALSE(s.allowed(last));  // tp 8 on 6 stacks
  const Candidate first = s.candidate(1);
  CHECK(s.allowed(first));
  const auto points = s.points(first, "detailed");
  REQUIRE(points.size() == 2);
  CHECK(points[0].on == "chip");
  CHECK(points[0].phase == "prefill");
  CHECK(points[0].input == 512);
  CHECK(points[1].phase == "decode");
  CHECK(points[0].batch == 8);
  CHECK(points[0].fidelity == "detailed");
  CHECK(points[0].sets ==
        std::vector<std::string>{"chip.fixed=3", "chip.stacks=4", "chip.capacity=128 GiB"});
  CHECK(s.points(first, "")[0].fidelity == jobs::PointSpec{}.fidelity);
}

TEST_CASE("a reference design keeps the workload but no key of another chip's document") {
  const Space s = space(kSpace);
  const auto points = s.points(s.references[0], "");
  CHECK(points[0].on == "other");
  CHECK(points[0].model == "m");
  CHECK(points[0].tp == 2);
  CHECK(points[0].phase == "prefill");
  CHECK(points[0].sets.empty());
}

TEST_CASE("the canonical text of a space makes the same space") {
  const Space s = space(kSpace);
  const Space again = space_from_node(config::parse_text(s.text, "again"));
  CHECK(again.text == s.text);
  for (std::uint64_t i = 0; i < s.size(); ++i) {
    CHECK(s.points(s.candidate(i), "") == again.points(again.candidate(i), ""));
  }
  CHECK(s.columns[1].unit == "ktok/s");
  CHECK(s.columns[1].factor == 1000.0);
  CHECK(s.columns[0].unit == "s");
}

TEST_CASE("spaces that contradict themselves are refused") {
  CHECK_THROWS_WITH(space("axes: {batch: [1]}\nfixed: {batch: 2}"), Contains("two places"));
  CHECK_THROWS_WITH(space("axes: {batch: [1]}\nscenarios: {a: {batch: 2}}"),
                    Contains("two places"));
  CHECK_THROWS_WITH(space("axes: {batch: [1]}\nderived: {tp: bacth}"),
                    Contains("Did you mean 'batch'"));
  CHECK_THROWS_WITH(space("axes: {batch: [x]}"), Contains("whole number"));
  CHECK_THROWS_WITH(space("axes: {phase: [decod]}"), Contains("Did you mean 'decode'"));
  CHECK_THROWS_WITH(space("axes: {batch: [1]}\nderived: {bacth: batch}"), Contains("batch"));
  CHECK_THROWS_WITH(space("axes: {batch: [1]}\nobjectives: [{minimise: a, maximise: b}]"),
                    Contains("exactly one"));
  CHECK_THROWS_WITH(space("axes: {batch: [1]}\nobjectives: [time_s]"), Contains("minimise"));
  CHECK_THROWS_WITH(space("axes: {batch: [1]}\nobjectives: [{minimise: a}]\nreport: [a]"),
                    Contains("two columns"));
  CHECK_THROWS_WITH(space("axes: {batch: [1]}\npromote: [{to: detailed, keep: 3}]"),
                    Contains("objective"));
  CHECK_THROWS_WITH(
      space("axes: {batch: [1]}\nobjectives: [{minimise: a}]\npromote: [{to: detailled, keep: 3}]"),
      Contains("Did you mean 'detailed'"));
  std::string huge = "axes:\n";
  for (int i = 0; i < 13; ++i) {
    huge += "  var.a" + std::to_string(i) + ": {from: 1, to: 100, step: 1}\n";
  }
  CHECK_THROWS_WITH(space(huge), Contains("numbered"));
}

TEST_CASE("every shipped study loads") {
  std::size_t loaded = 0;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::filesystem::path(ATHENA_SOURCE_DIR) / "configs/sweeps")) {
    if (entry.path().extension() != ".yaml") continue;
    INFO(entry.path());
    const Space s = load_space(entry.path().string());
    CHECK(s.size() > 1);
    CHECK_FALSE(s.description.empty());
    CHECK(s.objectives() > 0);
    ++loaded;
  }
  CHECK(loaded >= 3);
}
