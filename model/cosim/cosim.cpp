#include "cosim/cosim.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <filesystem>

#include "base/error.h"
#include "base/text.h"
#include "cosim/cases.h"
#include "cosim/snapshot.h"

namespace athena::cosim {
namespace {

constexpr std::uint64_t kSnapshotEvery = 40'000;  ///< cycles; a fork costs about a millisecond
constexpr std::uint64_t kWindow = 200;            ///< cycles in a waveform
constexpr std::uint64_t kPatience = 20'000;       ///< cycles without a finished vector = deadlock
constexpr std::uint64_t kFaultCycle = 300;        ///< planted faults wait for traffic to flow

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

Fault find_fault(const BlockCase& block, const std::string& name) {
  std::vector<std::string> names;
  for (const Fault& f : block.faults) {
    if (f.name == name) {
      Fault fault = f;
      fault.from_cycle = kFaultCycle;
      return fault;
    }
    names.push_back(f.name);
  }
  throw InputError(fmt::format("{} has no fault '{}' to inject; there are: {}.{}", block.block,
                               name, join(names, ", "), did_you_mean(name, names)));
}

/// The loop, its snapshots and its end.
class Run {
 public:
  Run(const BlockCase& block, const CosimOptions& options)
      : block_(block),
        options_(options),
        lockstep_(block.make_model(), block.make_rtl(options.seed)),
        stimulus_(block.make_stimulus(options.seed, options.stall)),
        in_(static_cast<std::size_t>(lockstep_.ports().input_words())),
        out_(static_cast<std::size_t>(lockstep_.ports().output_words())) {
    if (!options.inject.empty()) lockstep_.plant(find_fault(block, options.inject));
    lockstep_.reset();
  }

  CosimResult run() {
    CosimResult result;
    result.name = block_.name();
    const double start = cpu_seconds();
    try {
      loop();
    } catch (const DivergenceError& error) {
      if (replay_target_) leave_copy();
      result.divergence = error.divergence();
      result.waveform = waveform(error.divergence().cycle);
    }
    result.cpu_s = cpu_seconds() - start;
    result.cycles = lockstep_.cycles();
    result.vectors = stimulus_->completed();
    if (!options_.coverage.empty()) lockstep_.rtl().write_coverage(options_.coverage);
    return result;
  }

 private:
  [[nodiscard]] bool finished() const {
    return stimulus_->completed() >= options_.vectors && lockstep_.cycles() >= options_.min_cycles;
  }

  void loop() {
    std::uint64_t last_completed = 0;
    std::uint64_t last_progress = 0;
    while (!finished()) {
      const std::uint64_t cycle = lockstep_.cycles();
      if (cycle % kSnapshotEvery == 0 && !replay_target_) {
        if (options_.replay) replay_target_ = snapshots_.take(cycle);
        report();
      }
      if (replay_target_ && cycle + kWindow >= *replay_target_ && !tracing_) {
        tracing_ = true;
        lockstep_.rtl().open_trace(waveform_path());
      }
      stimulus_->drive(in_.data());
      lockstep_.cycle(in_.data(), out_.data());
      stimulus_->observe(in_.data(), out_.data());
      if (stimulus_->completed() != last_completed) {
        last_completed = stimulus_->completed();
        last_progress = cycle;
      } else if (cycle - last_progress > kPatience) {
        throw Contradiction(fmt::format("{}: nothing finished between cycle {} and {} (deadlock)",
                                        block_.name(), last_progress, cycle));
      }
    }
    if (replay_target_) _exit(1);  // a copy that met no divergence
  }

  void report() const {
    if (!options_.progress || options_.vectors == 0) return;
    options_.progress(std::min(
        1.0, static_cast<double>(stimulus_->completed()) / static_cast<double>(options_.vectors)));
  }

  [[nodiscard]] std::string waveform_path() const {
    std::string file = block_.name() + "-seed" + std::to_string(options_.seed) + ".vcd";
    std::replace(file.begin(), file.end(), '/', '-');
    return (std::filesystem::path(options_.out_dir) / file).string();
  }

  [[noreturn]] void leave_copy() {
    lockstep_.rtl().close_trace();
    _exit(0);
  }

  std::string waveform(std::uint64_t cycle) {
    if (!options_.replay) return "";
    std::error_code ignored;
    std::filesystem::create_directories(options_.out_dir, ignored);
    if (!snapshots_.replay(cycle, kWindow)) return "";
    return waveform_path();
  }

  const BlockCase& block_;
  const CosimOptions& options_;
  Lockstep lockstep_;
  std::unique_ptr<Stimulus> stimulus_;
  std::vector<std::uint32_t> in_;
  std::vector<std::uint32_t> out_;
  SnapshotKeeper snapshots_;
  std::optional<std::uint64_t> replay_target_;
  bool tracing_ = false;
};

}  // namespace

const std::vector<BlockCase>& block_cases() {
  static const std::vector<BlockCase> cases = [] {
    std::vector<BlockCase> all;
    add_systolic_cases(all);
    add_softmax_cases(all);
    add_dma_cases(all);
    add_router_cases(all);
    add_hbm_cases(all);
    return all;
  }();
  return cases;
}

std::vector<BlockCase> find_cases(const std::string& name) {
  std::vector<BlockCase> found;
  std::vector<std::string> names;
  for (const BlockCase& c : block_cases()) {
    if (c.block == name || c.name() == name) found.push_back(c);
    if (names.empty() || names.back() != c.block) names.push_back(c.block);
  }
  if (found.empty()) {
    throw InputError(fmt::format("unknown block '{}'; there are: {}.{}", name, join(names, ", "),
                                 did_you_mean(name, names)));
  }
  return found;
}

CosimResult run_cosim(const BlockCase& block, const CosimOptions& options) {
  if (!options.coverage.empty() && !gathers_coverage()) {
    throw InputError(
        "this build gathers no RTL coverage; configure one with -DATHENA_RTL_COVERAGE=ON "
        "(scripts/coverage-rtl does).");
  }
  CosimResult result = Run(block, options).run();
  if (block.parity && !result.divergence) result.parity = block.parity();
  return result;
}

double rtl_cycles_per_second(const BlockCase& block, std::uint64_t cycles) {
  const auto rtl = block.make_rtl(1);
  const auto stimulus = block.make_stimulus(1, 0.0);
  std::vector<std::uint32_t> in(static_cast<std::size_t>(rtl->ports().input_words()));
  std::vector<std::uint32_t> out(static_cast<std::size_t>(rtl->ports().output_words()));
  rtl->reset();
  const double start = cpu_seconds();
  for (std::uint64_t i = 0; i < cycles; ++i) {
    stimulus->drive(in.data());
    rtl->cycle(in.data(), out.data());
    stimulus->observe(in.data(), out.data());
  }
  return static_cast<double>(cycles) / (cpu_seconds() - start);
}

}  // namespace athena::cosim
