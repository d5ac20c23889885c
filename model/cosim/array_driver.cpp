#include "cosim/array_driver.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cosim/array_folds.h"
#include "numerics/convert.h"

namespace athena::cosim {
namespace {

using timing::ArrayFormat;
using timing::SystolicRtlParams;

/// Drives a block's port: the RTL alone, or model and RTL in lockstep.
class PortEngine final : public ArrayEngine {
 public:
  PortEngine(const SystolicRtlParams& params, std::unique_ptr<timing::Block> block, RtlBlock& rtl,
             bool compare)
      : params_(params),
        model_(make_array_engine(params, Backend::kModel)),
        block_(std::move(block)),
        rtl_(rtl),
        compare_(compare) {
    in_.resize(static_cast<std::size_t>(block_->ports().input_words()));
    out_.resize(static_cast<std::size_t>(block_->ports().output_words()));
    block_->reset();
  }

  Cycles cycles(std::int64_t m, std::int64_t n, std::int64_t k) const override {
    return model_->cycles(m, n, k);
  }
  void open_trace(const std::string& path) override { rtl_.open_trace(path); }
  void close_trace() override { rtl_.close_trace(); }
  Compared compared() const override { return compared_; }
  std::string parity() const override {
    if (!compare_ || compared_.jobs == 0) return "";
    return fmt::format("PARITY systolic_array {}: {}", show(params_), show(compared_));
  }

  ProductCycles measure(std::int64_t m, std::int64_t n, std::int64_t k) override {
    const std::vector<float> a(static_cast<std::size_t>(m * k));
    const std::vector<float> b(static_cast<std::size_t>(k * n));
    const TileJob job{m, n, k, a, b, {}};
    begin(job);
    std::vector<std::uint32_t> sums(static_cast<std::size_t>(m * n));
    const auto folds = folds_of(params_, m, n, k);
    const Cycles once = stream(folds, sums);
    const Cycles both = stream(twice(folds), sums);
    const ProductCycles measured{once, Cycles(both.value() - once.value())};
    if (!compare_) return measured;
    const ProductCycles expected = model_->measure(m, n, k);
    if (expected.total != measured.total || expected.next != measured.next) {
      throw Contradiction(fmt::format(
          "systolic_array: a {}x{}x{} product takes {} cycles (the next one follows after {}) in "
          "the closed form, {} ({}) in the RTL",
          m, n, k, expected.total.value(), expected.next.value(), measured.total.value(),
          measured.next.value()));
    }
    return measured;
  }

  TileResult run_tile(const TileJob& job) override {
    check_job(job);
    begin(job);
    TileResult result;
    result.bits.assign(static_cast<std::size_t>(job.m * job.n), 0);
    const auto folds = folds_of(params_, job.m, job.n, job.k);
    if (job.c.empty()) {
      result.cycles = stream(folds, result.bits);
    } else {
      for (const auto& group : groups_of(folds)) {
        result.preload += preload(group.front());
        result.cycles += stream(group, result.bits);
      }
    }
    if (compare_) compare(job, result);
    return result;
  }

 private:
  std::uint32_t* input(const char* name) { return in_.data() + block_->ports().input(name).word; }
  std::uint32_t output(const char* name) const {
    return out_[static_cast<std::size_t>(block_->ports().output(name).word)];
  }

  void begin(const TileJob& job) {
    job_ = &job;
    coded_ = encode(params_, job);
  }

  void compare(const TileJob& job, const TileResult& result) {
    const TileResult expected = model_->run_tile(job);
    compared_ += {1, expected.cycles.value(), result.cycles.value()};
    for (std::size_t i = 0; i < result.bits.size(); ++i) {
      if (result.bits[i] == expected.bits[i]) continue;
      throw Contradiction(
          fmt::format("systolic_array: sum [{}][{}] of a {}x{}x{} product is {:08x} in the model "
                      "and {:08x} in the RTL",
                      i / static_cast<std::size_t>(job.n), i % static_cast<std::size_t>(job.n),
                      job.m, job.n, job.k, expected.bits[i], result.bits[i]));
    }
    if (expected.cycles != result.cycles) {
      throw Contradiction(fmt::format(
          "systolic_array: a {}x{}x{} product takes {} cycles in the closed form and {} in the RTL",
          job.m, job.n, job.k, expected.cycles.value(), result.cycles.value()));
    }
  }

  Cycles preload(const Fold& fold) {
    std::int64_t row = 0;
    std::int64_t spent = 0;
    std::fill(in_.begin(), in_.end(), 0U);
    while (row < fold.rows) {
      *input("init_valid") = 1;
      *input("init_last") = row == fold.rows - 1;
      std::uint32_t* data = input("init_data");
      for (std::int64_t c = 0; c < params_.geometry.cols; ++c) {
        const std::int64_t n = fold.n0 + c;
        data[c] =
            n < job_->n ? job_->c[static_cast<std::size_t>((fold.m0 + row) * job_->n + n)] : 0;
      }
      block_->cycle(in_.data(), out_.data());
      ++spent;
      if (output("init_ready") != 0) ++row;
    }
    std::fill(in_.begin(), in_.end(), 0U);
    return Cycles(spent);
  }

