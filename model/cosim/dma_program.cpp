#include "cosim/dma_program.h"

#include <fmt/format.h>

#include <deque>

#include "base/error.h"
#include "cosim/rtl_factory.h"

namespace athena::cosim {
namespace {

using timing::DmaDescriptor;
using timing::DmaRtlParams;

constexpr std::int64_t kPatience = 100'000;  ///< cycles without a semaphore

/// Requests and answers of a memory whose latencies are fixed.
class Memory {
 public:
  Memory(timing::Block& engine, std::span<const DmaDescriptor> program, const DmaMemory& memory)
      : engine_(engine),
        program_(program),
        memory_(memory),
        in_(static_cast<std::size_t>(engine.ports().input_words())),
        out_(static_cast<std::size_t>(engine.ports().output_words())) {
    engine.reset();
  }

  std::vector<std::int64_t> run() {
    std::int64_t quiet = 0;
    for (cycle_ = 0; done_.size() < program_.size(); ++cycle_) {
      const std::size_t before = done_.size();
      drive();
      engine_.cycle(in_.data(), out_.data());
      observe();
      quiet = done_.size() > before ? 0 : quiet + 1;
      if (quiet > kPatience) throw Contradiction("dma_engine: a copy of a program never ended");
    }
    std::uint64_t beats = 0;
    for (const DmaDescriptor& d : program_) beats += d.beats();
    if (beats != written_) {
      throw Contradiction(
          fmt::format("dma_engine: wrote {} beats where the program has {}", written_, beats));
    }
    return done_;
  }

 private:
  struct Read {
    std::int64_t from;  ///< cycle of its first beat at the earliest
    std::uint32_t left;
  };

  void put(const char* name, std::uint32_t value) {
    in_[static_cast<std::size_t>(engine_.ports().input(name).word)] = value;
  }
  [[nodiscard]] std::uint32_t get(const char* name) const {
    return out_[static_cast<std::size_t>(engine_.ports().output(name).word)];
  }

  void drive() {
    for (const char* name : {"ar_ready", "aw_ready", "w_ready", "sem_ready"}) put(name, 1);
    put("desc_valid", next_ < program_.size());
    if (next_ < program_.size()) {
      const DmaDescriptor& d = program_[next_];
      put("desc_src", d.source);
      put("desc_dst", d.destination);
      put("desc_src_stride1", d.source_strides[0]);
      put("desc_src_stride2", d.source_strides[1]);
      put("desc_dst_stride1", d.destination_strides[0]);
      put("desc_dst_stride2", d.destination_strides[1]);
      put("desc_count0", d.counts[0]);
      put("desc_count1", d.counts[1]);
      put("desc_count2", d.counts[2]);
      put("desc_sem", d.semaphore);
    }
    const bool answer = !reads_.empty() && reads_.front().from <= cycle_;
    put("r_valid", answer);
    put("r_last", answer && reads_.front().left == 1);
    put("b_valid", !acknowledge_.empty() && acknowledge_.front() <= cycle_);
  }

  void observe() {
    if (next_ < program_.size() && get("desc_ready") != 0) {
      if (next_ == 0) start_ = cycle_;
      ++next_;
    }
    if (!reads_.empty() && reads_.front().from <= cycle_ && get("r_ready") != 0) {
      if (--reads_.front().left == 0) reads_.pop_front();
    }
    if (!acknowledge_.empty() && acknowledge_.front() <= cycle_ && get("b_ready") != 0) {
      acknowledge_.pop_front();
    }
    if (get("ar_valid") != 0) reads_.push_back({cycle_ + memory_.read_latency, get("ar_len")});
    if (get("w_valid") != 0) {
      ++written_;
      if (get("w_last") != 0) acknowledge_.push_back(cycle_ + memory_.write_latency);
    }
    if (get("sem_valid") == 0) return;
    if (get("sem_id") != program_[done_.size()].semaphore) {
      throw Contradiction("dma_engine: a program's semaphores came out of order");
    }
    done_.push_back(cycle_ - start_);
  }

  timing::Block& engine_;
  std::span<const DmaDescriptor> program_;
  DmaMemory memory_;
  std::vector<std::uint32_t> in_, out_;
  std::deque<Read> reads_;
  std::deque<std::int64_t> acknowledge_;
  std::vector<std::int64_t> done_;
  std::size_t next_ = 0;
  std::int64_t cycle_ = 0, start_ = 0;
  std::uint64_t written_ = 0;
};

struct Program {
  const char* name;
  std::vector<DmaDescriptor> copies;
  DmaMemory memory;
  bool closed;  ///< bound by one beat per cycle: the closed form holds for each copy alone
};

/// Tiles of a matrix product, fetched operand after operand; rows of the left operand are part of a
/// matrix of 64 beats per row, the result goes back in rows of 4 beats.
std::vector<DmaDescriptor> matmul_tiles() {
  std::vector<DmaDescriptor> list;
  for (std::uint32_t k = 0; k < 8; ++k) {
    list.push_back({k * 4, 0x10000 + k % 2 * 128, {64, 0}, {4, 0}, {4, 32, 1}, 0});
    list.push_back({0x4000 + k * 256, 0x20000 + k % 2 * 64, {0, 0}, {0, 0}, {64, 1, 1}, 1});
  }
  list.push_back({0x30000, 0x8000, {4, 0}, {64, 0}, {4, 32, 1}, 2});
  return list;
}

std::vector<Program> programs() {
  // A window of 32 beats in flight covers a latency of 16 cycles and the way through the buffer.
  return {
      {"one row", {{0x100, 0x9000, {}, {}, {256, 1, 1}, 3}}, {16, 10}, true},
      {"a tile of 16 rows", {{0x100, 0x9000, {64, 0}, {8, 0}, {8, 16, 1}, 4}}, {16, 6}, true},
      {"a box of 4 x 8 rows",
       {{0x100, 0x9000, {64, 4096}, {16, 128}, {16, 8, 4}, 5}},
       {16, 8},
       true},
      {"tiles of a matrix product", matmul_tiles(), {24, 10}, false},
      {"tiles, slow memory", matmul_tiles(), {90, 40}, false},
  };
}

}  // namespace

std::vector<std::int64_t> run_dma_program(timing::Block& engine,
                                          std::span<const DmaDescriptor> program,
                                          const DmaMemory& memory) {
  return Memory(engine, program, memory).run();
}

std::vector<std::string> dma_parity() {
  const DmaRtlParams params;
  const auto rtl = make_rtl_dma(params, 1);
  timing::DmaStep model(params);
  std::vector<std::string> lines;
  for (const Program& p : programs()) {
    const auto in_rtl = run_dma_program(*rtl, p.copies, p.memory);
    const auto in_model = run_dma_program(model, p.copies, p.memory);
    std::uint64_t beats = 0;
    for (const DmaDescriptor& d : p.copies) beats += d.beats();
    const std::int64_t expected =
        p.closed
            ? timing::dma_cycles(params, p.copies[0], p.memory.read_latency, p.memory.write_latency)
                  .value()
            : in_model.back();
    lines.push_back(fmt::format(
        "PARITY dma_engine {}, latency {}: copies={} beats={} rtl={} stepped={} {}={} cycles "
        "error={:.2f} %",
        p.name, p.memory.read_latency, p.copies.size(), beats, in_rtl.back(), in_model.back(),
        p.closed ? "closed form" : "model", expected,
        static_cast<double>(expected - in_rtl.back()) / static_cast<double>(in_rtl.back()) * 100));
    if (in_rtl != in_model || expected != in_rtl.back()) throw Contradiction(lines.back());
  }
  return lines;
}

}  // namespace athena::cosim
