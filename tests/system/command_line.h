#pragma once
/// Runs the built binary as a user would, in an empty folder.
#include <string>
#include <vector>

namespace athena::test {

struct Outcome {
  int exit_code = -1;
  std::string out;
  std::string err;
  std::vector<std::string> written;  ///< files that the command left in its working folder
};

/// `arguments` goes through the shell after the binary's path; "{root}" stands for the repository,
/// "{here}" for the working folder. `files` are created there first: name, content.
Outcome athena(const std::string& arguments,
               const std::vector<std::pair<std::string, std::string>>& files = {});

/// Bad input: exit 2, one sentence on standard error that contains `says`, nothing on standard
/// output, nothing written.
void refuses(const std::string& arguments, const std::string& says,
             const std::vector<std::pair<std::string, std::string>>& files = {});

}  // namespace athena::test
