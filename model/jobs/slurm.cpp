#include "jobs/slurm.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <map>
#include <thread>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "jobs/command.h"
#include "jobs/store.h"
#include "jobs/task.h"

namespace athena::jobs {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int kNotFound = 127;
constexpr auto kLookEvery = std::chrono::milliseconds(200);  // at result files
constexpr double kAskEvery_s = 3.0;                          // squeue: it loads the controller
constexpr double kGrace_s = 1.0;         // a finished job's last file may come late (network disks)
constexpr double kSilence_s = 60.0;      // no answer and no result for so long: give up, resumable
constexpr std::size_t kMaxRounds = 5;    // submissions of one point before it counts as failed
constexpr std::size_t kMaxTasks = 1000;  // below the MaxArraySize of every installation
constexpr std::size_t kTasksPerProcessor = 4;  // dispatch costs about 0.4 s a task

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

/// Where `scripts/slurm-local start` leaves its configuration.
fs::path local_configuration() {
  const char* chosen = std::getenv("ATHENA_SLURM_LOCAL");
  const fs::path folder = chosen != nullptr
                              ? fs::path(chosen)
                              : fs::path(fmt::format("/tmp/athena-slurm-{}", getuid()));
  return folder / "slurm.conf";
}

void find_configuration() {
  if (std::getenv("SLURM_CONF") != nullptr) return;
  if (fs::exists("/etc/slurm/slurm.conf") || fs::exists("/etc/slurm-llnl/slurm.conf")) return;
  if (fs::exists(local_configuration())) setenv("SLURM_CONF", local_configuration().c_str(), 1);
}

std::string shell_quote(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

Outcome outcome_of(const StoredPoint& point, bool with_result) {
  Outcome outcome;
  outcome.code = point.code;
  outcome.error = point.error;
  outcome.key = point.key;
  outcome.host_cpu_s = point.host_cpu_s;
  outcome.host_max_rss = point.host_max_rss;
  if (outcome.ok() && with_result) outcome.result = nlohmann::ordered_json::parse(point.result);
  return outcome;
}

}  // namespace

class SlurmEngine::Impl {
 public:
  Impl(SlurmOptions slurm, Options options)
      : slurm_(std::move(slurm)), options_(std::move(options)), resolver_(local_options(options_)) {
    if (options_.store == nullptr) throw InternalError("the cluster engine needs a store");
    fs::create_directories(slurm_.folder);
    slurm_.folder = fs::canonical(slurm_.folder);
    find_configuration();
    processors_ = count_processors();
    import_leftovers();
  }

  std::vector<Outcome> run(std::span<const PointSpec> points);
  Options& options() { return options_; }

 private:
  /// One array job and what is still to come from it.
  struct Job {
    std::string id;
    fs::path folder;
    std::vector<std::size_t> open_tasks;
    Clock::time_point asked = Clock::now();  ///< squeue
    Clock::time_point heard = Clock::now();  ///< any sign of life
  };
  /// One run() call.
  struct Call {
    std::span<const PointSpec> points;
    std::vector<Outcome> outcomes;
    std::vector<bool> done;
    std::map<std::string, std::vector<std::size_t>> waiting;  ///< key -> points, first runs
    Progress progress;
  };

  static Options local_options(const Options& options) {
    Options local;
    local.workers = options.workers;
    local.timeout_s = options.timeout_s;
    return local;
  }
  [[nodiscard]] std::size_t count_processors() const;
  [[nodiscard]] bool stopped() const { return options_.stop != nullptr && options_.stop->load(); }
  void import_leftovers();
  void resolve(Call& call);
  void finish(Call& call, std::size_t point, Outcome outcome);
  void tell(Call& call) {
    if (options_.on_progress) options_.on_progress(call.progress);
  }
  Job submit(const Call& call);
  void import_file(Call& call, const fs::path& file);
  void watch(Call& call, Job& job);
  void look_at_results(Call& call, Job& job);
  [[nodiscard]] bool still_there(Job& job) const;
  void give_up(Call& call);

