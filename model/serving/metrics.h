#pragma once
/// What is measured while a service runs, and what is told of it afterwards.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/units.h"
#include "serving/replica.h"
#include "serving/slo.h"
#include "serving/time_series.h"

namespace athena::serving {

/// Quantiles of a latency in seconds; linear between ranks.
struct Percentiles {
  std::int64_t n = 0;
  double mean = 0.0, p50 = 0.0, p90 = 0.0, p99 = 0.0, max = 0.0;
};

/// Quantile `q` in [0, 1] of sorted values (type 7: linear between ranks); 0 when empty.
[[nodiscard]] double quantile_of_sorted(const std::vector<double>& sorted, double q);
[[nodiscard]] Percentiles percentiles_of(std::vector<double>& values);

/// One term of an SLO against what was reached.
struct SloOutcome {
  SloTerm term;
  double reached_s = 0.0;
  bool met = false;
};

/// A request that was not served as it stood in the trace.
struct Refusal {
  std::int64_t id = 0;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
};

/// Everything that one run of a service tells.
struct ServiceResult {
  std::int64_t requests = 0;  ///< read from the trace
  std::int64_t completed = 0;
  std::int64_t rejected = 0;        ///< overlong
  std::int64_t truncated = 0;       ///< overlong, shortened, served
  std::int64_t unfinished = 0;      ///< requests - completed
  std::vector<Refusal> refusals;    ///< the first of the rejected or truncated
  std::int64_t overlong_limit = 0;  ///< tokens of prompt and answer that fit; 0 = no limit

  std::int64_t input_tokens = 0;    ///< prompt tokens of completed requests
  std::int64_t output_tokens = 0;   ///< of completed requests
  std::int64_t sampled_tokens = 0;  ///< output tokens that the replicas made
  std::int64_t prefill_tokens = 0;  ///< prompt tokens that the replicas computed
  std::int64_t reused_tokens = 0;   ///< prompt tokens found in prefix caches

  double first_arrival_s = 0.0;
  double last_finish_s = 0.0;
  Percentiles ttft, tpot, e2e;
  std::int64_t good_requests = 0;  ///< that keep every limit of the SLO
  std::vector<SloOutcome> slo;

  std::int64_t steps = 0;
  std::int64_t preemptions = 0;
  std::int64_t swaps = 0;
  double busy_s = 0.0;        ///< replica-seconds
  double in_system_s = 0.0;   ///< integral of the number of requests in the system
  double batch_s = 0.0;       ///< integral of the batch size over busy time
  std::int64_t kv_pages = 0;  ///< of one replica
  double peak_kv_share = 0.0;
  std::int64_t blocks_looked_up = 0, blocks_found = 0, pages_evicted = 0;
  double transfer_s = 0.0;  ///< busy time of KV transfers between pools
  Joules step_energy{0.0};
  Joules idle_energy{0.0};
  int replicas = 1;
  int chips = 1;  ///< of the whole service
  TimeSeries series;

  [[nodiscard]] double duration_s() const { return last_finish_s - first_arrival_s; }
  [[nodiscard]] Joules energy() const { return step_energy + idle_energy; }
  [[nodiscard]] double output_tokens_per_s() const;
  [[nodiscard]] double requests_per_s() const;
  [[nodiscard]] double goodput_per_s() const;
  [[nodiscard]] double utilisation() const;  ///< share of replica time in steps
  [[nodiscard]] double joules_per_token() const;
  [[nodiscard]] double hit_rate() const;  ///< blocks found of blocks looked up
  /// Dollars per million output tokens at a price per chip and hour.
  [[nodiscard]] double usd_per_mtok(double usd_per_chip_hour) const;
  [[nodiscard]] bool slo_met() const;
};

/// Collects while the service runs.
class Collector final : public ReplicaListener {
 public:
  explicit Collector(const Slo& slo) : slo_(slo) {}

  void on_arrival(const Sequence& sequence);
  void on_step(const StepRecord& record) override;
  void on_finished(Sequence& sequence) override;
  /// Called with each finished sequence, in order of finishing.
  std::function<void(const Sequence&)> sink;
  /// Called with each step.
  std::function<void(const StepRecord&)> step_sink;

  /// Puts what was measured into `result`. Ends the collection.
  void close(ServiceResult& result);

 private:
  void move_time(double now);
  const Slo& slo_;
  std::vector<double> ttft_, tpot_, e2e_;
  ServiceResult sums_;
  double now_ = 0.0;
  std::int64_t in_system_ = 0;
  bool begun_ = false;
};

}  // namespace athena::serving
