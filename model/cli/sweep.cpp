/// athena sweep: runs a space of designs; `show` reads it back; `task` is one task of a cluster
/// job.
#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "cli/command.h"
#include "config/quantity.h"
#include "explore/honesty.h"
#include "explore/report.h"
#include "explore/space.h"
#include "explore/study.h"
#include "jobs/run_points.h"
#include "jobs/slurm.h"
#include "jobs/store.h"
#include "jobs/task.h"
#include "report/report.h"

namespace athena::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct SweepOptions {
  std::string space;
  std::string engine = "local";
  std::string out;
  std::string store;
  std::string optimizer;
  int jobs = 0;
  int budget = -1;
  int population = 0;
  std::int64_t seed = -1;
  bool resume = false;
  std::string timeout;
  std::string memory;
  std::vector<std::string> sets;
  std::vector<std::string> sbatch;
  std::size_t points_per_task = 0;
};

struct ShowOptions {
  std::string folder;
  bool pareto = false;
  bool csv = false;
  bool all = false;
  std::int64_t candidate = -1;
};

struct TaskOptions {
  std::string folder;
  std::size_t number = 0;
  int jobs = 1;
  std::string timeout;
  std::string memory;
};

/// Raised by an interrupt: what runs is let go, what is finished is kept.
std::atomic<bool> stop_requested{false};

/// While it lives, the first interrupt asks for an orderly end; a second one ends at once.
class InterruptGuard {
 public:
  InterruptGuard() {
    stop_requested = false;
    struct sigaction action {};
    action.sa_handler = [](int) { stop_requested = true; };
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(SIGINT, &action, &old_interrupt_);
    sigaction(SIGTERM, &action, &old_terminate_);
  }
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  ~InterruptGuard() {
    sigaction(SIGINT, &old_interrupt_, nullptr);
    sigaction(SIGTERM, &old_terminate_, nullptr);
  }

 private:
  struct sigaction old_interrupt_ {};
  struct sigaction old_terminate_ {};
};

template <class Q>
long double quantity(const std::string& flag, const std::string& text) {
  if (text.empty()) return 0;
  const config::ParsedQuantity parsed = config::parse_quantity(text, config::dimension_of<Q>());
  if (!parsed.problem.empty()) throw InputError(flag + ": " + parsed.problem);
  if (parsed.value <= 0) throw InputError(flag + ": must be above zero");
  return parsed.value;
}

jobs::Options job_options(int workers, const std::string& timeout, const std::string& memory) {
  if (workers < 0) throw InputError("--jobs: must not be below zero");
  jobs::Options options;
  options.workers = workers;
  options.timeout_s = static_cast<double>(quantity<Seconds>("--timeout", timeout));
  options.memory_limit = Bytes(static_cast<std::int64_t>(quantity<Bytes>("--memory", memory)));
  options.stop = &stop_requested;
  return options;
}

explore::SearchOptions search_options(const SweepOptions& options, const explore::Space& space) {
  explore::SearchOptions search;
  search.optimizer = options.optimizer.empty() ? space.optimizer : options.optimizer;
  // The budget of the file belongs to the optimiser of the file.
  const bool own = search.optimizer == space.optimizer;
  const int budget = options.budget >= 0 ? options.budget : own ? space.budget : 0;
  search.budget = static_cast<std::size_t>(budget);
  search.population = options.population > 0 ? options.population : space.population;
  search.seed = options.seed >= 0 ? static_cast<std::uint64_t>(options.seed) : space.seed;
  return search;
}

/// This binary, for the tasks of a cluster.
std::string own_path() {
  std::error_code failure;
  const fs::path path = fs::read_symlink("/proc/self/exe", failure);
  if (failure) throw MachineError("cannot find the path of this program: " + failure.message());
  return path.string();
}

/// The engine that was asked for, writing to `store`. `local` has resolved the space already.
std::unique_ptr<jobs::Engine> make_engine(const SweepOptions& options, const fs::path& folder,
                                          std::unique_ptr<jobs::Pool> local, jobs::Store& store) {
  local->options().store = &store;
  if (options.engine == "local") return local;
  jobs::SlurmOptions slurm;
  slurm.folder = folder / "slurm";
  slurm.sbatch = options.sbatch;
  slurm.points_per_task = options.points_per_task;
  slurm.cpus_per_task = std::max(1, options.jobs);
  slurm.task_command = {own_path(), "sweep", "task", "--jobs", std::to_string(slurm.cpus_per_task)};
  if (!options.timeout.empty()) {
    slurm.task_command.insert(slurm.task_command.end(), {"--timeout", options.timeout});
  }
  if (!options.memory.empty()) {
    slurm.task_command.insert(slurm.task_command.end(), {"--memory", options.memory});
  }
  jobs::Options job = local->options();
  job.workers = 0;  // --jobs is per task; resolving points uses what this machine has
  return std::make_unique<jobs::SlurmEngine>(std::move(slurm), std::move(job));
}

