#pragma once
/// Which blocks of a chip are RTL in a run, made ready for the chip and heard afterwards.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/chip.h"
#include "cosim/chip_array.h"
#include "cosim/chip_clocked.h"
#include "cosim/chip_softmax.h"
#include "exec/bodies.h"

namespace athena::cosim {

/// Bodies of blocks, by the block's folder under rtl/.
using Backends = std::map<std::string, Backend>;

/// The chip's own choice (its key `backend`) with what the command line says on top
/// (block -> model | rtl | lockstep). Throws InputError for unknown blocks and bodies, naming the
/// nearest.
[[nodiscard]] Backends backends_of(const config::ChipConfig& chip,
                                   const std::map<std::string, std::string>& asked);

/// What one block of a run was, and what was compared.
struct BlockReport {
  std::string block;
  Backend backend = Backend::kModel;
  std::string parameters;           ///< of the RTL: "16x16x1 bf16"
  std::string traffic;              ///< what went through it
  std::vector<std::string> parity;  ///< PARITY lines; empty unless in lockstep
};

class ChipBlocks {
 public:
  /// Throws InputError when a block of this chip cannot be the RTL, or no RTL was built for it.
  ChipBlocks(const config::ChipConfig& chip, const Backends& backends);
  /// What was asked for, for a run.
  [[nodiscard]] exec::Bodies bodies();
  /// Whether `block` is RTL, alone or in lockstep.
  [[nodiscard]] bool is_rtl(const std::string& block) const;
  /// Plants a fault into the RTL of a block (tests of the report).
  void plant(const std::string& block, const Fault& fault);
  /// Folder for the waveform of a divergence.
  void set_out_dir(const std::string& folder);
  /// Format in which a model of `type` runs on this chip: its own when the array computes it, else
  /// BF16, which it always does.
  [[nodiscard]] Dtype format_for(Dtype type) const;
  /// What was asked for, in the blocks' order. Throws Contradiction when cycles differ by more than
  /// the stated tolerance.
  [[nodiscard]] std::vector<BlockReport> reports() const;

 private:
  Backends backends_;
  std::unique_ptr<ChipArray> array_;
  std::unique_ptr<ChipSoftmax> softmax_;
  ChipClocked clocked_;
};

}  // namespace athena::cosim
