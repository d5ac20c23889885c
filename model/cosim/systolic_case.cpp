#include <array>
#include <vector>

#include "cosim/array_port.h"
#include "cosim/cases.h"
#include "cosim/rtl_factory.h"
#include "cosim/systolic_parity.h"
#include "timing/systolic_step.h"

namespace athena::cosim {
namespace {

using timing::ArrayFormat;
using timing::SystolicRtlParams;

/// Random products: 1 to 3 folds over random rows, fresh or continued from preloaded sums.
class SystolicStimulus final : public Stimulus {
 public:
  SystolicStimulus(const SystolicRtlParams& params, std::uint64_t seed, double stall)
      : params_(params),
        ports_(timing::systolic_ports(params)),
        rng_(seed),
        weight_stall_(stall, seed + 1),
        operand_stall_(stall, seed + 2),
        init_stall_(stall, seed + 3),
        out_stall_(stall, seed + 4) {
    new_product();
  }

  void drive(std::uint32_t* in) override {
    if (!weights_offered_ && weight_stall_.go()) {
      weights_offered_ = true;
      fill(in, "wt_data", wild_);
      fill_scales(in, "wt_scale");
    }
    if (!init_offered_ && init_left_ > 0 && init_stall_.go()) {
      init_offered_ = true;
      // Finite values of moderate size keep sums that depend on them telling.
      for (int c = 0; c < params_.geometry.cols; ++c) {
        word(in, "init_data")[c] = params_.format == ArrayFormat::kInt8
                                       ? static_cast<std::uint32_t>(rng_.next())
                                       : moderate_float();
      }
      *word(in, "init_last") = init_left_ == 1;
    }
    if (!row_offered_ && init_left_ == 0 && operand_stall_.go()) {
      row_offered_ = true;
      fill(in, "act_data", wild_);
      fill_scales(in, "act_scale");
      *word(in, "act_first") = fold_ == 0 && !preloaded_;
      *word(in, "act_last") = fold_ == folds_ - 1;
      *word(in, "act_tile_last") = row_ == rows_ - 1;
    }
    *word(in, "wt_valid") = weights_offered_;
    *word(in, "init_valid") = init_offered_;
    *word(in, "act_valid") = row_offered_;
    *word(in, "out_ready") = out_stall_.go();
  }

  void observe(const std::uint32_t*, const std::uint32_t* out) override {
    if (weights_offered_ && out[ports_.output("wt_ready").word] != 0) weights_offered_ = false;
    if (init_offered_ && out[ports_.output("init_ready").word] != 0) {
      init_offered_ = false;
      --init_left_;
    }
    if (row_offered_ && out[ports_.output("act_ready").word] != 0) {
      row_offered_ = false;
      next_row();
    }
  }

  [[nodiscard]] std::uint64_t completed() const override { return completed_; }

 private:
  std::uint32_t* word(std::uint32_t* in, const char* name) const {
    return in + ports_.input(name).word;
  }

  void new_product() {
    rows_ = 1 + static_cast<int>(rng_.below(
                    static_cast<std::uint64_t>(rng_.chance(0.1) ? params_.acc_rows : 24)));
    folds_ = 1 + static_cast<int>(rng_.below(3));
    preloaded_ = rng_.chance(0.1);
    init_left_ = preloaded_ ? rows_ : 0;
    wild_ = rng_.chance(0.15);
    fold_ = row_ = 0;
  }

  void next_row() {
    if (++row_ < rows_) return;
    row_ = 0;
    if (++fold_ < folds_) return;
    ++completed_;
    new_product();
  }

  std::uint32_t moderate_float() {
    const auto bits = static_cast<std::uint32_t>(rng_.next());
    return (bits & 0x807fffffU) | ((120U + (bits >> 23 & 15U)) << 23);
  }

