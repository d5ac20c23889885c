#include "cost/area_evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace athena::cost {
namespace {
/// What area models of whole dies can honestly claim.
constexpr double kAgreement = 0.10;
/// A die packed this much looser than GA100 (66 MTr/mm2 at N7, 40 % of it SRAM and analog) spends
/// its area on something else than transistors.
constexpr double kLoose = 0.75;
}  // namespace

AreaEvidence area_evidence(const config::ChipConfig& chip, const AreaFacts& facts,
                           double published_mm2, const Constants& constants) {
  const Values nominal = constants.nominal();
  const std::string& process = chip.technology.process;
  const AreaModel model(chip, facts, process, constants);
  const TransistorSplit split = model.transistors(nominal);
  AreaEvidence out;
  out.published_mm2 = published_mm2;
  out.described_mm2 = model.total_mm2(nominal);
  out.published_billion = chip.technology.transistors_billion / std::max(chip.technology.dies, 1);
  out.sram_billion = split.sram_billion;
  out.logic_billion = split.logic_billion;
  out.logic_density = split.logic_density;
  if (chip.cluster.scratch.size.value() <= 0) return out;
  for (const auto& [kind, name] : kSramKindNames) {
    AreaFacts other = facts;
    other.scratch = other.cluster_scratch = kind;
    out.by_sram.emplace_back(name, AreaModel(chip, other, process, constants).total_mm2(nominal));
  }
  return out;
}

std::vector<std::string> explain(const AreaEvidence& e) {
  std::vector<std::string> out;
  if (e.published_mm2 <= 0.0) return out;
  if (std::abs(e.missing_mm2()) <= kAgreement * e.published_mm2) return out;
  if (!e.by_sram.empty()) {
    std::string list;
    for (const auto& [name, mm2] : e.by_sram)
      list += fmt::format("{}{} {:.0f}", list.empty() ? "" : ", ", name, mm2);
    out.push_back(fmt::format("sum of the blocks by kind of scratchpad, mm2: {}", list));
  }
  if (e.published_billion <= 0.0 || e.missing_mm2() < 0.0) return out;
  out.push_back(fmt::format(
      "of {:.4g} billion transistors published, {:.1f} are in the described memories and {:.1f} in "
      "the described logic",
      e.published_billion, e.sram_billion, e.logic_billion));
  const double packed = e.published_billion * 1e3 / e.published_mm2;
  const double room = e.missing_logic_mm2();
  if (room >= 0.8 * e.missing_mm2()) {
    out.push_back(fmt::format(
        "the other {:.1f} billion are logic that nobody described: at GA100's packing ({:.0f} "
        "million per mm2) they take {:.0f} mm2, so the missing {:.0f} mm2 are full",
        e.missing_billion(), e.logic_density, room, e.missing_mm2()));
  } else {
    out.push_back(fmt::format(
        "the other {:.1f} billion would take {:.0f} of the missing {:.0f} mm2 at GA100's packing: "
        "the die holds {:.0f} million per mm2 in all{}, so the rest is wiring and white space of "
        "its floor plan",
        std::max(0.0, e.missing_billion()), std::max(0.0, room), e.missing_mm2(), packed,
        packed < kLoose * e.logic_density ? ", loosely packed" : ""));
  }
  return out;
}

}  // namespace athena::cost
