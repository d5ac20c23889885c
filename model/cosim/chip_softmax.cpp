#include "cosim/chip_softmax.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "cosim/rtl_factory.h"
#include "numerics/convert.h"
#include "numerics/softmax_math.h"
#include "timing/vector_unit.h"

namespace athena::cosim {
namespace {

/// A result against e^x / sum in double: half a BF16 step, and a little for the unit's e^x and 1/x
/// (rtl/vector_softmax/README.md).
constexpr double kNumberTolerance = 1.07 / 256;
/// Weights below this are left out: BF16 has no subnormal results here.
constexpr double kSmallest = 1e-30;
/// The chip's closed form counts lanes and one start-up; a unit also fills and drains each row,
/// which is most of the time of a few short ones.
constexpr double kChipTolerance = 0.45;

float log_add(float a, float b) {
  const float high = std::max(a, b);
  if (std::isinf(high)) return high;
  return high + std::log(std::exp(a - high) + std::exp(b - high));
}

}  // namespace

ChipSoftmax::ChipSoftmax(const config::ChipConfig& chip, Backend backend)
    : vector_(chip.core.vector), chip_(chip.name), backend_(backend) {
  units_ = static_cast<std::int64_t>(vector_.special / params_.lanes);
  if (units_ < 1 || static_cast<double>(units_ * params_.lanes) != vector_.special) {
    throw InputError(fmt::format(
        "the special-function lanes of '{}' cannot be rtl/vector_softmax: core.vector.special is "
        "{}, a unit has {} lanes.",
        chip_, vector_.special, params_.lanes));
  }
  if (backend_ != Backend::kModel)
    (void)make_rtl_softmax(1);  // found out now, not at the first row
}

std::string ChipSoftmax::parameters() const {
  return fmt::format("{} unit{} of {} lanes per core", units_, units_ == 1 ? "" : "s",
                     params_.lanes);
}

timing::Block& ChipSoftmax::unit(int core) {
  auto& body = bodies_[core];
  if (body != nullptr) return *body;
  if (backend_ == Backend::kLockstep) {
    ChipLockstep::Makers makers;
    makers.model = [this] { return std::make_unique<timing::SoftmaxStep>(params_); };
    makers.rtl = [] { return make_rtl_softmax(1); };
    makers.faults = faults_;
    makers.out_dir = out_dir_;
    body = std::make_unique<ChipLockstep>(fmt::format("core {}", core), std::move(makers));
  } else {
    body = make_rtl_softmax(1);
  }
  body->reset();
  return *body;
}

ChipSoftmax::Timed ChipSoftmax::time(std::int64_t rows, std::int64_t cols) {
  const std::int64_t beats = ceil_div<std::int64_t>(cols, params_.lanes);
  std::vector<std::int64_t> list;  // of the unit with most rows
  for (std::int64_t r = 0; r < ceil_div(rows, units_); ++r) {
    for (std::int64_t b = 0; b < beats; b += params_.max_beats)
      list.push_back(std::min<std::int64_t>(params_.max_beats, beats - b));
  }
  Timed timed;
  timed.chip = timing::vector_cycles(vector_, timing::VectorFn::kSoftmaxOnline, rows, cols);
  timed.model = timed.unit = timing::softmax_cycles(list).value() + 1;
  if (backend_ == Backend::kModel) return timed;
  std::vector<SoftmaxRow> zeros;
  zeros.reserve(list.size());
  for (const std::int64_t b : list) zeros.emplace_back(static_cast<std::size_t>(b * params_.lanes));
  timed.unit = run_softmax_rows(unit(0), params_, zeros, nullptr) + 1;
  if (backend_ == Backend::kLockstep && timed.unit != timed.model) {
    throw Contradiction(
        fmt::format("vector_softmax: {} rows of {} values take {} cycles in the closed form and {} "
                    "in the RTL",
                    rows, cols, timed.model, timed.unit));
  }
  return timed;
}

double ChipSoftmax::cycles(std::int64_t rows, std::int64_t cols) {
  if (rows <= 0 || cols <= 0) return 0;
  auto found = times_.find({rows, cols});
  if (found == times_.end()) found = times_.emplace(std::pair(rows, cols), time(rows, cols)).first;
  ++found->second.uses;
  return static_cast<double>(found->second.unit);
}

/// Numbers of the unit against its definition in numerics/ (equal bits) and against e^x / sum.
void ChipSoftmax::compare(const SoftmaxRow& in, const SoftmaxRow& out) {
  const std::vector<std::uint16_t> expected = numerics::softmax_row(in, params_.lanes);
  double sum = 0;
  double high = -std::numeric_limits<double>::infinity();
  for (const std::uint16_t x : in) high = std::max<double>(high, numerics::from_bf16(x));
  for (const std::uint16_t x : in) sum += std::exp(numerics::from_bf16(x) - high);
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (out[i] != expected[i]) {
      throw Contradiction(fmt::format(
          "vector_softmax: weight {} of a row of {} is {:04x} in the RTL and {:04x} in numerics/",
          i, in.size(), out[i], expected[i]));
    }
    const double exact = std::exp(numerics::from_bf16(in[i]) - high) / sum;
    if (!(exact > kSmallest)) continue;
    worst_ = std::max(worst_, std::abs(numerics::from_bf16(out[i]) - exact) / exact);
  }
  values_ += static_cast<std::int64_t>(in.size());
}

