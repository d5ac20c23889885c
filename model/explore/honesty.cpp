#include "explore/honesty.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>

namespace athena::explore {
namespace {

constexpr std::size_t kValuesProbed = 5;     // per axis: both ends and some between
constexpr std::uint64_t kBasesWanted = 3;    // candidates around which axes are varied
constexpr std::uint64_t kBaseTries = 20000;  // before conditions are taken to forbid nearly all

/// A few allowed candidates spread over the grid: the first, the last, and one between.
std::vector<Candidate> base_candidates(const Space& space) {
  std::vector<Candidate> bases;
  const std::uint64_t size = space.size();
  for (std::uint64_t base = 0; base < kBasesWanted; ++base) {
    const std::uint64_t start = base == 0 ? 0 : base == 1 ? size - 1 : size / 2;
    for (std::uint64_t step = 0; step < std::min(size, kBaseTries); ++step) {
      const std::uint64_t index = base == 1 ? start - step : (start + step) % size;
      Candidate candidate = space.candidate(index);
      if (!space.allowed(candidate)) continue;
      const bool twice = std::any_of(bases.begin(), bases.end(),
                                     [&](const Candidate& other) { return other.index == index; });
      if (!twice) bases.push_back(std::move(candidate));
      break;
    }
  }
  return bases;
}

/// One resolved question: which axis was varied from which base, and where its points begin.
struct Probe {
  std::size_t axis = 0;
  std::size_t base = 0;
  std::size_t first_point = 0;
};

struct Probes {
  std::vector<jobs::PointSpec> points;
  std::vector<Probe> list;
};

Probes make_probes(const Space& space, const std::vector<Candidate>& bases) {
  Probes probes;
  for (std::size_t base = 0; base < bases.size(); ++base) {
    for (std::size_t axis = 0; axis < space.axes.size(); ++axis) {
      const std::size_t values = space.axes[axis].texts.size();
      const std::size_t count = std::min(values, kValuesProbed);
      for (std::size_t i = 0; i < count; ++i) {
        Candidate varied = bases[base];
        varied.choice[axis] = count == 1 ? 0 : i * (values - 1) / (count - 1);
        probes.list.push_back({axis, base, probes.points.size()});
        for (auto& point : space.points(varied, "")) probes.points.push_back(std::move(point));
      }
    }
  }
  return probes;
}

}  // namespace

std::vector<std::string> check_inputs(const Space& space, jobs::Pool& pool) {
  const std::vector<Candidate> bases = base_candidates(space);
  if (bases.empty()) throw InputError("no candidate of the sweep meets its conditions (where:)");
  const Probes probes = make_probes(space, bases);
  const std::vector<jobs::Outcome> keys = pool.keys(probes.points);
  const bool all_bad = std::all_of(keys.begin(), keys.end(),
                                   [](const jobs::Outcome& outcome) { return !outcome.ok(); });
  if (all_bad) throw Error(keys.front().code, keys.front().error);
  const std::size_t scenarios = space.scenarios.size();
  std::vector<std::string> warnings;
  for (std::size_t axis = 0; axis < space.axes.size(); ++axis) {
    std::size_t resolved = 0;
    bool moves = space.axes[axis].texts.size() < 2;
    std::string reason;
    for (std::size_t base = 0; base < bases.size(); ++base) {
      std::set<std::string> seen;
      for (const Probe& probe : probes.list) {
        if (probe.axis != axis || probe.base != base) continue;
        std::string all;
        for (std::size_t s = 0; s < scenarios; ++s) {
          const jobs::Outcome& outcome = keys[probe.first_point + s];
          if (outcome.ok()) ++resolved;
          if (!outcome.ok()) reason = outcome.error;
          all += outcome.ok() ? outcome.key : "?" + outcome.error;
        }
        seen.insert(all);
      }
      moves = moves || seen.size() > 1;
    }
    // Every value of this axis refused, others resolve: the key itself is wrong.
    if (resolved == 0) throw InputError(space.axes[axis].where, reason);
    if (!moves) {
      warnings.push_back(
          fmt::format("{} changes no input of the model: all its values are the same point",
                      space.axes[axis].key));
    }
  }
  return warnings;
}

std::vector<std::string> check_results(const Space& space, const std::vector<Row>& rows,
                                       const std::vector<std::string>& already) {
  std::vector<std::string> warnings;
  for (std::size_t axis = 0; axis < space.axes.size(); ++axis) {
    const std::string& key = space.axes[axis].key;
    const bool told = std::any_of(already.begin(), already.end(), [&](const std::string& sentence) {
      return sentence.rfind(key + " ", 0) == 0;
    });
    if (told || space.axes[axis].texts.size() < 2) continue;
    // Rows that differ in this axis only meet under the index with that axis at its first value.
    std::unordered_map<std::uint64_t, const Row*> first_of;
    std::size_t pairs = 0;
    bool moves = false;
    for (const Row& row : rows) {
      if (row.stage != 0 || row.index < 0) continue;
      Candidate candidate = space.candidate(static_cast<std::uint64_t>(row.index));
      candidate.choice[axis] = 0;
      const auto [other, fresh] = first_of.emplace(space.index_of(candidate.choice), &row);
      if (fresh) continue;
      ++pairs;
      moves = row.columns != other->second->columns || row.error != other->second->error;
      if (moves) break;
    }
    if (!moves && pairs > 0 && !space.columns.empty()) {
      warnings.push_back(
          fmt::format("{} changes no result: {} pairs of rows differ in nothing else and agree in "
                      "every column",
                      key, pairs));
    }
  }
  return warnings;
}

}  // namespace athena::explore
