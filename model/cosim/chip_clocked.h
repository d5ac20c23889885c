#pragma once
/// DMA engines, routers and memory schedulers of rtl/ for a chip: checked against its
/// configuration, made as RTL or in lockstep, and what they did.
#include <map>
#include <string>
#include <vector>

#include "config/chip.h"
#include "cosim/lockstep.h"
#include "timing/clocked_bodies.h"

namespace athena::cosim {

using config::Backend;

class ChipClocked {
 public:
  ChipClocked() = default;
  ChipClocked(const ChipClocked&) = delete;
  ChipClocked& operator=(const ChipClocked&) = delete;

  /// Puts RTL (alone or in lockstep) in the place of `block`. Throws InputError when the chip's
  /// part cannot be that block, naming what differs, or when no RTL was built.
  void add(const config::ChipConfig& chip, const std::string& block, Backend backend);
  [[nodiscard]] bool has(const std::string& block) const { return parts_.count(block) > 0; }
  /// Null when no block was added.
  [[nodiscard]] timing::ClockedBodies* bodies() { return parts_.empty() ? nullptr : &bodies_; }

  /// Parameters of the block's RTL: "128 B beats, bursts of 8, 8 KiB in flight".
  [[nodiscard]] std::string parameters(const std::string& block) const;
  /// "8 engines: 312 transfers, 4210 beats in 98000 clocks, 143.2 clocks each".
  [[nodiscard]] std::string traffic(const std::string& block) const;
  /// One line; empty unless in lockstep, and for a block that nothing went through.
  [[nodiscard]] std::vector<std::string> parity(const std::string& block) const;

  /// Plants a fault into the RTL of every body of `block` made from now on (tests of the report).
  void plant(const std::string& block, const Fault& fault) { faults_[block].push_back(fault); }
  void set_out_dir(std::string folder) { out_dir_ = std::move(folder); }

 private:
  struct Part {
    Backend backend = Backend::kRtl;
    std::string parameters;
    std::string body, transaction, piece;  ///< "engine", "transfer", "beat"
    timing::BodyUse timing::ClockedBodies::*use = nullptr;
    int count = 0;  ///< bodies of one run
  };
  template <class Model, class Rtl>
  timing::BodyMaker maker(const std::string& block, Backend backend, Model model, Rtl rtl);
  void add_dma(const config::ChipConfig& chip, Backend backend);
  void add_router(const config::ChipConfig& chip, Backend backend);
  void add_scheduler(const config::ChipConfig& chip, Backend backend);

  timing::ClockedBodies bodies_;
  std::map<std::string, Part> parts_;
  std::map<std::string, std::vector<Fault>> faults_;
  std::string out_dir_ = "out";
};

}  // namespace athena::cosim
