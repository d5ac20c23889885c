#pragma once
/// A kernel while it runs: which items are left, who waits for it, what it has cost so far.
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "program/program.h"
#include "timing/energy.h"
#include "timing/moment.h"

namespace athena::compute {

class Core;

/// Per instruction of a kernel: where its loop ends, and the duration of the sizes it met last.
struct InstructionCache {
  int match = -1;  ///< kLoop: index of its kEnd; kEnd: index of its kLoop
  std::int64_t m = -1, n = -1, k = -1;
  std::int64_t occupied = 0;  ///< fs
  std::int64_t latency = 0;   ///< fs
  double operand_bytes = 0;   ///< kMatmul: scratchpad bytes per unit of depth
};

/// What one kernel moved and when; summed over cores.
struct KernelStats {
  timing::EventCounts counts;
  double memory_read = 0;     ///< bytes
  double memory_written = 0;  ///< bytes
  double cache_hits = 0;      ///< bytes
  double cache_misses = 0;    ///< bytes
  double matrix_busy = 0;     ///< core-seconds
  double vector_busy = 0;     ///< core-seconds
};

/// Cores that meet to receive one broadcast.
struct Rendezvous {
  int arrived = 0;
  timing::Moment latest;
  std::vector<std::pair<Core*, void*>> members;  ///< core and its pending request
};

/// One execution of one kernel.
struct KernelRun {
  const program::Kernel* kernel = nullptr;
  std::vector<InstructionCache>* cache[program::kEngines] = {};
  int index = 0;            ///< number in the run, counting every kernel that executes
  std::int64_t repeat = 0;  ///< repetition of its block
  const program::Region* regions = nullptr;
  std::int64_t launch[2] = {0, 0};  ///< launch values of this execution
  std::int64_t items = 0;
  std::int64_t handed_out = 0;  ///< work queue: next item
  std::int64_t finished = 0;
  bool done = false;
  timing::Moment start;  ///< items may start
  timing::Moment end;    ///< dependants may start
  timing::Moment last_item;
  double ends_sum = 0;    ///< of the times at which cores (work queue: items) finished, seconds
  std::int64_t ends = 0;  ///< how many did
  std::vector<std::pair<Core*, std::uint32_t>> waiting;  ///< streams blocked on this kernel
  std::unordered_map<std::uint64_t, Rendezvous> rendezvous;
  KernelStats stats;
};

/// An item's place in the grid.
struct ItemPlace {
  int part = 0;
  std::int64_t coord[4] = {0, 0, 0, 0};
};

/// Work queue: the `index`-th item in the kernel's order.
[[nodiscard]] ItemPlace queue_item(const program::Kernel& kernel, std::int64_t index);

/// Place of a core in its kernel's grid of core_rows x core_cols.
struct CorePlace {
  std::int64_t row = 0, column = 0;
};
/// Cores of a cluster (a power of two of them) form a block of the grid as square as possible, so
/// that rows and columns, which share broadcasts, touch few clusters; row by row where blocks do
/// not tile the grid.
[[nodiscard]] CorePlace core_place(const program::Kernel& kernel, int core, int cluster_cores);

/// Static binding: walks the items of one core in program order.
class StaticItems {
 public:
  StaticItems(const program::Kernel& kernel, int core, int cores, int cluster_cores)
      : kernel_(&kernel),
        core_(core),
        cores_(cores),
        place_(core_place(kernel, core, cluster_cores)) {}
  /// Place of the core in the grid.
  [[nodiscard]] const CorePlace& place() const { return place_; }
  /// The next item of this core; false at the end.
  bool next(ItemPlace& place);
  /// Number of the round of the item that next() gave last: equal for the cores that share a
  /// broadcast.
  [[nodiscard]] std::int64_t round() const { return round_ - 1; }
  /// Cores of the same row (column) of the core grid that have an item in that round.
  [[nodiscard]] int members(program::Multicast group) const;

 private:
  bool next_flat(ItemPlace& place);
  bool next_grid(ItemPlace& place);
  const program::Kernel* kernel_;
  int core_;
  int cores_;
  CorePlace place_;
  std::size_t part_ = 0;
  std::int64_t index_ = 0;  ///< round inside the part
  std::int64_t round_ = 0;
  std::int64_t i_ = 0, j_ = 0;  ///< place of the last item in the (rows, columns) of its part
  std::int64_t rows_ = 1, columns_ = 1;
};

}  // namespace athena::compute
