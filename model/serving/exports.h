#pragma once
/// The chip's operator times in the formats that other cluster simulators read, so that it can take
/// a GPU's place in their studies.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "serving/operator_timer.h"
#include "workload/transformer.h"

namespace athena::serving {

/// What is exported and how densely.
struct ExportSpec {
  std::string hardware;  ///< name of the chip or system in the other tool
  std::string model;     ///< name of the model there
  std::string variant = "bf16";
  int tp = 1;
  std::int64_t page_tokens = 16;
  std::int64_t max_tokens = 2048;  ///< new tokens in a step
  std::int64_t max_batch = 256;
  std::int64_t max_keys = 16384;  ///< keys of a sequence; the model's context when that is shorter
  double density = 1.0;           ///< 2 = twice as many points per octave and axis
  std::string provenance;         ///< version, configuration hash, tier: goes into the meta file
  std::function<void(double)> on_progress;  ///< share done
};

/// One file of an export.
struct ExportFile {
  std::filesystem::path path;  ///< relative to the export's root
  std::string content;
};

/// Vidur's profiles (github.com/microsoft/vidur): compute/<sku>/<model>/{mlp,attention}.csv in ms
/// per layer and, with TP, network/<sku>/all_reduce.csv. Throws InputError for mixtures of experts,
/// which Vidur does not know.
[[nodiscard]] std::vector<ExportFile> export_vidur(const workload::Transformer& model,
                                                   MeasurementStore& store, const ExportSpec& spec);

/// LLMServingSim's performance bundle (github.com/casys-kaist/LLMServingSim):
/// perf/<HW>/<model>/<variant>/{meta.yaml,tp<N>/{dense,per_sequence,attention,moe}.csv} in us.
[[nodiscard]] std::vector<ExportFile> export_llmservingsim(const workload::Transformer& model,
                                                           MeasurementStore& store,
                                                           const ExportSpec& spec);

/// 1 (or `first`) up to `last`, `per_octave` points in each doubling, both ends included.
[[nodiscard]] std::vector<std::int64_t> export_grid(std::int64_t first, std::int64_t last,
                                                    double per_octave);

/// Seconds of the named operators of a step, summed; 0 for names that the model has not (or that
/// run inside another operator's kernel).
[[nodiscard]] double seconds_of(const StepMeasurement& step, const std::vector<std::string>& names);

}  // namespace athena::serving
