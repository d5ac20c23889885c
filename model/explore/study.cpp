#include "explore/study.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "explore/honesty.h"
#include "explore/measure.h"

namespace athena::explore {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;
using jobs::Outcome;
using jobs::PointSpec;

/// What a resumed sweep must agree with, besides the space.
std::string settings_text(const SearchOptions& search) {
  return Json{{"optimizer", search.optimizer},
              {"budget", search.budget},
              {"population", search.population},
              {"seed", search.seed}}
      .dump();
}

/// One candidate while its points run.
struct Pending {
  Row row;
  const Candidate* candidate = nullptr;  ///< null for reference designs
  Results results;
  std::vector<std::string> reasons;  ///< per scenario: why it failed, "" = it did not
  std::vector<ExitCode> codes;
  std::size_t missing = 0;  ///< points still to come
};

class Study {
 public:
  Study(const Space& space, jobs::Engine& engine, const StudyOptions& options)
      : space_(space), engine_(engine), options_(options), table_(options.folder) {}

  StudySummary run();

 private:
  /// A design to run: candidate or reference, with the row's identity.
  struct Design {
    Row row;
    const Candidate* candidate = nullptr;
    std::vector<PointSpec> points;
  };

  void claim_folder();
  std::optional<Row> known_row(int stage, std::int64_t index);
  std::vector<Row> evaluate(int stage, const std::string& fidelity,
                            const std::vector<std::uint64_t>& indices);
  void evaluate_references(int stage, const std::string& fidelity);
  void run_designs(std::vector<Design>& designs, std::vector<Row>& rows);
  void hear(Pending& pending, std::size_t scenario, const Outcome& outcome);
  void complete(Pending& pending);
  void promote();
  void tell_progress(bool now = false);
  void note_best(const Row& row);

  const Space& space_;
  jobs::Engine& engine_;
  const StudyOptions& options_;
  SweepTable table_;
  StudySummary summary_;
  std::vector<Row> finished_;  ///< since the last commit to the table
  std::int64_t sequence_ = 0;
  bool columns_checked_ = false;
  std::size_t expected_ = 0;  ///< points in all, as far as known
  std::size_t done_ = 0;
  std::size_t run_here_ = 0;  ///< points that this call evaluated
  Clock::time_point start_ = Clock::now();
  std::string best_;
  double best_value_ = 0.0;
};

void Study::claim_folder() {
  const std::string known = table_.fact("space");
  const std::string settings = settings_text(options_.search);
  if (known.empty()) {
    table_.set_fact("settings", settings);
    table_.set_fact("space", space_.text);
    return;
  }
  if (!options_.resume) {
    throw InputError(
        fmt::format("{} holds a sweep already: give --resume to continue it, or "
                    "another --out",
                    options_.folder.string()));
  }
  if (known != space_.text || table_.fact("settings") != settings) {
    throw InputError(fmt::format(
        "{} holds another sweep (its space, optimizer, budget or seed differ): give another --out",
        options_.folder.string()));
  }
}

StudySummary Study::run() {
  claim_folder();
  const std::size_t scenarios = space_.scenarios.size();
  expected_ = scenarios * (std::min<std::size_t>(default_budget(space_, options_.search),
                                                 static_cast<std::size_t>(space_.size())) +
                           space_.references.size());
  for (const Promotion& promotion : space_.promotions) {
    expected_ += scenarios * (static_cast<std::size_t>(promotion.keep) + space_.references.size());
  }
  search(space_, options_.search,
         [&](const std::vector<std::uint64_t>& indices) { return evaluate(0, "", indices); });
  summary_.candidates = static_cast<std::size_t>(sequence_);
  evaluate_references(0, "");
  promote();
  summary_.warnings = options_.warnings;
  for (auto& warning : check_results(space_, table_.rows(), options_.warnings)) {
    summary_.warnings.push_back(std::move(warning));
  }
  table_.set_fact("warnings", Json(summary_.warnings).dump());
  tell_progress(true);
  return summary_;
}

/// The row that an earlier call left, counted as cached; nothing when it has to be run.
std::optional<Row> Study::known_row(int stage, std::int64_t index) {
  auto known = table_.find(stage, index);
  if (!known || !known->lasting()) return std::nullopt;
  summary_.points += space_.scenarios.size();
  summary_.cached += space_.scenarios.size();
  summary_.failed += static_cast<std::size_t>(known->failed_points);
  done_ += space_.scenarios.size();
  note_best(*known);
  return known;
}

std::vector<Row> Study::evaluate(int stage, const std::string& fidelity,
                                 const std::vector<std::uint64_t>& indices) {
  std::vector<Row> rows(indices.size());
  std::vector<Candidate> candidates;
  candidates.reserve(indices.size());
  std::vector<Design> designs;
  std::vector<std::size_t> place;  // of each design in `rows`
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const auto index = static_cast<std::int64_t>(indices[i]);
    const std::int64_t sequence = sequence_++;
    if (auto known = known_row(stage, index)) {
      rows[i] = std::move(*known);
      continue;
    }
    candidates.push_back(space_.candidate(indices[i]));
    Design design;
    design.row.stage = stage;
    design.row.index = index;
    design.row.sequence = sequence;
    design.candidate = &candidates.back();
    try {
      design.points = space_.points(candidates.back(), fidelity);
    } catch (const Error& error) {  // a derived value that this candidate cannot have
      design.row.code = error.code();
      design.row.error = error.what();
    }
    designs.push_back(std::move(design));
    place.push_back(i);
  }
  std::vector<Row> fresh;
  run_designs(designs, fresh);
  for (std::size_t i = 0; i < fresh.size(); ++i) rows[place[i]] = std::move(fresh[i]);
  return rows;
}

