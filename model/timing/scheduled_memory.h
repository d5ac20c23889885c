#pragma once
/// All channels of an HBM system behind clocked command schedulers (rtl/hbm_scheduler or its
/// stepped model): the same requests and completions as HbmQueued, the commands are the
/// schedulers'.
#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "timing/clocked_bodies.h"
#include "timing/hbm_map.h"
#include "timing/hbm_queued.h"

namespace athena::timing {

/// The scheduler's parameters for a timing set, with the queue and the watermarks of `defaults`.
[[nodiscard]] HbmSchedulerParams scheduler_params(const HbmTimingSet& timing,
                                                  const HbmSchedulerParams& defaults = {});

class ScheduledMemory {
 public:
  /// Makes one body per channel. The spec's timing must be that of `bodies.scheduler_params`.
  ScheduledMemory(const HbmSpec& spec, ClockedBodies& bodies);

  /// Throws InputError beyond the capacity, and for rows that the scheduler cannot name.
  void submit(const HbmRequest& request);
  /// Clocks every channel with work up to and including `now`. Called at least every lookahead().
  void advance(Time now);
  /// Shortest time from a column command to the end of its data.
  [[nodiscard]] Time lookahead() const { return period_ * lookahead_; }
  [[nodiscard]] std::vector<HbmCompletion>& completions() { return completions_; }
  [[nodiscard]] std::uint64_t outstanding() const { return outstanding_; }

 private:
  struct Column {
    std::int64_t arrival = 0;  ///< cycle
    std::uint32_t bank = 0, row = 0, column = 0, slot = 0;
    bool write = false;
  };
  struct Channel {
    std::unique_ptr<Block> body;
    std::vector<std::uint32_t> in, out;
    std::deque<Column> source;
    std::array<std::uint32_t, 256> slot_of_id{};
    std::vector<std::uint8_t> free_ids;
    int offered = -1;          ///< id of the column at the port, kept until it is taken
    std::int64_t cycle = 0;    ///< the next one
    std::int64_t waiting = 0;  ///< columns not yet commanded
  };
  struct Slot {
    HbmCompletion done;
    std::int64_t open = 0;
  };
  void enqueue(std::uint64_t address, std::int64_t arrival, std::uint32_t slot, bool write);
  void step(Channel& channel);
  void catch_up(Channel& channel, std::int64_t cycle);
  void commanded(Channel& channel);

  HbmSpec spec_;
  HbmSchedulerParams params_;
  HbmMap map_;
  Time period_;
  std::int64_t lookahead_;
  BodyUse& use_;
  Ports ports_;
  std::vector<Channel> channels_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::vector<HbmCompletion> completions_;
  std::uint64_t outstanding_ = 0;
};

}  // namespace athena::timing