void check_engine(const std::string& engine) {
  if (engine == "local" || engine == "slurm") return;
  throw InputError(fmt::format("there is no engine '{}', only local and slurm.{}", engine,
                               did_you_mean(engine, {"local", "slurm"})));
}

Json host_json(const explore::StudySummary& summary, double wall_s) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  constexpr std::int64_t kBytesPerUnit = 1024;  // Linux counts KiB
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  const double own = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  return {{"cpu_s", own + summary.host_cpu_s},
          {"points_cpu_s", summary.host_cpu_s},
          {"wall_s", wall_s},
          {"max_rss_bytes", usage.ru_maxrss * kBytesPerUnit}};
}

Json summary_json(const explore::SweepReport& report, const explore::StudySummary& summary,
                  const fs::path& folder, Json host) {
  Json out{{"name", report.space.name}, {"folder", folder.string()},
           {"points", summary.points},  {"failed", summary.failed},
           {"cached", summary.cached},  {"candidates", summary.candidates}};
  Json shown = explore::to_json(report, explore::RowChoice::kFront);
  out["search"] = shown["search"];
  out["front"] = shown["rows"];
  for (const char* key : {"hypervolume", "rank_correlation", "warnings"}) out[key] = shown[key];
  out["host"] = std::move(host);
  return out;
}

void print_summary(const Session& session, const explore::SweepReport& report,
                   const explore::StudySummary& summary, const fs::path& folder, double wall_s) {
  constexpr std::size_t kRowsShown = 20;
  const auto choice =
      report.space.objectives() > 0 ? explore::RowChoice::kFront : explore::RowChoice::kAll;
  std::string text = explore::to_text(report, choice, kRowsShown);
  text += fmt::format("\n{} points ({} known before, {} failed) in {}; {} of processor time\n",
                      summary.points, summary.cached, summary.failed, show(Seconds(wall_s)),
                      show(Seconds(summary.host_cpu_s)));
  text += fmt::format(
      "all rows: athena sweep show {0} --csv; one design and its commands: athena sweep show {0} "
      "--candidate N\n",
      folder.string());
  session.print(text);
}

/// The page of a sweep, unless it is so large that a browser would not like it.
std::string write_page(const fs::path& folder, std::size_t rows) {
  constexpr std::size_t kMostRows = 20000;
  if (rows > kMostRows) {
    return fmt::format(
        "no report: {} rows make too large a page; athena report {} writes it all "
        "the same\n",
        rows, folder.string());
  }
  return fmt::format("report: {}\n", report::write_report(folder).string());
}

void run_sweep(const SweepOptions& options, Session& session) {
  if (options.space.empty()) {
    throw InputError("which sweep? Give a file of configs/sweeps/, or `show DIR`");
  }
  const auto start = std::chrono::steady_clock::now();
  const InterruptGuard guard;
  const explore::Space space = explore::load_space(options.space, options.sets);
  const fs::path folder =
      options.out.empty() ? fs::path("out") / space.name : fs::path(options.out);
  if (!options.resume && explore::SweepTable::exists(folder)) {
    throw InputError(
        fmt::format("{} holds a sweep already: give --resume to continue it, or another --out",
                    folder.string()));
  }
  check_engine(options.engine);
  explore::StudyOptions study;
  study.folder = folder;
  study.search = search_options(options, space);
  study.resume = options.resume;
  study.stop = &stop_requested;
  study.on_progress = [&](const explore::StudyProgress& progress) {
    session.progress(progress.fraction, progress.text);
  };
  // Everything that can be wrong with the question is found before anything is written.
  explore::check_search(space, study.search);
  auto local =
      std::make_unique<jobs::Pool>(job_options(options.jobs, options.timeout, options.memory));
  study.warnings = explore::check_inputs(space, *local);
  // Sweeps side by side share what they know.
  const fs::path beside = fs::absolute(folder).lexically_normal().parent_path();
  jobs::Store store(options.store.empty() ? beside / "points.sqlite" : fs::path(options.store));
  const std::unique_ptr<jobs::Engine> engine =
      make_engine(options, folder, std::move(local), store);
  const explore::StudySummary summary = explore::run_study(space, *engine, study);
  const explore::SweepReport report = explore::load_report(folder);
  const double wall_s =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  print_summary(session, report, summary, folder, wall_s);
  session.print(write_page(folder, report.rows.size()));
  session.print_json(summary_json(report, summary, folder, host_json(summary, wall_s)));
  // A sweep without a single result has found that its question has no answer.
  if (summary.failed > 0 && summary.failed == summary.points) {
    session.exit_code = static_cast<int>(ExitCode::kFinding);
  }
}

