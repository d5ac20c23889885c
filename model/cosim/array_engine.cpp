#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "cosim/array_driver.h"
#include "cosim/array_folds.h"
#include "cosim/array_port.h"
#include "cosim/lockstep.h"
#include "cosim/rtl_factory.h"
#include "numerics/array_math.h"
#include "numerics/convert.h"

namespace athena::cosim {
namespace {

using timing::ArrayFormat;
using timing::SystolicRtlParams;

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
    return make_port_engine(params, std::move(rtl), body, false);
  }
  auto lockstep =
      std::make_unique<Lockstep>(std::make_unique<timing::SystolicStep>(params), std::move(rtl));
  for (const Fault& fault : faults) lockstep->plant(fault);
  return make_port_engine(params, std::move(lockstep), body, true);
}

}  // namespace athena::cosim