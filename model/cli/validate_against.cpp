/// athena validate [--against FILE]: the chip model against figures measured on silicon; without a
/// file against those that ship with the project.
#include <fmt/format.h>

#include <memory>

#include "base/file.h"
#include "cli/validate_mode.h"
#include "validate/measured.h"

namespace athena::cli {
namespace {

struct Options {
  std::string chip;
  std::string out;
  bool tiers = false;
  int workers = 0;
};

ValidateOutcome run(const ValidateOptions& common, const Options& options, Session& session) {
  validate::MeasuredOptions settings;
  settings.chip = options.chip;
  settings.compare_tiers = options.tiers;
  settings.workers = options.workers;
  if (!common.fidelity.empty()) settings.fidelity = common.fidelity;
  const auto file =
      common.file.empty() ? validate::shipped_figures() : std::filesystem::path(common.file);
  const validate::MeasuredResult result = validate::validate_measured(
      file, settings, [&](double fraction) { session.progress(fraction, "measured figures"); });
  session.clear_progress();
  ValidateOutcome outcome;
  outcome.table = result.table;
  outcome.extra["fidelity"] = settings.fidelity;
  outcome.extra["file"] = file.filename().string();
  if (options.tiers) {
    outcome.extra["tiers"] = {{"rows", result.tier_rows}, {"median", result.tier_median}};
    session.print(fmt::format("tiers differ by {:.1f} % in median over {} rows\n",
                              100.0 * result.tier_median, result.tier_rows));
  }
  if (!options.out.empty())
    write_file_atomically(options.out, validate::scatter_page(result.table));
  return outcome;
}

}  // namespace

ValidateMode validate_against_mode() {
  auto options = std::make_shared<Options>();
  ValidateMode mode;
  mode.flag = "--against";
  mode.doc = "table of measured figures; without it those that ship with the project";
  mode.without_flag = true;
  mode.options = [options](CLI::App& app) {
    app.add_option("--chip", options->chip, "chip of rows that name none");
    app.add_option("--out", options->out, "write a page with the scatter plot")->type_name("HTML");
    app.add_flag("--tiers", options->tiers,
                 "run the analytic and the transaction tier and report how far they differ");
    app.add_option("--workers", options->workers, "processes; default one per core");
  };
  mode.run = [options](const ValidateOptions& common, Session& session) {
    return run(common, *options, session);
  };
  return mode;
}

}  // namespace athena::cli
