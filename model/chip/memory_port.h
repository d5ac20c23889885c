#pragma once
/// Memory as a chip uses it: windows of matrices, mostly large ones, from many cores at once.
///
/// Two tiers behind one call. Transaction: a window of several KiB is handed to HbmFast as one
/// transaction of all channels. What its short rows cost beyond a sequential stream (rows opened
/// for little data) is taken from the memory model itself: a sample of windows of each row length
/// is timed command by command, and the ratio to a stream stretches the transaction. Nothing is
/// fitted. Detailed: every row of the window is a segment of the queued model at its own address,
/// and the answer comes when the controllers have served the last of them.
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "config/chip.h"
#include "sim/dispatcher.h"
#include "timing/hbm_fast.h"
#include "timing/hbm_queued.h"
#include "timing/scheduled_memory.h"
#include "timing/timeline.h"

namespace athena::chip {

/// One who reads or writes memory. Told of the end as soon as it is known: at once in the
/// transaction tier, shortly before `done` in the detailed one.
class MemoryClient {
 public:
  MemoryClient() = default;
  MemoryClient(const MemoryClient&) = delete;
  MemoryClient& operator=(const MemoryClient&) = delete;
  /// The last byte passes the memory's pins at `done`. `item` is what access() was given.
  virtual void memory_done(void* item, Time done, std::int64_t bytes, bool write) = 0;

 protected:
  ~MemoryClient() = default;
};

/// `rows` segments of `row_bytes`, `pitch` apart.
struct MemoryWindow {
  std::uint64_t address = 0;
  Bytes row_bytes{0};
  std::int64_t rows = 1;
  Bytes pitch{0};
  bool write = false;
  [[nodiscard]] std::int64_t bytes() const { return row_bytes.value() * rows; }
};

class MemoryPort final : private sim::Client {
 public:
  MemoryPort(const timing::HbmSpec& spec, sim::Dispatcher& dispatcher);
  /// Serves a window that reaches the controllers at `arrival`, not before the dispatcher's time.
  /// Calls come in global time order.
  void access(Time arrival, const MemoryWindow& window, MemoryClient& client, void* item);
  /// Starts afresh, in the detailed tier (queued FR-FCFS) or in the transaction tier. Where
  /// `bodies` makes schedulers, the requests of the detailed tier go to those.
  void reset(bool detailed, timing::ClockedBodies* bodies = nullptr);
  /// Time per byte of short segments relative to a sequential stream, at least 1.
  [[nodiscard]] double stretch(std::int64_t row_bytes);

 private:
  struct Job {
    MemoryWindow window;
    MemoryClient* client = nullptr;
    void* item = nullptr;
    Time arrival{0}, done{0};
    std::uint32_t id = 0;
  };

  void wake(std::uint32_t tag, void* item) override;
  [[nodiscard]] Time transaction(Time arrival, const MemoryWindow& window);
  void enter(Job& job);
  template <class Memory>
  void submit_rows(Memory& memory, Job& job);
  template <class Memory>
  void advance(Memory& memory);
  Job& acquire();

  timing::HbmFast memory_;
  timing::HbmSpec spec_;
  sim::Dispatcher& dispatcher_;
  std::map<std::int64_t, double> stretch_;  ///< by row bytes: asked at every transfer

  bool detailed_ = false;
  std::unique_ptr<timing::HbmQueued> queued_;           ///< built when first asked for
  std::unique_ptr<timing::ScheduledMemory> scheduled_;  ///< in its place; null = it is not
  std::vector<std::unique_ptr<Job>> jobs_;              ///< by id
  std::vector<std::uint32_t> free_;
  std::vector<Job*> finished_;
  bool armed_ = false;
};

/// Puts a transfer whose last byte passed the pins at `done` on the timeline: it began no later
/// than its bytes take at the memory's peak.
void note_memory(timing::Timeline& timeline, const config::ChipConfig& chip, Time done,
                 std::int64_t bytes, bool write);

}  // namespace athena::chip
