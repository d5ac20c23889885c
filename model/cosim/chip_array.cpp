#include "cosim/chip_array.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "cosim/rtl_factory.h"
#include "numerics/convert.h"
#include "timing/systolic.h"

namespace athena::cosim {
namespace {

using timing::ArrayFormat;
using timing::SystolicRtlParams;

/// Accumulator rows of a model whose RTL is not built: the default of systolic_array.sv.
constexpr int kModelAccRows = 256;

/// The chip's closed form may differ from the array by what only the array knows: rows beyond its
/// accumulators are a second pass over the weights. Stated tolerance on the sum over a run.
constexpr double kChipTolerance = 0.05;

[[noreturn]] void refuse(const std::string& chip, const std::string& why) {
  throw InputError(
      fmt::format("the matrix unit of '{}' cannot be rtl/systolic_array: {}.", chip, why));
}

}  // namespace

ChipArray::ChipArray(const config::ChipConfig& chip, Backend backend)
    : unit_(chip.core.matrix), chip_(chip.name), backend_(backend) {
  if (unit_.dataflow != config::Dataflow::kWeightStationary) {
    refuse(chip_, "the array is weight-stationary, core.matrix.dataflow is another");
  }
  if (!unit_.double_buffered_weights) {
    refuse(chip_, "the array has two weight banks, core.matrix.double_buffered_weights is false");
  }
  if (unit_.units != 1) {
    refuse(chip_, fmt::format("it is one array, core.matrix.units is {}", unit_.units));
  }
  // Found out now, not at the first product.
  const SystolicRtlParams params = params_of(ArrayFormat::kBf16);
  timing::check(params);
  if (backend_ != Backend::kModel) (void)make_array_engine(params, backend_);
}

SystolicRtlParams ChipArray::params_of(ArrayFormat format) const {
  SystolicRtlParams params;
  params.geometry = {unit_.rows, unit_.cols, unit_.depth};
  params.format = format;
  params.psum_hop = unit_.hop_registers;
  params.acc_rows = kModelAccRows;
  for (const SystolicRtlParams& built : systolic_variants()) {
    params.acc_rows = built.acc_rows;
    if (built == params) return params;
  }
  params.acc_rows = kModelAccRows;
  return params;
}

ArrayFormat ChipArray::format_of(Dtype type) const {
  const ArrayFormat format = array_format(type);
  const auto rate = unit_.rate.find(std::string(name(type)));
  if (rate != unit_.rate.end() && rate->second != 1.0) {
    refuse(chip_, fmt::format("it makes one {} product per element and cycle, core.matrix.rate "
                              "says {}",
                              name(type), rate->second));
  }
  return format;
}

bool ChipArray::computes(Dtype type) const {
  try {
    (void)format_of(type);
    return true;
  } catch (const InputError&) {
    return false;
  }
}

std::string ChipArray::parameters() const {
  const SystolicRtlParams params = params_of(ArrayFormat::kBf16);
  const auto& g = params.geometry;
  return fmt::format("{}x{}x{}, {} accumulator rows, {} register{} per hop", g.rows, g.cols,
                     g.depth, params.acc_rows, params.psum_hop, params.psum_hop == 1 ? "" : "s");
}

ArrayEngine& ChipArray::engine(int core, ArrayFormat format) {
  auto& slot = engines_[{core, static_cast<int>(format)}];
  if (slot == nullptr) slot = make_array_engine(params_of(format), backend_, faults_);
  return *slot;
}

ChipArray::Timed ChipArray::time(Dtype type, ArrayFormat format, std::int64_t m, std::int64_t n,
                                 std::int64_t k) {
  const timing::MatmulCycles closed = timing::matmul_cycles(unit_, type, m, n, k);
  const ProductCycles measured = engine(0, format).measure(m, n, k);
  Timed timed;
  timed.model = static_cast<std::int64_t>(closed.occupied + closed.latency) - unit_.issue_cycles;
  timed.array = measured.total.value();
  const auto occupied = static_cast<double>(measured.next.value());
  // The operands' way from the scratchpad is the core's, not the array's: where it is what limits
  // in the closed form, it limits here too.
  const std::int64_t period = std::max(m, static_cast<std::int64_t>(unit_.rows));
  const double array_alone = static_cast<double>(
      ceil_div<std::int64_t>(n, unit_.cols) *
      ceil_div<std::int64_t>(k, static_cast<std::int64_t>(unit_.rows) * unit_.depth) * period);
  const double fed = closed.occupied - unit_.issue_cycles;
  timed.unit.occupied =
      (fed > array_alone ? std::max(fed, occupied) : occupied) + unit_.issue_cycles;
  timed.unit.latency = std::max(0.0, static_cast<double>(measured.total.value()) - occupied);
  return timed;
}

timing::MatmulCycles ChipArray::cycles(Dtype type, std::int64_t m, std::int64_t n, std::int64_t k) {
  const ArrayFormat format = format_of(type);
  if (m <= 0 || n <= 0 || k <= 0) return {};
  const ShapeKey key{static_cast<std::int64_t>(format), m, n, k};
  auto found = times_.find(key);
  if (found == times_.end()) found = times_.emplace(key, time(type, format, m, n, k)).first;
  ++found->second.uses;
  return found->second.unit;
}

void ChipArray::multiply(const exec::Product& product) {
  const ArrayFormat format = format_of(product.type);
  const auto size = static_cast<std::size_t>(product.m * product.n);
  const bool whole = format == ArrayFormat::kInt8;
  std::vector<std::uint32_t> sums;
  if (!product.fresh) {
    sums.resize(size);
    std::transform(product.c.begin(), product.c.begin() + static_cast<std::ptrdiff_t>(size),
                   sums.begin(), [whole](float v) {
                     return whole ? static_cast<std::uint32_t>(static_cast<std::int32_t>(v))
                                  : numerics::float_bits(v);
                   });
  }
  const TileJob job{product.m, product.n, product.k, product.a, product.b, sums};
  TileResult result;
  try {
    result = engine(product.core, format).run_tile(job);
  } catch (const DivergenceError& error) {
    report(error, product, job, format);
  }
  ++products_;
  std::transform(result.bits.begin(), result.bits.end(), product.c.begin(),
                 [whole](std::uint32_t bits) {
                   return whole ? static_cast<float>(static_cast<std::int32_t>(bits))
                                : numerics::float_from_bits(bits);
                 });
}

void ChipArray::report(const DivergenceError& error, const exec::Product& product,
                       const TileJob& job, ArrayFormat format) const {
  const Divergence& d = error.divergence();
  std::string text = fmt::format(
      "systolic_array {} of core {}: model and RTL differ in product {} ({} x {} x {}), cycle {} "
      "of "
      "this array\n  signal {}\n  model  {}\n  RTL    {}\nlast transactions, as the model saw "
      "them:\n{}",
      show(params_of(format)), product.core, products_ + 1, product.m, product.n, product.k,
      d.cycle, d.signal, d.model_value, d.rtl_value, d.history);
  // The same product once more on a fresh array, with a waveform.
  std::error_code ignored;
  std::filesystem::create_directories(out_dir_, ignored);
  const std::string file =
      (std::filesystem::path(out_dir_) /
       fmt::format("systolic_array-core{}-product{}.vcd", product.core, products_ + 1))
          .string();
  const auto again = make_array_engine(params_of(format), Backend::kLockstep, faults_);
  bool repeated = false;
  again->open_trace(file);
  try {
    (void)again->run_tile(job);
  } catch (const Contradiction&) {
    repeated = true;
  }
  again->close_trace();
  text += repeated ? fmt::format("waveform of the product: {}", file)
                   : fmt::format(
                         "waveform of the product: {} (alone, on a fresh array, the product "
                         "shows no difference: it takes what ran before it)",
                         file);
  throw Contradiction(text);
}

std::vector<std::string> ChipArray::parity() const {
  if (backend_ != Backend::kLockstep) return {};
  std::vector<std::string> lines;
  std::map<int, std::pair<int, Compared>> formats;  // cores, sum
  for (const auto& [key, array] : engines_) {
    if (array->compared().jobs == 0) continue;
    auto& [cores, sum] = formats[key.second];
    ++cores;
    sum += array->compared();
  }
  lines.reserve(lines.size() + formats.size());
  for (const auto& [format, all] : formats) {
    lines.push_back(fmt::format("PARITY systolic_array {}: cores={} {}",
                                show(params_of(static_cast<ArrayFormat>(format))), all.first,
                                show(all.second)));
  }
  std::int64_t uses = 0;
  std::int64_t model = 0;
  std::int64_t rtl = 0;
  for (const auto& [key, timed] : times_) {
    uses += timed.uses;
    model += timed.model * timed.uses;
    rtl += timed.array * timed.uses;
  }
  if (rtl == 0) return lines;
  const double error = static_cast<double>(model - rtl) / static_cast<double>(rtl);
  lines.push_back(fmt::format(
      "PARITY chip {} matrix time: shapes={} timed={} closed form={} rtl={} cycles error={:.2f} "
      "% tolerance={:.0f} %",
      chip_, times_.size(), uses, model, rtl, error * 100, kChipTolerance * 100));
  if (std::abs(error) > kChipTolerance) throw Contradiction(lines.back());
  return lines;
}

}  // namespace athena::cosim
