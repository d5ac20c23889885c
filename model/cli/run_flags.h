#pragma once
/// The flags that say what runs on what; shared by run and compile.
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "jobs/point.h"

namespace athena::cli {

/// `athena run`'s flags as the user gave them.
struct RunFlags {
  jobs::PointSpec point;
  std::string vs;  ///< the other side of a comparison
  std::string vs_stack;
  std::vector<std::string> sets;  ///< `path=value`, `vs:path=value`
  std::vector<std::string> rtl;   ///< `block=backend`
  std::string point_text;         ///< `--point`: replaces every other flag of our side
  std::string power_cap;          ///< "500W"

  void add_to(CLI::App& command, bool compare);
  /// The point of our side. Throws InputError.
  [[nodiscard]] jobs::PointSpec ours() const;
  /// The other side: the same work on --vs.
  [[nodiscard]] jobs::PointSpec theirs() const;
};

}  // namespace athena::cli
