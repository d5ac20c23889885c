// The commands that a reader of the README types.
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
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

}  // namespace

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
        std::system(("cd '" + here.string() + "' && " + command + " >log 2>&1").c_str());
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
