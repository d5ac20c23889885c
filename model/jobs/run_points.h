#pragma once
/// Many points at once, each in a worker process that may crash, hang or run out of memory without
/// taking anything else with it.
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/units.h"
#include "jobs/excerpt.h"
#include "jobs/point.h"

namespace athena::jobs {

class Store;

/// What became of one point: a result, or an exit code and one sentence.
struct Outcome {
  ExitCode code = ExitCode::kOk;
  std::string error;              ///< one sentence when code is not kOk
  nlohmann::ordered_json result;  ///< null when code is not kOk, or when results are not kept
  std::string key;                ///< content hash; "" when the point's inputs did not resolve
  double host_cpu_s = 0.0;        ///< user + system time of the worker for this point
  Bytes host_max_rss{0};          ///< peak memory of the worker
  bool cached = false;            ///< the store knew it (or an equal point ran in this call)
  [[nodiscard]] bool ok() const { return code == ExitCode::kOk; }
};

/// Where a call stands; counts are of points.
struct Progress {
  std::size_t total = 0;
  std::size_t done = 0;    ///< finished in any way, cached ones included
  std::size_t failed = 0;  ///< of those, without a result
  std::size_t cached = 0;  ///< of those, known before
};

struct Options {
  int workers = 0;           ///< processes at once; 0 = one per core
  double timeout_s = 0.0;    ///< wall-clock limit of one point; 0 = none
  Bytes memory_limit{0};     ///< address space of one worker; 0 = none
  Store* store = nullptr;    ///< known points are read from it, finished ones written to it
  bool keep_results = true;  ///< false: outcomes carry no JSON (it is in the store)
  /// What on_outcome and kept results need of a result; empty: all of it. The store keeps all in
  /// any case. Outcomes may carry more than was asked for.
  std::vector<Alternatives> excerpt;
  /// Called in the parent as each point finishes (in order of finishing): index and outcome.
  std::function<void(std::size_t, const Outcome&)> on_outcome;
  std::function<void(const Progress&)> on_progress;
  /// Set from a signal handler to stop early: unfinished points come back with kMachine,
  /// "interrupted", and are not stored.
  const std::atomic<bool>* stop = nullptr;
};

/// Evaluates every point in forked worker processes; outcomes are in the order of `points`. The
/// calling process must be single-threaded and must not have elaborated SystemC. A point never
/// makes this throw: its error is its outcome. Throws MachineError when no process can be started
/// or the store cannot be written.
[[nodiscard]] std::vector<Outcome> run_points(std::span<const PointSpec> points,
                                              const Options& options = {});

/// The single-point case: the result, or the point's error thrown as the athena::Error it was.
[[nodiscard]] nlohmann::ordered_json run_point(const PointSpec& point, const Options& options = {});

/// Whatever can run many points: this machine's workers or a cluster. Same promises as run_points.
class Engine {
 public:
  Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  virtual ~Engine() = default;
  [[nodiscard]] virtual std::vector<Outcome> run(std::span<const PointSpec> points) = 0;
  /// May be changed between calls, except `workers`.
  [[nodiscard]] virtual Options& options() = 0;
};

/// run_points with workers that stay idle from call to call (optimisers ask in small batches).
class Pool : public Engine {
 public:
  explicit Pool(Options options);
  ~Pool() override;
  [[nodiscard]] std::vector<Outcome> run(std::span<const PointSpec> points) override;
  /// Keys only, nothing evaluated: key per point, "" with its error where inputs do not resolve.
  [[nodiscard]] std::vector<Outcome> keys(std::span<const PointSpec> points);
  [[nodiscard]] Options& options() override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace athena::jobs
