#include <fmt/format.h>

#include <array>
#include <deque>
#include <map>
#include <vector>

#include "base/error.h"
#include "cosim/cases.h"
#include "cosim/dma_program.h"
#include "cosim/rtl_factory.h"
#include "timing/dma_step.h"

namespace athena::cosim {
namespace {

using timing::DmaDescriptor;
using timing::DmaRtlParams;

/// Random descriptors against a memory whose content is a function of the address, so that every
/// beat written can be checked: the copy must be right, not only equal in model and RTL.
class DmaStimulus final : public Stimulus {
 public:
  DmaStimulus(const DmaRtlParams& params, std::uint64_t seed, double stall)
      : words_(ceil_div(params.data_bits, 32)),
        ports_(timing::dma_ports(params)),
        rng_(seed),
        desc_(stall, seed + 1),
        ar_(stall, seed + 2),
        r_(stall, seed + 3),
        aw_(stall, seed + 4),
        w_(stall, seed + 5),
        b_(stall, seed + 6),
        sem_(stall, seed + 7) {}

  void drive(std::uint32_t* in) override {
    if (!offered_ && desc_.go()) {
      offered_ = true;
      next_ = random_descriptor();
      put(in, "desc_src", next_.source);
      put(in, "desc_dst", next_.destination);
      put(in, "desc_src_stride1", next_.source_strides[0]);
      put(in, "desc_src_stride2", next_.source_strides[1]);
      put(in, "desc_dst_stride1", next_.destination_strides[0]);
      put(in, "desc_dst_stride2", next_.destination_strides[1]);
      put(in, "desc_count0", next_.counts[0]);
      put(in, "desc_count1", next_.counts[1]);
      put(in, "desc_count2", next_.counts[2]);
      put(in, "desc_sem", next_.semaphore);
    }
    put(in, "desc_valid", offered_);
    put(in, "ar_ready", ar_.go());
    if (!answering_ && !reads_.empty() && r_.go()) {
      answering_ = true;
      const Read& read = reads_.front();
      std::uint32_t* data = in + ports_.input("r_data").word;
      for (int i = 0; i < words_; ++i) data[i] = word(content(read.address), i);
      put(in, "r_last", read.left == 1);
    }
    put(in, "r_valid", answering_);
    put(in, "aw_ready", aw_.go());
    put(in, "w_ready", w_.go());
    if (!acknowledging_ && to_acknowledge_ > 0 && b_.go()) acknowledging_ = true;
    put(in, "b_valid", acknowledging_);
    put(in, "sem_ready", sem_.go());
  }

  void observe(const std::uint32_t* in, const std::uint32_t* out) override {
    if (offered_ && get(out, "desc_ready") != 0) {
      offered_ = false;
      expect(next_);
    }
    if (answering_ && get(out, "r_ready") != 0) {
      answering_ = false;
      ++reads_.front().address;
      if (--reads_.front().left == 0) reads_.pop_front();
    }
    if (get(out, "ar_valid") != 0 && in_bit(in, "ar_ready")) {
      reads_.push_back({get(out, "ar_addr"), get(out, "ar_len")});
    }
    if (acknowledging_ && get(out, "b_ready") != 0) {
      acknowledging_ = false;
      --to_acknowledge_;
    }
    if (get(out, "w_valid") != 0 && in_bit(in, "w_ready")) check_beat(out);
    if (get(out, "aw_valid") != 0 && in_bit(in, "aw_ready")) {
      writes_.push_back({get(out, "aw_addr"), get(out, "aw_len")});
    }
    flush_beats();
    if (get(out, "sem_valid") != 0 && in_bit(in, "sem_ready")) check_semaphore(get(out, "sem_id"));
  }

  [[nodiscard]] std::uint64_t completed() const override { return completed_; }

 private:
  struct Read {
    std::uint32_t address;
    std::uint32_t left;
  };
  struct Expected {
    std::uint32_t address;
    std::uint32_t value;
  };

  static std::uint32_t content(std::uint32_t address) { return address * 2654435761U + 12345U; }
  /// Word `i` of the beat whose first word is `first`.
  static std::uint32_t word(std::uint32_t first, int i) {
    return (i % 2 == 0 ? first : ~first) ^ static_cast<std::uint32_t>(i / 2) * 0x01000193U;
  }
  void put(std::uint32_t* in, const char* name, std::uint32_t value) const {
    in[ports_.input(name).word] = value;
  }
  [[nodiscard]] std::uint32_t get(const std::uint32_t* out, const char* name) const {
    return out[ports_.output(name).word];
  }
  [[nodiscard]] bool in_bit(const std::uint32_t* in, const char* name) const {
    return in[ports_.input(name).word] != 0;
  }

