#pragma once
/// Co-simulation runs: every block, in every parameter set it is built for, model beside RTL.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cosim/lockstep.h"
#include "cosim/rtl_block.h"
#include "cosim/stimulus.h"
#include "timing/block.h"

namespace athena::cosim {

/// One block in one parameter set. Adding a block of one's own is adding one of these
/// (rtl/README.md).
struct BlockCase {
  std::string block;    ///< folder under rtl/
  std::string variant;  ///< "16x16x1-bf16"
  std::string vectors;  ///< what one vector is: "tiles"
  std::function<std::unique_ptr<timing::Block>()> make_model;
  std::function<std::unique_ptr<RtlBlock>(std::uint64_t seed)> make_rtl;
  std::function<std::unique_ptr<Stimulus>(std::uint64_t seed, double stall)> make_stimulus;
  std::vector<Fault> faults;                         ///< what --inject can plant
  std::function<std::vector<std::string>()> parity;  ///< PARITY lines on whole work; may be empty
  [[nodiscard]] std::string name() const { return block + "/" + variant; }
};

/// All blocks, in a fixed order.
[[nodiscard]] const std::vector<BlockCase>& block_cases();
/// Those of one block, or of one block/variant; throws InputError with the nearest name.
[[nodiscard]] std::vector<BlockCase> find_cases(const std::string& name);

struct CosimOptions {
  std::uint64_t vectors = 1000;  ///< stop after this many finished transactions ..
  std::uint64_t min_cycles = 0;  ///< .. and at least this many cycles
  double stall = 0.2;            ///< probability that a channel stalls in a cycle
  std::uint64_t seed = 1;
  std::string inject;           ///< name of a fault of the block, or empty
  std::string out_dir = "out";  ///< where a waveform goes
  bool replay = true;           ///< fork snapshots and write a waveform on divergence
  std::string coverage;         ///< file for RTL coverage (Verilator's format), or empty
  std::function<void(double)> progress;
};

struct CosimResult {
  std::string name;
  std::uint64_t cycles = 0;
  std::uint64_t vectors = 0;
  double cpu_s = 0.0;  ///< of the lockstep loop, this process
  std::optional<Divergence> divergence;
  std::string waveform;  ///< VCD of the window before the divergence, "" if none
  std::vector<std::string> parity;
};

/// Whether the RTL of this build counts lines and toggles (cmake -DATHENA_RTL_COVERAGE=ON).
[[nodiscard]] bool gathers_coverage();

/// Walks model and RTL in lockstep. A divergence is a result, not an exception; a block that makes
/// no progress for 20000 cycles throws Contradiction. Throws InputError for an unknown fault, and
/// for coverage that this build does not gather.
[[nodiscard]] CosimResult run_cosim(const BlockCase& block, const CosimOptions& options);

/// Cycles per CPU second of the RTL alone under the same stimulus.
[[nodiscard]] double rtl_cycles_per_second(const BlockCase& block, std::uint64_t cycles);

}  // namespace athena::cosim
