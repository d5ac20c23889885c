#include "jobs/scheduler.h"

#include <catch2/catch.hpp>
#include <set>

#include "base/rng.h"

using namespace athena;
using namespace athena::jobs;

namespace {
using Serving = std::map<std::string, int>;

/// Runs the rules to the end with imaginary workers that die at random; returns how often each
/// point was evaluated to its end.
std::vector<int> play(std::size_t points, int workers, const std::vector<std::string>& keys,
                      double death, std::uint64_t seed) {
  Rng rng(seed);
  Scheduler scheduler(points, workers);
  std::vector<Scheduler::WorkerView> views(static_cast<std::size_t>(workers));
  std::vector<int> done(points, 0);
  std::size_t left = points;
  int guard = 0;
  while (left > 0) {
    REQUIRE(++guard < 100000);
    const std::size_t w = rng.below(views.size());
    Serving serving;
    for (const auto& view : views) {
      if (!view.elaboration_key.empty()) ++serving[view.elaboration_key];
    }
    views[w].seat = w;
    auto task = scheduler.next(views[w], serving);
    if (!task) continue;
    if (task->retire) {
      views[w] = {};
      continue;
    }
    REQUIRE_FALSE(task->points.empty());
    for (std::size_t i = 0; i < task->points.size(); ++i) {
      const std::size_t point = task->points[i];
      const std::string& key = keys[point % keys.size()];
      if (rng.chance(death)) {
        const auto rest = task->points.begin() + static_cast<std::ptrdiff_t>(i) + 1;
        scheduler.put_back(task->errand, {rest, task->points.end()}, key, w);
        scheduler.isolate(task->errand, point);
        views[w] = {};
        break;
      }
      if (task->errand == Errand::kKeys) {
        scheduler.ready(point, key, w);
        continue;
      }
      // A worker elaborates once: it is never given a second key.
      if (!key.empty()) {
        REQUIRE((views[w].elaboration_key.empty() || views[w].elaboration_key == key));
        views[w].elaboration_key = key;
      }
      views[w].fresh = false;
      ++done[point];
      --left;
    }
  }
  CHECK(scheduler.empty());
  return done;
}
}  // namespace

TEST_CASE("every point runs exactly once, whoever dies and whatever has to be elaborated") {
  const std::vector<std::vector<std::string>> mixes = {
      {""}, {"a"}, {"a", "b", "c", "d", "e"}, {"", "a", "", "b"}};
  for (const auto& keys : mixes) {
    for (const int workers : {1, 2, 5}) {
      for (const double death : {0.0, 0.05, 0.3}) {
        for (const int runs : play(97, workers, keys, death, 11)) REQUIRE(runs == 1);
      }
    }
  }
}

TEST_CASE("a worker stays with what it has elaborated while there is such work") {
  Scheduler scheduler(0, 2);
  for (std::size_t i = 0; i < 6; ++i) scheduler.ready(i, i % 2 == 0 ? "a" : "b");
  const auto task = scheduler.next({"b", false, 0.0}, {{"b", 1}});
  REQUIRE(task.has_value());
  CHECK(task->points == std::vector<std::size_t>{1});
}

TEST_CASE("a new worker takes the key that fewest workers serve") {
  Scheduler scheduler(0, 2);
  for (std::size_t i = 0; i < 6; ++i) scheduler.ready(i, i < 4 ? "a" : "b");
  const auto task = scheduler.next({}, {{"a", 1}});
  REQUIRE(task.has_value());
  // a: 4 points for 2 workers, b: 2 points for 1: equal shares, the first in order wins.
  CHECK(task->points == std::vector<std::size_t>{0});
  const auto other = scheduler.next({}, {{"a", 2}});
  REQUIRE(other.has_value());
  CHECK(other->points == std::vector<std::size_t>{4});
}

TEST_CASE("isolated points go alone to a fresh worker") {
  Scheduler scheduler(0, 1);
  scheduler.ready(0, "");
  scheduler.isolate(Errand::kRun, 5);
  const auto used = scheduler.next({"", false, 0.0}, {});
  REQUIRE(used.has_value());
  CHECK(used->retire);
  const auto fresh = scheduler.next({}, {});
  REQUIRE(fresh.has_value());
  CHECK(fresh->points == std::vector<std::size_t>{5});
}

TEST_CASE("batches grow with the pace of the worker and leave work for the others") {
  Scheduler scheduler(10000, 2);
  const auto slow = scheduler.next({"", false, 1.0}, {});
  const auto fast = scheduler.next({"", false, 1e-6}, {});
  REQUIRE(slow.has_value());
  REQUIRE(fast.has_value());
  CHECK(slow->points.size() == 1);
  CHECK(fast->points.size() > 50);
  Scheduler few(4, 2);
  CHECK(few.next({"", false, 1e-6}, {})->points.size() == 1);
}

TEST_CASE("a worker runs what it resolved; an idle one helps the fullest") {
  Scheduler scheduler(0, 3);
  for (std::size_t i = 0; i < 6; ++i) scheduler.ready(i, "", i < 4 ? 0 : 1);
  CHECK(scheduler.next({"", false, 1.0, 1}, {})->points == std::vector<std::size_t>{4});
  CHECK(scheduler.next({"", false, 1.0, 2}, {})->points == std::vector<std::size_t>{0});
  CHECK(scheduler.next({"", false, 1.0, 0}, {})->points == std::vector<std::size_t>{1});
  CHECK_FALSE(scheduler.empty());
}
