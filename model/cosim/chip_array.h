#pragma once
/// The matrix array of rtl/systolic_array in the cores of a chip: every product of a run goes
/// through it, its numbers and its cycles are the run's.
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/chip.h"
#include "cosim/array_port.h"
#include "exec/matrix_engine.h"

namespace athena::cosim {

class ChipArray final : public exec::MatrixEngine {
 public:
  /// Throws InputError when the chip's matrix unit is not what the RTL can be (dataflow, units,
  /// weight banks), or when the RTL was not built for its geometry.
  ChipArray(const config::ChipConfig& chip, Backend backend);

  [[nodiscard]] timing::MatmulCycles cycles(Dtype type, std::int64_t m, std::int64_t n,
                                            std::int64_t k) override;
  /// Throws Contradiction with the whole report (cycle, signal, both values, last transactions,
  /// waveform) when model and RTL differ.
  void multiply(const exec::Product& product) override;

  /// Whether the array runs this format at the chip's rate.
  [[nodiscard]] bool computes(Dtype type) const;
  /// "16x16x1", with its backend's accumulator rows.
  [[nodiscard]] std::string parameters() const;
  /// Products that the array computed so far.
  [[nodiscard]] std::int64_t products() const { return products_; }
  /// What was compared, one line per number format for the numbers and one for the cycles; empty
  /// unless in lockstep.
  [[nodiscard]] std::vector<std::string> parity() const;
  /// Plants a fault into the RTL of every array made from now on (tests of the report).
  void plant(const Fault& fault) { faults_.push_back(fault); }
  /// Folder for the waveform of a divergence.
  void set_out_dir(std::string folder) { out_dir_ = std::move(folder); }

 private:
  using ShapeKey = std::array<std::int64_t, 4>;  ///< format, m, n, k
  struct Timed {
    timing::MatmulCycles unit;  ///< what the core is told
    std::int64_t uses = 0;      ///< products timed with it
    std::int64_t model = 0;     ///< the chip's closed form: cycles of the array alone
    std::int64_t array = 0;     ///< the backend's
  };
  ArrayEngine& engine(int core, timing::ArrayFormat format);
  [[nodiscard]] timing::SystolicRtlParams params_of(timing::ArrayFormat format) const;
  [[nodiscard]] timing::ArrayFormat format_of(Dtype type) const;
  Timed time(Dtype type, timing::ArrayFormat format, std::int64_t m, std::int64_t n,
             std::int64_t k);
  [[noreturn]] void report(const DivergenceError& error, const exec::Product& product,
                           const TileJob& job, timing::ArrayFormat format) const;

  config::MatrixConfig unit_;
  std::string chip_;
  Backend backend_;
  std::map<std::pair<int, int>, std::unique_ptr<ArrayEngine>> engines_;  ///< by core and format
  std::map<ShapeKey, Timed> times_;
  std::vector<Fault> faults_;
  std::string out_dir_ = "out";
  std::int64_t products_ = 0;
};

}  // namespace athena::cosim
