#pragma once
/// Which candidates to run: every one, a sample, or those that an optimiser asks for.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "explore/pareto.h"
#include "explore/space.h"
#include "explore/table.h"

namespace athena::explore {

/// Runs candidates (numbers in the grid, each allowed and asked for once) and returns their rows in
/// the same order.
using Evaluate = std::function<std::vector<Row>(const std::vector<std::uint64_t>&)>;

/// What a search may spend and how it draws.
struct SearchOptions {
  std::string optimizer = "grid";
  std::size_t budget = 0;  ///< candidates; 0 = default_budget()
  int population = 40;
  std::uint64_t seed = 1;
};

/// The whole grid for `grid`; else a tenth of it, at least four populations, at most 2,000.
[[nodiscard]] std::size_t default_budget(const Space& space, const SearchOptions& options);

/// Throws InputError for a search that cannot be: an unknown optimiser, a grid larger than the
/// budget, conditions that no candidate meets, an optimiser without (or with too few or many)
/// objectives.
void check_search(const Space& space, const SearchOptions& options);

/// Calls `evaluate` until the budget is spent or nothing is left to try. The same space and seed
/// ask for the same candidates in the same order. Throws as check_search.
void search(const Space& space, const SearchOptions& options, const Evaluate& evaluate);

/// Remembers what was run, so that no candidate is run twice, and scores it for optimisers.
class SearchMemory {
 public:
  SearchMemory(const Space& space, std::size_t budget, const Evaluate& evaluate);

  /// Runs those of `wanted` that are allowed, new, and within the budget, as one batch.
  void run(const std::vector<std::uint64_t>& wanted);

  /// Objectives to be minimised. Designs that break constraints come after all that keep them,
  /// nearer misses first; failed designs, forbidden ones and those beyond the budget come last.
  [[nodiscard]] Objectives score(std::uint64_t index) const;

  [[nodiscard]] bool known(std::uint64_t index) const;
  [[nodiscard]] std::size_t left() const { return budget_ - order_.size(); }
  /// Numbers of the feasible designs that none dominates, in order of evaluation.
  [[nodiscard]] std::vector<std::uint64_t> front() const;
  [[nodiscard]] const Space& space() const { return space_; }

 private:
  struct Scored {
    Objectives objectives;
    bool feasible = false;
  };
  [[nodiscard]] Scored scored(const Row& row) const;

  const Space& space_;
  std::size_t budget_;
  const Evaluate& evaluate_;
  std::vector<std::uint64_t> order_;
  std::vector<Scored> scores_;                                 ///< as order_
  std::vector<std::pair<std::uint64_t, std::size_t>> sorted_;  ///< index -> place in order_
};

/// Evolving optimisers (pagmo2); see search().
void search_nsga2(SearchMemory& memory, const SearchOptions& options);
void search_cmaes(SearchMemory& memory, const SearchOptions& options);

/// `count` allowed candidates of a Sobol sequence over the axes, each once.
[[nodiscard]] std::vector<std::uint64_t> sobol_candidates(const Space& space, std::size_t count);

}  // namespace athena::explore
