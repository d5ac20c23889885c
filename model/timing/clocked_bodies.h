#pragma once
/// Clocked blocks in the place of a chip's closed forms: who makes them, and what went through
/// them.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "timing/block.h"
#include "timing/dma_step.h"
#include "timing/hbm_scheduler_step.h"
#include "timing/router_step.h"

namespace athena::timing {

/// Makes one body; `who` names its place in the chip ("router (1, 0)").
using BodyMaker = std::function<std::unique_ptr<Block>(const std::string& who)>;

/// Traffic of all bodies of one block.
struct BodyUse {
  std::int64_t transactions = 0;  ///< transfers, packets or requests that were finished
  std::int64_t pieces = 0;        ///< beats, flits or columns of them
  std::int64_t cycles = 0;        ///< clocks of all bodies together
  std::int64_t latency = 0;       ///< clocks from the entry of each transaction to its end, summed
};

/// A block without a maker stays its closed form.
struct ClockedBodies {
  BodyMaker dma;  ///< three per core: two load, one stores
  DmaRtlParams dma_params;
  BodyUse dma_use;
  BodyMaker router;
  RouterRtlParams router_params;
  BodyUse router_use;
  BodyMaker scheduler;  ///< one per memory channel
  HbmSchedulerParams scheduler_params;
  BodyUse scheduler_use;
};

}  // namespace athena::timing