  DmaDescriptor random_descriptor() {
    DmaDescriptor d;
    const auto address = [&] { return static_cast<std::uint32_t>(rng_.next()); };
    d.source = address();
    d.destination = address();
    d.source_strides = {address(), address()};
    d.destination_strides = {address(), address()};
    d.counts[0] = static_cast<std::uint32_t>(1 + rng_.below(rng_.chance(0.05) ? 300 : 40));
    d.counts[1] = static_cast<std::uint32_t>(1 + rng_.below(4));
    d.counts[2] = static_cast<std::uint32_t>(1 + rng_.below(3));
    if (rng_.chance(0.03)) {  // many rows or planes of one beat
      const auto many = static_cast<std::uint32_t>(1 + rng_.below(600));
      d.counts = rng_.chance(0.5) ? std::array<std::uint32_t, 3>{1, many, 1}
                                  : std::array<std::uint32_t, 3>{1, 1, many};
    }
    d.semaphore = static_cast<std::uint32_t>(rng_.below(16));
    return d;
  }

  /// The definition of a strided copy.
  void expect(const DmaDescriptor& d) {
    for (std::uint32_t z = 0; z < d.counts[2]; ++z) {
      for (std::uint32_t y = 0; y < d.counts[1]; ++y) {
        for (std::uint32_t x = 0; x < d.counts[0]; ++x) {
          expected_.push_back(
              {d.destination + z * d.destination_strides[1] + y * d.destination_strides[0] + x,
               content(d.source + z * d.source_strides[1] + y * d.source_strides[0] + x)});
        }
      }
    }
    beats_left_.push_back({d.semaphore, d.beats()});
  }

  void check_beat(const std::uint32_t* out) {
    const std::uint32_t* data = out + ports_.output("w_data").word;
    for (int i = 1; i < words_; ++i) {
      if (data[i] == word(data[0], i)) continue;
      throw Contradiction(fmt::format("dma_engine: word {} of a beat written is {:08x}, not {:08x}",
                                      i, data[i], word(data[0], i)));
    }
    beats_.push_back(data[0]);
    if (get(out, "w_last") != 0) ++to_acknowledge_;
  }

  /// Data may run ahead of or behind its address; compare what has both.
  void flush_beats() {
    while (!beats_.empty() && !writes_.empty()) {
      if (expected_.empty()) throw Contradiction("dma_engine: wrote beats that nobody asked for");
      const Expected e = expected_.front();
      if (writes_.front().address != e.address || beats_.front() != e.value) {
        throw Contradiction(fmt::format(
            "dma_engine: wrote {:08x} to {:08x} where the descriptor says {:08x} to {:08x}",
            beats_.front(), writes_.front().address, e.value, e.address));
      }
      expected_.pop_front();
      beats_.pop_front();
      ++writes_.front().address;
      if (--writes_.front().left == 0) writes_.pop_front();
      ++written_;
    }
  }

  void check_semaphore(std::uint32_t id) {
    if (beats_left_.empty() || beats_left_.front().first != id ||
        written_ < beats_left_.front().second) {
      throw Contradiction("dma_engine: a semaphore was signalled before its last write");
    }
    written_ -= beats_left_.front().second;
    beats_left_.pop_front();
    ++completed_;
  }

  int words_;
  timing::Ports ports_;
  Rng rng_;
  Stall desc_, ar_, r_, aw_, w_, b_, sem_;
  bool offered_ = false, answering_ = false, acknowledging_ = false;
  DmaDescriptor next_;
  std::deque<Read> reads_, writes_;
  std::deque<Expected> expected_;
  std::deque<std::uint32_t> beats_;
  std::deque<std::pair<std::uint32_t, std::uint64_t>> beats_left_;
  std::uint64_t written_ = 0;
  int to_acknowledge_ = 0;
  std::uint64_t completed_ = 0;
};

}  // namespace

void add_dma_cases(std::vector<BlockCase>& all) {
  for (const DmaRtlParams& params : dma_variants()) {
    BlockCase c;
    c.block = "dma_engine";
    c.variant = fmt::format("{}bit", params.data_bits);
    c.vectors = "descriptors";
    c.make_model = [params] { return std::make_unique<timing::DmaStep>(params); };
    c.make_rtl = [params](std::uint64_t seed) { return make_rtl_dma(params, seed); };
    c.make_stimulus = [params](std::uint64_t seed, double stall) {
      return std::make_unique<DmaStimulus>(params, seed, stall);
    };
    c.faults = {
        {"wrong-stride", "desc_dst_stride1", Fault::Kind::kFlipLow, 0, true, 0,
         "rows are written one beat off"},
        {"lost-last", "r_last", Fault::Kind::kStuckZero, 0, true, 0, "read bursts never end"},
        {"early-semaphore", "sem_valid", Fault::Kind::kStuckOne, 0, false, 0,
         "completion is signalled at all times"},
        {"data-bit", "w_data", Fault::Kind::kFlipLow, 0, false, 0,
         "the lowest bit of the data flips"},
    };
    if (params == DmaRtlParams{}) c.parity = dma_parity;
    all.push_back(std::move(c));
  }
}

}  // namespace athena::cosim
