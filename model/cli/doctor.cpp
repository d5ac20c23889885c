/// athena doctor: what this machine and this build can do, and what to do about the rest.
#include <fmt/format.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/kinds.h"
#include "cli/output.h"
#include "config/config.h"

namespace athena::cli {
namespace {

using Json = nlohmann::ordered_json;

/// One thing looked at. Not everything is needed by everyone: only `required` things fail.
struct Finding {
  std::string name;
  bool good = false;
  bool required = false;
  std::string state;   ///< version or figure
  std::string serves;  ///< what it is for
  std::string remedy;  ///< what to do when it is not good
};

/// A program that some part of athena calls.
struct Tool {
  const char* name;
  const char* command;  ///< prints the version
  const char* serves;
  const char* package;
  bool required;
};

constexpr std::array kTools{
    Tool{"g++", "g++ --version", "building", "build-essential", false},
    Tool{"cmake", "cmake --version", "building", "cmake", false},
    Tool{"ninja", "ninja --version", "building", "ninja-build", false},
    Tool{"ccache", "ccache --version", "faster rebuilds", "ccache", false},
    Tool{"verilator", "verilator --version", "co-simulation with RTL (at build time)", "verilator",
         false},
    Tool{"yosys", "yosys -V", "areas from synthesis", "yosys", false},
    Tool{"slurm", "slurmctld -V", "sweeps with --engine slurm", "slurm-wlm", false},
    Tool{"munge", "munge --version", "sweeps with --engine slurm", "munge", false},
    Tool{"chromium", "chromium --version", "tests of the HTML reports", "chromium", false},
    Tool{"clang-format", "clang-format --version", "scripts/test", "clang-format", false},
    Tool{"clang-tidy", "clang-tidy --version", "scripts/test --full", "clang-tidy", false},
};

/// First line of the output that holds a digit; empty when the command is not there.
std::optional<std::string> version_of(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen((command + " 2>/dev/null").c_str(), "r"),
                                                   ::pclose);
  if (!pipe) return std::nullopt;
  std::optional<std::string> found;
  std::array<char, 512> line{};
  while (::fgets(line.data(), static_cast<int>(line.size()), pipe.get()) != nullptr) {
    std::string text(line.data());
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    if (!found && text.find_first_of("0123456789") != std::string::npos) found = text;
  }
  return found;
}

Finding look_at(const Tool& tool) {
  const std::optional<std::string> version = version_of(tool.command);
  return {tool.name,     version.has_value(),
          tool.required, version.value_or("not found"),
          tool.serves,   std::string("apt-get install ") + tool.package};
}

Finding cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const bool known = ::sched_getaffinity(0, sizeof set, &set) == 0;
  const int usable = known ? CPU_COUNT(&set) : 1;
  return {"cores",
          usable > 0,
          true,
          fmt::format("{} usable", usable),
          "sweeps and --vs run points side by side",
          ""};
}

/// A line of /proc/meminfo; 0 when there is none.
Bytes meminfo(const std::string& key) {
  std::ifstream in("/proc/meminfo");
  for (std::string word; in >> word;) {
    std::int64_t kibibytes = 0;
    if (word == key + ":" && in >> kibibytes) return 1_KiB * kibibytes;
  }
  return Bytes(0);
}

Finding memory() {
  const Bytes total = meminfo("MemTotal");
  // A run of a whole model keeps below 300 MB; two of them and the build need a few times that.
  return {"memory",
          total >= 2_GiB,
          true,
          fmt::format("{} in all, {} available", binary(total), binary(meminfo("MemAvailable"))),
          "building (1 GiB per compiler), runs (below 0.5 GiB each)",
          "use a machine with 2 GiB or more"};
}

Finding disk() {
  std::error_code code;
  const std::filesystem::space_info space = std::filesystem::space(".", code);
  const auto free = Bytes(code ? 0 : static_cast<std::int64_t>(space.available));
  const bool writable = ::access(".", W_OK) == 0;
  return {"disk",
          writable && free >= 1_GiB,
          true,
          fmt::format("{} free here{}", binary(free), writable ? "" : ", not writable"),
          "results, sweeps",
          "change to a writable folder with 1 GiB or more"};
}

Finding terminal() {
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  return {"terminal", true, false, terminal ? "progress as a bar" : "progress as plain lines",
          "progress", ""};
}

Finding rtl() {
  const std::string blocks = ATHENA_VERILATED_BLOCKS;
  return {"Verilated blocks",
          !blocks.empty(),
          false,
          blocks.empty() ? "none in this build" : blocks,
          "athena cosim, --rtl",
          "install verilator and build again"};
}

/// Every shipped document must load: a broken one would otherwise show first in the middle of a
/// run.
Finding documents() {
  std::size_t good = 0;
  std::string broken;
  for (const config::Kind& kind : document_kinds()) {
    for (const std::string& name : config::list_documents(kind.name)) {
      try {
        config::check_document(kind, config::resolve(name, kind.name));
        ++good;
      } catch (const Error& error) {
        if (broken.empty()) broken = error.what();
      }
    }
  }
  const bool fine = broken.empty() && good > 0;
  const std::string state = broken.empty() ? fmt::format("{} documents, all valid", good) : broken;
  return {"configs",
          fine,
          true,
          state,
          "every command",
          "set ATHENA_ROOT to the repository (now " + config::repository_root().string() + ")"};
}

std::vector<Finding> look_at_all() {
  std::vector<Finding> out{cores(), memory(), disk(), terminal(), documents(), rtl()};
  for (const Tool& tool : kTools) out.push_back(look_at(tool));
  return out;
}

std::string verdict(const Finding& finding) {
  if (finding.good) return "ok";
  return finding.required ? "FAULT" : "absent";
}

void examine(Session& session) {
  Table table({"what", "", "state", "serves", "what to do"});
  Json checks = Json::array();
  std::vector<std::string> faults;
  for (const Finding& finding : look_at_all()) {
    const std::string remedy = finding.good ? "" : finding.remedy;
    table.row({finding.name, verdict(finding), finding.state, finding.serves, remedy});
    checks.push_back({{"name", finding.name},
                      {"ok", finding.good},
                      {"required", finding.required},
                      {"state", finding.state},
                      {"serves", finding.serves},
                      {"remedy", remedy}});
    if (!finding.good && finding.required) faults.push_back(finding.name);
  }
  session.print(fmt::format("athena {}\n\n{}\n{}", ATHENA_VERSION, table.text(),
                            faults.empty() ? "Everything that a run needs is here.\n"
                                           : "Not usable: " + join(faults, ", ") + ".\n"));
  session.print_json(
      {{"version", ATHENA_VERSION}, {"ok", faults.empty()}, {"checks", std::move(checks)}});
  if (!faults.empty()) session.exit_code = static_cast<int>(ExitCode::kMachine);
}

}  // namespace

void add_doctor_command(CLI::App& app, Session& session) {
  CLI::App& command = *app.add_subcommand("doctor", "what this machine and this build can do");
  run_with(command, session, [&session] { examine(session); });
}

}  // namespace athena::cli
