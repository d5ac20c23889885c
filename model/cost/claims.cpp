#include "cost/claims.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <initializer_list>

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
namespace {

struct Title {
  std::string_view id;
  std::string_view claim;
  std::string_view source;
};
constexpr std::array kTitles{
    Title{"third-cheaper", "Athena costs a third less per chip than an A100",
          "The Information, April 2023"},
    Title{"cents-per-query", "A ChatGPT query costs about 4 US cents", "Bernstein, 2023"},
    Title{"tenth-of-a-cent", "A ChatGPT query costs 0.36 US cents (some outlets print 0.36 $)",
          "SemiAnalysis, February 2023"},
    Title{"capital",
          "At a tenth of Google's volume: 48.1 B$ of GPUs up front, 16 B$ a year, 4 cents a query",
          "Bernstein, 2023, via Reuters"},
    Title{"tpu-v4", "TPU v4 is 1.7 times an A100",
          "press on Jouppi et al., ISCA 2023, which says 1.2 to 1.7 times"},
    Title{"supercomputer", "10,000 A100s trained GPT-3-class models",
          "press on Microsoft's cluster for OpenAI"},
    Title{"year-in-a-month", "A DGX-1 does a year's work in a month", "press, 2016 to 2017"},
    Title{"transistors", "MI300 has 153 billion transistors against 80 billion of H100",
          "AMD, 2023"},
    Title{
        "power-cap",
        "Capping an A100 at 175 W instead of 250 W saves 23 % of the energy for 6.7 % of the time",
        "Samsi et al., HPEC 2023, LLaMA 65B"},
    Title{"h100-teardown", "An H100 costs 3,320 $ to make", "Raymond James, 2023, via the press"},
    Title{"cowos", "H100 supply meets half of demand, limited by CoWoS", "press, 2023"}};

}  // namespace

ClaimRow titled(std::string_view id) {
  for (const Title& title : kTitles) {
    if (title.id != id) continue;
    ClaimRow row;
    row.id = std::string(id);
    row.claim = std::string(title.claim);
    row.source = std::string(title.source);
    return row;
  }
  throw InternalError(fmt::format("no claim '{}'.", id));
}

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

/// Adds the rows that `make` gives; rows whose inputs are missing say so.
template <class Make>
void guarded(std::vector<ClaimRow>& rows, std::initializer_list<std::string_view> ids,
             const Make& make) {
  try {
    for (ClaimRow& row : make()) rows.push_back(std::move(row));
  } catch (const Error& error) {
    for (const std::string_view id : ids) {
      rows.push_back(titled(id));
      rows.back().conclusion = error.what();
    }
  }
}

}  // namespace
}  // namespace claims

std::vector<ClaimRow> evaluate_claims(const ClaimsPlan& plan, Constants& constants,
                                      const RunSource& source, const DrawOptions& draws) {
  using namespace claims;
  Context context{plan, constants, source, draws, constants.nominal()};
  std::vector<ClaimRow> rows;
  using Rows = std::vector<ClaimRow>;
  guarded(rows, {"third-cheaper"}, [&] { return Rows{third_cheaper(context)}; });
  context.nominal = constants.nominal();
  guarded(rows, {"cents-per-query", "tenth-of-a-cent"}, [&] { return query_rows(context); });
  guarded(rows, {"capital"}, [&] { return Rows{capital_row(context)}; });
  guarded(rows, {"tpu-v4"}, [&] { return Rows{tpu_row(context)}; });
  guarded(rows, {"supercomputer"}, [&] { return Rows{training_row(context)}; });
  guarded(rows, {"year-in-a-month"}, [&] { return Rows{dgx_row(context)}; });
  guarded(rows, {"transistors"}, [&] { return Rows{packages_row(context)}; });
  if (plan.capping_watts.size() == 2)
    guarded(rows, {"power-cap"}, [&] { return Rows{capping_row(context)}; });
  if (!plan.teardown.empty())
    guarded(rows, {"h100-teardown"}, [&] { return Rows{teardown_row(context)}; });
  guarded(rows, {"cowos"}, [&] { return Rows{cowos_row(context)}; });
  return rows;
}

nlohmann::ordered_json to_json(const std::vector<ClaimRow>& rows) {
  using Json = nlohmann::ordered_json;
  const auto number = [](double value) {
    return std::isfinite(value) ? Json(value) : Json(nullptr);
  };
  Json out = Json::array();
  const auto figure_json = [&](const ClaimFigure& figure) {
    return Json{{"what", figure.what},
                {"low", number(figure.low)},
                {"nominal", number(figure.nominal)},
                {"high", number(figure.high)},
                {"unit", figure.unit}};
  };
  for (const ClaimRow& row : rows) {
    Json figures = Json::array();
    for (const ClaimFigure& figure : row.figures) figures.push_back(figure_json(figure));
    out.push_back({{"id", row.id},
                   {"claim", row.claim},
                   {"source", row.source},
                   {"headline", row.headline.unit.empty() ? Json() : figure_json(row.headline)},
                   {"figures", std::move(figures)},
                   {"verdict", name(row.verdict)},
                   {"conclusion", row.conclusion},
                   {"decides", row.decides}});
  }
  return out;
}

}  // namespace athena::cost
