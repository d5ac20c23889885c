#include "cosim/chip_lockstep.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

namespace athena::cosim {
namespace {

constexpr std::uint64_t kWindow = 200;  ///< cycles in a waveform
/// Inputs on record per block; a run with more has no waveform.
constexpr std::size_t kMostRecorded = std::size_t{32} << 20;

}  // namespace

ChipLockstep::ChipLockstep(std::string who, Makers makers)
    : Block(makers.model()->name(), makers.model()->ports()),
      who_(std::move(who)),
      makers_(std::move(makers)),
      both_(make()) {}

std::unique_ptr<Lockstep> ChipLockstep::make() const {
  auto both = std::make_unique<Lockstep>(makers_.model(), makers_.rtl());
  for (const Fault& fault : makers_.faults) both->plant(fault);
  return both;
}

void ChipLockstep::reset() {
  both_->reset();
  records_.clear();
  recorded_ = 0;
}

void ChipLockstep::cycle(const std::uint32_t* in, std::uint32_t* out) {
  const auto words = static_cast<std::size_t>(ports().input_words());
  const bool same = !records_.empty() && std::equal(in, in + words, records_.back().in.begin());
  if (!same && recorded_ < kMostRecorded) {
    records_.push_back({both_->cycles(), {in, in + words}});
    recorded_ += words * sizeof(std::uint32_t) + sizeof(Record);
  }
  try {
    both_->cycle(in, out);
  } catch (const DivergenceError& error) {
    report(error.divergence());
  }
}

void ChipLockstep::report(const Divergence& d) const {
  throw Contradiction(fmt::format(
      "{} of {}: model and RTL differ at cycle {} of this block\n  signal {}\n  model  {}\n  RTL   "
      " "
      "{}\nlast transactions, as the model saw them:\n{}{}",
      name(), who_, d.cycle, d.signal, d.model_value, d.rtl_value, d.history, waveform(d)));
}

/// The same inputs once more on fresh bodies, with a waveform of the end.
std::string ChipLockstep::waveform(const Divergence& d) const {
  if (recorded_ >= kMostRecorded)
    return "no waveform: the block's inputs were too many to keep; `athena cosim` replays windows";
  std::error_code ignored;
  std::filesystem::create_directories(makers_.out_dir, ignored);
  std::string file = fmt::format("{}-{}-cycle{}.vcd", name(), who_, d.cycle);
  for (char& c : file) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '_') c = '-';
  }
  const std::string path = (std::filesystem::path(makers_.out_dir) / file).string();
  const auto again = make();
  again->reset();
  std::vector<std::uint32_t> out(static_cast<std::size_t>(ports().output_words()));
  std::size_t next = 0;
  std::vector<std::uint32_t> in;
  bool repeated = false;
  try {
    for (std::uint64_t at = 0; at <= d.cycle; ++at) {
      if (next < records_.size() && records_[next].cycle == at) in = records_[next++].in;
      if (at + kWindow == std::max(d.cycle, kWindow)) again->rtl().open_trace(path);
      again->cycle(in.data(), out.data());
    }
  } catch (const DivergenceError&) {
    repeated = true;
  }
  again->rtl().close_trace();
  return repeated
             ? "waveform of the window: " + path
             : "waveform of the window (which shows no difference when it is repeated): " + path;
}

}  // namespace athena::cosim
