#include "fabric/collective_fabric.h"

#include <catch2/catch.hpp>

#include "base/error.h"

using namespace athena;
using namespace athena::fabric;
using timing::CollectiveAlgorithm;
using timing::CollectiveKind;

namespace {

/// A chip's program: enters its collectives at given times, in its own order.
class Rank final : public sim::Client, public Member {
 public:
  Rank(CollectiveFabric& fabric, sim::Dispatcher& dispatcher, int chip)
      : fabric_(fabric), dispatcher_(dispatcher), chip_(chip) {}
  void enter_at(Time when, std::uint64_t key, const timing::CollectiveSchedule& schedule) {
    calls_.push_back({key, &schedule});
    dispatcher_.post(when, *this, static_cast<std::uint32_t>(calls_.size() - 1));
  }
  void wake(std::uint32_t tag, void*) override {
    fabric_.enter(calls_[tag].key, *calls_[tag].schedule, chip_, *this, nullptr);
  }
  void collective_done(void*) override { done.push_back(dispatcher_.now()); }
  std::vector<Time> done;

 private:
  struct Call {
    std::uint64_t key;
    const timing::CollectiveSchedule* schedule;
  };
  CollectiveFabric& fabric_;
  sim::Dispatcher& dispatcher_;
  int chip_;
  std::vector<Call> calls_;
};

struct Bench {
  Bench() : system(config::load_system("athena-node")), dispatcher(make_dispatcher()) {
    fabric = std::make_unique<CollectiveFabric>("fabric", system, *dispatcher);
    for (int chip = 0; chip < 4; ++chip)
      ranks.push_back(std::make_unique<Rank>(*fabric, *dispatcher, chip));
  }
  static std::unique_ptr<sim::Dispatcher> make_dispatcher() {
    sim::prepare_kernel();
    return std::make_unique<sim::Dispatcher>("dispatcher");
  }
  config::SystemConfig system;
  std::unique_ptr<sim::Dispatcher> dispatcher;
  std::unique_ptr<CollectiveFabric> fabric;
  std::vector<std::unique_ptr<Rank>> ranks;
};

timing::CollectiveSchedule all_reduce(double bytes, std::vector<int> ranks = {0, 1, 2, 3}) {
  return timing::schedule_of(CollectiveKind::kAllReduce, CollectiveAlgorithm::kDirect, bytes, ranks,
                             {});
}

}  // namespace

TEST_CASE("ranks that enter together finish when the stand-alone run says") {
  Bench b;
  const auto schedule = all_reduce(64e6);
  for (auto& rank : b.ranks) rank->enter_at(Time(5000), 1, schedule);
  b.dispatcher->run_to_idle();
  timing::FabricGraph graph = timing::fabric_graph(b.system);
  const Time alone = timing::run_on_fabric(graph, {{schedule, Time(0), {}}}).finish[0];
  for (const auto& rank : b.ranks) {
    REQUIRE(rank->done.size() == 1);
    CHECK(rank->done[0] - Time(5000) == alone);
  }
  CHECK_NOTHROW(b.fabric->check_progress());
}

TEST_CASE("a late rank delays all, and repeated collectives follow each other") {
  Bench b;
  const auto schedule = all_reduce(8e6);
  const Time late = to_time(Seconds(1e-3));
  for (std::size_t r = 0; r < 4; ++r) b.ranks[r]->enter_at(r == 2 ? late : Time(0), 1, schedule);
  b.dispatcher->run_to_idle();
  for (const auto& rank : b.ranks) CHECK(rank->done.at(0) > late);
  const Time first = b.ranks[0]->done.at(0);
  for (auto& rank : b.ranks) rank->enter_at(first + late, 1, schedule);
  b.dispatcher->run_to_idle();
  for (const auto& rank : b.ranks) CHECK(rank->done.at(1) > first + late);
}

TEST_CASE("two groups on other links do not meet, two on the same links share them") {
  Bench b;
  const auto left = all_reduce(64e6, {0, 1});
  const auto right = all_reduce(64e6, {2, 3});
  for (const int r : {0, 1}) b.ranks[static_cast<std::size_t>(r)]->enter_at(Time(0), 1, left);
  for (const int r : {2, 3}) b.ranks[static_cast<std::size_t>(r)]->enter_at(Time(0), 2, right);
  b.dispatcher->run_to_idle();
  const Time alone = b.ranks[0]->done.at(0);
  CHECK(b.ranks[2]->done.at(0) == alone);
  b.dispatcher->reset();
  b.fabric->reset();
  for (const std::uint64_t key : {3, 4})
    for (const int r : {0, 1}) b.ranks[static_cast<std::size_t>(r)]->enter_at(Time(0), key, left);
  b.dispatcher->run_to_idle();
  CHECK(b.ranks[0]->done.at(2) / alone == Approx(2.0).epsilon(0.05));
}

TEST_CASE("a rank that never comes is named") {
  Bench b;
  const auto schedule = all_reduce(1e6);
  for (const std::size_t r : {0U, 1U, 3U}) b.ranks[r]->enter_at(Time(0), 1, schedule);
  b.dispatcher->run_to_idle();
  CHECK(b.fabric->under_way() == 1);
  CHECK_THROWS_WITH(b.fabric->check_progress(),
                    Catch::Matchers::Contains("waits for chip 2, which never entered"));
}
