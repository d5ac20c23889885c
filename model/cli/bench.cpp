/// athena bench: how fast the models run on this machine, per second of CPU time.
#include <fmt/format.h>

#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "cli/bench_mode.h"
#include "cli/bench_modes.h"
#include "cli/command.h"

namespace athena::cli {
namespace {

struct Options {
  std::string name;
  double scale = 1.0;
};

void run(const Options& options, Session& session) {
  std::vector<std::string> names;
  const std::vector<BenchMode> modes = all_bench_modes();
  const BenchMode* chosen = nullptr;
  for (const BenchMode& mode : modes) {
    names.push_back(mode.name);
    if (mode.name == options.name) chosen = &mode;
  }
  if (chosen == nullptr) {
    throw InputError("there is no benchmark '" + options.name + "'; there are " +
                     join(names, ", ") + "." + did_you_mean(options.name, names));
  }
  const std::vector<BenchResult> results = chosen->run(options.scale, session);
  nlohmann::ordered_json json;
  json["bench"] = chosen->name;
  json["results"] = nlohmann::ordered_json::array();
  std::string text;
  for (const BenchResult& result : results) {
    json["results"].push_back(
        {{"name", result.name}, {"per_second", result.per_second}, {"unit", result.unit}});
    text += fmt::format("{:<44} {:>12}\n", result.name, si(result.per_second, result.unit + "/s"));
  }
  session.print(text);
  session.print_json(json);
}

}  // namespace

void add_bench_command(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("bench", "How fast the models run on this machine");
  auto options = std::make_shared<Options>();
  std::string docs = "what to measure:";
  for (const BenchMode& mode : all_bench_modes()) docs += " " + mode.name + " (" + mode.doc + ")";
  command->add_option("name", options->name, docs)->required();
  command->add_option("--scale", options->scale, "multiplies the amount of work")
      ->check(CLI::Range(0.001, 1000.0));
  run_with(*command, session, [options, &session] { run(*options, session); });
}

}  // namespace athena::cli
