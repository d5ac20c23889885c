#pragma once
/// From the cores over the on-chip network to memory and to cluster scratchpads (chips whose
/// memories the program addresses itself).
///
/// A request travels in chunks. A chunk's head is one event per router, in time order; every link
/// it takes is busy for the whole chunk (cut-through). A broadcast follows the multicast tree of
/// the topology: one copy per link, every receiver its own arrival.
#include <memory>
#include <vector>

#include "chip/memory_port.h"
#include "compute/core.h"
#include "compute/request.h"
#include "config/chip.h"
#include "sim/dispatcher.h"
#include "timing/noc_topology.h"
#include "timing/timeline.h"

namespace athena::chip {

class NetworkPath : public compute::MemoryPath, private sim::Client {
 public:
  NetworkPath(const config::ChipConfig& chip, sim::Dispatcher& dispatcher, MemoryPort& memory,
              Bytes chunk);
  void submit(compute::Request* request) override;
  void reset() override;
  void set_clock_ratio(double ratio) { ratio_ = ratio; }
  /// Where flows over links and memory go; null = nowhere.
  void set_timeline(timing::Timeline* timeline) { timeline_ = timeline; }
  /// Bytes per link since reset, for traffic maps.
  [[nodiscard]] const std::vector<double>& link_bytes() const { return link_bytes_; }
  [[nodiscard]] const timing::Topology& topology() const { return topology_; }

 private:
  struct Branch {
    timing::Moment head;
    int node = 0;  ///< index into the chunk's tree
  };
  struct Chunk {
    compute::Request* request = nullptr;  ///< alive until its own last chunk is delivered
    compute::KernelRun* run = nullptr;
    std::vector<compute::Request*> receivers;  ///< broadcast; else empty
    std::int64_t bytes = 0;
    std::uint64_t address = 0;
    std::vector<timing::TreeLink> tree;
    std::vector<Branch> branches;
    int source = -1;  ///< terminal that the data comes from
    int open = 0;     ///< branches under way
  };
  void wake(std::uint32_t tag, void* item) override;
  void start(compute::Request* request, std::int64_t offset, std::int64_t bytes);
  timing::Moment fetch(compute::Request* request, Chunk& chunk);
  void enter(Chunk* chunk, const timing::Moment& head);
  void hop(Chunk* chunk, std::uint32_t branch);
  void arrive(Chunk* chunk, const timing::Moment& tail, int terminal);
  void deliver(compute::Request* request, const timing::Moment& tail, std::int64_t bytes);
  void finish(Chunk* chunk);
  [[nodiscard]] int terminal_of(std::uint64_t address, mapping::Space space) const;
  [[nodiscard]] Time fabric_cycles(double count) const;
  Chunk* acquire();

  const config::ChipConfig& chip_;
  sim::Dispatcher& dispatcher_;
  MemoryPort& memory_;
  timing::Topology topology_;
  timing::NocTerminals terminals_;
  std::int64_t chunk_;
  double ratio_ = 1.0;
  timing::Timeline* timeline_ = nullptr;
  std::vector<timing::Server> links_;
  std::vector<timing::Server> shared_;  ///< scratchpad port of each cluster
  std::vector<double> link_bytes_;
  std::vector<std::unique_ptr<Chunk>> pool_;
  std::vector<Chunk*> free_;
  std::vector<std::uint32_t> ejections_;
};

}  // namespace athena::chip
