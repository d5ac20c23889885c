#include "serving/capacity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "serving/trace.h"

namespace athena::serving {

double student_t(double p, int degrees) {
  // Bisection on the distribution function, whose density integrates by Simpson's rule; exact to
  // 1e-6 for the few degrees of freedom that replications give.
  const double n = degrees;
  const double norm = std::exp(std::lgamma((n + 1.0) / 2.0) - std::lgamma(n / 2.0)) /
                      std::sqrt(n * 3.14159265358979323846);
  const auto density = [&](double t) { return norm * std::pow(1.0 + t * t / n, -(n + 1.0) / 2.0); };
  const auto below = [&](double t) {
    constexpr int kPieces = 2000;
    const double h = t / kPieces;
    double sum = density(0.0) + density(t);
    for (int i = 1; i < kPieces; ++i) sum += (i % 2 == 0 ? 2.0 : 4.0) * density(i * h);
    return 0.5 + sum * h / 3.0;
  };
  double low = 0.0, high = 1000.0;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2.0;
    (below(middle) < p ? low : high) = middle;
  }
  return (low + high) / 2.0;
}

namespace {

class Trials {
 public:
  Trials(const TrafficFactory& traffic, const ServiceConfig& config, const ReplicaMemory& memory,
         StepTime& step_time, const CapacityOptions& options)
      : traffic_(traffic),
        config_(config),
        memory_(memory),
        step_time_(step_time),
        options_(options) {
    if (options.slo.empty()) {
      throw InputError(
          "a capacity needs an SLO to keep, such as --slo ttft.p90=2s,tpot.p99=100ms.");
    }
    run_.slo = options.slo;
    run_.overlong = options.overlong;
  }

  RateTrial at(double scale) {
    RateTrial trial;
    trial.scale = scale;
    std::vector<std::vector<double>> reached(options_.slo.terms.size());
    bool unserved = false;
    for (int i = 0; i < options_.max_replications; ++i) {
      auto trace = traffic_(scale, i);
      const ServiceResult result = serve(*trace, config_, memory_, step_time_, run_);
      // No rate makes an overlong request fit: that is not a question of capacity.
      if (result.rejected > 0) {
        throw Finding(fmt::format(
            "{} of {} requests exceed the {} tokens that fit; choose --overlong truncate "
            "or other traffic.",
            result.rejected, result.requests, result.overlong_limit));
      }
      unserved = unserved || result.unfinished > 0;
      for (std::size_t k = 0; k < reached.size(); ++k) {
        reached[k].push_back(result.slo[k].reached_s);
      }
      ++trial.replications;
      add(trial, result);
      if (trial.replications < options_.min_replications) continue;
      judge(trial, reached, unserved);
      if (trial.verdict != Verdict::kUndecided) break;
    }
    const double n = trial.replications;
    trial.rate_per_s /= n;
    trial.output_tokens_per_s /= n;
    trial.joules_per_token /= n;
    trial.busy /= n;
    if (options_.on_progress) {
      options_.on_progress(fmt::format("{:.3g} requests/s: {}", trial.rate_per_s,
                                       trial.verdict == Verdict::kKept ? "kept" : "not kept"));
    }
    return trial;
  }

 private:
  static void add(RateTrial& trial, const ServiceResult& r) {
    // Arrivals come over the time from first to last; the run ends later, when all are served.
    const auto& bins = r.series.bins();
    double last = 0.0;
    for (std::size_t i = 0; i < bins.size(); ++i) {
      if (bins[i].arrivals > 0.0) last = static_cast<double>(i + 1) * r.series.bin_width();
    }
    trial.rate_per_s += last > 0.0 ? static_cast<double>(r.requests) / last : 0.0;
    trial.output_tokens_per_s += r.output_tokens_per_s();
    trial.joules_per_token += r.joules_per_token();
    trial.busy += r.utilisation();
  }

