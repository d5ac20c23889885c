#pragma once
/// From names to documents: the chip, its system and the software stack of a point.
#include <map>
#include <optional>
#include <string>

#include "config/chip.h"
#include "config/stack.h"
#include "config/system.h"
#include "jobs/point.h"
#include "timing/collective_library.h"
#include "timing/energy.h"
#include "timing/power_governor.h"

namespace athena::jobs {

/// Everything a point runs on, resolved.
struct Machine {
  config::ChipConfig chip;
  std::optional<config::SystemConfig> system;  ///< absent: a chip without a system
  config::StackConfig stack;
  timing::CollectiveLibrary library;
  Watts power_cap{0};
  bool all_ranks = false;  ///< all groups of a collective meet on the links
  std::map<std::string, config::Backend> backends;  ///< blocks with RTL: chip's key and --rtl
  std::string chip_text;                            ///< canonical text of the resolved chip
  std::string text;                                 ///< of everything
  [[nodiscard]] std::string chip_hash() const;

  /// Silicon that leaks and is clocked: the published die, or the energy room's own estimate.
  [[nodiscard]] SquareMm silicon() const;
};

/// Throws InputError: unknown names, overrides that name no key, more chips than the system has.
[[nodiscard]] Machine resolve_machine(const PointSpec& spec);

/// Time of a transfer between chips on the machine's fabric. Throws InputError without a system.
[[nodiscard]] Seconds transfer_time(const Machine& machine, const std::string& kind,
                                    std::int64_t bytes, int ranks, int stride);

}  // namespace athena::jobs
