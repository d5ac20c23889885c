#pragma once
/// A row of measured figures as points to simulate: which operator or model, on what, and what of
/// the result the figure states.
#include <filesystem>
#include <string>
#include <vector>

#include "jobs/point.h"
#include "validate/noc_table.h"

namespace athena::validate {

/// What a figure is, of the time, tokens and work that a simulation gives.
enum class Metric { kLatencyMs, kTokensPerSecond, kTokensPerSecondPerChip, kTflopsPerChip };

/// The points whose times add up to one figure (several for the total of an unfused layer).
struct MeasuredPoint {
  int line = 0;
  std::string id, op, chip, source, level;
  double value = 0;
  Metric metric = Metric::kLatencyMs;
  std::vector<jobs::PointSpec> parts;
  double flops = 0;   ///< that a figure in FLOP/s counts; 0 = those of the simulated model
  double tokens = 0;  ///< that a figure in tokens counts; 0 = those of the simulated phase
  int chips = 1;
  bool synchronised = false;  ///< the host waited inside the measured interval
};

/// Model files for rows that give a model by its sizes; removed with the object.
class ModelFolder {
 public:
  ModelFolder();
  ~ModelFolder();
  ModelFolder(const ModelFolder&) = delete;
  ModelFolder& operator=(const ModelFolder&) = delete;
  /// The path of the model of this row. Throws InputError when sizes are missing.
  [[nodiscard]] std::string model_of(const TableRow& row);

 private:
  std::filesystem::path folder_;
};

/// Maps a row. `fidelity` goes into every point; `chip` names it when the row does not. Throws
/// InputError with the reason why the row cannot be simulated (unknown operator, missing size).
[[nodiscard]] MeasuredPoint measured_point(const TableRow& row, const std::string& fidelity,
                                           const std::string& chip, ModelFolder& models);

/// The operators that rows may name.
[[nodiscard]] const std::vector<std::string>& measured_operators();

}  // namespace athena::validate
