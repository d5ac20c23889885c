#include "timing/systolic_step.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "numerics/array_math.h"
#include "numerics/convert.h"

namespace athena::timing {
namespace {

constexpr int kScaleBanks = 8;  // systolic_array_pkg::ScaleBanks

int element_bits(ArrayFormat format) {
  return format == ArrayFormat::kBf16 ? 16 : 8;
}

int entrance_to_accumulator(const SystolicRtlParams& p) {
  const int tree = p.geometry.depth > 1 ? 1 : 0;
  const int scale = p.format == ArrayFormat::kMx8 ? 1 : 0;
  return p.psum_hop * p.geometry.rows + p.geometry.cols + tree + scale;
}

}  // namespace

void check(const SystolicRtlParams& p) {
  const auto& g = p.geometry;
  if (g.rows < 1 || g.rows > 256 || g.cols < 1 || g.cols > 256 || g.depth < 1 || g.depth > 32) {
    throw InputError(fmt::format(
        "systolic_array cannot be built as {} x {} x {}: rows and columns 1..256, depth 1..32",
        g.rows, g.cols, g.depth));
  }
  if (p.psum_hop < 1 || p.psum_hop > 2) {
    throw InputError(
        fmt::format("systolic_array cannot be built with psum_hop {}: 1 or 2", p.psum_hop));
  }
  if (p.acc_rows < 1) throw InputError("systolic_array needs at least one accumulator row");
  if (p.format != ArrayFormat::kMx8) return;
  if (numerics::kMxBlock % (g.rows * g.depth) != 0) {
    throw InputError(fmt::format(
        "systolic_array in MX8 needs rows x depth to divide the block of 32, not {} x {}", g.rows,
        g.depth));
  }
  // Tiles between the weight port and the accumulator must each find a scale bank of their own.
  if (ceil_div(entrance_to_accumulator(p), g.rows) + 3 > kScaleBanks) {
    throw InputError(
        fmt::format("systolic_array in MX8 has {} scale banks, too few for {} rows and {} columns",
                    kScaleBanks, g.rows, g.cols));
  }
}

SystolicTiming rtl_timing(const SystolicRtlParams& p) {
  SystolicTiming t;
  t.psum_hop = p.psum_hop;
  t.mac_latency = p.geometry.depth > 1 ? 3 : 2;
  t.accumulate_latency = p.format == ArrayFormat::kMx8 ? 2 : 1;
  return t;
}

Ports systolic_ports(const SystolicRtlParams& p) {
  const auto& g = p.geometry;
  const int vector = element_bits(p.format) * g.depth;
  Ports ports;
  ports.add_input("wt_valid", 1);
  ports.add_input("wt_data", vector * g.cols, "wt_valid");
  ports.add_input("wt_scale", 8 * g.cols, "wt_valid");
  ports.add_input("act_valid", 1);
  ports.add_input("act_data", vector * g.rows, "act_valid");
  ports.add_input("act_scale", 8, "act_valid");
  ports.add_input("act_first", 1, "act_valid");
  ports.add_input("act_last", 1, "act_valid");
  ports.add_input("act_tile_last", 1, "act_valid");
  ports.add_input("init_valid", 1);
  ports.add_input("init_data", 32 * g.cols, "init_valid");
  ports.add_input("init_last", 1, "init_valid");
  ports.add_input("out_ready", 1);
  ports.add_output("wt_ready", 1);
  ports.add_output("act_ready", 1);
  ports.add_output("init_ready", 1);
  ports.add_output("out_valid", 1);
  ports.add_output("out_data", 32 * g.cols, "out_valid");
  ports.add_output("out_last", 1, "out_valid");
  return ports;
}

Cycles fold_cycles(const SystolicRtlParams& params, std::span<const std::int64_t> rows) {
  const SystolicTiming timing = rtl_timing(params);
  const std::int64_t load = load_cycles(params.geometry, timing).value();
  // loaded: cycle after the last weight row of a fold; freed[i % 2]: after its last operand row.
  std::int64_t loaded = 0;
  std::int64_t entered = 0;
  std::array<std::int64_t, 2> freed{};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    loaded = std::max(loaded, freed[i % 2]) + load;
    entered = std::max(entered, loaded) + rows[i];
    freed[i % 2] = entered;
  }
  return Cycles(entered + pipeline_latency(params.geometry, timing).value() - 1);
}

