#include "explore/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "base/rng.h"
#include "base/text.h"
#include "explore/sobol.h"

namespace athena::explore {
namespace {

constexpr std::size_t kChunk = 4096;            // candidates in hand at once: bounds memory
constexpr std::uint64_t kListable = 1'000'000;  // grids up to here are shuffled, larger ones drawn
constexpr std::size_t kTriesPerPick = 200;      // before a condition is taken to forbid nearly all
constexpr double kPenalty = 1e12;               // beyond any objective in its unit
constexpr double kFailed = 1e6;                 // beyond any violation
constexpr std::size_t kMaxDefaultBudget = 2000;

[[noreturn]] void nothing_allowed() {
  throw InputError("no candidate of the sweep meets its conditions (where:)");
}

void search_grid(const Space& space, const Evaluate& evaluate) {
  std::vector<std::uint64_t> chunk;
  for (std::uint64_t index = 0; index < space.size(); ++index) {
    if (space.allowed(space.candidate(index))) chunk.push_back(index);
    if (chunk.size() == kChunk || (index + 1 == space.size() && !chunk.empty())) {
      static_cast<void>(evaluate(chunk));
      chunk.clear();
    }
  }
}

/// Counts allowed candidates up to one more than the budget.
void check_grid(const Space& space, std::size_t budget) {
  std::size_t count = 0;
  for (std::uint64_t index = 0; index < space.size() && count <= budget; ++index) {
    if (space.allowed(space.candidate(index))) ++count;
  }
  if (count == 0) nothing_allowed();
  if (count > budget) {
    throw InputError(fmt::format(
        "the grid has more than the budget of {} candidates; choose random, sobol or nsga2, or a "
        "larger budget",
        budget));
  }
}

std::vector<std::uint64_t> shuffled_allowed(const Space& space, Rng& rng) {
  std::vector<std::uint64_t> all;
  for (std::uint64_t index = 0; index < space.size(); ++index) {
    if (space.allowed(space.candidate(index))) all.push_back(index);
  }
  for (std::size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[rng.below(i)]);
  return all;
}

std::vector<std::uint64_t> drawn(const Space& space, std::size_t count, Rng& rng) {
  std::vector<std::uint64_t> out;
  std::unordered_set<std::uint64_t> seen;
  for (std::size_t tries = 0; out.size() < count && tries < count * kTriesPerPick; ++tries) {
    const std::uint64_t index = rng.below(space.size());
    if (!space.allowed(space.candidate(index)) || !seen.insert(index).second) continue;
    out.push_back(index);
  }
  return out;
}

void search_list(std::vector<std::uint64_t> list, std::size_t budget, const Evaluate& evaluate) {
  list.resize(std::min(list.size(), budget));
  for (std::size_t begin = 0; begin < list.size(); begin += kChunk) {
    const std::size_t end = std::min(list.size(), begin + kChunk);
    static_cast<void>(evaluate({list.begin() + static_cast<std::ptrdiff_t>(begin),
                                list.begin() + static_cast<std::ptrdiff_t>(end)}));
  }
}

void search_random(const Space& space, std::size_t budget, std::uint64_t seed,
                   const Evaluate& evaluate) {
  Rng rng(seed);
  search_list(space.size() <= kListable ? shuffled_allowed(space, rng) : drawn(space, budget, rng),
              budget, evaluate);
}

}  // namespace

std::vector<std::uint64_t> sobol_candidates(const Space& space, std::size_t count) {
  std::vector<std::uint64_t> out;
  std::unordered_set<std::uint64_t> seen;
  Sobol sequence(space.axes.size());
  // Where conditions forbid most of the grid, the sequence is followed for longer.
  const std::size_t tries = std::max<std::size_t>(10000, kTriesPerPick * count);
  std::vector<std::size_t> choice(space.axes.size());
  for (std::size_t i = 0; i < tries && out.size() < count; ++i) {
    const std::vector<double>& point = sequence.next();
    for (std::size_t axis = 0; axis < choice.size(); ++axis) {
      const std::size_t values = space.axes[axis].texts.size();
      choice[axis] = static_cast<std::size_t>(point[axis] * static_cast<double>(values));
    }
    const std::uint64_t index = space.index_of(choice);
    if (!seen.insert(index).second || !space.allowed(space.candidate(index))) continue;
    out.push_back(index);
  }
  return out;
}

std::size_t default_budget(const Space& space, const SearchOptions& options) {
  if (options.budget > 0) return options.budget;
  if (options.optimizer == "grid") return static_cast<std::size_t>(space.size());
  const std::size_t tenth = static_cast<std::size_t>(space.size() / 10);
  const std::size_t least = 4 * static_cast<std::size_t>(options.population);
  return std::min(kMaxDefaultBudget, std::max(least, tenth));
}

void check_search(const Space& space, const SearchOptions& options) {
  const std::string& optimizer = options.optimizer;
  static const std::vector<std::string> known = {"grid", "random", "sobol", "nsga2", "cmaes"};
  if (std::find(known.begin(), known.end(), optimizer) == known.end()) {
    throw InputError(fmt::format("there is no optimizer '{}', only {}.{}", optimizer,
                                 join(known, ", "), did_you_mean(optimizer, known)));
  }
  if (optimizer == "grid") return check_grid(space, default_budget(space, options));
  const bool evolves = optimizer == "nsga2" || optimizer == "cmaes";
  if (evolves && space.objectives() == 0) {
    throw InputError(optimizer + " needs an objective (minimise: or maximise:)");
  }
  if (optimizer == "nsga2" && space.objectives() == 1) {
    throw InputError("nsga2 takes several objectives; cmaes takes one");
  }
  if (optimizer == "cmaes" && space.objectives() > 1) {
    throw InputError("cmaes takes one objective; nsga2 takes several");
  }
  if (sobol_candidates(space, 1).empty()) nothing_allowed();
}

void search(const Space& space, const SearchOptions& options, const Evaluate& evaluate) {
  check_search(space, options);
  const std::size_t budget = default_budget(space, options);
  if (options.optimizer == "grid") return search_grid(space, evaluate);
  if (options.optimizer == "random") return search_random(space, budget, options.seed, evaluate);
  if (options.optimizer == "sobol") {
    return search_list(sobol_candidates(space, budget), budget, evaluate);
  }
  SearchMemory memory(space, budget, evaluate);
  if (options.optimizer == "nsga2") return search_nsga2(memory, options);
  search_cmaes(memory, options);
}

SearchMemory::SearchMemory(const Space& space, std::size_t budget, const Evaluate& evaluate)
    : space_(space), budget_(budget), evaluate_(evaluate) {}

bool SearchMemory::known(std::uint64_t index) const {
  const auto at =
      std::lower_bound(sorted_.begin(), sorted_.end(), std::pair{index, std::size_t{0}});
  return at != sorted_.end() && at->first == index;
}

void SearchMemory::run(const std::vector<std::uint64_t>& wanted) {
  std::vector<std::uint64_t> fresh;
  std::unordered_set<std::uint64_t> seen;
  for (const std::uint64_t index : wanted) {
    if (fresh.size() == left()) break;
    if (known(index) || !seen.insert(index).second) continue;
    if (space_.allowed(space_.candidate(index))) fresh.push_back(index);
  }
  if (fresh.empty()) return;
  const std::vector<Row> rows = evaluate_(fresh);
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    sorted_.emplace_back(fresh[i], order_.size());
    order_.push_back(fresh[i]);
    scores_.push_back(scored(rows[i]));
  }
  std::sort(sorted_.begin(), sorted_.end());
}

