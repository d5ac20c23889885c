/// athena export: operator times in the formats of other serving simulators.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/serving_flags.h"
#include "serving/exports.h"

namespace athena::cli {
namespace {

struct Options {
  HardwareFlags hardware;
  std::string format;
  std::string out;
  serving::ExportSpec spec;
};

void run_export(Options& options, Session& session) {
  if (options.format != "vidur" && options.format != "llmservingsim") {
    throw InputError(fmt::format("--format {}: expected vidur or llmservingsim.{}", options.format,
                                 did_you_mean(options.format, {"vidur", "llmservingsim"})));
  }
  if (options.hardware.spec.pp > 1) {
    throw InputError("profiles are of one pipeline stage's operators: leave --pp out.");
  }
  if (options.hardware.store.empty()) options.hardware.store = default_step_store();
  if (options.hardware.no_store) options.hardware.store.clear();
  const serving::Hardware hardware = serving::resolve_hardware(options.hardware.spec);
  const auto timer = serving::make_simulator_timer(hardware);
  serving::MeasurementStore store(*timer, options.hardware.store);
  serving::ExportSpec spec = options.spec;
  if (spec.hardware.empty()) spec.hardware = hardware.machine.chip.name;
  if (spec.model.empty()) spec.model = hardware.model.name;
  spec.tp = options.hardware.spec.tp;
  if (!options.hardware.spec.dtype.empty()) spec.variant = options.hardware.spec.dtype;
  const std::string hash = content_hash(hardware.identity);
  spec.provenance =
      fmt::format("athena {}, configuration {}, {} tier", ATHENA_VERSION, hash, hardware.fidelity);
  spec.on_progress = [&](double share) { session.progress(share, "timing operators"); };
  const auto files = options.format == "vidur"
                         ? serving::export_vidur(hardware.model, store, spec)
                         : serving::export_llmservingsim(hardware.model, store, spec);
  store.save();
  session.clear_progress();
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  std::string text;
  for (const serving::ExportFile& file : files) {
    const std::filesystem::path path = std::filesystem::path(options.out) / file.path;
    write_file_atomically(path, file.content);
    const auto rows = std::count(file.content.begin(), file.content.end(), '\n');
    list.push_back({{"path", path.string()}, {"lines", rows}});
    text += fmt::format("{}: {} lines\n", path.string(), rows);
  }
  session.print(text);
  session.print_json({{"format", options.format},
                      {"config_hash", hash},
                      {"fidelity", hardware.fidelity},
                      {"steps_simulated", store.measured()},
                      {"files", std::move(list)},
                      {"host", host_json()}});
}

}  // namespace

void add_export_command(CLI::App& app, Session& session) {
  CLI::App& command = *app.add_subcommand("export", "operator times for other serving simulators");
  command.footer(
      "Example:\n"
      "  athena export --format llmservingsim --model llama-3.1-8b --on athena -o out/bundle");
  const auto options = std::make_shared<Options>();
  command.add_option("--format", options->format, "vidur or llmservingsim")->required();
  command.add_option("-o,--out", options->out, "folder to write to")->required();
  // Hundreds of whole steps: minutes in the transaction tier, a second in closed form.
  options->hardware.spec.fidelity = "analytic";
  options->hardware.add_to(command, false);
  command.add_option("--hardware-name", options->spec.hardware,
                     "name of the chip in the other tool");
  command.add_option("--model-name", options->spec.model, "name of the model in the other tool");
  command.add_option("--max-batched-tokens", options->spec.max_tokens, "new tokens in a step");
  command.add_option("--max-batch", options->spec.max_batch, "sequences in a step");
  command.add_option("--max-keys", options->spec.max_keys, "keys of one sequence");
  command.add_option("--page-tokens", options->spec.page_tokens, "tokens per KV page");
  command.add_option("--density", options->spec.density, "2 = twice as many points per octave");
  run_with(command, session, [options, &session] { run_export(*options, session); });
}

}  // namespace athena::cli