SystolicStep::SystolicStep(const SystolicRtlParams& params)
    : Block("systolic_array", systolic_ports(params)), params_(params) {
  check(params);
  const auto in = [&](const char* n) { return ports().input(n).word; };
  const auto out = [&](const char* n) { return ports().output(n).word; };
  wt_valid_ = in("wt_valid");
  wt_data_ = in("wt_data");
  wt_scale_ = in("wt_scale");
  act_valid_ = in("act_valid");
  act_data_ = in("act_data");
  act_scale_ = in("act_scale");
  act_first_ = in("act_first");
  act_last_ = in("act_last");
  act_tile_last_ = in("act_tile_last");
  init_valid_ = in("init_valid");
  init_data_ = in("init_data");
  init_last_ = in("init_last");
  out_ready_ = in("out_ready");
  wt_ready_ = out("wt_ready");
  act_ready_ = out("act_ready");
  init_ready_ = out("init_ready");
  out_valid_ = out("out_valid");
  out_data_ = out("out_data");
  out_last_ = out("out_last");
  reset();
}

void SystolicStep::reset() {
  const auto& g = params_.geometry;
  const auto cols = static_cast<std::size_t>(g.cols);
  const auto cells = static_cast<std::size_t>(g.rows * g.depth) * cols;
  full_ = {};
  load_bank_ = use_bank_ = load_row_ = 0;
  for (int b = 0; b < 2; ++b) {
    weights_[static_cast<std::size_t>(b)].assign(cells, 0.0F);
    weights8_[static_cast<std::size_t>(b)].assign(cells, 0);
    scales_[static_cast<std::size_t>(b)].assign(cols, 0);
  }
  const auto stages = static_cast<std::size_t>(entrance_to_accumulator(params_));
  pipe_.assign(stages, Row{});
  pipe_sums_.assign(stages * cols, 0);
  head_ = 0;
  flight_ = 0;
  accumulators_.assign(static_cast<std::size_t>(params_.acc_rows) * cols, 0);
  acc_address_ = init_address_ = 0;
  out_valid_q_ = out_last_q_ = false;
  out_q_.assign(cols, 0);
}

void SystolicStep::load_weights(const std::uint32_t* in) {
  const auto& g = params_.geometry;
  const int bits = element_bits(params_.format);
  const auto bank = static_cast<std::size_t>(load_bank_);
  for (int c = 0; c < g.cols; ++c) {
    for (int d = 0; d < g.depth; ++d) {
      const std::uint32_t value = get_bits(in + wt_data_, (c * g.depth + d) * bits, bits);
      const auto cell = static_cast<std::size_t>((load_row_ * g.depth + d) * g.cols + c);
      if (params_.format == ArrayFormat::kBf16) {
        weights_[bank][cell] = numerics::from_bf16(static_cast<std::uint16_t>(value));
      } else {
        weights8_[bank][cell] = static_cast<std::int8_t>(value);
      }
    }
    if (load_row_ == 0 && params_.format == ArrayFormat::kMx8) {
      scales_[bank][static_cast<std::size_t>(c)] =
          static_cast<std::uint8_t>(get_bits(in + wt_scale_, c * 8, 8));
    }
  }
}

