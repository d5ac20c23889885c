#include <algorithm>
#include <cmath>
#include <pagmo/algorithm.hpp>
#include <pagmo/algorithms/cmaes.hpp>
#include <pagmo/algorithms/nsga2.hpp>
#include <pagmo/batch_evaluators/default_bfe.hpp>
#include <pagmo/bfe.hpp>
#include <pagmo/population.hpp>
#include <pagmo/problem.hpp>

#include "explore/search.h"

namespace athena::explore {
namespace {

using pagmo::vector_double;

// Crossover and mutation as Deb et al. (2002); mutation rate one axis per child.
constexpr double kCrossover = 0.95;
constexpr double kCrossoverIndex = 10.0;
constexpr double kMutationIndex = 20.0;
// Share of the budget for evolution; the rest walks to the neighbours of the front, which on a grid
// finds the last few designs that crossover misses.
constexpr double kEvolveShare = 0.6;
constexpr int kMaxIdleGenerations = 12;
constexpr int kMaxGenerations = 10000;

std::uint64_t index_of(const Space& space, const double* genes) {
  std::vector<std::size_t> choice(space.axes.size());
  for (std::size_t i = 0; i < choice.size(); ++i) {
    const double last = static_cast<double>(space.axes[i].texts.size() - 1);
    choice[i] = static_cast<std::size_t>(std::clamp(std::round(genes[i]), 0.0, last));
  }
  return space.index_of(choice);
}

vector_double genes_of(const Space& space, std::uint64_t index) {
  const Candidate candidate = space.candidate(index);
  return {candidate.choice.begin(), candidate.choice.end()};
}

/// pagmo's view of a space: one whole-numbered gene per axis.
struct GridProblem {
  SearchMemory* memory = nullptr;
  bool continuous = false;  ///< genes may lie between values (CMA-ES); they are rounded

  [[nodiscard]] vector_double fitness(const vector_double& genes) const {
    const std::uint64_t index = index_of(memory->space(), genes.data());
    memory->run({index});
    return memory->score(index);
  }
  [[nodiscard]] std::pair<vector_double, vector_double> get_bounds() const {
    vector_double low;
    vector_double high;
    const double margin = continuous ? 0.499 : 0.0;  // every value owns an equal stretch
    for (const Axis& axis : memory->space().axes) {
      low.push_back(-margin);
      high.push_back(static_cast<double>(axis.texts.size() - 1) + margin);
    }
    return {low, high};
  }
  [[nodiscard]] vector_double::size_type get_nobj() const {
    return memory == nullptr ? 1 : memory->space().objectives();
  }
  [[nodiscard]] vector_double::size_type get_nix() const {
    return memory == nullptr || continuous ? 0 : memory->space().axes.size();
  }
};

/// Runs a whole generation at once.
struct GridBatch {
  SearchMemory* memory = nullptr;

  vector_double operator()(const pagmo::problem& problem, const vector_double& genes) const {
    const std::size_t size = problem.get_nx();
    std::vector<std::uint64_t> indices;
    for (std::size_t i = 0; i < genes.size(); i += size) {
      indices.push_back(index_of(memory->space(), &genes[i]));
    }
    memory->run(indices);
    vector_double out;
    for (const std::uint64_t index : indices) {
      const Objectives score = memory->score(index);
      out.insert(out.end(), score.begin(), score.end());
    }
    return out;
  }
};

pagmo::population first_generation(SearchMemory& memory, const SearchOptions& options,
                                   bool continuous, std::size_t size) {
  const Space& space = memory.space();
  pagmo::population population(pagmo::problem(GridProblem{&memory, continuous}), 0,
                               static_cast<unsigned>(options.seed));
  std::vector<std::uint64_t> start = sobol_candidates(space, size);
  memory.run(start);
  for (std::size_t i = 0; i < size; ++i) {
    const std::uint64_t index = start[i % start.size()];
    population.push_back(genes_of(space, index), memory.score(index));
  }
  return population;
}

/// Runs the untried neighbours (one step along one axis) of the front until none is left.
void walk_neighbours(SearchMemory& memory, std::size_t batch) {
  const Space& space = memory.space();
  while (memory.left() > 0) {
    std::vector<std::uint64_t> fresh;
    for (const std::uint64_t member : memory.front()) {
      const Candidate candidate = space.candidate(member);
      for (std::size_t axis = 0; axis < space.axes.size(); ++axis) {
        for (const int step : {-1, 1}) {
          std::vector<std::size_t> choice = candidate.choice;
          if (step < 0 && choice[axis] == 0) continue;
          if (step > 0 && choice[axis] + 1 == space.axes[axis].texts.size()) continue;
          choice[axis] += static_cast<std::size_t>(step);
          const std::uint64_t index = space.index_of(choice);
          if (!memory.known(index) && space.allowed(space.candidate(index))) fresh.push_back(index);
        }
      }
      if (fresh.size() >= batch) break;
    }
    if (fresh.empty()) return;
    memory.run(fresh);
  }
}

/// Spends what is left on a sequence that covers the space evenly.
void spend_rest(SearchMemory& memory) {
  const std::size_t size = memory.space().size();
  for (std::size_t count = 256; memory.left() > 0; count *= 4) {
    memory.run(sobol_candidates(memory.space(), std::min(count, size)));
    if (count >= size) return;
  }
}

}  // namespace

void search_nsga2(SearchMemory& memory, const SearchOptions& options) {
  const Space& space = memory.space();
  // pagmo asks for a multiple of four; a quarter of the budget at most, so that evolution happens.
  const std::size_t wanted = std::min(static_cast<std::size_t>(options.population),
                                      std::max<std::size_t>(8, memory.left() / 4));
  const std::size_t size = std::max<std::size_t>(8, wanted / 4 * 4);
  const std::size_t reserve =
      memory.left() - static_cast<std::size_t>(kEvolveShare * static_cast<double>(memory.left()));
  pagmo::population population = first_generation(memory, options, false, size);
  const double mutation = 1.0 / static_cast<double>(space.axes.size());
  pagmo::nsga2 method(1, kCrossover, kCrossoverIndex, mutation, kMutationIndex,
                      static_cast<unsigned>(options.seed));
  method.set_bfe(pagmo::bfe(GridBatch{&memory}));
  const pagmo::algorithm algorithm{method};
  int idle = 0;
  for (int i = 0; i < kMaxGenerations && memory.left() > reserve && idle < kMaxIdleGenerations;
       ++i) {
    const std::size_t before = memory.left();
    population = algorithm.evolve(population);
    idle = memory.left() == before ? idle + 1 : 0;
  }
  walk_neighbours(memory, size);
  spend_rest(memory);
}

void search_cmaes(SearchMemory& memory, const SearchOptions& options) {
  constexpr std::size_t kLeastPopulation = 8;
  const std::size_t size = std::max(
      kLeastPopulation, std::min(static_cast<std::size_t>(options.population), memory.left() / 8));
  pagmo::population population = first_generation(memory, options, true, size);
  pagmo::cmaes method(1, -1, -1, -1, -1, 0.3, 0.0, 0.0, true, true,
                      static_cast<unsigned>(options.seed));
  const pagmo::algorithm algorithm{method};
  int idle = 0;
  for (int i = 0; i < kMaxGenerations && memory.left() > 0 && idle < kMaxIdleGenerations; ++i) {
    const std::size_t before = memory.left();
    population = algorithm.evolve(population);
    idle = memory.left() == before ? idle + 1 : 0;
  }
  walk_neighbours(memory, size);
}

}  // namespace athena::explore
