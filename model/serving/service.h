#pragma once
/// A service under traffic: replicas behind a router, moved through simulated time request by
/// request and step by step. Deterministic: the same trace and configuration give the same result.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "serving/engine_config.h"
#include "serving/metrics.h"
#include "serving/request.h"
#include "serving/step_time.h"

namespace athena::serving {

enum class Overlong { kReject, kTruncate };

/// One run's questions.
struct RunOptions {
  Slo slo;
  Overlong overlong = Overlong::kReject;
  Seconds stop_after{kNever};  ///< simulated time at which the run is cut off
  /// Called with each finished sequence and each step, in order.
  std::function<void(const Sequence&)> on_finished;
  std::function<void(const StepRecord&)> on_step;
  /// Called now and then with the number of requests read so far.
  std::function<void(std::int64_t)> on_progress;
  /// Check every page's owner after every event (tests). Throws InternalError on a violation.
  bool audit = false;
};

/// Serves the whole trace. `step_time` answers for one replica (all replicas are alike; a
/// disaggregated service may give prefill replicas a source of their own). Throws InputError for
/// what the trace's reader finds.
[[nodiscard]] ServiceResult serve(TraceReader& trace, const ServiceConfig& config,
                                  const ReplicaMemory& memory, StepTime& step_time,
                                  const RunOptions& options = {});

/// Tokens of prompt and answer that a request may have: the model's context and what the KV memory
/// of one replica can hold at all. 0 = no limit.
[[nodiscard]] std::int64_t longest_request(const ServiceConfig& config,
                                           const ReplicaMemory& memory);

/// Streams one row per finished request: id, times in seconds, tokens, preemptions. The file
/// appears whole when closed.
class RequestCsv {
 public:
  explicit RequestCsv(std::filesystem::path path);
  RequestCsv(const RequestCsv&) = delete;
  RequestCsv& operator=(const RequestCsv&) = delete;
  ~RequestCsv();
  void write(const Sequence& sequence);
  /// Moves the file into place. Throws MachineError when it could not be written.
  void close();

 private:
  struct File;
  std::filesystem::path path_;
  std::unique_ptr<File> file_;
};

}  // namespace athena::serving
