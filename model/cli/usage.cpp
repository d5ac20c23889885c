#include "cli/usage.h"

#include <fmt/format.h>

#include <cctype>

#include "base/text.h"

namespace athena::cli {
namespace {

/// The innermost subcommand that the line reached, and its full name ("athena config explain").
struct Reached {
  const CLI::App* app;
  std::string name;
  /// How a sentence about it begins; `main` puts the program's name before every sentence.
  [[nodiscard]] std::string lead() const {
    const std::size_t blank = name.find(' ');
    return blank == std::string::npos ? "" : name.substr(blank + 1) + ": ";
  }
};

Reached reached(const CLI::App& app) {
  Reached out{&app, app.get_name()};
  for (std::vector<CLI::App*> below = app.get_subcommands(); !below.empty();
       below = below.front()->get_subcommands()) {
    out.app = below.front();
    out.name += " " + below.front()->get_name();
  }
  return out;
}

std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) out.push_back("--" + name);
  }
  return out;
}

std::vector<std::string> subcommands_of(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    out.push_back(sub->get_name());
  return out;
}

std::string unexpected(const Reached& at, const std::vector<std::string>& extras) {
  for (const std::string& extra : extras) {
    if (!extra.starts_with("-")) continue;
    const std::string flag = extra.substr(0, extra.find('='));
    return fmt::format("{}there is no option '{}'.{} ({} --help lists them.)", at.lead(), flag,
                       did_you_mean(flag, flags_of(*at.app)), at.name);
  }
  const std::string& first = extras.front();
  const std::vector<std::string> commands = subcommands_of(*at.app);
  if (commands.empty()) return fmt::format("{}unexpected argument '{}'.", at.lead(), first);
  std::string remedy = did_you_mean(first, commands);
  if (remedy.empty()) remedy = " There are: " + join(commands, ", ") + ".";
  return fmt::format("{}there is no command '{}'.{}", at.lead(), first, remedy);
}

}  // namespace

std::string usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const Reached at = reached(app);
  const std::vector<std::string> extras = app.remaining(true);
  // A misspelled word often shows first as something missing; name the slip, not its consequence.
  if (!extras.empty()) return unexpected(at, extras);
  std::string what = error.what();
  while (!what.empty() && (what.back() == '\n' || what.back() == '.')) what.pop_back();
  return fmt::format("{}{}. ({} --help shows the usage.)", at.lead(), what, at.name);
}

std::string unknown_subcommand(const CLI::App& app, const std::string& word) {
  for (const std::string& known : subcommands_of(app)) {
    if (known == word) return "";
  }
  return unexpected(Reached{&app, app.get_name()}, {word});
}

}  // namespace athena::cli
