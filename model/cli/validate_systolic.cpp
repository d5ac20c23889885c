/// athena validate --systolic FILE: cycles of matrix products against SCALE-Sim rows.
#include "cli/validate_mode.h"
#include "validate/systolic_reference.h"

namespace athena::cli {

ValidateMode validate_systolic_mode() {
  ValidateMode mode;
  mode.flag = "--systolic";
  mode.doc = "SCALE-Sim rows: cycles of matrix products on systolic arrays, folds not overlapped";
  mode.run = [](const ValidateOptions& options, Session&) {
    return ValidateOutcome{validate::validate_systolic(options.file), {}};
  };
  return mode;
}

}  // namespace athena::cli
