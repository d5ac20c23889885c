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
      fill(in, "wt_data");
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
      fill(in, "act_data");
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
    kind_ = static_cast<Kind>(rng_.below(4));
    if (kind_ == Kind::kWild && rng_.chance(0.5)) kind_ = Kind::kPowers;
    spread_ = rng_.chance(0.5) ? 1U : 28U;
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

  /// How BF16 values are drawn. Wild: any bit pattern, mostly NaN sums. Powers: few fraction bits
  /// over a wide range of exponents, so that exact cancellation, ties and far alignment are common.
  /// Special: moderate values with zeros, infinities and extremes strewn in. Moderate: exponents
  /// around 1.
  enum class Kind { kModerate, kPowers, kSpecial, kWild };

  std::uint32_t bf16_value() {
    static constexpr std::array<std::uint32_t, 8> kSpecials = {0x0000, 0x8000, 0x7f80, 0xff80,
                                                               0x0001, 0x0080, 0x7f7f, 0x7fc1};
    const auto bits = static_cast<std::uint32_t>(rng_.next());
    const std::uint32_t moderate = (bits & 0x807fU) | (119U + (bits >> 16 & 15U)) << 7;
    switch (kind_) {
      case Kind::kWild:
        return bits & 0xffffU;
      case Kind::kPowers:
        return (bits & 0x8000U) | ((bits >> 20 & 3U) == 0 ? 0x40U : 0U) |
               (127U - spread_ / 2 + (bits >> 24) % spread_) << 7;
      case Kind::kSpecial:
        return (bits >> 20 & 127U) == 0 ? kSpecials[bits >> 28 & 7U] : moderate;
      case Kind::kModerate:
        return (bits >> 20 & 31U) == 0 ? 0U : moderate;
    }
    return 0;
  }

  void fill(std::uint32_t* in, const char* name) {
    const auto& signal = ports_.input(name);
    std::uint32_t* out = in + signal.word;
    for (int i = 0; i < signal.words; ++i) {
      out[i] = params_.format == ArrayFormat::kBf16 ? bf16_value() | bf16_value() << 16
                                                    : static_cast<std::uint32_t>(rng_.next());
    }
    const int rest = signal.bits % 32;
    if (rest != 0) out[signal.words - 1] &= (1U << rest) - 1;
  }

  void fill_scales(std::uint32_t* in, const char* name) {
    const auto& signal = ports_.input(name);
    for (int i = 0; i < signal.bits; i += 8) {
      const auto any = static_cast<std::uint32_t>(rng_.below(256));
      const auto near_one = static_cast<std::uint32_t>(120 + rng_.below(16));
      timing::put_bits(in + signal.word, i, 8, kind_ == Kind::kWild ? any : near_one);
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
  Kind kind_ = Kind::kModerate;
  std::uint32_t spread_ = 1;  ///< exponents that Kind::kPowers uses
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
