#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "base/error.h"
#include "base/text.h"
#include "cosim/array_port.h"
#include "cosim/lockstep.h"
#include "cosim/rtl_factory.h"
#include "numerics/array_math.h"
#include "numerics/convert.h"

namespace athena::cosim {
namespace {

using timing::ArrayFormat;
using timing::SystolicRtlParams;

/// One weight tile against one chunk of operand rows.
struct Fold {
  std::int64_t m0, rows, n0, k0;
  bool first, last;
};

/// Order of execution: columns, chunks of accumulator rows, then K, so that sums stay in the array.
std::vector<Fold> folds_of(const SystolicRtlParams& p, std::int64_t m, std::int64_t n,
                           std::int64_t k) {
  const std::int64_t depth = static_cast<std::int64_t>(p.geometry.rows) * p.geometry.depth;
  std::vector<Fold> folds;
  for (std::int64_t n0 = 0; n0 < n; n0 += p.geometry.cols) {
    for (std::int64_t m0 = 0; m0 < m; m0 += p.acc_rows) {
      for (std::int64_t k0 = 0; k0 < k; k0 += depth) {
        folds.push_back(
            {m0, std::min<std::int64_t>(p.acc_rows, m - m0), n0, k0, k0 == 0, k0 + depth >= k});
      }
    }
  }
  return folds;
}

Cycles cycles_of(const SystolicRtlParams& p, std::span<const Fold> folds) {
  std::vector<std::int64_t> rows;
  rows.reserve(folds.size());
  for (const Fold& f : folds) rows.push_back(f.rows);
  return timing::fold_cycles(p, rows);
}

/// A product and the same one behind it.
std::vector<Fold> twice(const std::vector<Fold>& folds) {
  std::vector<Fold> both = folds;
  both.insert(both.end(), folds.begin(), folds.end());
  return both;
}

/// Groups of folds that end in the same sums.
std::vector<std::span<const Fold>> groups_of(const std::vector<Fold>& folds) {
  std::vector<std::span<const Fold>> groups;
  std::size_t start = 0;
  for (std::size_t i = 0; i < folds.size(); ++i) {
    if (!folds[i].last) continue;
    groups.emplace_back(&folds[start], i + 1 - start);
    start = i + 1;
  }
  return groups;
}

void check_job(const TileJob& job) {
  const auto need = [](std::size_t have, std::int64_t rows, std::int64_t cols, const char* name) {
    if (static_cast<std::int64_t>(have) < rows * cols) {
      throw InputError(fmt::format("matrix engine: operand {} holds {} values, {} x {} are needed",
                                   name, have, rows, cols));
    }
  };
  if (job.m < 1 || job.n < 1 || job.k < 1) {
    throw InputError("matrix engine: m, n and k must be at least 1");
  }
  need(job.a.size(), job.m, job.k, "a");
  need(job.b.size(), job.k, job.n, "b");
  if (!job.c.empty()) need(job.c.size(), job.m, job.n, "c");
}

/// Operands as the array takes them: codes of 8 or 16 bits, and MX scales.
struct Coded {
  std::vector<std::uint16_t> a, b;
  std::vector<std::uint8_t> a_scales, b_scales;  // m x blocks, blocks x n
  std::int64_t blocks = 0;
};

Coded encode(const SystolicRtlParams& p, const TileJob& job) {
  Coded out;
  out.a.resize(static_cast<std::size_t>(job.m * job.k));
  out.b.resize(static_cast<std::size_t>(job.k * job.n));
  if (p.format != ArrayFormat::kMx8) {
    const auto code = [&](float v) {
      if (p.format == ArrayFormat::kBf16) return numerics::to_bf16(v);
      const float whole = numerics::round_to(Dtype::kInt8, v);
      return static_cast<std::uint16_t>(static_cast<std::uint8_t>(static_cast<std::int8_t>(whole)));
    };
    std::transform(job.a.begin(), job.a.begin() + job.m * job.k, out.a.begin(), code);
    std::transform(job.b.begin(), job.b.begin() + job.k * job.n, out.b.begin(), code);
    return out;
  }
  out.blocks = ceil_div<std::int64_t>(job.k, numerics::kMxBlock);
  out.a_scales.resize(static_cast<std::size_t>(job.m * out.blocks));
  out.b_scales.resize(static_cast<std::size_t>(out.blocks * job.n));
  const auto quantise = [&](std::int64_t line, std::int64_t block, bool left) {
    std::array<float, numerics::kMxBlock> values{};
    const std::int64_t k0 = block * numerics::kMxBlock;
    const std::int64_t count = std::min<std::int64_t>(numerics::kMxBlock, job.k - k0);
    const auto at = [&](std::int64_t i) {
      return static_cast<std::size_t>(left ? line * job.k + k0 + i : (k0 + i) * job.n + line);
    };
    for (std::int64_t i = 0; i < count; ++i) {
      values[static_cast<std::size_t>(i)] = left ? job.a[at(i)] : job.b[at(i)];
    }
    const auto mx = numerics::encode_mx(values);
    for (std::int64_t i = 0; i < count; ++i) {
      (left ? out.a : out.b)[at(i)] = static_cast<std::uint8_t>(mx.elements[i]);
    }
    return mx.scale;
  };
  for (std::int64_t block = 0; block < out.blocks; ++block) {
    for (std::int64_t m = 0; m < job.m; ++m) {
      out.a_scales[static_cast<std::size_t>(m * out.blocks + block)] = quantise(m, block, true);
    }
    for (std::int64_t n = 0; n < job.n; ++n) {
      out.b_scales[static_cast<std::size_t>(block * job.n + n)] = quantise(n, block, false);
    }
  }
  return out;
}

std::vector<std::int8_t> signed_bytes(const std::vector<std::uint16_t>& codes) {
  std::vector<std::int8_t> out(codes.size());
  std::transform(codes.begin(), codes.end(), out.begin(), [](std::uint16_t c) {
    return static_cast<std::int8_t>(static_cast<std::uint8_t>(c));
  });
  return out;
}

std::vector<std::uint32_t> compute(const SystolicRtlParams& p, const TileJob& job, const Coded& x) {
  const auto size = static_cast<std::size_t>(job.m * job.n);
  const bool accumulate = !job.c.empty();
  const numerics::ArrayOrder order{p.geometry.rows, p.geometry.depth};
  std::vector<std::uint32_t> bits(size);
  if (accumulate) std::copy(job.c.begin(), job.c.begin() + job.m * job.n, bits.begin());
  if (p.format == ArrayFormat::kInt8) {
    std::vector<std::int32_t> c(size);
    std::transform(bits.begin(), bits.end(), c.begin(),
                   [](std::uint32_t v) { return static_cast<std::int32_t>(v); });
    numerics::matmul_int8(signed_bytes(x.a), signed_bytes(x.b), c, job.m, job.n, job.k, accumulate);
    std::transform(c.begin(), c.end(), bits.begin(),
                   [](std::int32_t v) { return static_cast<std::uint32_t>(v); });
    return bits;
  }
  std::vector<float> c(size);
  std::transform(bits.begin(), bits.end(), c.begin(), numerics::float_from_bits);
  if (p.format == ArrayFormat::kMx8) {
    numerics::matmul_mx(order, signed_bytes(x.a), x.a_scales, signed_bytes(x.b), x.b_scales, c,
                        job.m, job.n, job.k, accumulate);
  } else {
    std::vector<float> a(x.a.size());
    std::vector<float> b(x.b.size());
    std::transform(x.a.begin(), x.a.end(), a.begin(), numerics::from_bf16);
    std::transform(x.b.begin(), x.b.end(), b.begin(), numerics::from_bf16);
    numerics::matmul(order, a, b, c, job.m, job.n, job.k, accumulate);
  }
  std::transform(c.begin(), c.end(), bits.begin(), numerics::float_bits);
  return bits;
}

/// Closed form and numerics.
class ModelEngine final : public ArrayEngine {
 public:
  explicit ModelEngine(const SystolicRtlParams& params) : params_(params) { timing::check(params); }

