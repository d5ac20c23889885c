#include "fabric/collective_fabric.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace athena::fabric {

CollectiveFabric::CollectiveFabric(const sc_core::sc_module_name& name,
                                   const config::SystemConfig& system, sim::Dispatcher& dispatcher)
    : sc_core::sc_module(name),
      graph_(timing::fabric_graph(system)),
      engine_(std::make_unique<timing::FabricEngine>(graph_)),
      dispatcher_(dispatcher) {}

int CollectiveFabric::enter(std::uint64_t key, const timing::CollectiveSchedule& schedule, int chip,
                            Member& member, void* item) {
  auto place = gathering_.find(key);
  if (place == gathering_.end()) {
    const int job = engine_->add(schedule);
    Instance instance;
    instance.chips = schedule.ranks;
    instance.waiters.resize(schedule.ranks.size());
    instance.left = static_cast<int>(schedule.ranks.size());
    instances_.push_back(std::move(instance));
    place = gathering_.emplace(key, job).first;
    ++under_way_;
  }
  const int job = place->second;
  Instance& instance = instances_[static_cast<std::size_t>(job)];
  const auto found = std::find(instance.chips.begin(), instance.chips.end(), chip);
  if (found == instance.chips.end())
    throw InternalError(fmt::format("chip {} is no member of '{}'", chip, schedule.title));
  const auto rank = static_cast<int>(found - instance.chips.begin());
  instance.waiters[static_cast<std::size_t>(rank)] = {&member, item};
  if (++instance.entered == static_cast<int>(instance.chips.size())) gathering_.erase(place);
  engine_->join(job, rank, dispatcher_.now());
  advance();
  return job;
}

void CollectiveFabric::advance() {
  engine_->run_until(dispatcher_.now());
  for (const timing::RankFinish& f : engine_->take_finished()) {
    finishes_.push_back(std::make_unique<Finish>(Finish{f.job, f.rank}));
    dispatcher_.post(std::max(f.when, dispatcher_.now()), *this, kFinish, finishes_.back().get());
  }
  if (engine_->idle()) return;
  const Time next = engine_->next();
  if (armed_for_ >= dispatcher_.now() && armed_for_ <= next) return;
  armed_for_ = next;
  dispatcher_.post(next, *this, kAdvance);
}

void CollectiveFabric::wake(std::uint32_t tag, void* item) {
  if (tag == kAdvance) {
    if (armed_for_ <= dispatcher_.now()) armed_for_ = Time(-1);
    advance();
    return;
  }
  const Finish finish = *static_cast<Finish*>(item);
  Instance& instance = instances_[static_cast<std::size_t>(finish.job)];
  const Waiter waiter = instance.waiters[static_cast<std::size_t>(finish.rank)];
  if (--instance.left == 0) --under_way_;
  waiter.member->collective_done(waiter.item);
}

void CollectiveFabric::reset() {
  engine_ = std::make_unique<timing::FabricEngine>(graph_);
  gathering_.clear();
  instances_.clear();
  finishes_.clear();
  armed_for_ = Time(-1);
  under_way_ = 0;
}

void CollectiveFabric::check_progress() const {
  if (under_way_ == 0) return;
  throw Contradiction(fmt::format("fabric '{}': {} collectives never end: {}", name(), under_way_,
                                  join(engine_->waiting(8), "; ")));
}

}  // namespace athena::fabric
