#include "explore/pareto.h"

#include <catch2/catch.hpp>
#include <set>

#include "base/rng.h"

using namespace athena;
using namespace athena::explore;

namespace {

std::vector<Objectives> random_designs(std::size_t count, std::size_t objectives, int levels,
                                       std::uint64_t seed) {
  Rng rng(seed);
  std::vector<Objectives> out(count, Objectives(objectives));
  for (auto& design : out) {
    for (double& x : design) {
      x = static_cast<double>(rng.below(static_cast<std::uint64_t>(levels)));  // ties happen
    }
  }
  return out;
}

std::vector<std::size_t> front_by_definition(const std::vector<Objectives>& designs) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < designs.size(); ++i) {
    bool beaten = false;
    for (const Objectives& other : designs) beaten = beaten || dominates(other, designs[i]);
    if (!beaten) out.push_back(i);
  }
  return out;
}

/// Share of a fine grid of the box's cells that some design dominates.
double volume_by_counting(const std::vector<Objectives>& designs, const ObjectiveBox& box) {
  constexpr int kCells = 110;
  int inside = 0;
  for (int x = 0; x < kCells; ++x) {
    for (int y = 0; y < kCells; ++y) {
      const double px = box.best[0] + (x + 0.5) / 100.0 * (box.worst[0] - box.best[0]);
      const double py = box.best[1] + (y + 0.5) / 100.0 * (box.worst[1] - box.best[1]);
      for (const Objectives& d : designs) {
        if (d[0] <= px && d[1] <= py) {
          ++inside;
          break;
        }
      }
    }
  }
  return inside / static_cast<double>(kCells * kCells);
}

}  // namespace

TEST_CASE("the front is what its definition says, for any number of objectives and with ties") {
  for (std::size_t objectives = 1; objectives <= 4; ++objectives) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      const auto designs = random_designs(120, objectives, seed % 2 == 0 ? 6 : 1000, seed);
      REQUIRE(pareto_front(designs) == front_by_definition(designs));
    }
  }
  CHECK(pareto_front({}).empty());
}

TEST_CASE("the best come front by front, ends of the front first, each once") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const auto designs = random_designs(100, 2, 1000, seed);
    const auto front = pareto_front(designs);
    const auto best = best_by_front(designs, 100);
    CHECK(std::set<std::size_t>(best.begin(), best.end()).size() == 100);
    const std::set<std::size_t> first(best.begin(),
                                      best.begin() + static_cast<std::ptrdiff_t>(front.size()));
    CHECK(first == std::set<std::size_t>(front.begin(), front.end()));
    const ObjectiveBox ends = bounding_box([&] {
      std::vector<Objectives> members;
      for (const std::size_t i : front) members.push_back(designs[i]);
      return members;
    }());
    const auto two = best_by_front(designs, 2);
    if (front.size() >= 2) {
      CHECK(bounding_box({designs[two[0]], designs[two[1]]}).best == ends.best);
    }
    CHECK(best_by_front(designs, 7) == std::vector<std::size_t>(best.begin(), best.begin() + 7));
  }
}

TEST_CASE("the hypervolume is the share of the box that the front covers") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const auto designs = random_designs(30, 2, 1000, seed);
    const ObjectiveBox box = bounding_box(designs);
    CHECK(hypervolume(designs, box) == Approx(volume_by_counting(designs, box)).margin(0.02));
  }
  const ObjectiveBox unit{{0, 0, 0}, {1, 1, 1}};
  CHECK(hypervolume({{0, 0, 0}}, unit) == Approx(1.0));
  CHECK(hypervolume({{2, 2, 2}}, unit) == 0.0);
  CHECK(hypervolume({}, unit) == 0.0);
  CHECK(hypervolume({{0.5}}, {{0}, {1}}) == Approx(0.6 / 1.1));
}

TEST_CASE("more designs never cover less") {
  const auto designs = random_designs(60, 3, 1000, 9);
  const ObjectiveBox box = bounding_box(designs);
  double before = 0.0;
  for (std::size_t n = 1; n <= designs.size(); ++n) {
    const double now =
        hypervolume({designs.begin(), designs.begin() + static_cast<std::ptrdiff_t>(n)}, box);
    REQUIRE(now >= before - 1e-12);
    before = now;
  }
}