  SlurmOptions slurm_;
  Options options_;
  Pool resolver_;
  std::size_t processors_ = 1;
  std::size_t round_ = 0;
};

/// Also finds out whether there is a cluster at all.
std::size_t SlurmEngine::Impl::count_processors() const {
  const CommandOutput info = run_command({"sinfo", "--noheader", "--format=%C"});
  if (info.exit_code == kNotFound) {
    throw MachineError(
        "there is no Slurm on this machine (sinfo is not in PATH): use --engine local");
  }
  if (info.exit_code != 0) {
    throw MachineError("Slurm does not answer (" + first_line(info.text) +
                       "): start it, or use --engine local");
  }
  // allocated/idle/other/total per partition
  std::size_t total = 0;
  const std::string line = first_line(info.text);
  const std::size_t slash = line.rfind('/');
  if (slash != std::string::npos) {
    std::from_chars(line.data() + slash + 1, line.data() + line.size(), total);
  }
  return std::max<std::size_t>(1, total);
}

/// Results of an earlier parent that died before it could import them.
void SlurmEngine::Impl::import_leftovers() {
  for (const auto& entry : fs::directory_iterator(slurm_.folder)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_directory() || name.rfind("round-", 0) != 0) continue;
    std::size_t number = 0;
    std::from_chars(name.data() + 6, name.data() + name.size(), number);
    round_ = std::max(round_, number + 1);
    for (const auto& file : fs::directory_iterator(entry.path())) {
      const std::string kind = file.path().extension().string();
      if (kind == ".results" || kind == ".partial") {
        options_.store->put(read_results(file.path()));
      }
    }
  }
}

std::vector<Outcome> SlurmEngine::Impl::run(std::span<const PointSpec> points) {
  Call call{points, std::vector<Outcome>(points.size()), std::vector<bool>(points.size()), {}, {}};
  call.progress.total = points.size();
  resolve(call);
  tell(call);
  for (std::size_t attempt = 0; attempt < kMaxRounds && !call.waiting.empty() && !stopped();
       ++attempt) {
    Job job = submit(call);
    watch(call, job);
  }
  give_up(call);
  tell(call);
  return std::move(call.outcomes);
}

/// Keys of all points; those that the store knows are done.
void SlurmEngine::Impl::resolve(Call& call) {
  resolver_.options().stop = options_.stop;
  std::vector<Outcome> keys = resolver_.keys(call.points);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (stopped()) return;
    if (!keys[i].ok()) {
      finish(call, i, std::move(keys[i]));
      continue;
    }
    call.outcomes[i].key = keys[i].key;
    std::vector<std::size_t>& same = call.waiting[keys[i].key];
    same.push_back(i);
    if (same.size() > 1) continue;
    const auto known = options_.store->find(keys[i].key);
    if (!known || !known->lasting()) continue;
    Outcome outcome = outcome_of(*known, true);
    outcome.cached = true;
    call.waiting.erase(keys[i].key);
    finish(call, i, std::move(outcome));
  }
}

void SlurmEngine::Impl::finish(Call& call, std::size_t point, Outcome outcome) {
  call.done[point] = true;
  ++call.progress.done;
  if (!outcome.ok()) ++call.progress.failed;
  if (outcome.cached) ++call.progress.cached;
  call.outcomes[point] = std::move(outcome);
  if (options_.on_outcome) options_.on_outcome(point, call.outcomes[point]);
  if (!options_.keep_results) call.outcomes[point].result = nullptr;
}

SlurmEngine::Impl::Job SlurmEngine::Impl::submit(const Call& call) {
  std::vector<PointSpec> todo;
  for (const auto& [key, same] : call.waiting) todo.push_back(call.points[same.front()]);
  const std::size_t wanted =
      slurm_.points_per_task > 0
          ? (todo.size() + slurm_.points_per_task - 1) / slurm_.points_per_task
          : kTasksPerProcessor * processors_;
  const std::size_t tasks = std::clamp<std::size_t>(wanted, 1, std::min(kMaxTasks, todo.size()));
  Job job;
  job.folder = slurm_.folder / fmt::format("round-{}", round_++);
  for (std::size_t task = 0; task < tasks; ++task) {
    // Dealt like cards: neighbours in the grid are alike, so every task gets its share of slow
    // ones.
    std::vector<PointSpec> share;
    for (std::size_t i = task; i < todo.size(); i += tasks) share.push_back(todo[i]);
    write_task(task_files(job.folder, task), share);
    job.open_tasks.push_back(task);
  }
  std::string script = "#!/bin/sh\nexec";
  for (const std::string& word : slurm_.task_command) script += " " + shell_quote(word);
  script += " " + shell_quote(job.folder.string()) + " \"$SLURM_ARRAY_TASK_ID\"\n";
  write_file_atomically(job.folder / "job.sh", script);
  std::vector<std::string> command = {"sbatch",
                                      "--parsable",
                                      "--job-name=athena-sweep",
                                      "--requeue",
                                      "--open-mode=append",
                                      fmt::format("--array=0-{}", tasks - 1),
                                      fmt::format("--cpus-per-task={}", slurm_.cpus_per_task),
                                      "--output=" + (job.folder / "%a.log").string()};
  command.insert(command.end(), slurm_.sbatch.begin(), slurm_.sbatch.end());
  command.push_back((job.folder / "job.sh").string());
  const CommandOutput output = run_command(command);
  if (output.exit_code != 0) {
    throw MachineError("Slurm did not take the job: " + first_line(output.text));
  }
  // "id" or "id;cluster", perhaps after warnings
  std::string last = output.text;
  while (!last.empty() && last.back() == '\n') last.pop_back();
  last = last.substr(last.find_last_of('\n') + 1);
  job.id = last.substr(0, last.find(';'));
  return job;
}

