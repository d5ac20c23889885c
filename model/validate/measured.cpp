#include "validate/measured.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "config/stack.h"
#include "jobs/run_points.h"
#include "jobs/simulation/evaluate.h"
#include "validate/measured_point.h"

namespace athena::validate {
namespace {

using Json = nlohmann::ordered_json;

/// Outcome of one point: its result, or why there is none.
struct Answer {
  Json result;
  std::string error;
};
using Answers = std::map<std::string, Answer>;

/// Tables of products alone: M,K,N and one column of microseconds.
std::vector<TableRow> read_products(const std::filesystem::path& file, const std::string& chip) {
  const std::vector<std::string> columns = table_columns(file);
  const auto time = std::find_if(columns.begin(), columns.end(), [](const std::string& name) {
    return name.size() > 3 && name.compare(name.size() - 3, 3, "_us") == 0;
  });
  if (time == columns.end()) {
    throw InputError(Location{file.string(), 1, 0},
                     "a table of products M,K,N needs a column of measured times named CHIP_us");
  }
  std::vector<TableRow> rows;
  for (const TableRow& row : read_table(file, {"M", "K", "N", *time})) {
    rows.emplace_back(file.string(), row.line(),
                      std::map<std::string, std::string>{
                          {"op", "gemm"},
                          {"m", row.text("M")},
                          {"n", row.text("N")},
                          {"k", row.text("K")},
                          {"chip", chip.empty() ? time->substr(0, time->size() - 3) : chip},
                          {"precision", "bf16"},
                          {"method", "kernel"},
                          {"metric", "latency_ms"},
                          {"source", file.filename().string()},
                          {"value", fmt::format("{}", row.number(*time) / 1000.0)}});
  }
  return rows;
}

std::vector<TableRow> read_rows(const std::filesystem::path& file, const std::string& chip) {
  const std::vector<std::string> columns = table_columns(file);
  const auto has = [&](const char* name) {
    return std::find(columns.begin(), columns.end(), name) != columns.end();
  };
  if (has("M") && has("K") && has("N")) return read_products(file, chip);
  std::vector<std::string> needed{"op", "metric", "value"};
  if (chip.empty()) needed.emplace_back("chip");
  return read_table(file, needed);
}

/// Every distinct point once; points of one machine side by side, so that it is resolved once.
Answers evaluate(const std::vector<MeasuredPoint>& points, const std::string& fidelity, int workers,
                 const std::function<void(double)>& progress) {
  std::vector<jobs::PointSpec> specs;
  for (const MeasuredPoint& point : points)
    specs.insert(specs.end(), point.parts.begin(), point.parts.end());
  for (jobs::PointSpec& spec : specs) spec.fidelity = fidelity;
  const auto order = [](const jobs::PointSpec& a) {
    return std::tie(a.on, a.stack, a.sets, a.tp, a.pp, a.dp);
  };
  std::sort(specs.begin(), specs.end(), [&](const auto& a, const auto& b) {
    if (order(a) != order(b)) return order(a) < order(b);
    return jobs::canonical_text(a) < jobs::canonical_text(b);
  });
  specs.erase(std::unique(specs.begin(), specs.end()), specs.end());
  Answers answers;
  if (fidelity == "analytic") {
    const auto evaluator = jobs::make_simulation_evaluator(false);
    for (std::size_t i = 0; i < specs.size(); ++i) {
      Answer& answer = answers[jobs::canonical_text(specs[i])];
      try {
        answer.result = evaluator->evaluate(specs[i]);
      } catch (const Error& error) {
        answer.error = error.what();
      }
      if (progress) progress(static_cast<double>(i + 1) / static_cast<double>(specs.size()));
    }
    return answers;
  }
  jobs::Options options;
  options.workers = workers;
  options.on_progress = [&](const jobs::Progress& now) {
    if (progress) progress(static_cast<double>(now.done) / static_cast<double>(now.total));
  };
  const std::vector<jobs::Outcome> outcomes = jobs::run_points(specs, options);
  for (std::size_t i = 0; i < specs.size(); ++i) {
    Answer& answer = answers[jobs::canonical_text(specs[i])];
    if (outcomes[i].ok()) answer.result = outcomes[i].result;
    if (!outcomes[i].ok()) answer.error = outcomes[i].error;
  }
  return answers;
}

/// Seconds of a host synchronisation in the stack of this point.
double synchronisation(const jobs::PointSpec& spec) {
  static std::map<std::string, double> known;
  const auto found = known.find(spec.stack);
  if (found != known.end()) return found->second;
  const double seconds =
      spec.stack.empty()
          ? 0.0
          : config::load<config::StackConfig>(spec.stack, "stacks").synchronise.value();
  return known[spec.stack] = seconds;
}

/// What limits it, in the words of the result: the two largest shares of the time.
std::string explain(const std::vector<const Json*>& results) {
  std::map<std::string, double> shares;
  double total = 0;
  for (const Json* result : results) {
    const double seconds = result->at("time_s").get<double>();
    total += seconds;
    for (const auto& [name, share] : result->at("bound").items())
      shares[name] += share.get<double>() * seconds;
  }
  std::vector<std::pair<double, std::string>> sorted;
  sorted.reserve(shares.size());
  for (const auto& [name, share] : shares) sorted.emplace_back(share, name);
  std::sort(sorted.rbegin(), sorted.rend());
  std::string text;
  for (std::size_t i = 0; i < sorted.size() && i < 2 && total > 0; ++i) {
    if (sorted[i].first < 0.02 * total) break;
    text += fmt::format("{}{} {:.0f} %", i > 0 ? ", " : "", sorted[i].second,
                        100.0 * sorted[i].first / total);
  }
  return text;
}

/// The model's figure in the row's unit.
double figure_of(const MeasuredPoint& point, const std::vector<const Json*>& results) {
  double seconds = 0, tokens = 0, flops = 0;
  for (const Json* result : results) {
    seconds += result->at("time_s").get<double>();
    tokens += result->at("tokens").get<double>();
    flops += result->at("flops").get<double>();
  }
  if (point.synchronised) seconds += synchronisation(point.parts.front());
  if (point.tokens > 0) tokens = point.tokens;
  if (point.flops > 0) flops = point.flops;
  switch (point.metric) {
    case Metric::kLatencyMs:
      return seconds * 1e3;
    case Metric::kTokensPerSecond:
      return tokens / seconds;
    case Metric::kTokensPerSecondPerChip:
      return tokens / seconds / point.chips;
    case Metric::kTflopsPerChip:
      return flops / seconds / point.chips * 1e-12;
  }
  return 0;
}

/// The answers of a point's parts; throws InputError with the first reason why one is missing.
std::vector<const Json*> parts_of(const MeasuredPoint& point, const std::string& fidelity,
                                  const Answers& answers) {
  std::vector<const Json*> results;
  for (jobs::PointSpec spec : point.parts) {
    spec.fidelity = fidelity;
    const Answer& answer = answers.at(jobs::canonical_text(spec));
    if (!answer.error.empty()) throw InputError(answer.error);
    results.push_back(&answer.result);
  }
  return results;
}

/// "microsoft/vidur data/..." is one source, whatever file of it.
std::string source_name(const std::string& source) {
  return source.substr(0, source.find(' '));
}

std::string size_class(const MeasuredPoint& point) {
  if (point.op == "all_reduce" || point.op == "send_recv") {
    const std::int64_t bytes = point.parts.front().op_sizes.at("bytes");
    return point.op + (bytes >= (4 << 20) ? " >= 4 MiB" : " < 4 MiB");
  }
  static const std::vector<std::string> kRows = {"rmsnorm", "layernorm", "silu_mul",
                                                 "gelu",    "add",       "softmax"};
  if (std::find(kRows.begin(), kRows.end(), point.op) != kRows.end())
    return point.value >= 0.020 ? "element-wise >= 20 us" : "element-wise < 20 us";
  return point.op;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

MeasuredResult validate_measured(const std::filesystem::path& file, const MeasuredOptions& options,
                                 const std::function<void(double)>& progress) {
  ModelFolder models;
  std::vector<MeasuredPoint> points;
  std::vector<Skipped> skipped;
  for (const TableRow& row : read_rows(file, options.chip)) {
    try {
      points.push_back(measured_point(row, options.fidelity, options.chip, models));
    } catch (const Error& error) {
      skipped.push_back({row.line(), row.text("id"), error.what()});
    }
  }
  const Answers answers = evaluate(points, options.fidelity, options.workers, progress);
  const std::string other = options.fidelity == "analytic" ? "transaction" : "analytic";
  Answers others;
  if (options.compare_tiers) others = evaluate(points, other, options.workers, progress);
  std::vector<Figure> figures;
  std::vector<double> differences;
  for (const MeasuredPoint& point : points) {
    try {
      const std::vector<const Json*> results = parts_of(point, options.fidelity, answers);
      Figure figure;
      figure.id = point.id;
      figure.measured = point.value;
      figure.model = figure_of(point, results);
      figure.groups = {{"op", point.op},
                       {"class", size_class(point)},
                       {"source", source_name(point.source)},
                       {"chip", point.chip}};
      figure.explanation = explain(results);
      if (options.compare_tiers) {
        const double second = figure_of(point, parts_of(point, other, others));
        differences.push_back(std::abs(second / figure.model - 1.0));
      }
      figures.push_back(std::move(figure));
    } catch (const Error& error) {
      skipped.push_back({point.line, point.id, error.what()});
    }
  }
  std::sort(skipped.begin(), skipped.end(),
            [](const Skipped& a, const Skipped& b) { return a.line < b.line; });
  MeasuredResult result;
  result.tier_rows = differences.size();
  result.tier_median = median(std::move(differences));
  const std::string title = fmt::format("{} figures of {}, {} tier", figures.size(),
                                        file.filename().string(), options.fidelity);
  result.table = summarise(title, std::move(figures), std::move(skipped));
  return result;
}

std::filesystem::path shipped_figures() {
  return config::repository_root() / "configs" / "validation" / "figures.csv";
}

}  // namespace athena::validate
