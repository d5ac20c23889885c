#pragma once
/// A clocked block of a chip in lockstep: model and RTL at one place of the chip, with what went in
/// on record, so that a divergence ends with the whole report and a waveform of its window.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cosim/lockstep.h"

namespace athena::cosim {

class ChipLockstep final : public timing::Block {
 public:
  struct Makers {
    std::function<std::unique_ptr<timing::Block>()> model;
    std::function<std::unique_ptr<RtlBlock>()> rtl;
    std::vector<Fault> faults;
    std::string out_dir = "out";  ///< for the waveform
  };
  /// `who`: the block's place in the chip.
  ChipLockstep(std::string who, Makers makers);
  void reset() override;
  /// Throws Contradiction with cycle, signal, both values, the last 16 transactions and the file of
  /// a waveform when model and RTL differ.
  void cycle(const std::uint32_t* in, std::uint32_t* out) override;

 private:
  struct Record {  ///< inputs from this cycle on
    std::uint64_t cycle;
    std::vector<std::uint32_t> in;
  };
  [[nodiscard]] std::unique_ptr<Lockstep> make() const;
  [[noreturn]] void report(const Divergence& divergence) const;
  [[nodiscard]] std::string waveform(const Divergence& divergence) const;

  std::string who_;
  Makers makers_;
  std::unique_ptr<Lockstep> both_;
  std::vector<Record> records_;
  std::size_t recorded_ = 0;  ///< bytes
};

}  // namespace athena::cosim
