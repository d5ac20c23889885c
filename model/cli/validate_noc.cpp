/// athena validate --noc FILE: the on-chip network against a cycle-accurate reference.
#include "base/error.h"
#include "cli/validate_mode.h"
#include "validate/noc_reference.h"

namespace athena::cli {

ValidateMode validate_noc_mode() {
  ValidateMode mode;
  mode.flag = "--noc";
  mode.doc =
      "runs of a network simulator (default: packet-held rows by transactions, flit-interleaved "
      "rows "
      "flit by flit; --fidelity transaction or detailed: all rows by one tier)";
  mode.run = [](const ValidateOptions& options, Session& session) {
    if (options.fidelity == "analytic")
      throw InputError(
          "--noc compares the simulated network; --fidelity is transaction or detailed.");
    const std::string tier = options.fidelity.empty() ? "auto" : options.fidelity;
    ValidateOutcome outcome;
    outcome.table = validate::validate_noc(
        options.file, validate::parse_noc_tier(tier),
        [&](double fraction, const std::string& row) { session.progress(fraction, row); });
    outcome.extra["fidelity"] = tier;
    return outcome;
  };
  return mode;
}

}  // namespace athena::cli
