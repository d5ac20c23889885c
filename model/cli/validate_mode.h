#pragma once
/// `athena validate` is a dispatcher: each mode is one file validate_<mode>.cpp, found by the
/// build, that defines `ValidateMode validate_<mode>_mode()`.
#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/command.h"
#include "validate/error_table.h"

namespace athena::cli {

/// What all modes share.
struct ValidateOptions {
  std::string file;      ///< the measured figures; empty for a mode without a file
  std::string fidelity;  ///< analytic, transaction, detailed; empty = the mode's default
};

struct ValidateOutcome {
  validate::ErrorTable table;
  nlohmann::ordered_json extra;  ///< further keys of the JSON object; may be null
};

struct ValidateMode {
  std::string flag;  ///< with the dashes: "--hbm"
  std::string doc;
  bool takes_file = true;
  bool without_flag = false;  ///< what `athena validate` does when no mode is named
  std::function<void(CLI::App&)> options = {};  ///< adds options of its own; may be empty
  std::function<ValidateOutcome(const ValidateOptions&, Session&)> run;
};

}  // namespace athena::cli
