#include "cost/claims.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "cost/claims_rows.h"

namespace athena::cost {

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kHolds:
      return "holds";
    case Verdict::kHoldsIf:
      return "holds if";
    case Verdict::kInconsistent:
      return "inconsistent";
    case Verdict::kNotReproduced:
      return "not reproduced";
  }
  throw InternalError("unknown verdict.");
}

double chip_seconds_per_query(double tokens, double chips, double tokens_per_s) {
  if (!(tokens_per_s > 0.0)) throw InputError("a run made no tokens.");
  return tokens * chips / tokens_per_s;
}

double cents_per_query(double chip_seconds, double usd_per_chip_hour) {
  return chip_seconds / 3600.0 * usd_per_chip_hour * 100.0;
}

double training_days(double parameters, double tokens, double chips, double peak_flops,
                     double mfu) {
  if (!(mfu > 0.0) || !(peak_flops > 0.0)) {
    throw InputError("training days need a peak and an MFU above 0.");
  }
  return 6.0 * parameters * tokens / (chips * peak_flops * mfu) / 86400.0;
}

namespace claims {

ClaimFigure exact(std::string what, double value, std::string unit) {
  return {std::move(what), value, value, value, std::move(unit)};
}

ClaimFigure spread(std::string what, const Distribution& d, std::string unit) {
  return {std::move(what), d.p5, d.nominal, d.p95, std::move(unit)};
}

CostSubject load_subject(const std::string& chip, const Constants& constants) {
  return make_subject(config::load<config::ChipConfig>(chip, "chips"), constants);
}

namespace {

/// A row whose inputs are missing is a row that says so.
template <class Make>
void guarded(std::vector<ClaimRow>& rows, const std::string& id, const Make& make) {
  try {
    make();
  } catch (const Error& error) {
    ClaimRow row;
    row.id = id;
    row.claim = "(could not be evaluated)";
    row.conclusion = error.what();
    rows.push_back(std::move(row));
  }
}

}  // namespace
}  // namespace claims

std::vector<ClaimRow> evaluate_claims(const ClaimsPlan& plan, Constants& constants,
                                      const RunSource& source, const DrawOptions& draws) {
  using namespace claims;
  Context context{plan, constants, source, draws, constants.nominal()};
  std::vector<ClaimRow> rows;
  guarded(rows, "third-cheaper", [&] { rows.push_back(third_cheaper(context)); });
  context.nominal = constants.nominal();
  guarded(rows, "cents-per-query", [&] {
    for (ClaimRow& row : query_rows(context)) rows.push_back(std::move(row));
  });
  guarded(rows, "capital", [&] { rows.push_back(capital_row(context)); });
  guarded(rows, "tpu-v4", [&] { rows.push_back(tpu_row(context)); });
  guarded(rows, "supercomputer", [&] { rows.push_back(training_row(context)); });
  guarded(rows, "year-in-a-month", [&] { rows.push_back(dgx_row(context)); });
  guarded(rows, "transistors", [&] { rows.push_back(packages_row(context)); });
  guarded(rows, "cowos", [&] { rows.push_back(cowos_row(context)); });
  return rows;
}

nlohmann::ordered_json to_json(const std::vector<ClaimRow>& rows) {
  using Json = nlohmann::ordered_json;
  const auto number = [](double value) {
    return std::isfinite(value) ? Json(value) : Json(nullptr);
  };
  Json out = Json::array();
  for (const ClaimRow& row : rows) {
    Json figures = Json::array();
    for (const ClaimFigure& figure : row.figures) {
      figures.push_back({{"what", figure.what},
                         {"low", number(figure.low)},
                         {"nominal", number(figure.nominal)},
                         {"high", number(figure.high)},
                         {"unit", figure.unit}});
    }
    out.push_back({{"id", row.id},
                   {"claim", row.claim},
                   {"source", row.source},
                   {"figures", std::move(figures)},
                   {"verdict", name(row.verdict)},
                   {"conclusion", row.conclusion},
                   {"decides", row.decides}});
  }
  return out;
}

}  // namespace athena::cost
