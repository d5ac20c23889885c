#include "explore/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "config/parse.h"
#include "explore/measure.h"

namespace athena::explore {
namespace {

using Json = nlohmann::ordered_json;

// Exact hypervolume costs more than a report may take beyond these sizes.
constexpr std::size_t kCheapObjectives = 3;
constexpr std::size_t kMaxFront = 200;

void find_front(SweepReport& report) {
  for (const Row& row : report.rows) {
    if (row.index >= 0 && row.feasible())
      report.last_stage = std::max(report.last_stage, row.stage);
  }
  if (report.space.objectives() == 0) return;
  std::vector<Objectives> designs;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < report.rows.size(); ++i) {
    const Row& row = report.rows[i];
    if (row.stage != report.last_stage || row.index < 0 || !row.feasible()) continue;
    designs.push_back(minimised(report.space, row));
    places.push_back(i);
  }
  for (const std::size_t i : pareto_front(designs)) report.front.push_back(places[i]);
}

void find_agreement(SweepReport& report) {
  std::map<std::pair<int, std::int64_t>, const Row*> by_place;
  for (const Row& row : report.rows) by_place[{row.stage, row.index}] = &row;
  for (int stage = 1; stage <= report.last_stage; ++stage) {
    for (std::size_t column = 0; column < report.space.objectives(); ++column) {
      std::vector<double> coarse;
      std::vector<double> fine;
      for (const Row& row : report.rows) {
        if (row.stage != stage || row.index < 0 || !row.ok()) continue;
        const auto before = by_place.find({stage - 1, row.index});
        if (before == by_place.end() || !before->second->ok()) continue;
        coarse.push_back(before->second->columns[column]);
        fine.push_back(row.columns[column]);
      }
      report.agreement.push_back(
          {report.space.columns[column].name, tier_name(report.space, stage - 1),
           tier_name(report.space, stage), fine.size(), spearman(coarse, fine)});
    }
  }
}

/// Adds a design to an archive of designs that none dominates.
void archive(std::vector<Objectives>& front, const Objectives& design) {
  for (const Objectives& member : front) {
    if (member == design || dominates(member, design)) return;
  }
  std::erase_if(front, [&](const Objectives& member) { return dominates(design, member); });
  front.push_back(design);
}

void find_volume(SweepReport& report) {
  const std::size_t objectives = report.space.objectives();
  if (objectives == 0) return;
  std::vector<std::pair<std::int64_t, Objectives>> asked;
  std::size_t evaluations = 0;
  for (const Row& row : report.rows) {
    if (row.stage != 0 || row.index < 0) continue;
    ++evaluations;
    if (row.feasible()) asked.emplace_back(row.sequence, minimised(report.space, row));
  }
  std::sort(asked.begin(), asked.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Objectives> all;
  all.reserve(asked.size());
  for (const auto& [sequence, design] : asked) all.push_back(design);
  const ObjectiveBox box = bounding_box(all);
  std::vector<Objectives> front;
  std::size_t next = 0;
  for (std::size_t step = 1;; step *= 2) {
    const std::size_t until = std::min(step, evaluations);
    while (next < asked.size() && asked[next].first < static_cast<std::int64_t>(until)) {
      archive(front, asked[next++].second);
    }
    if (objectives > kCheapObjectives && front.size() > kMaxFront) {
      report.volume.clear();
      return;
    }
    if (until > 0) report.volume.push_back({until, hypervolume(front, box)});
    if (until == evaluations) return;
  }
}

void find_effects(SweepReport& report) {
  std::vector<std::size_t> levels;
  for (const Axis& axis : report.space.axes) levels.push_back(axis.texts.size());
  for (std::size_t column = 0; column < report.space.columns.size(); ++column) {
    std::vector<EffectRow> rows;
    for (const Row& row : report.rows) {
      if (row.stage != 0 || row.index < 0 || !row.ok()) continue;
      rows.push_back({report.space.candidate(static_cast<std::uint64_t>(row.index)).choice,
                      row.columns[column]});
    }
    report.effects.push_back(main_effects(rows, levels));
  }
}

}  // namespace

std::string tier_name(const Space& space, int stage) {
  if (stage > 0) return space.promotions[static_cast<std::size_t>(stage - 1)].fidelity;
  for (const auto& [key, text] : space.fixed) {
    if (key == "fidelity") return text;
  }
  return jobs::PointSpec{}.fidelity;
}

SweepReport load_report(const std::filesystem::path& folder) {
  if (!SweepTable::exists(folder)) {
    throw InputError(fmt::format("{} holds no sweep (there is no {})", folder.string(),
                                 SweepTable::file(folder).string()));
  }
  SweepTable table(folder);
  const std::string text = table.fact("space");
  if (text.empty()) {
    throw InputError(fmt::format("the sweep in {} was never started", folder.string()));
  }
  SweepReport report;
  report.space = space_from_node(config::parse_text(text, SweepTable::file(folder).string()));
  report.rows = table.rows();
  report.settings = table.fact("settings");
  if (const std::string warnings = table.fact("warnings"); !warnings.empty()) {
    report.warnings = Json::parse(warnings).get<std::vector<std::string>>();
  }
  find_front(report);
  find_agreement(report);
  find_volume(report);
  find_effects(report);
  return report;
}

}  // namespace athena::explore
