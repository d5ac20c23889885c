#pragma once
/// Cycle-stepped model of `rtl/systolic_array`: same port, same cycle at every handshake, same
/// bits. The array's inside is not stepped: a row's sums are computed when it enters and appear at
/// the accumulator after the pipeline's latency, which is what a rigid systolic grid does.
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "timing/block.h"
#include "timing/systolic.h"

namespace athena::timing {

/// Number formats the RTL array is built for; the encoding of `systolic_array_pkg`.
enum class ArrayFormat { kBf16 = 0, kInt8 = 1, kMx8 = 2 };

/// Parameters of `systolic_array.sv`, one to one.
struct SystolicRtlParams {
  ArrayGeometry geometry{16, 16, 1};
  ArrayFormat format = ArrayFormat::kBf16;
  int psum_hop = 1;
  int acc_rows =
      256;  ///< accumulator rows: the longest tile (rows of operands under one weight tile)
  bool operator==(const SystolicRtlParams&) const = default;
};

/// Throws InputError when the RTL cannot be built for these parameters.
void check(const SystolicRtlParams& params);
/// Pipeline parameters of the closed form that this RTL has.
[[nodiscard]] SystolicTiming rtl_timing(const SystolicRtlParams& params);
/// The port of the array.
[[nodiscard]] Ports systolic_ports(const SystolicRtlParams& params);

/// Cycles of a run of folds with `rows[i]` operand rows each, under the RTL's entrance rules: total
/// as in GemmCycles (to the cycle in which the last sums are seen).
[[nodiscard]] Cycles fold_cycles(const SystolicRtlParams& params,
                                 std::span<const std::int64_t> rows);

class SystolicStep final : public Block {
 public:
  explicit SystolicStep(const SystolicRtlParams& params);
  void reset() override;
  void cycle(const std::uint32_t* in, std::uint32_t* out) override;

 private:
  struct Row {
    bool valid = false;
    bool first = false;
    bool last = false;
    bool tile_last = false;
  };
  void load_weights(const std::uint32_t* in);
  void enter_row(const std::uint32_t* in, std::uint32_t* sums) const;
  void accumulate(const Row& row, const std::uint32_t* sums);

  SystolicRtlParams params_;
  // Word offsets of the signals.
  int wt_valid_, wt_data_, wt_scale_, act_valid_, act_data_, act_scale_, act_first_, act_last_,
      act_tile_last_, init_valid_, init_data_, init_last_, out_ready_;
  int wt_ready_, act_ready_, init_ready_, out_valid_, out_data_, out_last_;

  std::array<bool, 2> full_{};
  int load_bank_ = 0;
  int use_bank_ = 0;
  int load_row_ = 0;
  std::array<std::vector<float>, 2> weights_;         // [row * depth][column]
  std::array<std::vector<std::int8_t>, 2> weights8_;  // the same for INT8 and MX8
  std::array<std::vector<std::uint8_t>, 2> scales_;   // MX8: per column
  std::vector<Row> pipe_;                             // ring: entrance to accumulator
  std::vector<std::uint32_t> pipe_sums_;
  std::size_t head_ = 0;
  int flight_ = 0;
  std::vector<std::uint32_t> accumulators_;
  int acc_address_ = 0;
  int init_address_ = 0;
  bool out_valid_q_ = false;
  bool out_last_q_ = false;
  std::vector<std::uint32_t> out_q_;
};

}  // namespace athena::timing
