#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>
#include <unordered_map>

#include "base/text.h"
#include "jobs/run_points.h"
#include "jobs/scheduler.h"
#include "jobs/store.h"
#include "jobs/worker.h"

namespace athena::jobs {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kPollMs = 200;  // how soon a raised stop flag is seen
// Replies of batches are gathered this long: the parent shares the cores with its workers, and a
// wake-up, a decoding and a commit per analytic point cost it a tenth of what the point costs.
constexpr double kGatherSeconds = 0.02;
// A killed parent loses at most this much finished work; a commit costs milliseconds.
constexpr double kCommitSeconds = 0.2;
// A worker killed from outside is no fault of its point; three times in a row is (out of memory).
constexpr int kMaxKills = 3;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// One worker and what it is busy with.
struct Seat {
  std::unique_ptr<WorkerProcess> process;
  Scheduler::WorkerView view;
  Scheduler::Task task;
  std::size_t answered = 0;  ///< replies that came for `task`
  Clock::time_point since;   ///< when the current point of `task` began
  Clock::time_point task_start;
  bool timed_out = false;
  bool out_of_memory = false;

  [[nodiscard]] bool busy() const { return answered < task.points.size(); }
};

}  // namespace

/// State of one run() call lives in `Call`; workers outlive calls.
class Pool::Impl {
 public:
  explicit Impl(Options options) : options_(std::move(options)) {
    if (options_.workers <= 0) {
      options_.workers = static_cast<int>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
    }
  }

  std::vector<Outcome> run(std::span<const PointSpec> points, bool keys_only);
  Options& options() { return options_; }

 private:
  /// What a call knows about one of its points.
  struct Item {
    std::string text;  ///< canonical, while the point is under way
    std::string elaboration_key;
    int deaths = 0;
    bool done = false;
    std::vector<std::size_t> equals;  ///< later points with the same key, waiting for this one
  };
  struct Call {
    Call(std::span<const PointSpec> list, int workers, bool only_keys)
        : points(list),
          keys_only(only_keys),
          items(list.size()),
          outcomes(list.size()),
          scheduler(list.size(), workers) {
      progress.total = list.size();
    }
    std::span<const PointSpec> points;
    bool keys_only;
    std::vector<Item> items;
    std::vector<Outcome> outcomes;
    Scheduler scheduler;
    std::unordered_map<std::string, std::size_t> first_with_key;
    Progress progress;
    std::vector<std::size_t> finished;  ///< since the last commit
    std::vector<StoredPoint> to_store;  ///< since the last commit
  };

  [[nodiscard]] std::map<std::string, int> serving() const;
  [[nodiscard]] bool wants_results() const {
    return options_.keep_results || static_cast<bool>(options_.on_outcome);
  }
  [[nodiscard]] static const std::string& text_of(Call& call, std::size_t point);
  void start_worker(Seat& seat);
  void hand_out(Call& call);
  bool hand_out(Call& call, Seat& seat);
  void wait(Call& call);
  [[nodiscard]] double gathering_time() const;
  void take_replies(Call& call, Seat& seat);
  void take_reply(Call& call, Seat& seat, Reply reply);
  void resolved(Call& call, std::size_t seat, std::size_t point, Reply& reply);
  void from_store(Call& call, std::size_t point, StoredPoint& known);
  void evaluated(Call& call, std::size_t point, Reply& reply);
  void bury(Call& call, Seat& seat);
  void blame(Call& call, Seat& seat, std::size_t point, int signal);
  void finish(Call& call, std::size_t point, Outcome outcome);
  void fail(Call& call, std::size_t point, ExitCode code, std::string sentence);
  void commit(Call& call);
  void abandon(Call& call);

  Options options_;
  std::vector<Seat> seats_;
};

