#pragma once
/// Cycle-stepped model of `rtl/dma_engine`: 1- to 3-dimensional strided copies in bursts, reads and
/// writes in flight, semaphores on completion. Same port, same cycle at every handshake.
#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>

#include "base/units.h"
#include "timing/block.h"

namespace athena::timing {

/// Parameters of `dma_engine.sv`; sizes in beats of `data_bits`.
struct DmaRtlParams {
  int data_bits = 64;
  int max_burst = 8;
  int buffer_beats = 32;
  int max_reads = 4;
  int max_writes = 4;
  friend bool operator==(const DmaRtlParams&, const DmaRtlParams&) = default;
};

/// One copy. Addresses and strides are in beats; dimension 0 is contiguous.
struct DmaDescriptor {
  std::uint32_t source = 0;
  std::uint32_t destination = 0;
  std::array<std::uint32_t, 2> source_strides{};
  std::array<std::uint32_t, 2> destination_strides{};
  std::array<std::uint32_t, 3> counts{1, 1, 1};  ///< each 1..4095
  std::uint32_t semaphore = 0;                   ///< 0..15
  [[nodiscard]] std::uint64_t beats() const {
    return std::uint64_t{counts[0]} * counts[1] * counts[2];
  }
};

/// Bursts of a box, in order: rows are cut into pieces of at most `max_burst` beats.
class DmaWalker {
 public:
  explicit DmaWalker(int max_burst) : max_burst_(static_cast<std::uint32_t>(max_burst)) {}
  void start(std::uint32_t address, const std::array<std::uint32_t, 2>& strides,
             const std::array<std::uint32_t, 3>& counts);
  [[nodiscard]] bool idle() const { return !active_; }
  [[nodiscard]] std::uint32_t address() const { return address_; }
  [[nodiscard]] std::uint32_t length() const { return std::min(left_[0], max_burst_); }
  [[nodiscard]] bool last() const {
    return left_[0] <= max_burst_ && left_[1] == 1 && left_[2] == 1;
  }
  void next();

 private:
  std::uint32_t max_burst_;
  bool active_ = false;
  std::uint32_t address_ = 0, row_ = 0, plane_ = 0;
  std::array<std::uint32_t, 2> strides_{};
  std::array<std::uint32_t, 3> counts_{}, left_{};
};

[[nodiscard]] Ports dma_ports(const DmaRtlParams& params);

/// Cycles from the descriptor's acceptance to its semaphore for a memory that takes every request
/// at once, answers a read `read_latency` cycles after it was taken with one beat per cycle, and
/// acknowledges a write `write_latency` cycles after its last beat, when neither side runs out of
/// bursts in flight: the copy is then bound by one beat per cycle.
[[nodiscard]] Cycles dma_cycles(const DmaRtlParams& params, const DmaDescriptor& descriptor,
                                int read_latency, int write_latency);

class DmaStep final : public Block {
 public:
  explicit DmaStep(const DmaRtlParams& params);
  void reset() override;
  void cycle(const std::uint32_t* in, std::uint32_t* out) override;

 private:
  struct Done {
    bool last;
    std::uint32_t semaphore;
  };
  using Beat = std::array<std::uint32_t, 32>;  ///< up to 1024 bits

  DmaRtlParams params_;
  int data_words_;
  DmaWalker read_, write_;
  std::deque<DmaDescriptor> waiting_;  ///< for the write walker, at most 2
  std::uint32_t write_semaphore_ = 0;
  int reserved_ = 0;
  int reads_ = 0;
  std::deque<Beat> buffer_;
  std::deque<std::uint32_t> lengths_;  ///< bursts whose data is still to be sent
  std::deque<Done> unacknowledged_;
  std::uint32_t sent_ = 0;  ///< beats of the front burst
  bool semaphore_valid_ = false;
  std::uint32_t semaphore_id_ = 0;
};

}  // namespace athena::timing
