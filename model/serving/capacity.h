#pragma once
/// How much traffic a service carries while it keeps its promises.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "serving/service.h"
#include "serving/slo.h"

namespace athena::serving {

/// Opens the traffic of one replication at a multiple of its own rate. Replications are independent
/// samples of the same traffic: other seeds of a generator, other parts of a recorded trace.
using TrafficFactory =
    std::function<std::unique_ptr<TraceReader>(double rate_scale, int replication)>;

struct CapacityOptions {
  Slo slo;
  Overlong overlong = Overlong::kReject;
  double confidence = 0.95;  ///< of each verdict, one-sided
  double precision = 0.02;   ///< width of the final bracket, share of the rate
  int min_replications = 3;
  int max_replications = 8;    ///< spent where a verdict is in doubt
  double lowest_scale = 1e-3;  ///< the search ends with "none" below this multiple of the rate
  double highest_scale = 1e4;  ///< ... and with "at least" above this one
  std::function<void(const std::string&)> on_progress;
};

enum class Verdict { kKept, kBroken, kUndecided };

/// One rate that was tried.
struct RateTrial {
  double scale = 1.0;
  double rate_per_s = 0.0;  ///< mean arrivals per second over the replications
  double output_tokens_per_s = 0.0;
  double joules_per_token = 0.0;
  double busy = 0.0;
  int replications = 0;
  Verdict verdict = Verdict::kUndecided;
  /// Per term: the mean reached, seconds, and the half width of its confidence interval.
  std::vector<double> reached_s;
  std::vector<double> half_width_s;
};

struct CapacityResult {
  std::vector<RateTrial> trials;  ///< in the order tried
  bool found = false;             ///< some rate keeps the SLO
  bool open_ended = false;        ///< even the highest rate tried does
  RateTrial best;                 ///< highest rate that was kept
  double broken_above_per_s = 0;  ///< lowest rate that was not
};

/// Bisection over the rate. A rate is kept when the one-sided confidence bound of the mean over
/// replications of every term lies within its limit, and nothing stays unserved; broken when a
/// bound lies outside. Where neither holds after max_replications, the rate counts as not kept:
/// the answer errs to the safe side. Throws InputError for an empty SLO, Finding when
/// requests can never fit.
[[nodiscard]] CapacityResult find_capacity(const TrafficFactory& traffic,
                                           const ServiceConfig& config, const ReplicaMemory& memory,
                                           StepTime& step_time, const CapacityOptions& options);

/// The fewest replicas that keep the SLO at `rate_scale`; 0 when even `most` do not.
[[nodiscard]] int find_replicas(const TrafficFactory& traffic, ServiceConfig config,
                                const ReplicaMemory& memory, StepTime& step_time,
                                const CapacityOptions& options, double rate_scale, int most);

/// Quantile of Student's t distribution, one-sided (0.5 < p < 1).
[[nodiscard]] double student_t(double p, int degrees);

/// A recorded trace cut into `parts` windows of equal length: replication i is part i.
[[nodiscard]] TrafficFactory recorded_traffic(const std::string& path, int parts);
/// A generator under other seeds.
[[nodiscard]] TrafficFactory generated_traffic(const std::string& path, std::uint64_t seed);

}  // namespace athena::serving