  void put_weights(const Fold& fold, std::int64_t row) {
    const auto& g = params_.geometry;
    const int bits = params_.format == ArrayFormat::kBf16 ? 16 : 8;
    std::uint32_t* data = input("wt_data");
    for (int c = 0; c < g.cols; ++c) {
      const std::int64_t n = fold.n0 + c;
      for (int d = 0; d < g.depth; ++d) {
        const std::int64_t k = fold.k0 + row * g.depth + d;
        const bool inside = k < job_->k && n < job_->n;
        const std::uint32_t code =
            inside ? coded_.b[static_cast<std::size_t>(k * job_->n + n)] : 0U;
        timing::put_bits(data, (c * g.depth + d) * bits, bits, code);
      }
      if (params_.format == ArrayFormat::kMx8) {
        const std::int64_t block = fold.k0 / numerics::kMxBlock;
        const std::uint32_t scale =
            n < job_->n ? coded_.b_scales[static_cast<std::size_t>(block * job_->n + n)] : 0U;
        timing::put_bits(input("wt_scale"), c * 8, 8, scale);
      }
    }
  }

  void put_operands(const Fold& fold, std::int64_t row) {
    const auto& g = params_.geometry;
    const int bits = params_.format == ArrayFormat::kBf16 ? 16 : 8;
    std::uint32_t* data = input("act_data");
    for (int i = 0; i < g.rows * g.depth; ++i) {
      const std::int64_t k = fold.k0 + i;
      const std::uint32_t code =
          k < job_->k ? coded_.a[static_cast<std::size_t>((fold.m0 + row) * job_->k + k)] : 0U;
      timing::put_bits(data, i * bits, bits, code);
    }
    if (params_.format == ArrayFormat::kMx8) {
      *input("act_scale") = coded_.a_scales[static_cast<std::size_t>(
          (fold.m0 + row) * coded_.blocks + fold.k0 / numerics::kMxBlock)];
    }
    *input("act_first") = fold.first && job_->c.empty();
    *input("act_last") = fold.last;
    *input("act_tile_last") = row == fold.rows - 1;
  }

  void take_sums(const Fold& fold, std::int64_t row, std::vector<std::uint32_t>& bits) const {
    const std::uint32_t* data = out_.data() + block_->ports().output("out_data").word;
    for (std::int64_t c = 0; c < params_.geometry.cols && fold.n0 + c < job_->n; ++c) {
      bits[static_cast<std::size_t>((fold.m0 + row) * job_->n + fold.n0 + c)] = data[c];
    }
  }

  /// Runs folds back to back with every stream always ready. Position of each stream: fold and row.
  Cycles stream(std::span<const Fold> folds, std::vector<std::uint32_t>& bits) {
    struct Position {
      std::size_t fold = 0;
      std::int64_t row = 0;
      void step(std::int64_t rows) {
        if (++row < rows) return;
        row = 0;
        ++fold;
      }
    };
    Position weights, operands, sums;
    while (sums.fold < folds.size() && !folds[sums.fold].last) ++sums.fold;
    *input("out_ready") = 1;
    if (!folds.empty()) {
      put_weights(folds[0], 0);
      put_operands(folds[0], 0);
    }
    for (std::int64_t cycle = 0;; ++cycle) {
      *input("wt_valid") = weights.fold < folds.size();
      *input("act_valid") = operands.fold < folds.size();
      block_->cycle(in_.data(), out_.data());
      if (output("out_valid") != 0) {
        if (sums.fold >= folds.size())
          throw Contradiction("systolic_array: sums that nobody asked for");
        take_sums(folds[sums.fold], sums.row, bits);
        sums.step(folds[sums.fold].rows);
        while (sums.row == 0 && sums.fold < folds.size() && !folds[sums.fold].last) ++sums.fold;
        if (sums.fold == folds.size()) {
          std::fill(in_.begin(), in_.end(), 0U);
          return Cycles(cycle);
        }
      }
      if (weights.fold < folds.size() && output("wt_ready") != 0) {
        weights.step(params_.geometry.rows);
        if (weights.fold < folds.size()) put_weights(folds[weights.fold], weights.row);
      }
      if (operands.fold < folds.size() && output("act_ready") != 0) {
        operands.step(folds[operands.fold].rows);
        if (operands.fold < folds.size()) put_operands(folds[operands.fold], operands.row);
      }
    }
  }

  SystolicRtlParams params_;
  std::unique_ptr<ArrayEngine> model_;
  std::unique_ptr<timing::Block> block_;
  RtlBlock& rtl_;
  bool compare_;
  const TileJob* job_ = nullptr;
  Coded coded_;
  std::vector<std::uint32_t> in_;
  std::vector<std::uint32_t> out_;
  Compared compared_;
};

}  // namespace

std::unique_ptr<ArrayEngine> make_port_engine(const SystolicRtlParams& params,
                                              std::unique_ptr<timing::Block> block, RtlBlock& rtl,
                                              bool compare) {
  return std::make_unique<PortEngine>(params, std::move(block), rtl, compare);
}

}  // namespace athena::cosim
