#pragma once
/// The lockstep checker: a model and an RTL block fed the same inputs, compared at every cycle.
///
/// Contract (all five blocks are cycle-exact at their ports): in every cycle each output without a
/// qualifier is equal, and each qualified output is equal in every cycle in which its qualifier
/// is 1.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "cosim/rtl_block.h"
#include "timing/block.h"

namespace athena::cosim {

/// Where model and RTL part.
struct Divergence {
  std::string block;
  std::uint64_t cycle = 0;
  std::string signal;
  std::string model_value;  ///< hexadecimal, most significant digit first
  std::string rtl_value;
  std::string history;  ///< the last 16 transactions before it, one per line
};

/// Thrown by Lockstep; carries the exit code of a contradiction.
class DivergenceError : public Contradiction {
 public:
  explicit DivergenceError(Divergence divergence);
  [[nodiscard]] const Divergence& divergence() const { return divergence_; }

 private:
  Divergence divergence_;
};

/// A planted fault: between the driver and the RTL, one signal is changed from a given cycle on.
struct Fault {
  std::string name;
  std::string signal;
  enum class Kind { kRotateLanes, kStuckZero, kStuckOne, kFlipLow } kind = Kind::kFlipLow;
  int lane_bits = 0;  ///< kRotateLanes: width of one lane
  bool input = true;  ///< signal is an input of the block
  std::uint64_t from_cycle = 0;
  std::string description;
};

class Lockstep final : public timing::Block {
 public:
  Lockstep(std::unique_ptr<timing::Block> model, std::unique_ptr<RtlBlock> rtl);
  void reset() override;
  /// Steps both and returns the model's outputs; throws DivergenceError at the first difference.
  void cycle(const std::uint32_t* in, std::uint32_t* out) override;

  void plant(const Fault& fault) { faults_.push_back(fault); }
  [[nodiscard]] std::uint64_t cycles() const { return cycles_; }
  [[nodiscard]] RtlBlock& rtl() { return *rtl_; }
  [[nodiscard]] timing::Block& model() { return *model_; }

 private:
  struct Step {
    std::uint64_t cycle = 0;
    std::vector<std::uint32_t> in;
    std::vector<std::uint32_t> out;
  };
  void apply(const Fault& fault, std::uint32_t* words) const;
  [[nodiscard]] const timing::Signal* difference(const std::uint32_t* model,
                                                 const std::uint32_t* rtl) const;
  [[nodiscard]] std::string history() const;

  std::unique_ptr<timing::Block> model_;
  std::unique_ptr<RtlBlock> rtl_;
  std::vector<Fault> faults_;
  std::vector<std::uint32_t> rtl_in_;
  std::vector<std::uint32_t> rtl_out_;
  std::vector<Step> ring_;
  std::uint64_t cycles_ = 0;
};

/// "0x0012ab" with as many digits as the signal has bits.
[[nodiscard]] std::string show_value(const timing::Signal& signal, const std::uint32_t* words);

}  // namespace athena::cosim