void SystolicStep::enter_row(const std::uint32_t* in, std::uint32_t* sums) const {
  const auto& g = params_.geometry;
  const int values = g.rows * g.depth;
  const auto bank = static_cast<std::size_t>(use_bank_);
  const auto cols = static_cast<std::size_t>(g.cols);
  if (params_.format == ArrayFormat::kBf16) {
    std::vector<float> x(static_cast<std::size_t>(values));
    for (int i = 0; i < values; ++i) {
      x[static_cast<std::size_t>(i)] =
          numerics::from_bf16(static_cast<std::uint16_t>(get_bits(in + act_data_, i * 16, 16)));
    }
    std::vector<float> y(cols);
    numerics::matmul({g.rows, g.depth}, x, weights_[bank], y, 1, g.cols, values, false);
    for (std::size_t c = 0; c < cols; ++c) sums[c] = std::bit_cast<std::uint32_t>(y[c]);
    return;
  }
  std::vector<std::int8_t> x(static_cast<std::size_t>(values));
  for (int i = 0; i < values; ++i) {
    x[static_cast<std::size_t>(i)] = static_cast<std::int8_t>(get_bits(in + act_data_, i * 8, 8));
  }
  std::vector<std::int32_t> y(cols);
  numerics::matmul_int8(x, weights8_[bank], y, 1, g.cols, values, false);
  const auto scale = static_cast<std::uint8_t>(in[act_scale_]);
  for (std::size_t c = 0; c < cols; ++c) {
    sums[c] = params_.format == ArrayFormat::kInt8
                  ? static_cast<std::uint32_t>(y[c])
                  : std::bit_cast<std::uint32_t>(numerics::scale_mx(y[c], scale, scales_[bank][c]));
  }
}

void SystolicStep::accumulate(const Row& row, const std::uint32_t* sums) {
  const auto cols = static_cast<std::size_t>(params_.geometry.cols);
  std::uint32_t* old = &accumulators_[static_cast<std::size_t>(acc_address_) * cols];
  for (std::size_t c = 0; c < cols; ++c) {
    if (row.first) {
      old[c] = sums[c];
    } else if (params_.format == ArrayFormat::kInt8) {
      old[c] += sums[c];
    } else {
      old[c] = std::bit_cast<std::uint32_t>(
          numerics::add_flushed(std::bit_cast<float>(old[c]), std::bit_cast<float>(sums[c])));
    }
  }
  if (row.last) {
    std::copy(old, old + cols, out_q_.begin());
    out_last_q_ = row.tile_last;
  }
  acc_address_ = row.tile_last ? 0 : (acc_address_ + 1) % params_.acc_rows;
}

void SystolicStep::cycle(const std::uint32_t* in, std::uint32_t* out) {
  const auto cols = static_cast<std::size_t>(params_.geometry.cols);
  const bool advance = !out_valid_q_ || in[out_ready_] != 0;
  const bool wt_ready = advance && !full_[static_cast<std::size_t>(load_bank_)];
  const bool act_ready = advance && full_[static_cast<std::size_t>(use_bank_)];
  const bool init_ready = flight_ == 0 && in[act_valid_] == 0;
  out[wt_ready_] = wt_ready;
  out[act_ready_] = act_ready;
  out[init_ready_] = init_ready;
  out[out_valid_] = out_valid_q_;
  std::copy(out_q_.begin(), out_q_.end(), out + out_data_);
  out[out_last_] = out_last_q_;

  if (in[init_valid_] != 0 && init_ready) {
    std::copy(in + init_data_, in + init_data_ + cols,
              accumulators_.begin() +
                  static_cast<std::ptrdiff_t>(static_cast<std::size_t>(init_address_) * cols));
    init_address_ = in[init_last_] != 0 ? 0 : (init_address_ + 1) % params_.acc_rows;
  }
  if (!advance) return;

  const Row leaving = pipe_[head_];
  out_valid_q_ = leaving.valid && leaving.last;
  if (leaving.valid) {
    accumulate(leaving, &pipe_sums_[head_ * cols]);
    --flight_;
  }

  Row& entering = pipe_[head_];
  entering.valid = in[act_valid_] != 0 && act_ready;
  const bool load = in[wt_valid_] != 0 && wt_ready;
  if (entering.valid) {
    entering.first = in[act_first_] != 0;
    entering.last = in[act_last_] != 0;
    entering.tile_last = in[act_tile_last_] != 0;
    enter_row(in, &pipe_sums_[head_ * cols]);
    ++flight_;
  }
  if (load) {
    load_weights(in);
    load_row_ = load_row_ + 1;
    if (load_row_ == params_.geometry.rows) {
      load_row_ = 0;
      full_[static_cast<std::size_t>(load_bank_)] = true;
      load_bank_ ^= 1;
    }
  }
  if (entering.valid && entering.tile_last) {
    full_[static_cast<std::size_t>(use_bank_)] = false;
    use_bank_ ^= 1;
  }
  head_ = (head_ + 1) % pipe_.size();
}

}  // namespace athena::timing
