#pragma once
/// Tables of closed forms brought to the transaction tier: for steps that a service really runs,
/// every part of the step is simulated in that tier, and the ratio to the closed form, which varies
/// slowly with the step's size where times themselves climb stairs, is carried to all other steps.
/// (Control variates: the cheap model has the shape, the dear one the level.)
#include <array>
#include <cstdint>
#include <vector>

#include "serving/operator_timer.h"
#include "serving/step_time.h"

namespace athena::serving {

class OperatorTables;

/// What ratios depend on, in doublings (log2).
struct StepFeatures {
  bool only_decodes = false;
  double tokens = 0.0;         ///< new tokens
  double sequences = 0.0;      ///< sequences
  double decodes = 0.0;        ///< decoding sequences
  double decode_keys = 0.0;    ///< mean keys of those
  double prompt_tokens = 0.0;  ///< new tokens of prompts
  double prompt_keys = 0.0;    ///< mean keys that a prompt's last token sees

  [[nodiscard]] static StepFeatures of(const StepShape& shape);
  [[nodiscard]] static StepFeatures decode(double batch, double keys);
};

/// A step known in three ways, part by part.
struct CalibrationStep {
  StepShape shape;
  StepParts tables;    ///< what the tables say
  StepParts expected;  ///< what they should say
};

/// How well a step is foretold from the others.
struct CalibrationError {
  std::int64_t steps = 0;
  double mean = 0.0;  ///< of absolute errors, shares of a step's time
  double max = 0.0;
  double bias = 0.0;  ///< of the sum over all steps
};

class Calibration {
 public:
  explicit Calibration(std::vector<CalibrationStep> steps);

  /// Parts brought to the level of the simulated steps. Near a simulated step they follow it, far
  /// from all of them the nearest.
  [[nodiscard]] StepParts scaled(const StepParts& parts, const StepFeatures& features) const;
  /// Foretells every step from the others; `settle` is the timer's. Fewer than two of a kind
  /// (decodes only, or with prompts) are left out.
  [[nodiscard]] CalibrationError left_out(const OperatorTimer& timer) const;
  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(steps_.size()); }

 private:
  [[nodiscard]] StepParts scaled(const StepParts& parts, const StepFeatures& features,
                                 std::size_t without) const;

  std::vector<CalibrationStep> steps_;
  std::vector<StepFeatures> features_;
};

/// Keeps samples of the steps it is shown, steps of decodes only and others apart, each step with a
/// chance in proportion to the time it takes (Efraimidis and Spirakis, 2006). Deterministic.
class StepSample {
 public:
  /// `size` of each kind.
  explicit StepSample(std::size_t size, std::uint64_t seed = 1);
  void show(const StepShape& shape, double weight);
  /// `steps` steps in a row of decodes that grow by one token each: the one in the middle.
  void show_run(const StepShape& first, std::int64_t steps, double weight);
  [[nodiscard]] std::vector<StepShape> shapes() const;

 private:
  struct Kept {
    double key = 0.0;
    StepShape shape;
  };
  std::size_t size_;
  std::uint64_t seed_;
  std::uint64_t shown_ = 0;
  std::array<std::vector<Kept>, 2> kept_;  ///< heaps, smallest key first
};

/// Simulates each shape with few layers in both tiers, and compares. Shapes that do not fit are
/// left out. `tables` speaks of all layers, `full` is its store.
[[nodiscard]] Calibration calibrate(OperatorTables& tables, MeasurementStore& full,
                                    MeasurementStore& closed_form, MeasurementStore& transaction,
                                    const std::vector<StepShape>& shapes);

}  // namespace athena::serving
