#pragma once
/// What the closed form of a collective leaves out: links that several groups share, and links that
/// are broken. Messages are run on the system's links to see it.
#include <cstdint>

#include "jobs/simulation/machine.h"
#include "timing/collective.h"

namespace athena::jobs {

/// Seconds that a collective of every group of `ranks` chips, `stride` apart, takes longer on the
/// machine's links as they are than the one group of the closed form on sound links: the difference
/// of two event-driven runs of the algorithm that the closed form chose. All groups begin together.
/// Algorithms that have no schedule of messages are run as rings. Throws InputError when broken
/// links cut a chip off.
[[nodiscard]] Seconds fabric_surplus(const Machine& machine, timing::CollectiveKind kind,
                                     Bytes bytes, int ranks, int stride,
                                     timing::CollectiveAlgorithm algorithm);

}  // namespace athena::jobs