std::vector<Outcome> Pool::Impl::run(std::span<const PointSpec> points, bool keys_only) {
  Call call(points, options_.workers, keys_only);
  const std::size_t wanted =
      std::min(static_cast<std::size_t>(options_.workers), std::max<std::size_t>(1, points.size()));
  if (seats_.size() < wanted) seats_.resize(wanted);
  auto last_commit = Clock::now() - std::chrono::seconds(1);
  try {
    while (call.progress.done < points.size()) {
      if (options_.stop != nullptr && options_.stop->load()) {
        abandon(call);
        break;
      }
      hand_out(call);
      wait(call);
      if (seconds_since(last_commit) < kCommitSeconds) continue;
      commit(call);
      last_commit = Clock::now();
    }
    commit(call);
  } catch (...) {
    seats_.clear();  // kills what is still running
    throw;
  }
  return std::move(call.outcomes);
}

std::map<std::string, int> Pool::Impl::serving() const {
  std::map<std::string, int> counts;
  for (const Seat& seat : seats_) {
    if (seat.process && !seat.view.elaboration_key.empty()) ++counts[seat.view.elaboration_key];
  }
  return counts;
}

const std::string& Pool::Impl::text_of(Call& call, std::size_t point) {
  std::string& text = call.items[point].text;
  if (text.empty()) text = canonical_text(call.points[point]);
  return text;
}

void Pool::Impl::start_worker(Seat& seat) {
  seat = Seat{};
  std::vector<int> sockets;
  for (const Seat& other : seats_) {
    if (other.process) sockets.push_back(other.process->socket());
  }
  seat.process = std::make_unique<WorkerProcess>(options_.memory_limit, sockets);
}

void Pool::Impl::hand_out(Call& call) {
  for (Seat& seat : seats_) {
    if (seat.process && seat.busy()) continue;
    if (call.scheduler.empty()) return;
    // A retired worker's successor is asked once more.
    if (!hand_out(call, seat)) static_cast<void>(hand_out(call, seat));
  }
}

/// False when the worker was retired and the seat should be asked again.
bool Pool::Impl::hand_out(Call& call, Seat& seat) {
  seat.view.seat = static_cast<std::size_t>(&seat - seats_.data());
  auto task = call.scheduler.next(seat.view, serving());
  if (!task) return true;
  if (task->retire) {
    seat = Seat{};
    return false;
  }
  if (!seat.process) start_worker(seat);
  seat.task = std::move(*task);
  seat.answered = 0;
  seat.since = seat.task_start = Clock::now();
  if (seat.task.errand == Errand::kRun) {
    const std::string& key = call.items[seat.task.points.front()].elaboration_key;
    if (!key.empty()) seat.view.elaboration_key = key;
  }
  std::vector<std::string_view> texts;
  for (const std::size_t point : seat.task.points) texts.push_back(text_of(call, point));
  // A worker that is gone already is noticed, like any other death, when its stream is read.
  static_cast<void>(seat.process->send(seat.task.errand, texts, options_.excerpt));
  return true;
}

/// How long every busy worker can do without the parent (seconds): half of what the quickest still
/// has before it, so that nobody is kept waiting.
double Pool::Impl::gathering_time() const {
  double time = kGatherSeconds;
  for (const Seat& seat : seats_) {
    if (!seat.process || !seat.busy()) continue;
    const std::size_t left = seat.task.points.size() - seat.answered;
    const double due = seat.view.seconds_per_point * static_cast<double>(left);
    time = std::min(time, (due - seconds_since(seat.since)) / 2.0);
  }
  return time;
}

void Pool::Impl::wait(Call& call) {
  if (const double time = gathering_time(); time > 1e-3) {
    std::this_thread::sleep_for(std::chrono::duration<double>(time));
  }
  std::vector<pollfd> polls;
  std::vector<std::size_t> owners;
  double next_deadline = 1e-3 * kPollMs;
  for (std::size_t i = 0; i < seats_.size(); ++i) {
    const Seat& seat = seats_[i];
    if (!seat.process || !seat.busy()) continue;
    polls.push_back({seat.process->socket(), POLLIN, 0});
    owners.push_back(i);
    if (options_.timeout_s > 0.0) {
      next_deadline = std::min(next_deadline, options_.timeout_s - seconds_since(seat.since));
    }
  }
  if (polls.empty()) return;  // everything that was handed out came from the store
  const int wait_ms = static_cast<int>(std::max(0.0, next_deadline) * 1e3) + 1;
  if (poll(polls.data(), polls.size(), wait_ms) < 0 && errno != EINTR) {
    throw MachineError(fmt::format("cannot wait for the workers: {}", std::strerror(errno)));
  }
  for (std::size_t i = 0; i < polls.size(); ++i) {
    Seat& seat = seats_[owners[i]];
    if (polls[i].revents != 0) {
      take_replies(call, seat);
    } else if (options_.timeout_s > 0.0 && seconds_since(seat.since) > options_.timeout_s) {
      seat.timed_out = true;
      bury(call, seat);
    }
  }
}

