#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "cost/claims_rows.h"

namespace athena::cost::claims {
namespace {

constexpr double kSecondsPerDay = 86400.0;
constexpr double kDaysPerYear = 365.0;

/// One point of the batch sweep that ran.
struct QueryPoint {
  double batch = 0.0;
  double chip_seconds = 0.0;
};

/// Batch at which a query takes `chip_seconds`, along straight lines between the points in
/// logarithms; NaN outside the sweep.
double batch_for(const std::vector<QueryPoint>& points, double chip_seconds) {
  for (std::size_t i = 0; i + 1 < points.size(); ++i) {
    const QueryPoint &a = points[i], &b = points[i + 1];
    const double high = std::max(a.chip_seconds, b.chip_seconds);
    const double low = std::min(a.chip_seconds, b.chip_seconds);
    if (chip_seconds > high || chip_seconds < low || high == low) continue;
    const double share =
        std::log(a.chip_seconds / chip_seconds) / std::log(a.chip_seconds / b.chip_seconds);
    return a.batch * std::pow(b.batch / a.batch, share);
  }
  return std::nan("");
}

/// Every batch of the plan, with weights as the plan's query has them or in `dtype`.
std::vector<QueryPoint> sweep_batches(const Context& context, const std::string& dtype) {
  std::vector<RunRequest> requests;
  for (const std::int64_t batch : context.plan.query_batches) {
    requests.push_back(context.plan.query);
    requests.back().batch = batch;
    if (!dtype.empty()) requests.back().dtype = dtype;
  }
  const std::vector<RunOutcome> outcomes = context.source(requests);
  const double tokens = context.value("tokens_per_query");
  std::vector<QueryPoint> points;
  std::string error;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (!outcomes[i].ok) {
      if (error.empty()) error = outcomes[i].error;  // larger batches may not fit: that is fine
      continue;
    }
    points.push_back(
        {static_cast<double>(requests[i].batch),
         chip_seconds_per_query(tokens, context.plan.query_chips, outcomes[i].tokens_per_s)});
  }
  if (points.empty()) throw Finding("no batch of the query model ran: " + error);
  return points;
}

/// "a batch of 4.2", or on which side of the sweep it lies.
std::string batch_text(const std::vector<QueryPoint>& points, double chip_seconds) {
  const double batch = batch_for(points, chip_seconds);
  if (!std::isnan(batch)) return fmt::format("a batch of {:.1f}", batch);
  return chip_seconds > points.front().chip_seconds
             ? fmt::format("less than a batch of {:.0f}", points.front().batch)
             : fmt::format("more than a batch of {:.0f}", points.back().batch);
}

/// Price per used hour of the chip that the query ran on.
Distribution hour_cost(Context& context) {
  const auto system = config::load<config::SystemConfig>(context.plan.query.on, "systems");
  const CostSubject subject = load_subject(system.chip, context.constants);
  ReportOptions options;
  options.draws = context.draws;
  const CostReport report = cost_report(subject, nullptr, context.constants, options);
  context.nominal = context.constants.nominal();
  return report.chip.usd_per_hour;
}

ClaimRow unbatched_row(const Context& context, const std::vector<QueryPoint>& points,
                       const Distribution& hour) {
  ClaimRow row = titled("cents-per-query");
  for (const QueryPoint& point : points) {
    row.figures.push_back(exact(fmt::format("A100-seconds per query at batch {:.0f}", point.batch),
                                point.chip_seconds, "GPU-s"));
    row.figures.push_back({fmt::format("cost per query at batch {:.0f}", point.batch),
                           cents_per_query(point.chip_seconds, hour.p5),
                           cents_per_query(point.chip_seconds, hour.nominal),
                           cents_per_query(point.chip_seconds, hour.p95), "cent"});
  }
  const double claimed = context.value("claimed_cents");
  const auto far = [&](const ClaimFigure& f) { return std::abs(std::log(f.nominal / claimed)); };
  for (const ClaimFigure& figure : row.figures) {
    const bool nearer = row.headline.unit.empty() || far(figure) < far(row.headline);
    if (figure.unit == "cent" && nearer) row.headline = figure;
  }
  const double wanted_s = claimed / 100.0 * 3600.0 / hour.nominal;
  const double batch = batch_for(points, wanted_s);
  row.figures.push_back(exact("A100-seconds that the claim pays for", wanted_s, "GPU-s"));
  row.figures.push_back(exact("batch at which the claim holds", batch, "sequences"));
  const bool unbatched = cents_per_query(points.front().chip_seconds, hour.p95) >= claimed;
  row.verdict = !std::isnan(batch) ? Verdict::kHoldsIf
                : unbatched        ? Verdict::kHolds
                                   : Verdict::kNotReproduced;
  row.conclusion =
      fmt::format("{:.0f} cents are {} at {:.2f} $ per GPU-hour: hardly batched decoding.", claimed,
                  batch_text(points, wanted_s), hour.nominal);
  row.decides = "batch size, then life and utilisation of the server";
  return row;
}

ClaimRow batched_row(const Context& context, const std::vector<QueryPoint>& points,
                     const std::vector<QueryPoint>& smaller, const Distribution& hour) {
  ClaimRow row = titled("tenth-of-a-cent");
  const double per_day = context.value("daily_cost");
  const double queries = context.value("daily_queries");
  const double gpus = context.value("fleet_gpus");
  const double claimed = per_day / queries * 100.0;
  const double gpu_seconds = gpus * kSecondsPerDay / queries;
  row.figures.push_back(exact("claimed cost per query", claimed, "cent"));
  row.figures.push_back(exact("its price of a GPU-hour", per_day / (gpus * 24.0), "$"));
  row.figures.push_back(exact("its A100-seconds per query", gpu_seconds, "GPU-s"));
  row.figures.push_back(spread("our price of an A100-hour", hour, "$"));
  row.figures.push_back({"those seconds at our price", cents_per_query(gpu_seconds, hour.p5),
                         cents_per_query(gpu_seconds, hour.nominal),
                         cents_per_query(gpu_seconds, hour.p95), "cent"});
  const double batch = batch_for(points, gpu_seconds);
  row.figures.push_back(exact("batch that reaches those seconds", batch, "sequences"));
  const QueryPoint& largest = points.back();
  row.figures.push_back({fmt::format("our cost per query at batch {:.0f}", largest.batch),
                         cents_per_query(largest.chip_seconds, hour.p5),
                         cents_per_query(largest.chip_seconds, hour.nominal),
                         cents_per_query(largest.chip_seconds, hour.p95), "cent"});
  row.headline = row.figures.back();
  const auto reached = [&](const std::vector<QueryPoint>& sweep) {
    return !sweep.empty() && sweep.back().chip_seconds <= gpu_seconds;
  };
  if (!smaller.empty()) {
    row.figures.push_back(exact("batch that reaches them with " + context.plan.query_small_dtype,
                                batch_for(smaller, gpu_seconds), "sequences"));
  }
  row.decides = "batch size";
  if (reached(points)) {
    row.verdict = Verdict::kHoldsIf;
    row.conclusion = fmt::format(
        "0.36 cents are {} on the same servers: the two figures differ by the batch, not by the "
        "machine.",
        batch_text(points, gpu_seconds));
    return row;
  }
  row.verdict = reached(smaller) ? Verdict::kHoldsIf : Verdict::kNotReproduced;
  row.conclusion =
      fmt::format("At a batch of {:.0f} in {} a query takes {:.1f} GPU-seconds instead of {:.1f}",
                  largest.batch, context.plan.query.dtype, largest.chip_seconds, gpu_seconds);
  if (reached(smaller)) {
    row.conclusion += fmt::format("; with {} weights {} reaches them",
                                  context.plan.query_small_dtype, batch_text(smaller, gpu_seconds));
    row.decides += ", then the size of a weight";
  }
  row.conclusion += ": the two figures differ by the batch, not by the machine.";
  return row;
}

}  // namespace

