#pragma once
/// A collective as what it does: transfers between ranks, each waiting for others. The event-driven
/// fabric runs these; the closed forms in collective.h say what they cost on an idle fabric.
#include <cstdint>
#include <string>
#include <vector>

#include "timing/collective.h"

namespace athena::timing {

/// One message. It may start `delay` after all that it waits for have arrived.
struct Transfer {
  int source = 0;       ///< chip
  int destination = 0;  ///< chip
  double bytes = 0;
  double delay = 0;            ///< seconds: software step, reduction of what arrived before
  int waits_for = 0;           ///< number of transfers that unlock this one
  std::vector<int> unlocks{};  ///< indices of transfers that wait for this one
};

/// All messages of one collective. Ranks are chips, in the order of the algorithm.
struct CollectiveSchedule {
  std::string title;
  std::vector<int> ranks;
  std::vector<Transfer> transfers;
  double finish_delay = 0;  ///< seconds from a rank's last arrival to its completion
};

/// What surrounds the messages of a schedule, in seconds.
struct ScheduleCosts {
  double step = 0;             ///< before every transfer that answers an arrival
  double start = 0;            ///< before the first transfers
  double reduce_per_byte = 0;  ///< of each arriving chunk that is added to the local one
};

/// `bytes` as in collective.h. Throws InputError for a kind that the algorithm does not have, a
/// single rank, or halving-doubling on a rank count that is no power of two.
[[nodiscard]] CollectiveSchedule schedule_of(CollectiveKind kind, CollectiveAlgorithm algorithm,
                                             double bytes, const std::vector<int>& ranks,
                                             const ScheduleCosts& costs);

}  // namespace athena::timing
