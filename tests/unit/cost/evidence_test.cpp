#include <catch2/catch.hpp>

#include "cost/area_evidence.h"
#include "known_dies.h"

using namespace athena;
using namespace athena::cost;
using namespace athena::cost::test;

namespace {
AreaEvidence evidence_of(const KnownDie& die) {
  return area_evidence(die.chip, die.facts, die.published_mm2, Constants::load());
}
}  // namespace

TEST_CASE("a die that its blocks explain needs no explanation", "[area]") {
  CHECK(explain(evidence_of(ga100())).empty());
  CHECK(explain(evidence_of(gh100())).empty());
  KnownDie unpublished = maia100(SramKind::kScratchpad);
  unpublished.published_mm2 = 0.0;
  CHECK(explain(evidence_of(unpublished)).empty());
}

TEST_CASE("transistors add up, and say what fills the rest of a die", "[area]") {
  const AreaEvidence e = evidence_of(maia100(SramKind::kScratchpad));
  // 64 x 3 MiB + 16 x 18 MiB, six transistors a bit.
  CHECK(e.sram_billion == Approx((64 * 3 + 16 * 18) * 1048576.0 * 8 * 6 / 1e9));
  CHECK(e.logic_billion > 0.0);
  CHECK(e.sram_billion + e.logic_billion + e.missing_billion() == Approx(e.published_billion));
  CHECK(e.described_mm2 + e.missing_mm2() == Approx(820.0));
  // 105 billion transistors are too many for what is described: the rest is logic, and fills it.
  CHECK(e.missing_logic_mm2() > 0.8 * e.missing_mm2());
  const auto sentences = explain(e);
  REQUIRE(sentences.size() == 3);
  CHECK_THAT(sentences.back(), Catch::Contains("nobody described"));
}

TEST_CASE("a loosely packed die is explained by its floor plan", "[area]") {
  const auto sentences = explain(evidence_of(tpu_v4i(SramKind::kSystem)));
  REQUIRE_FALSE(sentences.empty());
  CHECK_THAT(sentences.back(), Catch::Contains("white space"));
}

TEST_CASE("the kind of scratchpad is told with its price in area", "[area]") {
  const AreaEvidence e = evidence_of(maia100(SramKind::kScratchpad));
  REQUIRE(e.by_sram.size() == kSramKindNames.size());
  for (std::size_t i = 1; i < e.by_sram.size(); ++i)
    CHECK(e.by_sram[i - 1].second < e.by_sram[i].second);
  for (const auto& [name, mm2] : e.by_sram) {
    if (name == "scratchpad") CHECK(mm2 == Approx(e.described_mm2));
  }
  CHECK(evidence_of(ga100()).by_sram.empty());
}