ClaimRow third_cheaper(Context& context) {
  const CostSubject ours = load_subject(context.plan.third_cheaper.at(0), context.constants);
  const CostSubject rival = load_subject(context.plan.third_cheaper.at(1), context.constants);
  ReportOptions options;
  options.draws = context.draws;
  const CostReport report = cost_report(ours, &rival, context.constants, options);
  const ComparisonReport& c = *report.comparison;
  ClaimRow row = titled("third-cheaper");
  row.figures.push_back(spread("manufacturing cost ratio", c.manufacturing_ratio, "x"));
  row.headline = row.figures.back();
  row.figures.push_back(spread(fmt::format("ratio with NRE at {:.0f} chips", report.chip.volume),
                               c.with_nre_ratio, "x"));
  row.figures.push_back(
      spread("with NRE over the rival's purchase price", c.against_purchase, "x"));
  for (const Statement& statement : c.statements) {
    row.figures.push_back(exact("P(" + statement.text + ")", statement.probability, "-"));
  }
  row.figures.push_back(spread("break-even volume", c.break_even_volume, "chips"));
  const CostSample& nominal = report.chip.nominal;
  for (const double price : {10000.0, 15000.0}) {
    row.figures.push_back(exact(fmt::format("break-even volume at a rival of {:.0f} $", price),
                                nominal.nre_total / (price * 2.0 / 3.0 - nominal.manufacturing),
                                "chips"));
  }
  const bool bought = c.statements.back().probability > 0.5;
  row.verdict = c.statements.front().probability > 0.5 ? Verdict::kHolds
                : bought                               ? Verdict::kHoldsIf
                                                       : Verdict::kNotReproduced;
  row.conclusion = fmt::format(
      "Not as a cost of making (ratio {:.2f}); true of building against buying from {:.0f} chips "
      "on.",
      c.manufacturing_ratio.p50, c.break_even_volume.nominal);
  row.decides = c.tornado.empty() ? "" : c.tornado.front().constant + ", then volume";
  return row;
}

