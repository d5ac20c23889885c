#pragma once
/// Clocked DMA engines (rtl/dma_engine or its stepped model) between the cores and the memories:
/// one per stream of a core that moves data (two load, one stores), on the core's clock.
///
/// A transfer becomes descriptors whose beats are as wide as the engine; rows begin on a beat. Each
/// burst that the engine asks for is a request of its own to the memories behind, and its beats go
/// into the engine when that request has come back; what the engine writes is what arrives. So the
/// engine's cycles decide when a transfer ends, and its data port carries the bytes.
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "compute/core.h"
#include "compute/request.h"
#include "config/chip.h"
#include "exec/meaning.h"
#include "sim/dispatcher.h"
#include "timing/clocked_bodies.h"

namespace athena::chip {

class DmaEngines final : public compute::MemoryPath,
                         private compute::RequestOwner,
                         private sim::Client {
 public:
  static constexpr int kPerCore = 3;  ///< load0, load1, store
  /// `memory` is what stands behind the engines; `meaning` gives and takes the bytes of a
  /// functional run (null: the beats carry a pattern, which is checked all the same).
  DmaEngines(const config::ChipConfig& chip, double clock_ratio, sim::Dispatcher& dispatcher,
             compute::MemoryPath& memory, exec::Meaning* meaning, timing::ClockedBodies& bodies);
  void submit(compute::Request* request) override;
  void reset() override {}

 private:
  /// One transfer on its way through an engine.
  struct Transfer {
    compute::Request* request = nullptr;
    exec::Moved moved;  ///< of a functional run
    std::vector<std::uint8_t> source,
        out;             ///< beats as they lie at the source, as they were written
    bool dense = false;  ///< one row of all bytes
    std::int64_t row_bytes = 0, row_beats = 0;  ///< the last beat of a row is filled up
    std::int64_t beats_written = 0;
    int descriptors = 0;       ///< not yet signalled
    std::int64_t entered = 0;  ///< cycle
    timing::Moment latest;     ///< of the parts that have come back
  };
  struct Part {  ///< a burst under way
    Transfer* transfer = nullptr;
    compute::Request request;  ///< to the memories; unused on the scratchpad's side
    std::int64_t first = 0;    ///< beat of the transfer
    std::int64_t beats = 0;
    std::int64_t done = 0;  ///< beats that went through the data port
    bool back = false;      ///< the memory has answered: at `from`
    Time from{0};
  };
  struct Descriptor {
    Transfer* transfer = nullptr;
    timing::DmaDescriptor words;
    std::int64_t first = 0;  ///< beat of the transfer at which it begins
  };
  struct Engine {
    int core = 0;
    bool store = false;
    std::unique_ptr<timing::Block> body;
    std::vector<std::uint32_t> in, out;
    std::deque<std::unique_ptr<Transfer>> transfers;
    std::deque<Descriptor> waiting;                ///< not yet taken
    std::deque<Descriptor> reading, writing;       ///< taken: whose bursts come next
    std::int64_t read_beats = 0, write_beats = 0;  ///< of the front descriptor, asked for
    std::deque<Descriptor> unsignalled;
    std::uint32_t semaphore = 0;  ///< of the next descriptor
    std::deque<std::unique_ptr<Part>> reads, writes, unacknowledged;
  };

  [[nodiscard]] Engine& engine_of(const compute::Request& request);
  void arrived(compute::Request* request) override;
  void wake(std::uint32_t tag, void* item) override;
  void describe(Engine& engine, Transfer& transfer);
  void cycle(Engine& engine);
  void drive(Engine& engine);
  void observe(Engine& engine);
  void take_read(Engine& engine);
  void take_write(Engine& engine);
  void take_beat(Engine& engine);
  void signal(Engine& engine);
  std::unique_ptr<Part> next_part(std::deque<Descriptor>& from, std::int64_t& beats,
                                  std::uint32_t address, std::uint32_t length, bool source);
  void ask(Engine& engine, Part& part);
  void lay_out(Transfer& transfer, std::int64_t rows);
  void check(const Engine& engine, const Transfer& transfer) const;
  [[nodiscard]] Time time_of(std::int64_t cycle) const;
  void put(Engine& engine, int word, std::uint32_t value) const {
    engine.in[static_cast<std::size_t>(word)] = value;
  }
  [[nodiscard]] std::uint32_t get(const Engine& engine, int word) const {
    return engine.out[static_cast<std::size_t>(word)];
  }

  const config::ChipConfig& chip_;
  Hertz clock_;
  sim::Dispatcher& dispatcher_;
  compute::MemoryPath& memory_;
  exec::Meaning* meaning_;
  timing::DmaRtlParams params_;
  timing::BodyUse& use_;
  std::int64_t beat_bytes_;
  timing::Ports ports_;
  struct Words {  ///< of the port
    int desc_valid, desc_src, desc_dst, desc_src_stride1, desc_dst_stride1, desc_count0,
        desc_count1, desc_count2, desc_sem, ar_ready, r_valid, r_last, r_data, aw_ready, w_ready,
        b_valid, sem_ready;
    int desc_ready, ar_valid, ar_addr, ar_len, r_ready, aw_valid, aw_addr, aw_len, w_valid, w_last,
        w_data, b_ready, sem_valid, sem_id;
  } at_{};
  std::vector<Engine> engines_;  ///< kPerCore for each core
  std::int64_t cycle_ = 0;
  bool armed_ = false;
};

}  // namespace athena::chip
