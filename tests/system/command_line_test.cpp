#include "command_line.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace athena::test {
namespace {

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
}

}  // namespace

Outcome athena(const std::string& arguments,
               const std::vector<std::pair<std::string, std::string>>& files) {
  static int serial = 0;
  const fs::path base = fs::temp_directory_path() / ("athena_cli_" + std::to_string(::getpid()) +
                                                     "_" + std::to_string(serial++));
  const fs::path here = base / "here";
  fs::create_directories(here);
  std::vector<std::string> given;
  for (const auto& [name, text] : files) {
    std::ofstream(here / name, std::ios::binary) << text;
    given.push_back(name);
  }
  std::string line = arguments;
  replace_all(line, "{root}", ATHENA_SOURCE_DIR);
  replace_all(line, "{here}", here.string());
  const std::string command = "cd '" + here.string() + "' && " + ATHENA_BINARY + " " + line +
                              " >'" + (base / "out").string() + "' 2>'" + (base / "err").string() +
                              "'";
  const int status = std::system(command.c_str());
  Outcome outcome;
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.out = content(base / "out");
  outcome.err = content(base / "err");
  for (const auto& entry : fs::recursive_directory_iterator(here)) {
    const std::string name = fs::relative(entry.path(), here).string();
    if (std::find(given.begin(), given.end(), name) == given.end()) outcome.written.push_back(name);
  }
  fs::remove_all(base);
  return outcome;
}

void refuses(const std::string& arguments, const std::string& says,
             const std::vector<std::pair<std::string, std::string>>& files) {
  CAPTURE(arguments);
  const Outcome outcome = athena(arguments, files);
  CHECK(outcome.exit_code == 2);
  CHECK(outcome.out.empty());
  CHECK_THAT(outcome.err, StartsWith("athena: ") && Contains(says));
  CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
  CHECK(outcome.written.empty());
}

}  // namespace athena::test

using athena::test::Outcome;
using athena::test::refuses;

TEST_CASE("version and help go to standard output and end with 0") {
  const Outcome version = athena::test::athena("--version");
  CHECK(version.exit_code == 0);
  CHECK_THAT(version.out, StartsWith("athena 0."));
  const Outcome help = athena::test::athena("--help");
  CHECK(help.exit_code == 0);
  CHECK_THAT(help.out, Contains("Examples:") && Contains("config") && !Contains("SystemC"));
  CHECK(help.err.empty());
}

TEST_CASE("no arguments show the help and are bad input") {
  const Outcome outcome = athena::test::athena("");
  CHECK(outcome.exit_code == 2);
  CHECK_THAT(outcome.out, Contains("Usage:"));
}

TEST_CASE("slips of commands and flags are answered with the nearest one") {
  refuses("confgi explain athena", "there is no command 'confgi'. Did you mean 'config'?");
  refuses("config expalin athena",
          "config: there is no command 'expalin'. Did you mean 'explain'?");
  refuses("--verison", "Did you mean '--version'?");
  refuses("config explain athena --ste a=1", "Did you mean '--set'?");
  refuses("config explain athena --jsno=1", "there is no option '--jsno'. Did you mean '--json'?");
  refuses("config explain athena surplus", "unexpected argument 'surplus'");
  refuses("config explain", "document is required");
  refuses("config", "A subcommand is required");
  refuses("qqqqqqqqqqqqqqqqq", "There are:");
}

TEST_CASE("a reader that leaves early is no error") {
  // More text than a pipe holds, so that the command must notice.
  FILE* pipe = ::popen(ATHENA_BINARY " config schema chips", "r");
  REQUIRE(pipe != nullptr);
  CHECK(std::fgetc(pipe) == '{');
  const int status = ::pclose(pipe);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("a full disk is the machine's fault") {
  const Outcome outcome = athena::test::athena("config reference --out /dev/full/x");
  CHECK(outcome.exit_code == 4);
  CHECK_THAT(outcome.err, StartsWith("athena: cannot"));
}

TEST_CASE("an interrupted command says so and ends with the machine's code") {
  // Reading from a pipe that nobody writes to never ends by itself.
  const std::string folder = "/tmp/athena_interrupt_" + std::to_string(::getpid());
  fs::create_directories(folder);
  const std::string command = "cd " + folder +
                              " && mkfifo slow.yaml && timeout --preserve-status -s INT 1 " +
                              ATHENA_BINARY " config check --kind chips slow.yaml 2>err";
  const int status = std::system(command.c_str());
  std::ifstream err(folder + "/err");
  std::ostringstream text;
  text << err.rdbuf();
  fs::remove_all(folder);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 4);
  CHECK_THAT(text.str(), Contains("interrupted"));
}
