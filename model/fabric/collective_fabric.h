#pragma once
/// The links between chips as a module: ranks enter collectives when their program gets there,
/// share the links with whoever else is on them, and are called back when their part is done.
#include <cstdint>
#include <map>
#include <memory>
#include <systemc>
#include <vector>

#include "sim/dispatcher.h"
#include "timing/link_fabric.h"

namespace athena::fabric {

/// Told when a rank has sent and received all of a collective (at the dispatcher's present time).
class Member {
 public:
  Member() = default;
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;
  virtual void collective_done(void* item) = 0;

 protected:
  ~Member() = default;
};

class CollectiveFabric : public sc_core::sc_module, private sim::Client {
 public:
  /// Throws InputError when the system's parts contradict each other.
  CollectiveFabric(const sc_core::sc_module_name& name, const config::SystemConfig& system,
                   sim::Dispatcher& dispatcher);

  /// What ranks are about to do together. All members pass the same key in the same order of calls
  /// per key; the schedule is taken from the first. Returns the instance.
  int enter(std::uint64_t key, const timing::CollectiveSchedule& schedule, int chip, Member& member,
            void* item);
  /// Forgets all collectives and counters.
  void reset();
  /// Throws Contradiction, saying which chip is waited for, when collectives are under way; call
  /// when nothing is left to happen.
  void check_progress() const;
  [[nodiscard]] int under_way() const { return under_way_; }
  [[nodiscard]] const timing::FabricGraph& graph() const { return graph_; }
  /// Bytes that each link carried since reset.
  [[nodiscard]] std::vector<Bytes> carried() const { return engine_->carried(); }

 private:
  struct Waiter {
    Member* member = nullptr;
    void* item = nullptr;
  };
  struct Instance {
    std::vector<int> chips;
    std::vector<Waiter> waiters;  ///< by rank
    int entered = 0;
    int left = 0;  ///< ranks not yet done
  };
  static constexpr std::uint32_t kAdvance = 0;
  static constexpr std::uint32_t kFinish = 1;
  struct Finish {
    int job;
    int rank;
  };
  void wake(std::uint32_t tag, void* item) override;
  void advance();

  timing::FabricGraph graph_;
  std::unique_ptr<timing::FabricEngine> engine_;
  sim::Dispatcher& dispatcher_;
  std::map<std::uint64_t, int> gathering_;  ///< key -> instance that still lacks ranks
  std::vector<Instance> instances_;
  std::vector<std::unique_ptr<Finish>> finishes_;
  Time armed_for_{-1};
  int under_way_ = 0;
};

}  // namespace athena::fabric