  /// Wild: any bit pattern, with NaN, infinities and subnormals. Else exponents around 1, so that
  /// alignment, cancellation and rounding all happen; now and then a zero.
  void fill(std::uint32_t* in, const char* name, bool wild) {
    const auto& signal = ports_.input(name);
    std::uint32_t* out = in + signal.word;
    for (int i = 0; i < signal.words; ++i) {
      const std::uint64_t random = rng_.next();
      auto bits = static_cast<std::uint32_t>(random);
      if (params_.format == ArrayFormat::kBf16 && !wild) {
        const auto high = static_cast<std::uint32_t>(random >> 32);
        bits &= 0x807f807fU;
        bits |= (119U + (high & 15U)) << 7 | (119U + (high >> 4 & 15U)) << 23;
        if ((high >> 8 & 31U) == 0) bits &= 0xffff0000U;
      }
      out[i] = bits;
    }
    const int rest = signal.bits % 32;
    if (rest != 0) out[signal.words - 1] &= (1U << rest) - 1;
  }

  void fill_scales(std::uint32_t* in, const char* name) {
    const auto& signal = ports_.input(name);
    for (int i = 0; i < signal.bits; i += 8) {
      const auto any = static_cast<std::uint32_t>(rng_.below(256));
      const auto near_one = static_cast<std::uint32_t>(120 + rng_.below(16));
      timing::put_bits(in + signal.word, i, 8, wild_ ? any : near_one);
    }
  }

  SystolicRtlParams params_;
  timing::Ports ports_;
  Rng rng_;
  Stall weight_stall_, operand_stall_, init_stall_, out_stall_;
  bool weights_offered_ = false;
  bool init_offered_ = false;
  bool row_offered_ = false;
  int rows_ = 1, folds_ = 1, row_ = 0, fold_ = 0, init_left_ = 0;
  bool preloaded_ = false;
  bool wild_ = false;
  std::uint64_t completed_ = 0;
};

std::vector<Fault> faults(const SystolicRtlParams& p) {
  const int vector = (p.format == ArrayFormat::kBf16 ? 16 : 8) * p.geometry.depth;
  return {
      {"weight-skew", "wt_data", Fault::Kind::kRotateLanes, vector, true, 0,
       "weights arrive one column too far left"},
      {"operand-skew", "act_data", Fault::Kind::kRotateLanes, vector, true, 0,
       "operands arrive one row too high"},
      {"lost-accumulate", "act_first", Fault::Kind::kStuckOne, 0, true, 0,
       "every fold overwrites the sums of the one before"},
      {"early-free", "act_tile_last", Fault::Kind::kStuckOne, 0, true, 0,
       "the weight bank is freed after every row"},
      {"stuck-ready", "act_ready", Fault::Kind::kStuckOne, 0, false, 0,
       "the array claims to take operands at all times"},
      {"sum-bit", "out_data", Fault::Kind::kFlipLow, 0, false, 0,
       "the lowest bit of the first sum is inverted"},
  };
}

}  // namespace

void add_systolic_cases(std::vector<BlockCase>& all) {
  constexpr std::array kNames = {"bf16", "int8", "mx8"};
  for (const SystolicRtlParams& p : systolic_variants()) {
    BlockCase c;
    c.block = "systolic_array";
    c.variant = std::to_string(p.geometry.rows) + "x" + std::to_string(p.geometry.cols) + "x" +
                std::to_string(p.geometry.depth) + "-" + kNames[static_cast<std::size_t>(p.format)];
    c.vectors = "products";
    c.make_model = [p] { return std::make_unique<timing::SystolicStep>(p); };
    c.make_rtl = [p](std::uint64_t seed) { return make_rtl_systolic(p, seed); };
    c.make_stimulus = [p](std::uint64_t seed, double stall) {
      return std::make_unique<SystolicStimulus>(p, seed, stall);
    };
    c.faults = faults(p);
    c.parity = [p] { return systolic_parity(p); };
    all.push_back(std::move(c));
  }
}

}  // namespace athena::cosim
