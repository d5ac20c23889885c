// The commands that a reader of the README types.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

/// Lines of ```sh blocks that call the built binary.
std::vector<std::string> commands_of(const fs::path& page) {
  std::vector<std::string> out;
  std::ifstream in(page);
  bool shell = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("```")) shell = line == "```sh";
    if (shell && line.starts_with("build/release/athena ")) out.push_back(line);
  }
  return out;
}

/// A line of output as it stays when figures change: numbers with their units become '#'.
std::string masked(const std::string& line) {
  static const std::regex number(
      R"([0-9][0-9.,]*(e[-+]?[0-9]+)?( ?(ns|us|ms|s|W|%|[kMGT]?B|[kMG]i?B|[kMG]?Hz))?\b|%)");
  std::string text = std::regex_replace(line, number, "#");
  // Which shares are too small to be shown is a figure too.
  const std::size_t shares = text.find(": compute #");
  if (shares != std::string::npos) text.resize(shares);
  return std::regex_replace(text, std::regex(R"([ #]+)"), " ");
}

struct Shown {
  std::string command;
  std::vector<std::string> lines;
};

/// Every ```text block with the command that stands last before it.
std::vector<Shown> outputs_of(const fs::path& page) {
  std::vector<Shown> out;
  std::ifstream in(page);
  std::string last;
  bool text = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("```")) {
      text = line == "```text";
      if (text) out.push_back({last, {}});
    } else if (text) {
      out.back().lines.push_back(line);
    } else if (line.starts_with("build/release/athena ")) {
      last = line;
    }
  }
  return out;
}

}  // namespace

TEST_CASE("the outputs that the README shows are those of its commands, figures apart") {
  const fs::path root = ATHENA_SOURCE_DIR;
  const std::vector<Shown> shown = outputs_of(root / "README.md");
  REQUIRE_FALSE(shown.empty());
  const fs::path here = fs::temp_directory_path() / ("athena_shown_" + std::to_string(::getpid()));
  fs::create_directories(here);
  for (const char* folder : {"configs", "workloads"})
    fs::create_directory_symlink(root / folder, here / folder);
  for (const Shown& one : shown) {
    std::string command = one.command;
    CAPTURE(command);
    command.replace(0, std::string("build/release/athena").size(), ATHENA_BINARY);
    REQUIRE(std::system(("cd '" + here.string() + "' && ( " + command + " ) >log 2>&1").c_str()) ==
            0);
    std::vector<std::string> printed;
    std::ifstream log(here / "log");
    for (std::string line; std::getline(log, line);) printed.push_back(masked(line));
    for (const std::string& line : one.lines) {
      CAPTURE(line);
      CHECK(std::find(printed.begin(), printed.end(), masked(line)) != printed.end());
    }
  }
  fs::remove_all(here);
}

TEST_CASE("the commands of the README work as written") {
  const fs::path root = ATHENA_SOURCE_DIR;
  const std::vector<std::string> commands = commands_of(root / "README.md");
  REQUIRE(commands.size() > 5);
  // They name files from the repository and write to out/: run them where both are harmless.
  const fs::path here = fs::temp_directory_path() / ("athena_readme_" + std::to_string(::getpid()));
  fs::create_directories(here);
  for (const char* folder : {"configs", "workloads"})
    fs::create_directory_symlink(root / folder, here / folder);
  for (std::string command : commands) {
    CAPTURE(command);
    command.replace(0, std::string("build/release/athena").size(), ATHENA_BINARY);
    const int status =
        std::system(("cd '" + here.string() + "' && ( " + command + " ) >log 2>&1").c_str());
    std::ifstream log(here / "log");
    std::ostringstream text;
    text << log.rdbuf();
    CAPTURE(text.str());
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
  }
  fs::remove_all(here);
}

TEST_CASE("links between the pages lead somewhere") {
  const fs::path root = ATHENA_SOURCE_DIR;
  for (const char* page :
       {"README.md", "configs/README.md", "workloads/README.md", "tests/README.md",
        "scripts/README.md", "model/README.md", "rtl/README.md"}) {
    CAPTURE(page);
    REQUIRE(fs::exists(root / page));
    std::ifstream in(root / page);
    std::ostringstream text;
    text << in.rdbuf();
    const std::string content = text.str();
    for (std::size_t at = content.find("]("); at != std::string::npos;
         at = content.find("](", at + 2)) {
      const std::string target = content.substr(at + 2, content.find(')', at) - at - 2);
      if (target.starts_with("http") || target.starts_with("#")) continue;
      CAPTURE(target);
      CHECK(fs::exists((root / page).parent_path() / target.substr(0, target.find('#'))));
    }
  }
}
