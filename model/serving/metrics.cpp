#include "serving/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace athena::serving {

double quantile_of_sorted(const std::vector<double>& sorted, double q) {
  if (sorted.empty()) return 0.0;
  const double rank = std::clamp(q, 0.0, 1.0) * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(rank);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (rank - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

Percentiles percentiles_of(std::vector<double>& values) {
  Percentiles out;
  out.n = static_cast<std::int64_t>(values.size());
  if (values.empty()) return out;
  std::sort(values.begin(), values.end());
  out.mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(out.n);
  out.p50 = quantile_of_sorted(values, 0.50);
  out.p90 = quantile_of_sorted(values, 0.90);
  out.p99 = quantile_of_sorted(values, 0.99);
  out.max = values.back();
  return out;
}

namespace {
double ratio(double a, double b) {
  return b > 0.0 ? a / b : 0.0;
}
}  // namespace

double ServiceResult::output_tokens_per_s() const {
  return ratio(static_cast<double>(output_tokens), duration_s());
}
double ServiceResult::requests_per_s() const {
  return ratio(static_cast<double>(completed), duration_s());
}
double ServiceResult::goodput_per_s() const {
  return ratio(static_cast<double>(good_requests), duration_s());
}
double ServiceResult::utilisation() const {
  return ratio(busy_s, duration_s() * replicas);
}
double ServiceResult::joules_per_token() const {
  return ratio(energy().value(), static_cast<double>(output_tokens));
}
double ServiceResult::hit_rate() const {
  return ratio(static_cast<double>(blocks_found), static_cast<double>(blocks_looked_up));
}
double ServiceResult::usd_per_mtok(double usd_per_chip_hour) const {
  constexpr double kSecondsPerHour = 3600.0;
  constexpr double kTokensPerMillion = 1e6;
  return ratio(usd_per_chip_hour * chips * duration_s() / kSecondsPerHour * kTokensPerMillion,
               static_cast<double>(output_tokens));
}
bool ServiceResult::slo_met() const {
  return std::all_of(slo.begin(), slo.end(), [](const SloOutcome& o) { return o.met; });
}

void Collector::move_time(double now) {
  const double in_system = static_cast<double>(in_system_) * (now - now_);
  if (begun_ && now > now_ && in_system_ > 0) {
    SeriesBin bin;
    bin.in_system_s = in_system;
    sums_.series.over(now_, now, bin);
    sums_.in_system_s += in_system;
  }
  now_ = now;
  begun_ = true;
}

void Collector::on_arrival(const Sequence& sequence) {
  move_time(sequence.arrival);
  ++in_system_;
  SeriesBin bin;
  bin.arrivals = 1.0;
  sums_.series.at(sequence.arrival, bin);
}

void Collector::on_step(const StepRecord& record) {
  const double busy = record.end - record.begin;
  SeriesBin bin;
  bin.prompt_tokens = static_cast<double>(record.prompt_tokens);
  bin.output_tokens = static_cast<double>(record.output_tokens);
  bin.busy_s = busy;
  bin.sequence_s = busy * static_cast<double>(record.sequences);
  bin.kv_share_s = busy * record.kv_share;
  bin.energy_j = record.energy.value();
  sums_.series.over(record.begin, record.end, bin);
  sums_.prefill_tokens += record.prompt_tokens;
  sums_.sampled_tokens += record.output_tokens;
  sums_.batch_s += bin.sequence_s;
  if (step_sink) step_sink(record);
}

void Collector::on_finished(Sequence& s) {
  move_time(s.finished);
  --in_system_;
  SeriesBin bin;
  bin.finished = 1.0;
  sums_.series.at(s.finished, bin);
  ++sums_.completed;
  sums_.input_tokens += s.input;
  sums_.output_tokens += s.output;
  sums_.reused_tokens += s.reused;
  sums_.last_finish_s = std::max(sums_.last_finish_s, s.finished);
  const double ttft = s.first_token - s.arrival;
  const double e2e = s.finished - s.arrival;
  const double tpot =
      s.output > 1 ? (s.finished - s.first_token) / static_cast<double>(s.output - 1) : 0.0;
  ttft_.push_back(ttft);
  e2e_.push_back(e2e);
  if (s.output > 1) tpot_.push_back(tpot);
  if (slo_.kept_by(ttft, tpot, e2e)) ++sums_.good_requests;
  if (sink) sink(s);
}

void Collector::close(ServiceResult& result) {
  result.completed = sums_.completed;
  result.input_tokens = sums_.input_tokens;
  result.output_tokens = sums_.output_tokens;
  result.sampled_tokens = sums_.sampled_tokens;
  result.prefill_tokens = sums_.prefill_tokens;
  result.reused_tokens = sums_.reused_tokens;
  result.last_finish_s = sums_.last_finish_s;
  result.in_system_s = sums_.in_system_s;
  result.batch_s = sums_.batch_s;
  result.good_requests = sums_.good_requests;
  result.series = std::move(sums_.series);
  result.ttft = percentiles_of(ttft_);
  result.tpot = percentiles_of(tpot_);
  result.e2e = percentiles_of(e2e_);
  for (const SloTerm& term : slo_.terms) {
    const auto& values = term.latency == Latency::kTtft   ? ttft_
                         : term.latency == Latency::kTpot ? tpot_
                                                          : e2e_;
    const auto& summary = term.latency == Latency::kTtft   ? result.ttft
                          : term.latency == Latency::kTpot ? result.tpot
                                                           : result.e2e;
    SloOutcome outcome{term, 0.0, false};
    outcome.reached_s =
        term.quantile == SloTerm::kMean ? summary.mean : quantile_of_sorted(values, term.quantile);
    // Nobody served is not a promise kept.
    outcome.met = result.completed > 0 && outcome.reached_s <= term.limit.value();
    result.slo.push_back(std::move(outcome));
  }
}

}  // namespace athena::serving
