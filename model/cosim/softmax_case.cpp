#include <fmt/format.h>

#include <array>
#include <vector>

#include "base/error.h"
#include "cosim/cases.h"
#include "cosim/rtl_factory.h"
#include "cosim/softmax_rows.h"
#include "numerics/convert.h"
#include "timing/softmax_step.h"

namespace athena::cosim {
namespace {

using timing::SoftmaxRtlParams;

/// Rows of 1 to 64 beats: logits of moderate size, masked tails, far-apart values, now and then any
/// bit pattern (NaN and infinities included).
class SoftmaxStimulus final : public Stimulus {
 public:
  SoftmaxStimulus(std::uint64_t seed, double stall)
      : ports_(timing::softmax_ports(params_)),
        rng_(seed),
        in_(stall, seed + 1),
        out_(stall, seed + 2) {
    new_row();
  }

  void drive(std::uint32_t* in) override {
    if (!offered_ && in_.go()) {
      offered_ = true;
      for (int l = 0; l < params_.lanes; ++l) {
        timing::put_bits(in + ports_.input("in_data").word, l * 16, 16, value());
      }
      in[ports_.input("in_last").word] = left_ == 1;
    }
    in[ports_.input("in_valid").word] = offered_;
    in[ports_.input("out_ready").word] = out_.go();
  }

  void observe(const std::uint32_t* in, const std::uint32_t* out) override {
    if (offered_ && out[ports_.output("in_ready").word] != 0) {
      offered_ = false;
      if (--left_ == 0) new_row();
    }
    const bool taken =
        out[ports_.output("out_valid").word] != 0 && in[ports_.input("out_ready").word] != 0;
    if (taken && out[ports_.output("out_last").word] != 0) ++completed_;
  }

  [[nodiscard]] std::uint64_t completed() const override { return completed_; }

 private:
  enum class Kind { kLogits, kMasked, kWide, kWild };

  void new_row() {
    left_ = 1 + static_cast<int>(rng_.below(
                    rng_.chance(0.1) ? static_cast<std::uint64_t>(params_.max_beats) : 12));
    kind_ = static_cast<Kind>(rng_.below(rng_.chance(0.3) ? 4 : 2));
    center_ = rng_.normal() * 10.0;
  }
  std::uint32_t value() {
    const auto bf16 = [](double v) { return numerics::to_bf16(static_cast<float>(v)); };
    switch (kind_) {
      case Kind::kLogits:
        return bf16(center_ + rng_.normal() * 3.0);
      case Kind::kMasked:
        return rng_.chance(0.4) ? 0xff80U : bf16(center_ + rng_.normal());
      case Kind::kWide:
        return bf16(rng_.normal() * 60.0);
      case Kind::kWild:
        return static_cast<std::uint32_t>(rng_.below(1U << 16));
    }
    return 0;
  }

  SoftmaxRtlParams params_;
  timing::Ports ports_;
  Rng rng_;
  Stall in_, out_;
  bool offered_ = false;
  int left_ = 1;
  Kind kind_ = Kind::kLogits;
  double center_ = 0.0;
  std::uint64_t completed_ = 0;
};

/// Whole rows through the RTL: cycles against the closed form.
std::vector<std::string> softmax_parity() {
  std::vector<std::string> lines;
  const auto rtl = make_rtl_softmax(1);
  const SoftmaxRtlParams params;
  const std::array<std::vector<std::int64_t>, 3> kRuns = {std::vector<std::int64_t>{16},
                                                          std::vector<std::int64_t>(8, 32),
                                                          std::vector<std::int64_t>(20, 3)};
  for (const auto& rows : kRuns) {
    rtl->reset();
    std::vector<SoftmaxRow> zeros;
    for (const std::int64_t beats : rows)
      zeros.emplace_back(static_cast<std::size_t>(beats * params.lanes));
    const std::int64_t cycle = run_softmax_rows(*rtl, params, zeros, nullptr);
    const std::int64_t model = timing::softmax_cycles(rows).value();
    lines.push_back(fmt::format(
        "PARITY vector_softmax {} rows of {} beats: model={} rtl={} cycles error={:.2f} %",
        rows.size(), rows.front(), model, cycle,
        static_cast<double>(model - cycle) / static_cast<double>(cycle) * 100.0));
    if (model != cycle) throw Contradiction(lines.back());
  }
  return lines;
}

}  // namespace

void add_softmax_cases(std::vector<BlockCase>& all) {
  BlockCase c;
  c.block = "vector_softmax";
  c.variant = "4-lanes";
  c.vectors = "rows";
  c.make_model = [] { return std::make_unique<timing::SoftmaxStep>(SoftmaxRtlParams{}); };
  c.make_rtl = [](std::uint64_t seed) { return make_rtl_softmax(seed); };
  c.make_stimulus = [](std::uint64_t seed, double stall) {
    return std::make_unique<SoftmaxStimulus>(seed, stall);
  };
  c.faults = {
      {"lane-swap", "in_data", Fault::Kind::kRotateLanes, 16, true, 0, "lanes arrive rotated"},
      {"lost-last", "in_last", Fault::Kind::kStuckZero, 0, true, 0, "rows never end"},
      {"result-bit", "out_data", Fault::Kind::kFlipLow, 0, false, 0,
       "the lowest bit of lane 0 flips"},
  };
  c.parity = softmax_parity;
  all.push_back(std::move(c));
}

}  // namespace athena::cosim
