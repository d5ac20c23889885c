/// athena claims: the press claims, recomputed from simulated runs and cost constants.
#include "cost/claims.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/output.h"
#include "jobs/run_points.h"

namespace athena::cli {
namespace {

struct Options {
  std::string plan = "press";
  std::string only;
  std::string fidelity = "analytic";
  std::vector<std::string> constants;
  std::size_t draws = 10000;
  std::uint64_t seed = 1;
  int workers = 0;
};

jobs::PointSpec point_of(const cost::RunRequest& request, const std::string& fidelity) {
  jobs::PointSpec point;
  point.model = request.model;
  point.on = request.on;
  point.phase = request.phase;
  point.batch = request.batch;
  point.input = request.input;
  point.output = request.output;
  point.tp = request.tp;
  point.pp = request.pp;
  point.dp = request.dp;
  point.nodes = request.nodes;
  point.micro_batch = request.micro_batch;
  point.global_batch = request.global_batch;
  point.recompute = request.recompute;
  point.dtype = request.dtype;
  point.stack = request.stack;
  point.power_cap_w = request.power_cap_w;
  point.fidelity = fidelity;
  return point;
}

double number_or_zero(const nlohmann::ordered_json& result, const char* key) {
  const auto found = result.find(key);
  return found != result.end() && found->is_number() ? found->get<double>() : 0.0;
}

cost::RunOutcome outcome_of(const jobs::Outcome& outcome) {
  cost::RunOutcome out;
  out.ok = outcome.ok();
  out.error = outcome.error;
  if (!out.ok) return out;
  out.seconds = number_or_zero(outcome.result, "time_s");
  out.tokens_per_s = number_or_zero(outcome.result, "tokens_per_s");
  out.energy_j = number_or_zero(outcome.result, "energy_j");
  out.mfu = number_or_zero(outcome.result, "mfu");
  return out;
}

/// Runs through jobs: every point in a worker process.
cost::RunSource simulated_runs(const Options& options, Session& session) {
  return [&options, &session](const std::vector<cost::RunRequest>& requests) {
    std::vector<jobs::PointSpec> points;
    points.reserve(requests.size());
    for (const cost::RunRequest& request : requests) {
      points.push_back(point_of(request, options.fidelity));
    }
    jobs::Options settings;
    settings.workers = options.workers;
    settings.on_progress = [&session, &requests](const jobs::Progress& progress) {
      session.progress(static_cast<double>(progress.done) / static_cast<double>(progress.total),
                       "simulating " + requests.front().model);
    };
    std::vector<cost::RunOutcome> outcomes;
    for (const jobs::Outcome& outcome : jobs::run_points(points, settings)) {
      outcomes.push_back(outcome_of(outcome));
    }
    return outcomes;
  };
}

std::string figure_value(double value, const std::string& unit) {
  if (!std::isfinite(value)) return "-";
  const double size = std::abs(value);
  if (unit == "-" || unit == "x" || unit == "cent" || unit == "GPU-s" || size < 100.0) {
    return fmt::format("{:.{}f}", value, size < 10.0 ? 2 : 1);
  }
  return size < 1e6 ? fmt::format("{:.0f}", value) : si(value, "");
}

std::string row_text(const cost::ClaimRow& row) {
  std::string out = fmt::format("{} ({})\n  {}: {}\n", row.claim, row.source,
                                cost::name(row.verdict), row.conclusion);
  if (!row.decides.empty()) out += fmt::format("  decided by: {}\n", row.decides);
  if (row.figures.empty()) return out;
  Table table({"figure", "low", "nominal", "high", "unit"});
  for (const cost::ClaimFigure& figure : row.figures) {
    const bool single = figure.low == figure.high;
    table.row({figure.what, single ? "" : figure_value(figure.low, figure.unit),
               figure_value(figure.nominal, figure.unit),
               single ? "" : figure_value(figure.high, figure.unit), figure.unit});
  }
  return out + table.text(2);
}

/// One line per claim: what is said, what we find, what it hangs on.
std::string summary_text(const std::vector<cost::ClaimRow>& rows) {
  Table table({"claim", "source", "our figure", "", "interval", "verdict", "decided by"});
  for (const cost::ClaimRow& row : rows) {
    const cost::ClaimFigure& f = row.headline;
    const bool known = !f.unit.empty();
    const std::string nominal =
        known ? figure_value(f.nominal, f.unit) + (f.unit == "-" ? "" : " " + f.unit) : "-";
    const std::string interval =
        known && f.low != f.high
            ? fmt::format("{} to {}", figure_value(f.low, f.unit), figure_value(f.high, f.unit))
            : "";
    table.row({row.id, row.source.substr(0, row.source.find(',')), known ? f.what : "", nominal,
               interval, std::string(cost::name(row.verdict)), row.decides});
  }
  return table.text();
}

void keep_only(std::vector<cost::ClaimRow>& rows, const std::string& id) {
  if (id.empty()) return;
  std::vector<std::string> ids;
  ids.reserve(rows.size());
  for (const cost::ClaimRow& row : rows) ids.push_back(row.id);
  if (std::find(ids.begin(), ids.end(), id) == ids.end()) {
    throw InputError(fmt::format("--only {}: expected one of {}.{}", id, join(ids, ", "),
                                 did_you_mean(id, ids)));
  }
  rows.erase(std::remove_if(rows.begin(), rows.end(),
                            [&](const cost::ClaimRow& row) { return row.id != id; }),
             rows.end());
}

void run_claims(const Options& options, Session& session) {
  const auto plan = config::load<cost::ClaimsPlan>(options.plan, "claims");
  cost::Constants constants = cost::Constants::load(options.constants);
  std::vector<cost::ClaimRow> rows =
      cost::evaluate_claims(plan, constants, simulated_runs(options, session),
                            {.draws = options.draws, .seed = options.seed});
  keep_only(rows, options.only);
  for (const cost::ClaimRow& row : rows) {
    session.print(row_text(row) + "\n");
    if (row.verdict == cost::Verdict::kNotReproduced) {
      session.exit_code = static_cast<int>(ExitCode::kFinding);
    }
  }
  session.print(summary_text(rows));
  session.print_json({{"claims", cost::to_json(rows)},
                      {"fidelity", options.fidelity},
                      {"draws", options.draws},
                      {"seed", options.seed}});
}

}  // namespace

void add_claims_command(CLI::App& app, Session& session) {
  CLI::App& command = *app.add_subcommand(
      "claims", "the press claims, recomputed from simulated runs and cost constants");
  command.footer(
      "Examples:\n"
      "  athena claims\n"
      "  athena claims --only cents-per-query --fidelity transaction\n"
      "Exit code 1 when a claim is not reproduced; the row says why.");
  const auto options = std::make_shared<Options>();
  command.add_option("--plan", options->plan, "runs behind the claims: a name in configs/claims");
  command.add_option("--only", options->only, "one row by its id");
  command.add_option("--fidelity", options->fidelity, "analytic, transaction or detailed");
  command
      .add_option("--constant", options->constants, "override a cost constant: name.nominal=value")
      ->take_all()
      ->allow_extra_args(false);
  command.add_option("--draws", options->draws, "Monte-Carlo draws");
  command.add_option("--seed", options->seed, "seed of the draws");
  command.add_option("--jobs", options->workers, "worker processes; 0 = one per core");
  run_with(command, session, [options, &session] { run_claims(*options, session); });
}

}  // namespace athena::cli