  Cycles cycles(std::int64_t m, std::int64_t n, std::int64_t k) const override {
    return cycles_of(params_, folds_of(params_, m, n, k));
  }

  ProductCycles measure(std::int64_t m, std::int64_t n, std::int64_t k) override {
    const auto folds = folds_of(params_, m, n, k);
    const Cycles once = cycles_of(params_, folds);
    return {once, Cycles(cycles_of(params_, twice(folds)).value() - once.value())};
  }

  TileResult run_tile(const TileJob& job) override {
    check_job(job);
    const auto folds = folds_of(params_, job.m, job.n, job.k);
    TileResult result;
    result.bits = compute(params_, job, encode(params_, job));
    if (job.c.empty()) {
      result.cycles = cycles_of(params_, folds);
      return result;
    }
    // Each group of sums is handed in while the array is empty.
    for (const auto& group : groups_of(folds)) {
      result.cycles += cycles_of(params_, group);
      result.preload += Cycles(group.front().rows);
    }
    return result;
  }

 private:
  SystolicRtlParams params_;
};

/// Drives a block's port: the RTL alone, or model and RTL in lockstep.
class PortEngine final : public ArrayEngine {
 public:
  /// `rtl` is the RTL in `block` (or is the block itself).
  PortEngine(const SystolicRtlParams& params, std::unique_ptr<timing::Block> block, RtlBlock& rtl,
             bool compare)
      : params_(params), model_(params), block_(std::move(block)), rtl_(rtl), compare_(compare) {
    in_.resize(static_cast<std::size_t>(block_->ports().input_words()));
    out_.resize(static_cast<std::size_t>(block_->ports().output_words()));
    block_->reset();
  }