  void judge(RateTrial& trial, const std::vector<std::vector<double>>& reached,
             bool unserved) const {
    const int n = trial.replications;
    const double t = n > 1 ? student_t(options_.confidence, n - 1) : 0.0;
    bool all_kept = true, any_broken = unserved;
    trial.reached_s.clear();
    trial.half_width_s.clear();
    for (std::size_t k = 0; k < reached.size(); ++k) {
      double mean = 0.0, variance = 0.0;
      for (const double x : reached[k]) mean += x / n;
      for (const double x : reached[k]) variance += (x - mean) * (x - mean) / std::max(1, n - 1);
      const double half = t * std::sqrt(variance / n);
      const double limit = options_.slo.terms[k].limit.value();
      all_kept = all_kept && mean + half <= limit;
      any_broken = any_broken || mean - half > limit;
      trial.reached_s.push_back(mean);
      trial.half_width_s.push_back(half);
    }
    trial.verdict = any_broken ? Verdict::kBroken : all_kept ? Verdict::kKept : Verdict::kUndecided;
  }

  const TrafficFactory& traffic_;
  const ServiceConfig& config_;
  const ReplicaMemory& memory_;
  StepTime& step_time_;
  const CapacityOptions& options_;
  RunOptions run_;
};

bool kept(const RateTrial& trial) {
  return trial.verdict == Verdict::kKept;
}

}  // namespace

CapacityResult find_capacity(const TrafficFactory& traffic, const ServiceConfig& config,
                             const ReplicaMemory& memory, StepTime& step_time,
                             const CapacityOptions& options) {
  Trials trials(traffic, config, memory, step_time, options);
  CapacityResult result;
  const auto attempt = [&](double scale) {
    result.trials.push_back(trials.at(scale));
    const RateTrial& trial = result.trials.back();
    if (kept(trial) && (!result.found || trial.scale > result.best.scale)) {
      result.found = true;
      result.best = trial;
    }
    return kept(trial);
  };
  // Doubling until a kept and a broken rate stand on either side.
  double low = 0.0, high = 0.0, broken_rate = 0.0;
  double scale = 1.0;
  while (low == 0.0 || high == 0.0) {
    if (attempt(scale)) {
      low = scale;
      if (high == 0.0) scale *= 2.0;
    } else {
      high = scale;
      broken_rate = result.trials.back().rate_per_s;
      if (low == 0.0) scale /= 2.0;
    }
    if (low == 0.0 && scale < options.lowest_scale) return result;
    if (high == 0.0 && scale > options.highest_scale) {
      result.open_ended = true;
      return result;
    }
  }
  while (high / low > 1.0 + options.precision) {
    const double middle = std::sqrt(low * high);
    if (attempt(middle)) {
      low = middle;
    } else {
      high = middle;
      broken_rate = result.trials.back().rate_per_s;
    }
  }
  result.broken_above_per_s = broken_rate;
  return result;
}

int find_replicas(const TrafficFactory& traffic, ServiceConfig config, const ReplicaMemory& memory,
                  StepTime& step_time, const CapacityOptions& options, double rate_scale,
                  int most) {
  const auto enough = [&](int replicas) {
    config.replicas = replicas;
    return kept(Trials(traffic, config, memory, step_time, options).at(rate_scale));
  };
  int high = 1;
  while (!enough(high)) {
    if (high >= most) return 0;
    high = std::min(most, high * 2);
  }
  int low = high / 2;  // did not suffice (0: trivially)
  while (high - low > 1) {
    const int middle = low + (high - low) / 2;
    (enough(middle) ? high : low) = middle;
  }
  return high;
}

TrafficFactory recorded_traffic(const std::string& path, int parts) {
  const Seconds duration = summarise(*open_trace(path)).duration;
  return [path, parts, duration](double rate_scale, int replication) {
    TraceWindow window;
    const int part = replication % parts;
    window.from = duration * (static_cast<double>(part) / parts);
    // The last request belongs to the last part.
    if (part + 1 < parts) window.to = duration * (static_cast<double>(part + 1) / parts);
    window.rate_scale = rate_scale;
    return open_trace(path, window);
  };
}

TrafficFactory generated_traffic(const std::string& path, std::uint64_t seed) {
  return [path, seed](double rate_scale, int replication) {
    TraceWindow window;
    window.rate_scale = rate_scale;
    return open_trace(path, window, seed + static_cast<std::uint64_t>(replication));
  };
}

}  // namespace athena::serving
