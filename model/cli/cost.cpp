/// athena cost: area, yield, three prices, ownership, carbon, and what the uncertainty is made of.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/output.h"
#include "config/config.h"
#include "cost/report.h"
#include "report/report.h"

namespace athena::cli {
namespace {

const std::vector<std::string> kBreakdowns{"area",  "die",       "package", "nre",
                                           "power", "ownership", "carbon",  "tornado"};
constexpr std::size_t kTornadoBars = 8;

struct Options {
  std::string chip;
  std::string vs;
  double volume = 400000;
  std::vector<std::string> breakdown;
  std::vector<std::string> sets;
  std::vector<std::string> constants;
  std::size_t draws = 10000;
  std::uint64_t seed = 1;
  std::string area = "published";
  std::string yield_law = "negative-binomial";
  std::string out;
};

/// Overrides of `--set` by document: "vs:" for the other chip, "product." for the product file.
struct SplitSets {
  std::vector<std::string> chip;
  std::vector<std::string> product;
};

SplitSets split_sets(const std::vector<std::string>& sets, bool for_vs) {
  constexpr std::string_view kVs = "vs:";
  constexpr std::string_view kProduct = "product.";
  SplitSets out;
  for (std::string set : sets) {
    const bool is_vs = set.rfind(kVs, 0) == 0;
    if (is_vs != for_vs) continue;
    if (is_vs) set = set.substr(kVs.size());
    if (set.rfind(kProduct, 0) == 0) {
      out.product.push_back(set.substr(kProduct.size()));
    } else {
      out.chip.push_back(set);
    }
  }
  return out;
}

cost::CostSubject subject_of(const std::string& name, const SplitSets& sets,
                             const cost::Constants& constants) {
  return cost::make_subject(config::load<config::ChipConfig>(name, "chips", sets.chip), constants,
                            sets.product);
}

std::string dollars(double value) {
  if (!std::isfinite(value)) return "never";
  return value < 1.0 ? fmt::format("{:.3f} $", value) : fmt::format("{:.0f} $", value);
}

std::vector<std::string> price_row(const std::string& what, const cost::Distribution& d) {
  return {what, dollars(d.nominal), dollars(d.p5), dollars(d.p50), dollars(d.p95)};
}

std::string prices_text(const cost::ChipReport& r) {
  Table table({r.chip, "nominal", "P5", "P50", "P95"});
  table.row(price_row("manufacturing", r.manufacturing));
  table.row(price_row(fmt::format("with NRE at {:.0f} chips", r.volume), r.with_nre));
  table.row(price_row("purchase (" + r.purchase_basis + ")", r.purchase));
  return table.text();
}

std::string die_text(const cost::ChipReport& r) {
  Table table({"die", "process", "count", "mm", "mm2", "per wafer", "yield, no defect",
               "yield, sold", "each"});
  for (const cost::DieLine& die : r.dies) {
    table.row({die.name, die.process, std::to_string(die.count),
               fmt::format("{:.1f} x {:.1f}", die.size.width_mm, die.size.height_mm),
               fmt::format("{:.0f}", die.size.area_mm2()), std::to_string(die.dies_per_wafer),
               fmt::format("{:.3f}", die.yield_perfect), fmt::format("{:.3f}", die.yield),
               dollars(die.usd_each)});
  }
  return table.text();
}

std::string package_text(const cost::ChipReport& r) {
  const cost::CostSample& s = r.nominal;
  Table table({"part of " + r.chip, "cost", "share"});
  const auto row = [&](const std::string& name, double value) {
    table.row({name, dollars(value), fmt::format("{:.0f} %", 100.0 * value / s.manufacturing)});
  };
  row("dies", s.dies);
  row("memory", s.memory);
  row("interposer", s.interposer);
  row("substrate", s.substrate);
  row("lost in bonding", s.bonding_loss);
  row("test and assembly", s.test);
  row("module", s.module);
  row("manufacturing", s.manufacturing);
  std::string out = table.text();
  if (r.interposers_per_wafer > 0) {
    out += fmt::format("{} interposers per wafer\n", r.interposers_per_wafer);
  }
  return out;
}

std::string area_text(const cost::ChipReport& r) {
  Table table({"block of " + r.chip, "part of", "area", "share"});
  const double total = r.area.total_mm2();
  for (const cost::AreaBlock& block : r.area.blocks) {
    table.row({block.name, block.parent, fmt::format("{:.1f} mm2", block.mm2),
               fmt::format("{:.1f} %", 100.0 * block.mm2 / total)});
  }
  table.row({"sum of blocks", "", fmt::format("{:.1f} mm2", total), ""});
  std::string out = table.text();
  if (r.published_mm2 > 0.0) {
    out += fmt::format("published: {:.0f} mm2; the blocks explain {:.0f} % of it\n",
                       r.published_mm2, 100.0 * total / r.published_mm2);
  }
  if (r.transistors_mm2 > 0.0) {
    out += fmt::format("from the published transistor count: {:.0f} mm2\n", r.transistors_mm2);
  }
  for (const std::string& sentence : cost::explain(r.evidence)) out += sentence + "\n";
  return out;
}

std::string power_text(const cost::ChipReport& r) {
  const cost::PowerSummary& p = r.power;
  Table table({"power of " + r.chip, "at nominal clock"});
  const auto row = [&](const std::string& name, Watts watts) {
    table.row({name, fmt::format("{:.0f} W", watts.value())});
  };
  row("cap", p.cap);
  row("idle", p.idle);
  row("leakage", p.leakage);
  row("clock tree, all cores busy", p.clock_tree);
  row("matrix units at their 16-bit peak", p.matrix_peak);
  row("memory at peak bandwidth", p.memory_peak);
  return table.text() + fmt::format(
                            "{:.2f} pJ per 16-bit multiply-accumulate; cap over peak {:.2f} "
                            "pJ/FLOP\n",
                            p.mac_pj, p.cap_pj_per_flop);
}

std::string ownership_text(const cost::ChipReport& r) {
  Table table({"owning " + r.chip, "$ per used chip-hour"});
  table.row({"server", fmt::format("{:.3f}", r.hour.server)});
  table.row({"network", fmt::format("{:.3f}", r.hour.network)});
  table.row({"maintenance", fmt::format("{:.3f}", r.hour.maintenance)});
  table.row({"power", fmt::format("{:.3f}", r.hour.power)});
  table.row({"sum", fmt::format("{:.3f}", r.hour.total())});
  return table.text() +
         fmt::format("P5 {:.2f}, P50 {:.2f}, P95 {:.2f} $/h; server {:.0f} $, {:.0f} W\n",
                     r.usd_per_hour.p5, r.usd_per_hour.p50, r.usd_per_hour.p95, r.server_usd,
                     r.server_rated_w);
}

std::string carbon_text(const cost::ChipReport& r) {
  return fmt::format(
      "carbon of {}: {:.0f} kg CO2e to make (dies {:.0f}, memory {:.0f}, package {:.1f}), {:.0f} "
      "kg "
      "per year in use\n",
      r.chip, r.carbon.embodied(), r.carbon.dies, r.carbon.memory, r.carbon.package,
      r.carbon.use_per_year);
}

std::string tornado_text(const std::string& title, const std::vector<cost::TornadoBar>& bars,
                         bool money) {
  Table table({title, "from", "to", "result from", "to"});
  const auto show = [&](double value) {
    return money ? dollars(value) : fmt::format("{:.3f}", value);
  };
  for (std::size_t i = 0; i < std::min(bars.size(), kTornadoBars); ++i) {
    const cost::TornadoBar& bar = bars[i];
    table.row({bar.constant, fmt::format("{:g}", bar.at_low), fmt::format("{:g}", bar.at_high),
               show(bar.result_low), show(bar.result_high)});
  }
  return table.text();
}

std::string nre_text(const cost::ChipReport& r) {
  return fmt::format("NRE of {}: {} in all, {:.0f} $ per chip at {:.0f} chips\n", r.chip,
                     si(r.nominal.nre_total, "$"), r.nominal.nre_per_chip, r.volume);
}

std::string part_text(const std::string& part, const cost::ChipReport& r) {
  if (part == "area") return area_text(r);
  if (part == "die") return die_text(r);
  if (part == "package") return package_text(r);
  if (part == "nre") return nre_text(r);
  if (part == "power") return power_text(r);
  if (part == "ownership") return ownership_text(r);
  if (part == "carbon") return carbon_text(r);
  return tornado_text("what moves manufacturing of " + r.chip, r.tornado_manufacturing, true);
}

std::string comparison_text(const cost::CostReport& report) {
  const cost::ComparisonReport& c = *report.comparison;
  const std::string &a = report.chip.chip, &b = report.other->chip;
  Table ratios({fmt::format("{} / {}", a, b), "nominal", "P5", "P50", "P95"});
  const auto row = [&](const std::string& name, const cost::Distribution& d) {
    ratios.row({name, fmt::format("{:.2f}", d.nominal), fmt::format("{:.2f}", d.p5),
                fmt::format("{:.2f}", d.p50), fmt::format("{:.2f}", d.p95)});
  };
  row("manufacturing", c.manufacturing_ratio);
  row("with NRE", c.with_nre_ratio);
  row("with NRE / purchase of " + b, c.against_purchase);
  Table claims({"statement", "probability"});
  for (const cost::Statement& statement : c.statements) {
    claims.row({statement.text, fmt::format("{:.0f} %", 100.0 * statement.probability)});
  }
  const cost::Distribution& v = c.break_even_volume;
  const auto volume = [](double chips) {
    return std::isfinite(chips) ? fmt::format("{:.0f}", chips) : std::string("no volume");
  };
  return ratios.text() + "\n" + claims.text() +
         fmt::format(
             "\nA third below the purchase price of {} from {} chips on (P5 {}, P95 {}).\n\n", b,
             volume(v.nominal), volume(v.p5), volume(v.p95)) +
         tornado_text(fmt::format("what moves {} with NRE / purchase of {}", a, b), c.tornado,
                      false);
}

void check_breakdowns(const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    if (part == "all" ||
        std::find(kBreakdowns.begin(), kBreakdowns.end(), part) != kBreakdowns.end())
      continue;
    throw InputError(fmt::format("--breakdown {}: expected all or some of {}.{}", part,
                                 join(kBreakdowns, ", "), did_you_mean(part, kBreakdowns)));
  }
}

cost::ReportOptions report_options(const Options& options) {
  cost::ReportOptions out;
  if (!(options.volume > 0.0)) {
    throw InputError(
        fmt::format("--volume {}: expected a number of chips above 0.", options.volume));
  }
  if (options.area != "published" && options.area != "model") {
    throw InputError(fmt::format("--area {}: expected published or model.", options.area));
  }
  out.cost = {.volume = options.volume,
              .area_from_model = options.area == "model",
              .law = cost::yield_law_from_name(options.yield_law)};
  out.draws = {.draws = options.draws, .seed = options.seed};
  return out;
}

void run_cost(const Options& options, Session& session) {
  check_breakdowns(options.breakdown);
  const cost::ReportOptions settings = report_options(options);
  cost::Constants constants = cost::Constants::load(options.constants);
  const cost::CostSubject subject =
      subject_of(options.chip, split_sets(options.sets, false), constants);
  std::optional<cost::CostSubject> other;
  if (!options.vs.empty())
    other = subject_of(options.vs, split_sets(options.sets, true), constants);
  const cost::CostReport report =
      cost::cost_report(subject, other ? &*other : nullptr, constants, settings);

  std::vector<std::string> parts = options.breakdown;
  if (parts.empty()) parts = {"die", "package"};
  if (std::find(parts.begin(), parts.end(), "all") != parts.end()) parts = kBreakdowns;
  std::vector<const cost::ChipReport*> chips{&report.chip};
  if (report.other) chips.push_back(&*report.other);
  for (const cost::ChipReport* chip : chips) {
    std::string text = prices_text(*chip);
    for (const std::string& part : parts) text += "\n" + part_text(part, *chip);
    session.print(text + "\n");
  }
  if (report.comparison) session.print(comparison_text(report));
  for (const cost::ChipReport* chip : chips) {
    for (const std::string& finding : chip->findings) {
      session.print("finding: " + finding);
      session.exit_code = static_cast<int>(ExitCode::kFinding);
    }
  }
  nlohmann::ordered_json json = cost::to_json(report);
  json["seed"] = options.seed;
  json["draws"] = options.draws;
  if (!options.out.empty()) {
    write_file_atomically(std::filesystem::path(options.out) / "cost.json", json.dump(2) + "\n");
    session.print(fmt::format("report: {}\n", report::write_report(options.out).string()));
  }
  session.print_json(json);
}

}  // namespace

