/// athena validate --hbm FILE: the HBM model against a reference simulator's runs.
#include "cli/validate_mode.h"
#include "validate/hbm_reference.h"

namespace athena::cli {

ValidateMode validate_hbm_mode() {
  ValidateMode mode;
  mode.flag = "--hbm";
  mode.doc =
      "HBM runs of a reference simulator (--fidelity detailed: queued, the default; "
      "transaction: fast)";
  mode.run = [](const ValidateOptions& options, Session& session) {
    const auto fidelity = options.fidelity == "transaction" ? validate::HbmFidelity::kFast
                                                            : validate::HbmFidelity::kQueued;
    ValidateOutcome outcome;
    outcome.table = validate::validate_hbm(options.file, fidelity, [&](double fraction) {
      session.progress(fraction, "HBM reference");
    });
    outcome.extra["fidelity"] =
        fidelity == validate::HbmFidelity::kFast ? "transaction" : "detailed";
    return outcome;
  };
  return mode;
}

}  // namespace athena::cli