std::vector<ClaimRow> query_rows(Context& context) {
  const Distribution hour = hour_cost(context);
  const std::vector<QueryPoint> points = sweep_batches(context, "");
  std::vector<QueryPoint> smaller;
  if (!context.plan.query_small_dtype.empty())
    smaller = sweep_batches(context, context.plan.query_small_dtype);
  return {unbatched_row(context, points, hour), batched_row(context, points, smaller, hour)};
}

ClaimRow capital_row(const Context& context) {
  ClaimRow row = titled("capital");
  const double capital = context.value("claimed_capital");
  const double yearly = context.value("claimed_yearly");
  const double cents = context.value("claimed_cents");
  const double share = context.value("share_of_searches");
  const double per_s = context.value("searches_per_day") / kSecondsPerDay;
  const double queries_per_s = per_s * share;
  const double queries_per_year = queries_per_s * kSecondsPerDay * kDaysPerYear;
  row.figures.push_back(exact("searches per second", per_s, "1/s"));
  row.figures.push_back(
      exact("rate assumed elsewhere, over that", context.value("claimed_rate") / per_s, "x"));
  row.figures.push_back(exact("a tenth of them", queries_per_s, "1/s"));
  row.figures.push_back(
      exact("capital over three years", capital / context.value("capital_life"), "$/year"));
  const double cents_of_capital = yearly / queries_per_year * 100.0;
  const Constant& searches = context.constants.at(context.constants.index("searches_per_day"));
  row.figures.push_back({"that per query", cents_of_capital * searches.nominal / searches.high,
                         cents_of_capital, cents_of_capital * searches.nominal / searches.low,
                         "cent"});
  row.headline = row.figures.back();
  row.figures.push_back(exact("searches per day at which 4 cents and 16 B$ agree",
                              yearly / (cents / 100.0) / kDaysPerYear / share, "1/day"));
  const auto gpu_seconds = [&](const char* price) {
    return capital / context.value(price) / queries_per_s;
  };
  row.figures.push_back({"GPU-seconds per query that 48.1 B$ buy",
                         gpu_seconds("gpu_in_server_high"), gpu_seconds("gpu_in_server_low"),
                         gpu_seconds("gpu_in_server_low"), "GPU-s"});
  row.verdict = Verdict::kInconsistent;
  if (std::abs(cents_of_capital / cents - 1.0) < 0.05) row.verdict = Verdict::kHolds;
  row.conclusion = fmt::format(
      "16 B$ are 48.1 B$ over three years, not a further cost; the chips alone are {:.2f} cents a "
      "query, so 4 cents need more queries or a longer life.",
      cents_of_capital);
  row.decides = "searches per day; life of the hardware";
  return row;
}

}  // namespace athena::cost::claims
