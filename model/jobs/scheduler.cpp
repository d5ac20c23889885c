#include "jobs/scheduler.h"

#include <algorithm>
#include <numeric>

namespace athena::jobs {
namespace {
constexpr std::size_t kMaxBatch = 128;
constexpr std::size_t kFirstBatch = 8;  // until a worker's pace is known
// Long enough that a message costs nothing, short enough for a lively bar and a fair ending.
constexpr double kBatchSeconds = 0.05;
}  // namespace

Scheduler::Scheduler(std::size_t points, int workers)
    : workers_(static_cast<std::size_t>(std::max(1, workers))), unresolved_(points) {
  std::iota(unresolved_.begin(), unresolved_.end(), std::size_t{0});
}

std::optional<Scheduler::Task> Scheduler::next(const WorkerView& worker,
                                               const std::map<std::string, int>& serving) {
  if (!isolated_.empty()) {
    if (!worker.fresh || !worker.elaboration_key.empty()) return Task{{}, {}, true};
    const auto [errand, point] = isolated_.front();
    isolated_.pop_front();
    return Task{errand, {point}, false};
  }
  if (worker.elaboration_key.empty()) {
    if (Queue& own = free_of(worker.seat); !own.empty()) return run_free(worker, own);
  } else if (const auto own = ready_.find(worker.elaboration_key); own != ready_.end()) {
    Task task{Errand::kRun, take(own->second, 1), false};
    if (own->second.empty()) ready_.erase(own);
    return task;
  }
  // Resolving ahead is cheap, but only worth it while some worker may be left without work.
  const bool enough_ready = ready_.size() >= 2 * workers_;
  if (!unresolved_.empty() && !enough_ready) return resolve_some(worker);
  if (Queue* const others = longest_free()) return run_free(worker, *others);
  const auto key = best_key(serving);
  if (!key) {
    if (!unresolved_.empty()) return resolve_some(worker);
    return std::nullopt;
  }
  if (!worker.elaboration_key.empty()) return Task{{}, {}, true};
  Queue& queue = ready_.at(*key);
  Task task{Errand::kRun, take(queue, 1), false};
  if (queue.empty()) ready_.erase(*key);
  return task;
}

Scheduler::Task Scheduler::resolve_some(const WorkerView& worker) {
  return Task{Errand::kKeys, take(unresolved_, batch_limit(worker, unresolved_.size())), false};
}

Scheduler::Task Scheduler::run_free(const WorkerView& worker, Queue& queue) {
  const std::size_t waiting = unresolved_.size() + free_points();
  return Task{Errand::kRun, take(queue, batch_limit(worker, waiting)), false};
}

Scheduler::Queue& Scheduler::free_of(std::size_t seat) {
  if (free_.size() <= seat) free_.resize(seat + 1);
  return free_[seat];
}

/// The fullest of the queues of points without elaboration; null when all are empty.
Scheduler::Queue* Scheduler::longest_free() {
  const auto longest =
      std::max_element(free_.begin(), free_.end(),
                       [](const Queue& a, const Queue& b) { return a.size() < b.size(); });
  return longest == free_.end() || longest->empty() ? nullptr : &*longest;
}

std::size_t Scheduler::free_points() const {
  return std::accumulate(free_.begin(), free_.end(), std::size_t{0},
                         [](std::size_t sum, const Queue& queue) { return sum + queue.size(); });
}

/// The key with the most points per worker that would then serve it; ties go to the first in order.
std::optional<std::string> Scheduler::best_key(const std::map<std::string, int>& serving) const {
  std::optional<std::string> best;
  double best_share = 0.0;
  for (const auto& [key, queue] : ready_) {
    const auto known = serving.find(key);
    const double others = known == serving.end() ? 0.0 : static_cast<double>(known->second);
    const double share = static_cast<double>(queue.size()) / (1.0 + others);
    if (share > best_share) {
      best = key;
      best_share = share;
    }
  }
  return best;
}

std::size_t Scheduler::batch_limit(const WorkerView& worker, std::size_t waiting) const {
  const std::size_t fair = std::max<std::size_t>(1, waiting / (2 * workers_));
  if (worker.seconds_per_point <= 0.0) return std::min(fair, kFirstBatch);
  const double affordable = kBatchSeconds / worker.seconds_per_point;
  const auto limit = affordable >= static_cast<double>(kMaxBatch)
                         ? kMaxBatch
                         : std::max<std::size_t>(1, static_cast<std::size_t>(affordable));
  return std::min(fair, limit);
}

std::vector<std::size_t> Scheduler::take(Queue& queue, std::size_t limit) {
  const std::size_t count = std::min(limit, queue.size());
  const auto end = queue.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<std::size_t> points(queue.begin(), end);
  queue.erase(queue.begin(), end);
  return points;
}

void Scheduler::ready(std::size_t point, const std::string& elaboration_key, std::size_t seat) {
  (elaboration_key.empty() ? free_of(seat) : ready_[elaboration_key]).push_back(point);
}

void Scheduler::put_back(Errand errand, const std::vector<std::size_t>& points,
                         const std::string& elaboration_key, std::size_t seat) {
  if (points.empty()) return;
  Queue& queue = errand == Errand::kKeys   ? unresolved_
                 : elaboration_key.empty() ? free_of(seat)
                                           : ready_[elaboration_key];
  queue.insert(queue.begin(), points.begin(), points.end());
}

void Scheduler::isolate(Errand errand, std::size_t point) {
  isolated_.emplace_back(errand, point);
}

bool Scheduler::empty() const {
  return unresolved_.empty() && ready_.empty() && isolated_.empty() && free_points() == 0;
}

}  // namespace athena::jobs
