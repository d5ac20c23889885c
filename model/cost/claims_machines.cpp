#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

#include "base/error.h"
#include "cost/claims_rows.h"

namespace athena::cost::claims {
namespace {

/// The outcome, or the run's own sentence as a finding.
const RunOutcome& ran(const RunOutcome& outcome, const RunRequest& request) {
  if (!outcome.ok) {
    throw Finding(fmt::format("{} on {}: {}", request.model, request.on, outcome.error));
  }
  return outcome;
}

double watts(const RunOutcome& outcome) {
  return outcome.seconds > 0.0 ? outcome.energy_j / outcome.seconds : 0.0;
}

/// Geometric middle and ends of ratios.
ClaimFigure range_of(std::string what, const std::vector<double>& ratios) {
  double product = 1.0;
  for (const double ratio : ratios) product *= ratio;
  return {std::move(what), *std::min_element(ratios.begin(), ratios.end()),
          std::pow(product, 1.0 / static_cast<double>(ratios.size())),
          *std::max_element(ratios.begin(), ratios.end()), "x"};
}

/// Overlap of [low, high] of a figure with a claimed range.
bool meets(const ClaimFigure& figure, double low, double high) {
  return figure.high >= low && figure.low <= high;
}

struct PackageFacts {
  double transistors_billion = 0.0;
  ChipReport report;
};

PackageFacts package_of(Context& context, const std::string& chip) {
  const CostSubject subject = load_subject(chip, context.constants);
  ReportOptions options;
  options.draws = context.draws;
  PackageFacts facts;
  facts.report = cost_report(subject, nullptr, context.constants, options).chip;
  facts.transistors_billion = subject.chip.technology.transistors_billion;
  if (facts.transistors_billion <= 0.0) {
    throw InputError(fmt::format("technology.transistors_billion of '{}' is needed.", chip));
  }
  return facts;
}

int dies_in(const ChipReport& report) {
  int dies = 0;
  for (const DieLine& die : report.dies) dies += die.count;
  return dies;
}

}  // namespace

ClaimRow tpu_row(const Context& context) {
  ClaimRow row = titled("tpu-v4");
  std::vector<RunRequest> requests = context.plan.tpu;
  const std::size_t n = requests.size();
  for (std::size_t i = 0; i < n; ++i) {
    requests.push_back(requests[i]);
    requests.back().on = context.plan.tpu_rival;
  }
  const std::vector<RunOutcome> outcomes = context.source(requests);
  std::vector<double> speed, power;
  for (std::size_t i = 0; i < n; ++i) {
    const RunOutcome& tpu = ran(outcomes[i], requests[i]);
    const RunOutcome& rival = ran(outcomes[n + i], requests[n + i]);
    speed.push_back(rival.seconds / tpu.seconds);
    row.figures.push_back(exact(fmt::format("speed, {} {}", requests[i].model, requests[i].phase),
                                speed.back(), "x"));
    if (watts(tpu) > 0.0 && watts(rival) > 0.0) power.push_back(watts(rival) / watts(tpu));
  }
  const ClaimFigure range = range_of("speed over an A100, per chip", speed);
  row.figures.push_back(range);
  row.headline = range;
  const auto ours = config::load<config::ChipConfig>(requests.front().on, "chips");
  const auto theirs = config::load<config::ChipConfig>(context.plan.tpu_rival, "chips");
  const double peak = ours.peak_flops(Dtype::kBf16) / theirs.peak_flops(Dtype::kBf16);
  row.figures.push_back(exact("peak over an A100's, published", peak, "x"));
  row.figures.push_back(exact("memory bandwidth over an A100's, published",
                              ours.memory.peak.value() / theirs.memory.peak.value(), "x"));
  if (!power.empty()) row.figures.push_back(range_of("A100 power over TPU power", power));
  const double low = context.value("tpu_speed_low"), high = context.value("tpu_speed_high");
  row.verdict = range.low >= low          ? Verdict::kHolds
                : meets(range, low, high) ? Verdict::kHoldsIf
                                          : Verdict::kNotReproduced;
  row.conclusion = fmt::format(
      "Per chip we find {:.2f} to {:.2f} times: with {:.2f} of the peak, {:.1f} needs {:.2f} times "
      "the A100's share of its peak; the paper compares whole MLPerf systems, each with its "
      "software.",
      range.low, range.high, peak, low, low / peak);
  row.decides = "the A100's share of its peak in that software and at that scale";
  return row;
}

ClaimRow training_row(const Context& context) {
  ClaimRow row = titled("supercomputer");
  const RunOutcome run = context.source({context.plan.training}).at(0);
  const double mfu = ran(run, context.plan.training).mfu;
  const auto system = config::load<config::SystemConfig>(context.plan.training.on, "systems");
  const auto chip = config::load<config::ChipConfig>(system.chip, "chips");
  const double peak = chip.peak_flops(Dtype::kBf16);
  const double gpus = context.value("supercomputer_gpus");
  const double tokens = context.value("training_tokens");
  const auto days = [&](double share) {
    return training_days(context.plan.training_parameters, tokens, gpus, peak, share);
  };
  row.figures.push_back(exact("simulated MFU", mfu, "-"));
  row.figures.push_back({"days for 300 billion tokens", days(std::min(1.0, mfu * 1.25)), days(mfu),
                         days(mfu * 0.6), "days"});
  row.headline = row.figures.back();
  for (const double share : {0.2, 0.3, 0.4, 0.5}) {
    row.figures.push_back(exact(fmt::format("days at MFU {:.1f}", share), days(share), "days"));
  }
  row.verdict = days(mfu) <= context.value("plausible_training_days") ? Verdict::kHolds
                                                                      : Verdict::kNotReproduced;
  row.conclusion = fmt::format(
      "At the simulated MFU of {:.2f} GPT-3's 300 billion tokens take {:.1f} days on 10,000 A100s.",
      mfu, days(mfu));
  row.decides = "MFU at scale (the simulated job is smaller; stragglers and restarts come on top)";
  return row;
}

ClaimRow dgx_row(const Context& context) {
  ClaimRow row = titled("year-in-a-month");
  std::vector<RunRequest> requests = context.plan.dgx;
  requests.push_back(context.plan.dgx_single);
  const std::vector<RunOutcome> outcomes = context.source(requests);
  const double single = ran(outcomes.back(), requests.back()).tokens_per_s;
  const double wanted = context.value("year_in_a_month");
  std::vector<double> ratios;
  for (std::size_t i = 0; i + 1 < requests.size(); ++i) {
    ratios.push_back(ran(outcomes[i], requests[i]).tokens_per_s / single);
    row.figures.push_back(exact(fmt::format("{} over one {}", requests[i].on, requests.back().on),
                                ratios.back(), "x"));
  }
  row.headline = range_of("eight-GPU server over one GPU", ratios);
  row.figures.push_back(exact("needed", wanted, "x"));
  const double best = *std::max_element(ratios.begin(), ratios.end());
  row.verdict = best >= wanted ? Verdict::kHoldsIf : Verdict::kNotReproduced;
  row.conclusion = fmt::format(
      "The best DGX-1 does {:.1f} times the work of one GPU of the first kind; a year in a month "
      "needs {:.0f}.",
      best, wanted);
  row.decides = "what a year's work ran on: one P100-class GPU here";
  return row;
}

ClaimRow packages_row(Context& context) {
  ClaimRow row = titled("transistors");
  const PackageFacts many = package_of(context, context.plan.packages.at(0));
  const PackageFacts one = package_of(context, context.plan.packages.at(1));
  for (const PackageFacts* facts : {&many, &one}) {
    const ChipReport& r = facts->report;
    row.figures.push_back(exact(r.chip + ": transistors", facts->transistors_billion, "billion"));
    row.figures.push_back(exact(r.chip + ": dies", dies_in(r), "dies"));
    row.figures.push_back(spread(r.chip + ": manufacturing", r.manufacturing, "$"));
    row.figures.push_back(exact(r.chip + ": dies per billion transistors",
                                r.nominal.dies / facts->transistors_billion, "$"));
  }
  row.headline = exact("cost of making a transistor, over the single die's",
                       many.report.manufacturing.nominal / many.transistors_billion /
                           (one.report.manufacturing.nominal / one.transistors_billion),
                       "x");
  const double low = many.report.manufacturing.p5 / one.report.manufacturing.p95;
  const double high = many.report.manufacturing.p95 / one.report.manufacturing.p5;
  const double count = one.transistors_billion / many.transistors_billion;
  row.headline.low = low * count;
  row.headline.high = high * count;
  row.verdict = Verdict::kHoldsIf;
  row.conclusion = fmt::format(
      "True of a package of {} dies against one die: {:.0f} $ against {:.0f} $ to make, {:.1f} $ "
      "and "
      "{:.1f} $ of silicon per billion transistors.",
      dies_in(many.report), many.report.manufacturing.nominal, one.report.manufacturing.nominal,
      many.report.nominal.dies / many.transistors_billion,
      one.report.nominal.dies / one.transistors_billion);
  row.decides = "counting packages or dies; a single die of that count exceeds the reticle";
  return row;
}

ClaimRow capping_row(const Context& context) {
  ClaimRow row = titled("power-cap");
  std::vector<RunRequest> requests(2, context.plan.capping);
  for (std::size_t i = 0; i < 2; ++i) requests[i].power_cap_w = context.plan.capping_watts[i];
  const std::vector<RunOutcome> outcomes = context.source(requests);
  const RunOutcome& high = ran(outcomes[0], requests[0]);
  const RunOutcome& low = ran(outcomes[1], requests[1]);
  const double saved = 1.0 - low.energy_j / high.energy_j;
  const double slower = low.seconds / high.seconds - 1.0;
  for (const auto& [outcome, request] : {std::pair{&high, &requests[0]}, {&low, &requests[1]}}) {
    row.figures.push_back(
        exact(fmt::format("power of all chips, capped at {:.0f} W each", request->power_cap_w),
              watts(*outcome), "W"));
  }
  row.figures.push_back(exact("energy saved", 100.0 * saved, "%"));
  row.figures.push_back(exact("time lost", 100.0 * slower, "%"));
  row.headline = exact("energy saved", 100.0 * saved, "%");
  // Within a third of the measured change: the experiment's software and prompts are not published.
  const double claimed_saved = context.value("capping_energy"),
               claimed_slower = context.value("capping_time");
  constexpr double kThird = 1.0 / 3.0;
  const bool energy = std::abs(saved / claimed_saved - 1.0) <= kThird;
  const bool time = std::abs(slower / claimed_slower - 1.0) <= kThird;
  row.verdict = energy && time ? Verdict::kHolds : Verdict::kNotReproduced;
  row.conclusion = fmt::format(
      "From {:.0f} W to {:.0f} W we find {:.0f} % less energy and {:.1f} % more time: memory and "
      "launches keep "
      "their pace when the clock falls.",
      requests[0].power_cap_w, requests[1].power_cap_w, 100.0 * saved, 100.0 * slower);
  row.decides = "the share of the time that follows the core clock";
  return row;
}

ClaimRow teardown_row(Context& context) {
  ClaimRow row = titled("h100-teardown");
  const CostSubject subject = load_subject(context.plan.teardown, context.constants);
  ReportOptions options;
  options.draws = context.draws;
  const ChipReport r = cost_report(subject, nullptr, context.constants, options).chip;
  context.nominal = context.constants.nominal();
  const double claimed = context.value("teardown_total");
  row.headline = spread("manufacturing", r.manufacturing, "$");
  row.figures.push_back(row.headline);
  // Part by part; the teardown's interposer is its packaging, bonding and test included apart.
  const CostSample& s = r.nominal;
  const std::array<std::tuple<const char*, const char*, double>, 4> parts{
      {{"memory", "teardown_memory", s.memory},
       {"packaging (interposer, substrate, bonding loss)", "teardown_packaging",
        s.interposer + s.substrate + s.bonding_loss},
       {"test and assembly", "teardown_test", s.test},
       {"dies and module", "", s.dies + s.module}}};
  double rest = claimed;
  std::string widest;
  double widest_gap = 0.0;
  for (const auto& [what, constant, ours] : parts) {
    const double theirs = *constant != '\0' ? context.value(constant) : rest;
    if (*constant != '\0') rest -= theirs;
    row.figures.push_back(exact(fmt::format("{}: ours", what), ours, "$"));
    row.figures.push_back(exact(fmt::format("{}: the estimate's", what), theirs, "$"));
    if (std::abs(theirs - ours) > widest_gap) {
      widest_gap = std::abs(theirs - ours);
      widest = what;
    }
  }
  const bool inside = r.manufacturing.p5 <= claimed && claimed <= r.manufacturing.p95;
  row.verdict = inside ? Verdict::kHolds : Verdict::kNotReproduced;
  row.conclusion =
      fmt::format("{:.0f} $ are {} our 5 to 95 % range; most of the difference is {} ({:.0f} $).",
                  claimed, inside ? "inside" : "outside", widest, widest_gap);
  row.decides = r.tornado_manufacturing.empty() ? "" : r.tornado_manufacturing.front().constant;
  return row;
}

ClaimRow cowos_row(Context& context) {
  ClaimRow row = titled("cowos");
  const CostSubject subject = load_subject(context.plan.cowos, context.constants);
  const CostModel model(subject.chip, subject.product, context.constants, {});
  const double per_wafer = model.interposers_per_wafer();
  std::vector<std::size_t> used;
  for (const char* name : {"cowos_starts", "cowos_share", "h100_share_of_cowos", "h100_demand",
                           "bond_yield", "substrate_yield"}) {
    used.push_back(context.constants.index(name));
  }
  const auto supply = [&](const Values& v) {
    const double good = std::pow(v[used[4]], model.components()) * v[used[5]];
    return v[used[0]] * 12.0 * v[used[1]] * v[used[2]] * per_wafer * good;
  };
  const Values nominal = context.constants.nominal();
  const auto draws = monte_carlo(
      context.constants, used,
      [&](const Values& v, double* out) {
        out[0] = supply(v);
        out[1] = out[0] / v[used[3]];
      },
      2, context.draws);
  const Distribution share = distribution(draws[1], supply(nominal) / nominal[used[3]]);
  row.figures.push_back(exact("packages per interposer wafer", per_wafer, "packages"));
  row.figures.push_back(
      spread("packages per year", distribution(draws[0], supply(nominal)), "GPU/year"));
  row.figures.push_back(spread("supply over demand", share, "-"));
  row.headline = row.figures.back();
  const double half = 0.5;
  row.verdict = share.p5 <= half && half <= share.p95 ? Verdict::kHolds : Verdict::kNotReproduced;
  row.conclusion = fmt::format(
      "{:.0f} packages a wafer make {:.2f} million a year, {:.0f} % of the demand quoted.",
      per_wafer, supply(nominal) / 1e6, 100.0 * share.nominal);
  const auto bars =
      tornado(context.constants, used, [&](const Values& v) { return supply(v) / v[used[3]]; });
  row.decides = bars.front().constant;
  return row;
}

}  // namespace athena::cost::claims
