#pragma once
/// Communication beside compute: what a framework issues on a side stream runs while the chip
/// computes, and only what the chip waits for is seen.
#include "compiler/compile.h"
#include "jobs/simulation/machine.h"
#include "jobs/simulation/step.h"

namespace athena::jobs {

/// Seconds of one rank.
struct Communication {
  double total = 0;    ///< of all collectives and transfers, seen or not
  double exposed = 0;  ///< of those, in which the chip stands still
  Communication& operator+=(const Communication& other) {
    total += other.total;
    exposed += other.exposed;
    return *this;
  }
  [[nodiscard]] Communication times(double factor) const {
    return {total * factor, exposed * factor};
  }
};

/// `step` ran every kernel of `compiled` after the one before. Takes the asynchronous collectives
/// (workload::CollectiveShape::async) out of that row: each starts when it is issued and its links
/// are free, and what reads its result waits. In a repeated block one that is read inside the block
/// (a gather of weights) is issued a repetition ahead; one that nobody in the block reads (a
/// reduction of gradients) must have ended when the graph ends. Transfers inside a scale-up domain
/// and between domains use different wires; those on the same wires follow each other.
/// Shortens seconds, path and energy of `step` accordingly. While transfers run, kernels beside
/// them are slower: by the cores that the library occupies where cores bound them, by the memory
/// traffic of the transfer where memory does.
[[nodiscard]] Communication overlap(const compiler::Compiled& compiled, const Machine& machine,
                                    StepResult& step);

}  // namespace athena::jobs
