#pragma once
/// Runs another program and hears what it says.
#include <string>
#include <vector>

namespace athena::jobs {

struct CommandOutput {
  int exit_code = -1;  ///< 127 = not found, 128 + n = ended by signal n
  std::string text;    ///< standard output and error together
};

/// Runs `arguments[0]` (looked up in PATH) to its end. Throws MachineError when no process can be
/// started; a program that is not there is exit code 127.
[[nodiscard]] CommandOutput run_command(const std::vector<std::string>& arguments);

}  // namespace athena::jobs