  Cycles cycles(std::int64_t m, std::int64_t n, std::int64_t k) const override {
    return model_.cycles(m, n, k);
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
    const ProductCycles expected = model_.measure(m, n, k);
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
    const TileResult expected = model_.run_tile(job);
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
  ModelEngine model_;
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

Backend backend_from_name(std::string_view text) {
  if (text == "model") return Backend::kModel;
  if (text == "rtl") return Backend::kRtl;
  if (text == "lockstep") return Backend::kLockstep;
  throw InputError(fmt::format("'{}' is no backend of a block; there are: model, rtl, lockstep.{}",
                               text, did_you_mean(text, {"model", "rtl", "lockstep"})));
}

timing::ArrayFormat array_format(Dtype type) {
  switch (type) {
    case Dtype::kBf16:
    case Dtype::kFp8E4M3:
    case Dtype::kFp8E5M2:  // FP8 values are BF16 values
      return ArrayFormat::kBf16;
    case Dtype::kInt8:
    case Dtype::kInt4:
      return ArrayFormat::kInt8;
    case Dtype::kMx8:
      return ArrayFormat::kMx8;
    default:
      throw InputError(fmt::format(
          "the systolic_array RTL computes bf16, fp8, int8, int4 and mx8, not {}", name(type)));
  }
}

Compared& Compared::operator+=(const Compared& other) {
  jobs += other.jobs;
  model_cycles += other.model_cycles;
  rtl_cycles += other.rtl_cycles;
  return *this;
}

std::string show(const Compared& c) {
  const double error = static_cast<double>(c.model_cycles - c.rtl_cycles) /
                       static_cast<double>(std::max<std::int64_t>(1, c.rtl_cycles));
  return fmt::format("jobs={} model={} rtl={} cycles error={:.2f} % bits=equal", c.jobs,
                     c.model_cycles, c.rtl_cycles, error * 100.0);
}

std::string show(const SystolicRtlParams& params) {
  constexpr std::array kNames = {"bf16", "int8", "mx8"};
  const auto& g = params.geometry;
  return fmt::format("{}x{}x{} {}", g.rows, g.cols, g.depth,
                     kNames[static_cast<std::size_t>(params.format)]);
}

std::unique_ptr<ArrayEngine> make_array_engine(const SystolicRtlParams& params, Backend backend,
                                               const std::vector<Fault>& faults) {
  if (backend == Backend::kModel) return std::make_unique<ModelEngine>(params);
  auto rtl = make_rtl_systolic(params, 1);
  RtlBlock& body = *rtl;
  if (backend == Backend::kRtl) {
    return std::make_unique<PortEngine>(params, std::move(rtl), body, false);
  }
  auto lockstep =
      std::make_unique<Lockstep>(std::make_unique<timing::SystolicStep>(params), std::move(rtl));
  for (const Fault& fault : faults) lockstep->plant(fault);
  return std::make_unique<PortEngine>(params, std::move(lockstep), body, true);
}

}  // namespace athena::cosim