void Pool::Impl::take_replies(Call& call, Seat& seat) {
  const bool alive = seat.process->fill();
  while (auto reply = seat.process->next_reply()) take_reply(call, seat, std::move(*reply));
  if (!alive) bury(call, seat);
}

void Pool::Impl::take_reply(Call& call, Seat& seat, Reply reply) {
  if (reply.out_of_memory) {
    seat.out_of_memory = true;  // the worker leaves now; bury() decides about the point
    return;
  }
  const std::size_t point = seat.task.points[seat.answered++];
  seat.since = Clock::now();
  if (seat.task.errand == Errand::kKeys) {
    resolved(call, seat.view.seat, point, reply);
  } else {
    seat.view.fresh = false;
    evaluated(call, point, reply);
  }
  if (!seat.busy() && seat.view.elaboration_key.empty()) {
    seat.view.seconds_per_point =
        seconds_since(seat.task_start) / static_cast<double>(seat.task.points.size());
  }
}

void Pool::Impl::resolved(Call& call, std::size_t seat, std::size_t point, Reply& reply) {
  if (reply.code != ExitCode::kOk) return fail(call, point, reply.code, std::move(reply.error));
  call.outcomes[point].key = reply.key;
  call.outcomes[point].host_cpu_s = reply.host_cpu_s;
  if (call.keys_only) return finish(call, point, std::move(call.outcomes[point]));
  const auto [first, inserted] = call.first_with_key.emplace(reply.key, point);
  if (!inserted) {
    Item& original = call.items[first->second];
    if (!original.done) {
      original.equals.push_back(point);
      return;
    }
    Outcome copy = call.outcomes[first->second];
    const bool dropped = copy.ok() && copy.result.is_null();  // results that are not kept
    if (!dropped) {
      copy.cached = true;
      return finish(call, point, std::move(copy));
    }
  }
  if (options_.store != nullptr) {
    auto known = options_.store->find(reply.key);
    if (known && known->lasting()) return from_store(call, point, *known);
  }
  call.items[point].elaboration_key = reply.elaboration_key;
  call.scheduler.ready(point, reply.elaboration_key, seat);
}

void Pool::Impl::from_store(Call& call, std::size_t point, StoredPoint& known) {
  Outcome outcome;
  outcome.code = known.code;
  outcome.error = std::move(known.error);
  outcome.key = std::move(known.key);
  outcome.host_cpu_s = known.host_cpu_s;
  outcome.host_max_rss = known.host_max_rss;
  outcome.cached = true;
  if (outcome.ok() && wants_results()) {
    outcome.result = nlohmann::ordered_json::parse(known.result);
  }
  finish(call, point, std::move(outcome));
}

void Pool::Impl::evaluated(Call& call, std::size_t point, Reply& reply) {
  Outcome outcome;
  outcome.code = reply.code;
  outcome.error = std::move(reply.error);
  outcome.key = call.outcomes[point].key;
  outcome.host_cpu_s = call.outcomes[point].host_cpu_s + reply.host_cpu_s;
  outcome.host_max_rss = reply.host_max_rss;
  if (options_.store != nullptr) {
    call.to_store.push_back({outcome.key, text_of(call, point), outcome.code, outcome.error,
                             reply.result, outcome.host_cpu_s, reply.host_max_rss});
  }
  if (outcome.ok() && wants_results()) {
    outcome.result =
        nlohmann::ordered_json::parse(reply.excerpt.empty() ? reply.result : reply.excerpt);
  }
  finish(call, point, std::move(outcome));
}

