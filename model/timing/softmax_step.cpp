#include "timing/softmax_step.h"

#include <algorithm>

#include "base/error.h"
#include "numerics/convert.h"

namespace athena::timing {
namespace {

/// Last beat in to the first cycle in which its row can be read: S0 .. S5, R1 .. R3.
constexpr int kToDone = 9;
/// Stages E1 .. E4; E5 is the output register.
constexpr std::size_t kEmitStages = 4;

/// Words of the port; the data comes last because its width is a parameter.
enum In { kInValid, kInLast, kOutReady, kInData };
enum Out { kInReady, kOutValid, kOutLast, kOutData };

}  // namespace

Ports softmax_ports(const SoftmaxRtlParams& p) {
  Ports ports;
  ports.add_input("in_valid", 1);
  ports.add_input("in_last", 1, "in_valid");
  ports.add_input("out_ready", 1);
  ports.add_input("in_data", 16 * p.lanes, "in_valid");
  ports.add_output("in_ready", 1);
  ports.add_output("out_valid", 1);
  ports.add_output("out_last", 1, "out_valid");
  ports.add_output("out_data", 16 * p.lanes, "out_valid");
  return ports;
}

Cycles softmax_cycles(std::span<const std::int64_t> beats) {
  std::int64_t in_free = 0;    // cycle in which the next row may begin to enter
  std::int64_t emit_free = 0;  // cycle in which the next row may begin to leave
  std::array<std::int64_t, 2> bank_free{};
  for (std::size_t i = 0; i < beats.size(); ++i) {
    const std::int64_t start = std::max(in_free, bank_free[i % 2]);
    const std::int64_t last_in = start + beats[i] - 1;
    in_free = last_in + 1;
    emit_free = std::max(emit_free, last_in + kToDone) + beats[i];
    bank_free[i % 2] = emit_free;
  }
  return Cycles(emit_free - 1 + static_cast<std::int64_t>(kEmitStages) + 1);
}

SoftmaxStep::SoftmaxStep(const SoftmaxRtlParams& params)
    : Block("vector_softmax", softmax_ports(params)),
      params_(params),
      data_words_(ceil_div(16 * params.lanes, 32)) {
  if (params.lanes < 1 || params.lanes > 64 || params.max_beats < 1) {
    throw InputError("vector_softmax needs 1..64 lanes and rows of at least one beat");
  }
  reset();
}

void SoftmaxStep::reset() {
  banks_ = {};
  load_bank_ = emit_bank_ = emit_at_ = 0;
  state_ = {};
  loading_.clear();
  pipe_.assign(kEmitStages, Beat{});
  head_ = 0;
  output_ = Beat{};
  output_.words.assign(static_cast<std::size_t>(data_words_), 0);
}

void SoftmaxStep::take_in(const std::uint32_t* in) {
  std::array<float, 64> lanes{};
  for (int l = 0; l < params_.lanes; ++l) {
    lanes[static_cast<std::size_t>(l)] =
        numerics::from_bf16(static_cast<std::uint16_t>(get_bits(in + kInData, l * 16, 16)));
    loading_.push_back(lanes[static_cast<std::size_t>(l)]);
  }
  numerics::softmax_take(
      state_, std::span<const float>(lanes).first(static_cast<std::size_t>(params_.lanes)));
  if (in[kInLast] == 0) return;
  Bank& bank = banks_[static_cast<std::size_t>(load_bank_)];
  bank.taken = true;
  bank.values.swap(loading_);
  bank.row = state_;
  bank.reciprocal = numerics::softmax_reciprocal(state_.sum);
  bank.until_done = kToDone;
  loading_.clear();
  state_ = {};
  load_bank_ ^= 1;
}

/// One step of the output pipeline.
void SoftmaxStep::emit() {
  output_.valid = pipe_[head_].valid;
  if (pipe_[head_].valid) output_ = pipe_[head_];
  Beat& beat = pipe_[head_];
  head_ = (head_ + 1) % pipe_.size();
  Bank& bank = banks_[static_cast<std::size_t>(emit_bank_)];
  beat.valid = bank.done;
  if (!bank.done) return;
  beat.words.assign(static_cast<std::size_t>(data_words_), 0);
  for (int l = 0; l < params_.lanes; ++l) {
    const float x = bank.values[static_cast<std::size_t>(emit_at_ * params_.lanes + l)];
    put_bits(beat.words.data(), l * 16, 16,
             numerics::softmax_element(bank.row, bank.reciprocal, x));
  }
  ++emit_at_;
  beat.last = static_cast<std::size_t>(emit_at_ * params_.lanes) == bank.values.size();
  if (!beat.last) return;
  emit_at_ = 0;
  bank.taken = bank.done = false;
  emit_bank_ ^= 1;
}

void SoftmaxStep::cycle(const std::uint32_t* in, std::uint32_t* out) {
  const bool in_ready = !banks_[static_cast<std::size_t>(load_bank_)].taken;
  const bool advance = !output_.valid || in[kOutReady] != 0;
  out[kInReady] = in_ready;
  out[kOutValid] = output_.valid;
  out[kOutLast] = output_.last;
  std::copy(output_.words.begin(), output_.words.end(), out + kOutData);

  if (advance) emit();
  if (in[kInValid] != 0 && in_ready) take_in(in);
  for (Bank& bank : banks_) {
    if (bank.until_done > 0 && --bank.until_done == 0) bank.done = true;
  }
}

}  // namespace athena::timing
