/// athena validate: measured figures against the model, one mode per kind of figure.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/validate_mode.h"
#include "cli/validate_modes.h"

namespace athena::cli {
namespace {

struct Choice {
  ValidateMode mode;
  std::string file;
  bool given = false;
};

struct Options {
  std::vector<Choice> choices;
  std::string fidelity;
  std::size_t worst = 10;
};

void run(const Options& options, Session& session) {
  const Choice* chosen = nullptr;
  std::vector<std::string> flags;
  for (const Choice& choice : options.choices) {
    flags.push_back(choice.mode.flag);
    if (!choice.given && choice.file.empty()) continue;
    if (chosen != nullptr) {
      throw InputError(fmt::format("athena validate takes one of {}, not both {} and {}.",
                                   join(flags, ", "), chosen->mode.flag, choice.mode.flag));
    }
    chosen = &choice;
  }
  if (chosen == nullptr) {
    for (const Choice& choice : options.choices)
      if (choice.mode.without_flag) chosen = &choice;
  }
  if (chosen == nullptr) {
    throw InputError("athena validate needs one of " + join(flags, ", ") + ".");
  }
  const ValidateOutcome outcome = chosen->mode.run({chosen->file, options.fidelity}, session);
  nlohmann::ordered_json json =
      validate::to_json(outcome.table, std::max<std::size_t>(options.worst, 20));
  if (outcome.extra.is_object()) json.update(outcome.extra);
  session.print(validate::to_text(outcome.table, options.worst));
  session.print_json(json);
}

}  // namespace

void add_validate_command(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("validate", "Measured figures against the model: errors");
  auto options = std::make_shared<Options>();
  options->choices.reserve(16);  // options keep the addresses of their values
  for (ValidateMode& mode : all_validate_modes()) {
    Choice& choice = options->choices.emplace_back();
    choice.mode = std::move(mode);
    if (choice.mode.takes_file) {
      command->add_option(choice.mode.flag, choice.file, choice.mode.doc)->type_name("FILE");
    } else {
      command->add_flag(choice.mode.flag, choice.given, choice.mode.doc);
    }
    if (choice.mode.options) choice.mode.options(*command);
  }
  command->add_option("--fidelity", options->fidelity, "analytic, transaction or detailed")
      ->check(CLI::IsMember({"analytic", "transaction", "detailed"}));
  command->add_option("--worst", options->worst, "how many of the largest errors to list");
  run_with(*command, session, [options, &session] { run(*options, session); });
}

}  // namespace athena::cli