void Study::evaluate_references(int stage, const std::string& fidelity) {
  std::vector<Design> designs;
  for (std::size_t i = 0; i < space_.references.size(); ++i) {
    const std::int64_t index = -1 - static_cast<std::int64_t>(i);
    if (known_row(stage, index)) continue;
    Design design;
    design.row.stage = stage;
    design.row.index = index;
    design.row.sequence = index;
    design.points = space_.points(space_.references[i], fidelity);
    designs.push_back(std::move(design));
  }
  std::vector<Row> rows;
  run_designs(designs, rows);
}

/// Runs all points of the designs as one batch; rows are committed as they complete.
void Study::run_designs(std::vector<Design>& designs, std::vector<Row>& rows) {
  std::vector<Pending> pending(designs.size());
  std::vector<PointSpec> points;
  std::vector<std::pair<std::size_t, std::size_t>> owner;  // point -> design, scenario
  for (std::size_t i = 0; i < designs.size(); ++i) {
    pending[i].row = designs[i].row;
    pending[i].candidate = designs[i].candidate;
    pending[i].missing = designs[i].points.size();
    pending[i].results.resize(designs[i].points.size());
    pending[i].reasons.resize(designs[i].points.size());
    pending[i].codes.resize(designs[i].points.size(), ExitCode::kOk);
    for (std::size_t s = 0; s < designs[i].points.size(); ++s) {
      owner.emplace_back(i, s);
      points.push_back(std::move(designs[i].points[s]));
    }
    designs[i].points.clear();
    if (pending[i].missing == 0) complete(pending[i]);
  }
  jobs::Options& engine = engine_.options();
  engine.keep_results = false;
  engine.excerpt = wanted_values(space_);
  engine.stop = options_.stop;
  engine.on_outcome = [&](std::size_t point, const Outcome& outcome) {
    hear(pending[owner[point].first], owner[point].second, outcome);
  };
  engine.on_progress = [&](const jobs::Progress&) {
    table_.put(finished_);
    finished_.clear();
    tell_progress();
  };
  if (!points.empty()) static_cast<void>(engine_.run(points));
  engine.on_outcome = nullptr;
  engine.on_progress = nullptr;
  table_.put(finished_);
  finished_.clear();
  if (options_.stop != nullptr && options_.stop->load()) {
    throw MachineError(
        fmt::format("interrupted after {} points; what is finished is kept: the "
                    "same command with --resume continues",
                    done_));
  }
  for (Pending& one : pending) rows.push_back(std::move(one.row));
}

