#include "system/sweep/probe.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace athena::test {
namespace {

std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

pid_t spawn(const std::string& folder, const std::vector<std::string>& arguments,
            const std::string& out, const std::string& err) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  setpgid(0, 0);
  if (chdir(folder.c_str()) != 0) _exit(99);
  dup2(open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), STDOUT_FILENO);
  dup2(open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), STDERR_FILENO);
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 1);
  std::vector<std::string> words = {SWEEP_PROBE, "sweep"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  _exit(98);
}

}  // namespace

int wait_probe(pid_t pid) {
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

ProbeOutput probe(const std::string& folder, const std::vector<std::string>& arguments) {
  const std::string out = folder + "/stdout.txt";
  const std::string err = folder + "/stderr.txt";
  ProbeOutput output;
  output.exit_code = wait_probe(spawn(folder, arguments, out, err));
  output.out = slurp(out);
  output.err = slurp(err);
  return output;
}

pid_t start_probe(const std::string& folder, const std::vector<std::string>& arguments) {
  return spawn(folder, arguments, "/dev/null", folder + "/started.txt");
}

std::vector<pid_t> children_of(pid_t pid) {
  std::istringstream list(
      slurp("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children"));
  std::vector<pid_t> out;
  for (pid_t child = 0; list >> child;) out.push_back(child);
  return out;
}

void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

nlohmann::json json_of(const ProbeOutput& output) {
  INFO(output.err);
  REQUIRE(nlohmann::json::accept(output.out));
  return nlohmann::json::parse(output.out);
}

}  // namespace athena::test