void add_cost_command(CLI::App& app, Session& session) {
  CLI::App& command = *app.add_subcommand("cost", "area, yield, price and ownership of a chip");
  command.footer(
      "Examples:\n"
      "  athena cost athena --vs a100-sxm-80gb --volume 400000\n"
      "  athena cost a100-sxm-80gb --breakdown area,die,package,power\n"
      "  athena cost athena --set core.scratch.size=6MiB --area model --constant "
      "wafer_price_N5.nominal=15000");
  const auto options = std::make_shared<Options>();
  command.add_option("chip", options->chip, "chip: a name in configs/chips or a file")->required();
  command.add_option("--vs", options->vs, "second chip, costed under the same draws");
  command.add_option("--volume", options->volume, "chips over which development is spread");
  command
      .add_option("--breakdown", options->breakdown,
                  "parts to show: " + join(kBreakdowns, ", ") + ", all")
      ->delimiter(',');
  command
      .add_option("--set", options->sets,
                  "override: key=value of the chip, product.key=value, vs:key=value")
      ->take_all()
      ->allow_extra_args(false);
  command
      .add_option("--constant", options->constants,
                  "override a cost constant: name.nominal=value (low, high likewise)")
      ->take_all()
      ->allow_extra_args(false);
  command.add_option("--area", options->area, "die area: published (where known) or model");
  command.add_option("--yield-law", options->yield_law,
                     "poisson, murphy, seeds or negative-binomial");
  command.add_option("--out", options->out, "folder for report.html and cost.json");
  command.add_option("--draws", options->draws, "Monte-Carlo draws");
  command.add_option("--seed", options->seed, "seed of the draws");
  run_with(command, session, [options, &session] { run_cost(*options, session); });
}

}  // namespace athena::cli