SearchMemory::Scored SearchMemory::scored(const Row& row) const {
  if (row.feasible()) {
    Objectives objectives;
    for (std::size_t i = 0; i < space_.columns.size(); ++i) {
      const Direction direction = space_.columns[i].direction;
      if (direction == Direction::kReport) continue;
      objectives.push_back(direction == Direction::kMinimise ? row.columns[i] : -row.columns[i]);
    }
    return {std::move(objectives), true};
  }
  double miss = row.ok() ? 0.0 : kFailed;
  for (const double violation : row.violations) miss += violation;
  return {Objectives(space_.objectives(), kPenalty * (1.0 + miss)), false};
}

Objectives SearchMemory::score(std::uint64_t index) const {
  const auto at =
      std::lower_bound(sorted_.begin(), sorted_.end(), std::pair{index, std::size_t{0}});
  if (at == sorted_.end() || at->first != index) {
    return Objectives(space_.objectives(), kPenalty * (1.0 + 2.0 * kFailed));
  }
  return scores_[at->second].objectives;
}

std::vector<std::uint64_t> SearchMemory::front() const {
  std::vector<Objectives> designs;
  std::vector<std::uint64_t> indices;
  for (std::size_t i = 0; i < order_.size(); ++i) {
    if (!scores_[i].feasible) continue;
    designs.push_back(scores_[i].objectives);
    indices.push_back(order_[i]);
  }
  std::vector<std::uint64_t> out;
  for (const std::size_t i : pareto_front(designs)) out.push_back(indices[i]);
  return out;
}

}  // namespace athena::explore