/// The worker is gone or has to go: finds the point it was on, gives back the rest.
void Pool::Impl::bury(Call& call, Seat& seat) {
  if (seat.timed_out) seat.process->kill();
  const int signal = seat.process->reap();
  if (seat.busy()) {
    const std::size_t point = seat.task.points[seat.answered];
    const auto rest = seat.task.points.begin() + static_cast<std::ptrdiff_t>(seat.answered) + 1;
    call.scheduler.put_back(seat.task.errand, {rest, seat.task.points.end()},
                            call.items[point].elaboration_key, seat.view.seat);
    blame(call, seat, point, signal);
  }
  seat = Seat{};
}

/// Decides whether the point that a worker died on is tried again or becomes a row with a reason.
void Pool::Impl::blame(Call& call, Seat& seat, std::size_t point, int signal) {
  Item& item = call.items[point];
  ++item.deaths;
  if (seat.timed_out) {
    return fail(call, point, ExitCode::kMachine,
                fmt::format("took longer than the time-out of {} s", options_.timeout_s));
  }
  // A first point in a fresh worker has nobody else to blame.
  const bool alone = seat.view.fresh && seat.task.points.size() == 1;
  const bool killed = signal == SIGKILL && !seat.out_of_memory;
  if (killed ? item.deaths < kMaxKills : !alone) {
    return call.scheduler.isolate(seat.task.errand, point);
  }
  if (killed) {
    return fail(call, point, ExitCode::kMachine,
                fmt::format("its worker was killed {} times (out of memory?)", item.deaths));
  }
  if (seat.out_of_memory) {
    return fail(call, point, ExitCode::kMachine,
                options_.memory_limit.value() > 0
                    ? "needs more memory than the limit of " + binary(options_.memory_limit)
                    : std::string("needs more memory than the machine has"));
  }
  const std::string words = seat.process->last_words();
  const std::string how =
      signal != 0 ? fmt::format("crashed ({})", strsignal(signal)) : "ended its process";
  fail(call, point, ExitCode::kInternal, words.empty() ? how : how + ": " + words);
}

void Pool::Impl::fail(Call& call, std::size_t point, ExitCode code, std::string sentence) {
  Outcome outcome;
  outcome.code = code;
  outcome.error = std::move(sentence);
  outcome.key = call.outcomes[point].key;
  if (options_.store != nullptr && !outcome.key.empty() && !call.keys_only) {
    call.to_store.push_back(
        {outcome.key, text_of(call, point), code, outcome.error, "", 0.0, Bytes(0)});
  }
  finish(call, point, std::move(outcome));
}

void Pool::Impl::finish(Call& call, std::size_t point, Outcome outcome) {
  Item& item = call.items[point];
  item.done = true;
  item.text = {};
  ++call.progress.done;
  if (!outcome.ok()) ++call.progress.failed;
  if (outcome.cached) ++call.progress.cached;
  call.outcomes[point] = std::move(outcome);
  call.finished.push_back(point);
  for (const std::size_t equal : std::exchange(item.equals, {})) {
    Outcome copy = call.outcomes[point];
    copy.cached = true;
    finish(call, equal, std::move(copy));
  }
}

/// First the store, then the listener: whoever hears of a point can rely on its row.
void Pool::Impl::commit(Call& call) {
  if (options_.store != nullptr) options_.store->put(call.to_store);
  call.to_store.clear();
  for (const std::size_t point : std::exchange(call.finished, {})) {
    if (options_.on_outcome) options_.on_outcome(point, call.outcomes[point]);
    if (!options_.keep_results) call.outcomes[point].result = nullptr;
  }
  if (options_.on_progress) options_.on_progress(call.progress);
}

void Pool::Impl::abandon(Call& call) {
  seats_.clear();
  commit(call);
  for (std::size_t i = 0; i < call.items.size(); ++i) {
    if (call.items[i].done) continue;
    call.outcomes[i].code = ExitCode::kMachine;
    call.outcomes[i].error = "interrupted";
  }
}

Pool::Pool(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Pool::~Pool() = default;

std::vector<Outcome> Pool::run(std::span<const PointSpec> points) {
  return impl_->run(points, false);
}
std::vector<Outcome> Pool::keys(std::span<const PointSpec> points) {
  return impl_->run(points, true);
}
Options& Pool::options() {
  return impl_->options();
}

}  // namespace athena::jobs
