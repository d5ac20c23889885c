#pragma once
/// Decides which worker does what next; owns no process and does no input or output, so that its
/// rules can be tested alone.
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "jobs/worker.h"

namespace athena::jobs {

/// The queues of one call: points to resolve, points to run (by elaboration key), and points that
/// must be tried again alone in a fresh worker because a worker died on them.
class Scheduler {
 public:
  /// What a worker is, as far as the rules care.
  struct WorkerView {
    std::string elaboration_key;     ///< what it has elaborated; "" = nothing yet
    bool fresh = true;               ///< has not evaluated anything
    double seconds_per_point = 0.0;  ///< its recent pace on batched points; 0 = unknown
    std::size_t seat = 0;            ///< its number among the workers, from 0
  };
  /// One message for a worker. `retire`: this worker cannot do what is left, start another.
  struct Task {
    Errand errand = Errand::kRun;
    std::vector<std::size_t> points;
    bool retire = false;
  };

  Scheduler(std::size_t points, int workers);

  /// What the worker should do now; nothing when it has to wait. `serving` counts, per elaboration
  /// key, the workers that have elaborated it.
  [[nodiscard]] std::optional<Task> next(const WorkerView& worker,
                                         const std::map<std::string, int>& serving);

  /// The point is resolved and is to be run. A point that needs no elaboration waits first for the
  /// worker in `seat` that resolved it and still holds its machine; others take it when idle.
  void ready(std::size_t point, const std::string& elaboration_key, std::size_t seat = 0);
  /// These were handed out and not touched: hand them out again, first.
  void put_back(Errand errand, const std::vector<std::size_t>& points,
                const std::string& elaboration_key, std::size_t seat = 0);
  /// Try this one alone in a fresh worker.
  void isolate(Errand errand, std::size_t point);

  [[nodiscard]] bool empty() const;

 private:
  using Queue = std::deque<std::size_t>;
  [[nodiscard]] std::vector<std::size_t> take(Queue& queue, std::size_t limit);
  [[nodiscard]] std::size_t batch_limit(const WorkerView& worker, std::size_t waiting) const;
  [[nodiscard]] Task resolve_some(const WorkerView& worker);
  [[nodiscard]] Task run_free(const WorkerView& worker, Queue& queue);
  [[nodiscard]] Queue& free_of(std::size_t seat);
  [[nodiscard]] Queue* longest_free();
  [[nodiscard]] std::size_t free_points() const;
  [[nodiscard]] std::optional<std::string> best_key(
      const std::map<std::string, int>& serving) const;

  std::size_t workers_;
  Queue unresolved_;
  std::vector<Queue> free_;             ///< points without elaboration, by seat
  std::map<std::string, Queue> ready_;  ///< the others, by elaboration key; no empty queues
  std::deque<std::pair<Errand, std::size_t>> isolated_;
};

}  // namespace athena::jobs
