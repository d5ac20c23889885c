/// athena validate --collectives FILE: collectives against a simulator's rows or measured tables.
#include <memory>

#include "cli/validate_mode.h"
#include "validate/collectives_reference.h"

namespace athena::cli {

ValidateMode validate_collectives_mode() {
  ValidateMode mode;
  mode.flag = "--collectives";
  mode.doc =
      "ASTRA-sim rows, nccl-tests rows (bytes, busbw_GBps; needs --system), or the collectives of "
      "a "
      "table of measured figures";
  const auto own = std::make_shared<validate::CollectivesOptions>();
  mode.options = [own](CLI::App& command) {
    command.add_option("--system", own->system,
                       "--collectives: where the figures were measured (configs/systems/)");
    command.add_option("--library", own->library,
                       "--collectives: the library that ran (configs/stacks/collectives/)");
    command.add_option("--ranks", own->ranks,
                       "--collectives: ranks of rows without a column chips; default all");
  };
  mode.run = [own](const ValidateOptions& options, Session&) {
    ValidateOutcome outcome;
    outcome.table = validate::validate_collectives(options.file, *own);
    outcome.extra["library"] = own->library;
    return outcome;
  };
  return mode;
}

}  // namespace athena::cli
