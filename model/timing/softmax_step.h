#pragma once
/// Cycle-stepped model of `rtl/vector_softmax`: streaming softmax over BF16 rows with two row
/// buffers. Same port, same cycle at every handshake, same bits.
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/units.h"
#include "numerics/softmax_math.h"
#include "timing/block.h"

namespace athena::timing {

struct SoftmaxRtlParams {
  int lanes = 4;
  int max_beats = 64;  ///< longest row, in beats
};

[[nodiscard]] Ports softmax_ports(const SoftmaxRtlParams& params);

/// Cycles from the first beat's entry to the cycle in which the last beat is seen at the output,
/// for rows of `beats[i]` beats with both streams always ready.
[[nodiscard]] Cycles softmax_cycles(std::span<const std::int64_t> beats);

class SoftmaxStep final : public Block {
 public:
  explicit SoftmaxStep(const SoftmaxRtlParams& params);
  void reset() override;
  void cycle(const std::uint32_t* in, std::uint32_t* out) override;

 private:
  struct Bank {
    bool taken = false;
    bool done = false;
    int until_done = 0;  ///< cycles until the reciprocal is there, 0 = not on its way
    std::vector<float> values;
    numerics::SoftmaxState row;
    float reciprocal = 0.0F;
  };
  struct Beat {
    bool valid = false;
    bool last = false;
    std::vector<std::uint32_t> words;
  };
  void take_in(const std::uint32_t* in);
  void emit();

  SoftmaxRtlParams params_;
  int data_words_;
  std::array<Bank, 2> banks_;
  int load_bank_ = 0;
  int emit_bank_ = 0;
  int emit_at_ = 0;
  numerics::SoftmaxState state_;
  std::vector<float> loading_;
  std::vector<Beat> pipe_;  ///< ring: E1 to the output register
  std::size_t head_ = 0;
  Beat output_;
};

}  // namespace athena::timing
