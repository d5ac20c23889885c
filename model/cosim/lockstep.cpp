#include "cosim/lockstep.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace athena::cosim {
namespace {

/// Cycles remembered for the report; transactions among them are listed.
constexpr std::size_t kRing = 64;
constexpr int kTransactions = 16;

std::string sentence(const Divergence& d) {
  return fmt::format("{}: model and RTL differ at cycle {} in '{}': model {}, RTL {}", d.block,
                     d.cycle, d.signal, d.model_value, d.rtl_value);
}

/// Long values are shortened: the end of the report is for people.
std::string brief(const timing::Signal& signal, const std::uint32_t* words) {
  std::string text = show_value(signal, words);
  constexpr std::size_t kLongest = 34;
  if (text.size() <= kLongest) return text;
  return text.substr(0, 16) + ".." + text.substr(text.size() - 16);
}

bool counts(const std::vector<timing::Signal>& signals, const timing::Signal& s,
            const std::uint32_t* words) {
  return s.valid < 0 || words[signals[static_cast<std::size_t>(s.valid)].word] != 0;
}

bool is_transaction(const std::vector<timing::Signal>& signals, const std::uint32_t* words) {
  return std::any_of(signals.begin(), signals.end(), [&](const timing::Signal& s) {
    return s.valid >= 0 && counts(signals, s, words);
  });
}

void list_values(std::string& text, const std::vector<timing::Signal>& signals,
                 const std::uint32_t* words) {
  for (const auto& s : signals) {
    if (s.valid < 0 && words[s.word] == 0) continue;
    if (counts(signals, s, words)) text += fmt::format(" {}={}", s.name, brief(s, words + s.word));
  }
}

}  // namespace

std::string show_value(const timing::Signal& signal, const std::uint32_t* words) {
  std::string digits;
  for (int i = signal.words - 1; i >= 0; --i) digits += fmt::format("{:08x}", words[i]);
  const auto wanted = static_cast<std::size_t>((signal.bits + 3) / 4);
  return "0x" + digits.substr(digits.size() - wanted);
}

DivergenceError::DivergenceError(Divergence divergence)
    : Contradiction(sentence(divergence)), divergence_(std::move(divergence)) {}

Lockstep::Lockstep(std::unique_ptr<timing::Block> model, std::unique_ptr<RtlBlock> rtl)
    : Block(model->name(), model->ports()), model_(std::move(model)), rtl_(std::move(rtl)) {
  rtl_in_.resize(static_cast<std::size_t>(ports().input_words()));
  rtl_out_.resize(static_cast<std::size_t>(ports().output_words()));
  ring_.resize(kRing);
  for (auto& step : ring_) {
    step.in.resize(rtl_in_.size());
    step.out.resize(rtl_out_.size());
  }
}

void Lockstep::reset() {
  model_->reset();
  rtl_->reset();
  cycles_ = 0;
}

void Lockstep::apply(const Fault& fault, std::uint32_t* words) const {
  const timing::Signal& s =
      fault.input ? ports().input(fault.signal) : ports().output(fault.signal);
  std::uint32_t* value = words + s.word;
  switch (fault.kind) {
    case Fault::Kind::kFlipLow:
      value[0] ^= 1U;
      return;
    case Fault::Kind::kStuckZero:
      std::fill(value, value + s.words, 0U);
      return;
    case Fault::Kind::kStuckOne:
      for (int i = 0; i < s.bits; ++i) timing::put_bits(value, i, 1, 1);
      return;
    case Fault::Kind::kRotateLanes: {
      const std::vector<std::uint32_t> old(value, value + s.words);
      const int lanes = s.bits / fault.lane_bits;
      for (int lane = 0; lane < lanes; ++lane) {
        const int from = (lane + 1) % lanes;
        timing::put_bits(value, lane * fault.lane_bits, fault.lane_bits,
                         timing::get_bits(old.data(), from * fault.lane_bits, fault.lane_bits));
      }
      return;
    }
  }
}

const timing::Signal* Lockstep::difference(const std::uint32_t* model,
                                           const std::uint32_t* rtl) const {
  const auto& signals = ports().outputs();
  for (const auto& s : signals) {
    if (!counts(signals, s, model)) continue;
    if (std::memcmp(model + s.word, rtl + s.word, static_cast<std::size_t>(s.words) * 4) != 0) {
      return &s;
    }
  }
  return nullptr;
}

std::string Lockstep::history() const {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < kRing && i < cycles_; ++i) {
    const Step& step = ring_[(cycles_ - 1 - i) % kRing];
    const bool moved = is_transaction(ports().inputs(), step.in.data()) ||
                       is_transaction(ports().outputs(), step.out.data());
    if (!moved) continue;
    std::string line = fmt::format("  cycle {:>8}  in:", step.cycle);
    list_values(line, ports().inputs(), step.in.data());
    line += "  out:";
    list_values(line, ports().outputs(), step.out.data());
    lines.push_back(std::move(line));
    if (lines.size() == kTransactions) break;
  }
  std::reverse(lines.begin(), lines.end());
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  return text;
}

void Lockstep::cycle(const std::uint32_t* in, std::uint32_t* out) {
  model_->cycle(in, out);
  std::copy(in, in + rtl_in_.size(), rtl_in_.begin());
  for (const Fault& f : faults_) {
    if (f.input && cycles_ >= f.from_cycle) apply(f, rtl_in_.data());
  }
  rtl_->cycle(rtl_in_.data(), rtl_out_.data());
  for (const Fault& f : faults_) {
    if (!f.input && cycles_ >= f.from_cycle) apply(f, rtl_out_.data());
  }
  Step& step = ring_[cycles_ % kRing];
  step.cycle = cycles_;
  std::copy(in, in + rtl_in_.size(), step.in.begin());
  std::copy(out, out + rtl_out_.size(), step.out.begin());
  ++cycles_;
  const timing::Signal* s = difference(out, rtl_out_.data());
  if (s == nullptr) return;
  Divergence d;
  d.block = name();
  d.cycle = cycles_ - 1;
  d.signal = s->name;
  d.model_value = show_value(*s, out + s->word);
  d.rtl_value = show_value(*s, rtl_out_.data() + s->word);
  d.history = history();
  throw DivergenceError(std::move(d));
}

}  // namespace athena::cosim
