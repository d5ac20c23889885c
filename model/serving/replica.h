#pragma once
/// One replica of the model: an engine that puts steps together from the requests it was given. It
/// lives in simulated time and is moved by its owner from event to event.
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "serving/engine_config.h"
#include "serving/kv_cache.h"
#include "serving/sequence.h"
#include "serving/step_time.h"
#include "serving/waiting_queue.h"

namespace athena::serving {

inline constexpr double kNever = std::numeric_limits<double>::infinity();

/// Which phases a replica runs.
enum class Role { kBoth, kPrefill, kDecode };

/// One step, or a run of steps of one unchanged decode batch, that has ended.
struct StepRecord {
  int replica = 0;
  double begin = 0.0;  ///< seconds
  double end = 0.0;
  std::int64_t steps = 1;
  std::int64_t prompt_tokens = 0;  ///< computed, recomputed ones included
  std::int64_t output_tokens = 0;  ///< sampled
  std::int64_t sequences = 0;      ///< in the batch
  double kv_share = 0.0;           ///< pages held of all pages (0 when there is no limit)
  Joules energy{0.0};
  const StepShape* shape = nullptr;  ///< of the first step; valid during the call
};

/// Who wants to know what happens in a replica.
class ReplicaListener {
 public:
  virtual ~ReplicaListener() = default;
  virtual void on_step(const StepRecord& record) = 0;
  /// The answer is complete.
  virtual void on_finished(Sequence& sequence) = 0;
};

/// Counts over a replica's life.
struct ReplicaStats {
  std::int64_t steps = 0;
  std::int64_t preemptions = 0;
  std::int64_t swaps = 0;
  double busy_s = 0.0;
  Joules energy{0.0};
};

class Replica {
 public:
  /// `block_tokens`: what one prefix hash of the trace stands for. The engine, the step source and
  /// the listener outlive the replica.
  Replica(int index, Role role, const EngineConfig& engine, const ReplicaMemory& memory,
          std::int64_t block_tokens, StepTime& step_time, ReplicaListener& listener);

  /// A new request. It is looked at from the next boundary between steps on.
  void submit(Sequence& sequence);
  /// A sequence whose prompt another replica computed; its KV must be fetched.
  void hand_over(Sequence& sequence);
  /// The KV of a sequence that this replica fetched has arrived.
  void landed(Sequence& sequence);
  /// The KV of a sequence that this replica computed has left.
  void sent(Sequence& sequence);
  /// There will be no further requests (a static batch need not wait to fill).
  void close() { closed_ = true; }

  /// Ends what ends at `now`, and gives pages to whoever may have them. Not to be called between
  /// the begin and the end of a step.
  void settle(double now);
  /// Begins what can begin; settle(now) comes before. Nothing outside reaches this replica before
  /// `horizon`, so that steps of an unchanged decode batch that begin before it are run together.
  /// Returns when to settle again: the end of what was begun, the time a static batch is due, or
  /// kNever when there is nothing to do.
  [[nodiscard]] double begin(double now, double horizon);

  [[nodiscard]] bool busy() const { return in_flight_; }
  [[nodiscard]] Role role() const { return role_; }
  [[nodiscard]] int index() const { return index_; }
  /// Requests given to this replica that are not finished or handed on.
  [[nodiscard]] std::int64_t outstanding() const { return outstanding_; }
  [[nodiscard]] std::size_t waiting() const { return waiting_.size() + swapped_.size(); }
  [[nodiscard]] const KvCache& cache() const { return cache_; }
  [[nodiscard]] const ReplicaStats& stats() const { return stats_; }

  /// Prompts that this (prefill) replica has finished since the last call; `into` is replaced.
  void take_outgoing(std::vector<Sequence*>& into);
  /// Sequences for which this (decode) replica made room since the last call: fetch their KV.
  void take_fetches(std::vector<Sequence*>& into);
  /// Finished sequences that this replica uses no more since the last call.
  void take_retired(std::vector<Sequence*>& into);

  /// Sentences about KV pages that are lost or owned twice; `in_transit` are sequences that hold
  /// pages here while their KV is on its way.
  [[nodiscard]] std::vector<std::string> audit(
      const std::vector<const KvHolding*>& in_transit = {}) const;

 private:
  struct Slot {
    Sequence* sequence;
    std::int64_t tokens;
  };

  void complete(double now);
  void complete_slot(const Slot& slot);
  void complete_run();
  void finish(Sequence& s);
  void retire(Sequence& s);
  void drop_departed();

  [[nodiscard]] double begin_step(double now);
  void take_off(double now);
  [[nodiscard]] double begin_run(double now, double horizon);
  [[nodiscard]] std::int64_t steps_that_fit(std::int64_t wanted) const;

  // Memory.
  void grow_running();
  [[nodiscard]] bool admit(Sequence& s);
  void make_way();
  void preempt(Sequence& victim);
  [[nodiscard]] Sequence* least_important() const;
  void swap_in();
  void accept_handed_over();
  [[nodiscard]] bool slots_left() const;
  [[nodiscard]] std::int64_t pages_needed(const Sequence& s) const;

  // Putting a step together.
  void compose();
  void add_decodes(std::int64_t& budget, std::size_t among);
  void add_chunks(std::int64_t& budget);
  void add_new_prompts(std::int64_t& budget, bool whole);
  [[nodiscard]] double begin_static(double now, double horizon);
  void form_static_batch();
  void compose_static();

  int index_;
  Role role_;
  const EngineConfig& engine_;
  ReplicaMemory memory_;
  StepTime& step_time_;
  ReplicaListener& listener_;
  KvCache cache_;

  WaitingQueue waiting_;
  std::vector<Sequence*> running_;      ///< in order of admission
  std::vector<Sequence*> swapped_;      ///< in order of being pushed out
  std::vector<Sequence*> handed_over_;  ///< decode role: wait for room
  std::vector<Sequence*> outgoing_;
  std::vector<Sequence*> fetches_;
  std::vector<Sequence*> retired_;
  std::int64_t landing_ = 0;  ///< sequences whose KV is on its way here
  std::int64_t outstanding_ = 0;
  std::int64_t swapped_pages_ = 0;
  bool closed_ = false;

  std::vector<Slot> batch_;
  StepShape shape_;
  StepRecord flight_;
  bool in_flight_ = false;
  double stall_ = 0.0;  ///< swap traffic that the next step waits for

  const Sequence* blocked_ = nullptr;   ///< head of the queue that did not fit ...
  std::int64_t blocked_available_ = 0;  ///< ... when this many pages were available
  ReplicaStats stats_;
};

}  // namespace athena::serving
