#pragma once
/// Units of rtl/vector_softmax in the cores of a chip: its special-function lanes are such units
/// side by side, and every softmax of a run goes through them.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/chip.h"
#include "cosim/chip_lockstep.h"
#include "cosim/softmax_rows.h"
#include "exec/softmax_engine.h"
#include "timing/softmax_step.h"

namespace athena::cosim {

using config::Backend;

class ChipSoftmax final : public exec::SoftmaxEngine {
 public:
  /// Throws InputError when the chip's special-function lanes are no whole number of units, or when
  /// no RTL was built.
  ChipSoftmax(const config::ChipConfig& chip, Backend backend);

  /// Rows are dealt to the units; each takes its rows back to back. Measured on the RTL once per
  /// shape.
  [[nodiscard]] double cycles(std::int64_t rows, std::int64_t cols) override;
  float row(int core, std::span<const float> values, std::span<float> weights) override;

  /// "8 units of 4 lanes per core".
  [[nodiscard]] std::string parameters() const;
  /// Lines on numbers and cycles; empty unless in lockstep. Throws Contradiction beyond the stated
  /// tolerances.
  [[nodiscard]] std::vector<std::string> parity() const;
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  /// Plants a fault into the RTL of every unit made from now on (tests of the report).
  void plant(const Fault& fault) { faults_.push_back(fault); }
  void set_out_dir(std::string folder) { out_dir_ = std::move(folder); }

 private:
  struct Timed {
    std::int64_t uses = 0;
    std::int64_t model = 0;  ///< closed form of the unit
    std::int64_t unit = 0;   ///< the backend's
    double chip = 0;         ///< closed form of the chip's vector unit
  };
  timing::Block& unit(int core);
  [[nodiscard]] Timed time(std::int64_t rows, std::int64_t cols);
  float block(int core, std::span<const float> values, std::span<float> weights);
  void compare(const SoftmaxRow& in, const SoftmaxRow& out);

  config::VectorConfig vector_;
  std::string chip_;
  Backend backend_;
  timing::SoftmaxRtlParams params_;
  std::int64_t units_ = 1;
  std::map<int, std::unique_ptr<timing::Block>> bodies_;  ///< by core
  std::map<std::pair<std::int64_t, std::int64_t>, Timed> times_;
  std::vector<Fault> faults_;
  std::string out_dir_ = "out";
  std::int64_t rows_ = 0, values_ = 0;
  double worst_ = 0;  ///< relative error of a weight
};

}  // namespace athena::cosim
