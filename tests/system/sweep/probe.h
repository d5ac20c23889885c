#pragma once
/// Runs the sweep probe as a user would run `athena`, and kills it when asked.
#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace athena::test {

struct ProbeOutput {
  int exit_code = -1;  ///< 128 + n = ended by signal n
  std::string out;
  std::string err;
};

/// Runs `sweep_probe sweep ARGUMENTS` to its end in `folder`.
[[nodiscard]] ProbeOutput probe(const std::string& folder,
                                const std::vector<std::string>& arguments);

/// Starts it and returns at once; the process leads a group of its own.
[[nodiscard]] pid_t start_probe(const std::string& folder,
                                const std::vector<std::string>& arguments);
/// Waits for a started probe; its exit code as in ProbeOutput.
int wait_probe(pid_t pid);

/// Processes whose parent is `pid`.
[[nodiscard]] std::vector<pid_t> children_of(pid_t pid);

void write_text(const std::string& path, const std::string& text);

/// The parsed JSON object on the standard output.
[[nodiscard]] nlohmann::json json_of(const ProbeOutput& output);

}  // namespace athena::test