void show_sweep(const ShowOptions& options, Session& session) {
  const explore::SweepReport report = explore::load_report(options.folder);
  if (options.pareto && report.space.objectives() == 0) {
    throw InputError("--pareto: the sweep has no objectives");
  }
  const auto choice = options.pareto ? explore::RowChoice::kFront : explore::RowChoice::kAll;
  if (session.json) return session.print_json(explore::to_json(report, choice));
  if (options.csv) return session.print(explore::to_csv(report, choice));
  if (options.candidate >= 0) {
    return session.print(explore::candidate_text(report, options.candidate));
  }
  constexpr std::size_t kRowsShown = 40;
  session.print(explore::to_text(report, choice, options.all ? report.rows.size() : kRowsShown));
}

void run_task(const TaskOptions& options) {
  const InterruptGuard guard;
  const jobs::Options job = job_options(options.jobs, options.timeout, options.memory);
  jobs::run_task(jobs::task_files(options.folder, options.number), job);
}

void add_show(CLI::App& sweep, Session& session) {
  auto options = std::make_shared<ShowOptions>();
  CLI::App* show = sweep.add_subcommand("show", "Read a finished or unfinished sweep back.");
  show->add_option("folder", options->folder, "folder of the sweep (its --out)")->required();
  show->add_flag("--pareto", options->pareto, "only the designs that none beats");
  show->add_flag("--csv", options->csv, "all rows as CSV");
  show->add_flag("--all", options->all, "do not shorten the table");
  show->add_option("--candidate", options->candidate,
                   "one design: its numbers and the command of each of its points");
  run_with(*show, session, [options, &session] { show_sweep(*options, session); });
}

/// What sbatch starts on a node; not for people.
void add_task(CLI::App& sweep, Session& session) {
  auto options = std::make_shared<TaskOptions>();
  CLI::App* task = sweep.add_subcommand("task", "One task of a cluster job.");
  task->group("");
  task->add_option("--jobs", options->jobs, "worker processes");
  task->add_option("--timeout", options->timeout, "limit of one point");
  task->add_option("--memory", options->memory, "limit of one worker");
  task->add_option("folder", options->folder, "folder of the round")->required();
  task->add_option("number", options->number, "number of the task")->required();
  run_with(*task, session, [options] { run_task(*options); });
}

}  // namespace

void add_sweep_command(CLI::App& app, Session& session) {
  auto options = std::make_shared<SweepOptions>();
  CLI::App* sweep = app.add_subcommand(
      "sweep", "Run many designs: a grid, a sample, or what an optimiser asks for.");
  sweep->add_option("space", options->space, "name in configs/sweeps/ or path of a space");
  sweep->add_option("--out", options->out, "folder of the sweep (default out/NAME)");
  sweep->add_flag("--resume", options->resume, "continue the sweep that --out holds");
  sweep->add_option("--jobs", options->jobs,
                    "worker processes (default one per core); with slurm: processors per task");
  sweep->add_option("--engine", options->engine, "local or slurm");
  sweep->add_option("--optimizer", options->optimizer, "grid, random, sobol, nsga2 or cmaes");
  sweep->add_option("--budget", options->budget, "candidates in the first tier");
  sweep->add_option("--population", options->population, "candidates per generation");
  sweep->add_option("--seed", options->seed, "of the optimiser");
  sweep->add_option("--store", options->store,
                    "file of known points (default points.sqlite beside the folder)");
  sweep->add_option("--timeout", options->timeout, "limit of one point, such as '10 min'");
  sweep->add_option("--memory", options->memory, "limit of one worker, such as '4 GiB'");
  sweep->add_option("--set", options->sets, "change the space: path=value");
  sweep->add_option("--sbatch", options->sbatch, "further argument for sbatch (--partition=...)");
  sweep->add_option("--points-per-task", options->points_per_task,
                    "points packed into one Slurm task");
  sweep->require_subcommand(0, 1);
  add_show(*sweep, session);
  add_task(*sweep, session);
  run_with(*sweep, session, [sweep, options, &session] {
    if (sweep->get_subcommands().empty()) run_sweep(*options, session);
  });
}

}  // namespace athena::cli
