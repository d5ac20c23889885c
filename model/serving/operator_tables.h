#pragma once
/// Step times from tables of operators measured on the simulator: projections and collectives by
/// tokens, the head by sequences, attention by query and key lengths, added per step.
///
/// A step is   tokens(N) + head(S) + decode_attention(B, mean keys) + prompt_attention(pieces)
/// with N new tokens, S sequences, B of them decoding, and prompt pieces of q tokens after h
/// earlier ones, each priced by what it adds beside another one. A pure decode step is taken whole
/// from the table of decode steps, so that only interpolation and unequal lengths stand between it
/// and the simulator. What is added are terms at full clock; the power cap then finds the clock of
/// the whole step, which no operator has on its own. (The decomposition of Agrawal et al., "Vidur",
/// 2024, measured instead of learned.)
#include <cstdint>
#include <vector>

#include "serving/adaptive_table.h"
#include "serving/calibration.h"
#include "serving/operator_timer.h"
#include "serving/step_time.h"

namespace athena::serving {

/// How large steps can get, and how good the tables have to be.
struct TableLimits {
  std::int64_t max_batch = 256;            ///< sequences
  std::int64_t max_batched_tokens = 2048;  ///< new tokens; whole prompts may exceed it
  std::int64_t max_context = 131072;       ///< keys of one sequence
  double tolerance = 0.002;  ///< interpolation error inside a cell, share of the step's time
};

class OperatorTables final : public StepTime {
 public:
  OperatorTables(MeasurementStore& store, const TableLimits& limits);

  /// From now on every part is scaled as the calibration says. It outlives the tables.
  void calibrate(const Calibration* calibration) { calibration_ = calibration; }

  /// What the tables say of a step, part by part, not calibrated.
  [[nodiscard]] StepParts parts(const StepShape& shape);
  [[nodiscard]] StepCost cost(const StepShape& shape) override;
  [[nodiscard]] StepSegment segment(const StepShape& shape, std::int64_t max_steps) override;
  [[nodiscard]] Watts idle_power() const override { return store_.timer().idle_power(); }

  /// Interpolation error over all tables, measured while they were made.
  [[nodiscard]] AdaptiveTable::Error interpolation_error() const;

 private:
  [[nodiscard]] std::optional<TablePoint> measure_tokens(std::int64_t tokens);
  [[nodiscard]] std::optional<TablePoint> measure_head(std::int64_t sequences);
  [[nodiscard]] std::optional<TablePoint> measure_decode(std::int64_t batch, std::int64_t keys);
  [[nodiscard]] std::optional<TablePoint> measure_prompt(std::int64_t q, std::int64_t history);
  [[nodiscard]] StepTerms prompt_attention(const StepShape& shape);
  [[nodiscard]] double mean_keys(std::int64_t keys, std::int64_t batch) const;
  [[nodiscard]] StepParts decode_parts(const TableValues& values, double batch);
  [[nodiscard]] StepCost settle(const StepParts& parts, const StepFeatures& features) const;

  MeasurementStore& store_;
  TableLimits limits_;
  const Calibration* calibration_ = nullptr;
  AdaptiveTable tokens_;        ///< x = new tokens
  AdaptiveTable head_;          ///< x = sequences
  AdaptiveTable decode_;        ///< x = batch, y = keys per sequence
  AdaptiveTable fresh_prompt_;  ///< x = tokens of a prompt with nothing before it
  AdaptiveTable prompt_;        ///< x = tokens of a piece, y = tokens before it
};

/// What tables say against what the simulator says, over steps that really occurred.
struct TableCheck {
  std::int64_t steps = 0;
  double mean_error = 0.0;  ///< shares of the simulator's step time
  double max_error = 0.0;
  double bias = 0.0;  ///< mean signed error
};
/// Runs each shape through both. Shapes that do not fit are left out.
[[nodiscard]] TableCheck check_tables(OperatorTables& tables, MeasurementStore& store,
                                      const std::vector<StepShape>& shapes);

}  // namespace athena::serving