/// One transaction in the store, then the points that wait for its rows.
void SlurmEngine::Impl::import_file(Call& call, const fs::path& file) {
  const std::vector<StoredPoint> rows = read_results(file);
  std::vector<StoredPoint> named;
  for (const StoredPoint& row : rows) {
    if (!row.key.empty()) named.push_back(row);
  }
  options_.store->put(named);
  for (const StoredPoint& row : rows) {
    const auto found = call.waiting.find(row.key);
    if (found == call.waiting.end()) continue;
    const std::vector<std::size_t> same = std::move(found->second);
    call.waiting.erase(found);
    for (std::size_t i = 0; i < same.size(); ++i) {
      Outcome outcome = outcome_of(row, true);
      outcome.cached = i > 0;
      finish(call, same[i], std::move(outcome));
    }
  }
}

void SlurmEngine::Impl::look_at_results(Call& call, Job& job) {
  std::erase_if(job.open_tasks, [&](std::size_t task) {
    const fs::path results = task_files(job.folder, task).results;
    if (!fs::exists(results)) return false;
    import_file(call, results);
    job.heard = Clock::now();
    return true;
  });
  tell(call);
}

/// Until every task has delivered or the job is gone; what a lost task had finished is kept.
void SlurmEngine::Impl::watch(Call& call, Job& job) {
  while (!job.open_tasks.empty() && !stopped()) {
    std::this_thread::sleep_for(kLookEvery);
    look_at_results(call, job);
    if (job.open_tasks.empty() || seconds_since(job.asked) < kAskEvery_s) continue;
    if (still_there(job)) continue;
    std::this_thread::sleep_for(std::chrono::duration<double>(kGrace_s));
    look_at_results(call, job);
    break;
  }
  if (stopped()) static_cast<void>(run_command({"scancel", job.id}));
  for (const std::size_t task : job.open_tasks) {
    import_file(call, task_files(job.folder, task).partial);
  }
}

bool SlurmEngine::Impl::still_there(Job& job) const {
  const CommandOutput queue =
      run_command({"squeue", "--noheader", "--jobs=" + job.id, "--format=%T"});
  job.asked = Clock::now();
  if (queue.exit_code == 0) {
    job.heard = job.asked;
    return !queue.text.empty();
  }
  // A controller that was wiped answers, but does not know the job.
  if (queue.text.find("Invalid job id") != std::string::npos) return false;
  if (seconds_since(job.heard) > kSilence_s) {
    throw MachineError(fmt::format(
        "Slurm has not answered for {:.0f} s ({}); what is finished is kept: the same command with "
        "--resume continues",
        kSilence_s, first_line(queue.text)));
  }
  return true;
}

void SlurmEngine::Impl::give_up(Call& call) {
  const bool interrupted = stopped();
  for (std::size_t point = 0; point < call.points.size(); ++point) {
    if (call.done[point]) continue;
    Outcome outcome;
    outcome.code = ExitCode::kMachine;
    outcome.key = call.outcomes[point].key;
    outcome.error = "interrupted";
    if (interrupted) {  // not an outcome of the point: nobody hears of it, nothing is stored
      call.outcomes[point] = std::move(outcome);
      continue;
    }
    outcome.error = fmt::format("the cluster did not finish it in {} submissions", kMaxRounds);
    finish(call, point, std::move(outcome));
  }
  call.waiting.clear();
}

SlurmEngine::SlurmEngine(SlurmOptions slurm, Options options)
    : impl_(std::make_unique<Impl>(std::move(slurm), std::move(options))) {}
SlurmEngine::~SlurmEngine() = default;
std::vector<Outcome> SlurmEngine::run(std::span<const PointSpec> points) {
  return impl_->run(points);
}
Options& SlurmEngine::options() {
  return impl_->options();
}

}  // namespace athena::jobs
