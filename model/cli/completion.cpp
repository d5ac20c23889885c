/// athena completion SHELL: a script that completes commands, flags and names of documents.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "cli/command.h"
#include "config/config.h"

namespace athena::cli {
namespace {

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  std::vector<const CLI::App*> out;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!sub->get_group().empty()) out.push_back(sub);
  }
  return out;
}

std::vector<std::string> flags_of(const CLI::App& command) {
  std::vector<std::string> out;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) out.push_back("--" + name);
  }
  return out;
}

/// Flags whose values are names of shipped documents.
struct Named {
  const char* flags;
  std::vector<std::string> kinds;
};
const std::vector<Named>& named_flags() {
  static const std::vector<Named> list{{"--on|--vs", {"chips", "systems"}},
                                       {"--stack|--vs-stack", {"stacks"}},
                                       {"--model", {"models"}},
                                       {"--plan", {"claims"}}};
  return list;
}

std::string names_of(const std::vector<std::string>& kinds) {
  std::vector<std::string> names;
  for (const std::string& kind : kinds) {
    for (const std::string& name : config::list_documents(kind)) names.push_back(name);
  }
  return join(names, " ");
}

/// What may stand as a command's first word besides a file.
std::string subjects_of(const std::string& command) {
  if (command == "run" || command == "compile") return names_of({"models"});
  if (command == "cost") return names_of({"chips"});
  if (command == "sweep") return "show " + names_of({"sweeps"});
  if (command == "cosim") return ATHENA_VERILATED_BLOCKS;
  if (command == "completion") return "bash zsh fish";
  return "";
}

std::string bash_script(const CLI::App& app) {
  std::string cases;
  std::vector<std::string> names;
  for (const CLI::App* command : commands_of(app)) {
    names.push_back(command->get_name());
    std::vector<std::string> words = flags_of(*command);
    for (const CLI::App* below : commands_of(*command)) {
      words.push_back(below->get_name());
      for (const std::string& flag : flags_of(*below)) words.push_back(flag);
    }
    cases += fmt::format("    {}) words='{}'; subjects='{}' ;;\n", command->get_name(),
                         join(words, " "), subjects_of(command->get_name()));
  }
  std::string values;
  for (const Named& named : named_flags()) {
    values += fmt::format("    {}) COMPREPLY=($(compgen -W '{}' -- \"$cur\")); return ;;\n",
                          named.flags, names_of(named.kinds));
  }
  return fmt::format(
      "# athena: completion for bash. Use: source <(athena completion bash)\n"
      "_athena() {{\n"
      "  local cur=\"${{COMP_WORDS[COMP_CWORD]}}\" prev=\"${{COMP_WORDS[COMP_CWORD-1]}}\"\n"
      "  local words='' subjects=''\n"
      "  if [[ $COMP_CWORD -eq 1 ]]; then\n"
      "    COMPREPLY=($(compgen -W '{} --help --version' -- \"$cur\")); return\n"
      "  fi\n"
      "  case \"$prev\" in\n{}  esac\n"
      "  case \"${{COMP_WORDS[1]}}\" in\n{}  esac\n"
      "  if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")); return; fi\n"
      "  COMPREPLY=($(compgen -W \"$subjects\" -- \"$cur\") $(compgen -f -- \"$cur\"))\n"
      "}}\n"
      "complete -o filenames -F _athena athena build/release/athena\n",
      join(names, " "), values, cases);
}

std::string zsh_script(const CLI::App& app) {
  return "# athena: completion for zsh. Use: source <(athena completion zsh)\n"
         "autoload -U +X bashcompinit && bashcompinit\n" +
         bash_script(app);
}

std::string fish_script(const CLI::App& app) {
  std::string out =
      "# athena: completion for fish. Use: athena completion fish | source\n"
      "complete -c athena -n __fish_use_subcommand -f\n";
  const auto quoted = [](const std::string& text) {
    std::string safe;
    for (const char c : text) safe += c == '\'' ? std::string("\\'") : std::string(1, c);
    return "'" + safe + "'";
  };
  for (const CLI::App* command : commands_of(app)) {
    const std::string name = command->get_name();
    out += fmt::format("complete -c athena -n __fish_use_subcommand -a {} -d {}\n", name,
                       quoted(command->get_description()));
    for (const CLI::Option* option : command->get_options()) {
      for (const std::string& flag : option->get_lnames()) {
        std::string values;
        for (const Named& named : named_flags()) {
          const std::string flags = fmt::format("|{}|", named.flags);
          if (flags.find("|--" + flag + "|") != std::string::npos)
            values = " -x -a " + quoted(names_of(named.kinds));
        }
        out += fmt::format("complete -c athena -n '__fish_seen_subcommand_from {}' -l {} -d {}{}\n",
                           name, flag, quoted(option->get_description()), values);
      }
    }
    const std::string subjects = subjects_of(name);
    if (!subjects.empty()) {
      out += fmt::format("complete -c athena -n '__fish_seen_subcommand_from {}' -a {}\n", name,
                         quoted(subjects));
    }
  }
  return out;
}

void print_script(const CLI::App& app, const std::string& shell, const Session& session) {
  const std::vector<std::string> shells{"bash", "zsh", "fish"};
  std::string script;
  if (shell == "bash") script = bash_script(app);
  if (shell == "zsh") script = zsh_script(app);
  if (shell == "fish") script = fish_script(app);
  if (script.empty()) {
    throw InputError("completion is there for bash, zsh and fish, not for '" + shell + "'." +
                     did_you_mean(shell, shells));
  }
  session.print(script);
  session.print_json({{"shell", shell}, {"script", script}});
}

}  // namespace

void add_completion_command(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("completion", "a script that completes words in a shell");
  auto shell = std::make_shared<std::string>();
  command->add_option("shell", *shell, "bash, zsh or fish")->required();
  command->footer(
      "Examples:\n"
      "  source <(athena completion bash)\n"
      "  athena completion fish | source");
  run_with(*command, session, [&app, &session, shell] { print_script(app, *shell, session); });
}

}  // namespace athena::cli