void Study::hear(Pending& pending, std::size_t scenario, const Outcome& outcome) {
  ++summary_.points;
  ++done_;
  if (outcome.cached) {
    ++summary_.cached;
  } else {
    ++run_here_;
    summary_.host_cpu_s += outcome.host_cpu_s;
  }
  pending.row.host_cpu_s += outcome.host_cpu_s;
  if (outcome.ok()) {
    pending.results[scenario] = outcome.result;
  } else {
    ++summary_.failed;
    ++pending.row.failed_points;
    const std::string& name = space_.scenarios[scenario].name;
    pending.reasons[scenario] = name.empty() ? outcome.error : name + ": " + outcome.error;
    pending.codes[scenario] = outcome.code;
  }
  if (--pending.missing == 0) complete(pending);
}

void Study::complete(Pending& pending) {
  // The first scenario that failed, in their order, gives the reason: the same every time.
  for (std::size_t i = 0; i < pending.codes.size() && pending.row.ok(); ++i) {
    pending.row.code = pending.codes[i];
    pending.row.error = pending.reasons[i];
  }
  if (pending.row.ok()) {
    if (!columns_checked_ && pending.candidate != nullptr) {
      check_columns(space_, *pending.candidate, pending.results);
      columns_checked_ = true;
    }
    measure(space_, pending.candidate, pending.results, pending.row);
  }
  pending.results.clear();
  pending.reasons.clear();
  note_best(pending.row);
  finished_.push_back(pending.row);
}

/// Tier after tier, the best of the one before.
void Study::promote() {
  int stage = 0;
  for (const Promotion& promotion : space_.promotions) {
    std::vector<Objectives> designs;
    std::vector<std::uint64_t> indices;
    for (const Row& row : table_.rows()) {
      if (row.stage != stage || row.index < 0 || !row.feasible()) continue;
      designs.push_back(minimised(space_, row));
      indices.push_back(static_cast<std::uint64_t>(row.index));
    }
    std::vector<std::uint64_t> best;
    for (const std::size_t i : best_by_front(designs, static_cast<std::size_t>(promotion.keep))) {
      best.push_back(indices[i]);
    }
    std::sort(best.begin(), best.end());
    ++stage;
    if (!best.empty()) static_cast<void>(evaluate(stage, promotion.fidelity, best));
    evaluate_references(stage, promotion.fidelity);
  }
}

/// Best so far: of the first objective, among rows that keep the constraints.
void Study::note_best(const Row& row) {
  if (!row.feasible() || space_.objectives() == 0 || row.index < 0) return;
  const double value = minimised(space_, row).front();
  if (!best_.empty() && value >= best_value_) return;
  best_value_ = value;
  const Column& column = space_.columns.front();
  best_ = fmt::format("{} {:.4g}{}{}", column.name, row.columns.front(),
                      column.unit.empty() ? "" : " ", column.unit);
}

void Study::tell_progress(bool now) {
  if (!options_.on_progress) return;
  const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
  const double rate = elapsed > 0.0 ? static_cast<double>(run_here_) / elapsed : 0.0;
  expected_ = std::max(expected_, done_);
  StudyProgress progress;
  progress.fraction =
      now ? 1.0
          : static_cast<double>(done_) / static_cast<double>(std::max<std::size_t>(1, expected_));
  progress.text = fmt::format("{}/{} points, {:.3g}/s", done_, now ? done_ : expected_, rate);
  if (summary_.failed > 0) progress.text += fmt::format(", {} failed", summary_.failed);
  if (!best_.empty()) progress.text += ", best " + best_;
  options_.on_progress(progress);
}

}  // namespace

StudySummary run_study(const Space& space, jobs::Engine& engine, const StudyOptions& options) {
  return Study(space, engine, options).run();
}

}  // namespace athena::explore