/// At most one row buffer.
float ChipSoftmax::block(int core, std::span<const float> values, std::span<float> weights) {
  const auto lanes = static_cast<std::size_t>(params_.lanes);
  SoftmaxRow row(ceil_div(values.size(), lanes) * lanes, numerics::to_bf16(kMasked));
  std::transform(values.begin(), values.end(), row.begin(), numerics::to_bf16);
  std::vector<SoftmaxRow> out;
  if (backend_ == Backend::kModel) {
    out.push_back(numerics::softmax_row(row, params_.lanes));
  } else {
    run_softmax_rows(unit(core), params_, {&row, 1}, &out);
    if (backend_ == Backend::kLockstep) compare(row, out[0]);
  }
  float high = kMasked;
  float weight = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    weights[i] = numerics::from_bf16(out[0][i]);
    const float x = numerics::from_bf16(row[i]);
    if (x > high) {
      high = x;
      weight = weights[i];
    }
  }
  // ln(sum of e^x) from the largest element and its weight.
  return std::isinf(high) ? kMasked : high - std::log(weight);
}

float ChipSoftmax::row(int core, std::span<const float> values, std::span<float> weights) {
  ++rows_;
  const auto most = static_cast<std::size_t>(params_.lanes * params_.max_beats);
  if (values.size() <= most) return block(core, values, weights);
  std::vector<float> sums;
  float all = kMasked;
  for (std::size_t at = 0; at < values.size(); at += most) {
    const std::size_t size = std::min(most, values.size() - at);
    sums.push_back(block(core, values.subspan(at, size), weights.subspan(at, size)));
    all = log_add(all, sums.back());
  }
  for (std::size_t at = 0; at < values.size(); ++at) {
    const float sum = sums[at / most];
    weights[at] *= std::isinf(sum) ? 0.0F : std::exp(sum - all);
  }
  return all;
}

std::vector<std::string> ChipSoftmax::parity() const {
  if (backend_ != Backend::kLockstep) return {};
  std::vector<std::string> lines;
  if (rows_ > 0) {
    lines.push_back(fmt::format(
        "PARITY vector_softmax {} lanes: cores={} rows={} values={} divergences=0 bits=equal, "
        "largest error of a weight {:.2f} % tolerance={:.2f} %",
        params_.lanes, bodies_.size(), rows_, values_, worst_ * 100, kNumberTolerance * 100));
    if (worst_ > kNumberTolerance) throw Contradiction(lines.back());
  }
  std::int64_t uses = 0, model = 0, rtl = 0;
  double chip = 0;
  for (const auto& [shape, timed] : times_) {
    uses += timed.uses;
    model += timed.model * timed.uses;
    rtl += timed.unit * timed.uses;
    chip += timed.chip * static_cast<double>(timed.uses);
  }
  if (uses == 0) return lines;
  const double error = (chip - static_cast<double>(rtl)) / static_cast<double>(rtl);
  lines.push_back(fmt::format(
      "PARITY chip {} softmax time: shapes={} timed={} model={} rtl={} cycles error={:.2f} %, "
      "vector unit's closed form={:.0f} error={:.1f} % tolerance={:.0f} %",
      chip_, times_.size(), uses, model, rtl,
      100.0 * static_cast<double>(model - rtl) / static_cast<double>(rtl), chip, error * 100,
      kChipTolerance * 100));
  if (model != rtl || std::abs(error) > kChipTolerance) throw Contradiction(lines.back());
  return lines;
}

}  // namespace athena::cosim
