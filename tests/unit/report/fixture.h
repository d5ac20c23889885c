#pragma once
/// Small results in the shape that `athena run --out` writes them.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "base/file.h"

namespace athena::report::testing {

using Json = nlohmann::ordered_json;

inline Json bound(double compute, double hbm) {
  return {{"compute", compute},
          {"vector", 0.0},
          {"hbm", hbm},
          {"l2", 0.0},
          {"noc", 0.0},
          {"link", 0.0},
          {"launch", 1.0 - compute - hbm},
          {"power", 0.0}};
}

inline Json memory() {
  return {{"hbm_read_bytes", 1e9},  {"hbm_written_bytes", 1e8}, {"cache_bytes", 0.0},
          {"cache_hit_bytes", 0.0}, {"noc_byte_hops", 1e9},     {"scratch_bytes", 1e9},
          {"link_bytes", 0.0}};
}

inline Json kernel(const std::string& name, const std::string& block, double executions,
                   double time_s, double flops) {
  return {{"name", name},
          {"block", block},
          {"operators", {name}},
          {"mapping", "64x64 tiles, \"whole\" K"},
          {"executions", executions},
          {"time_s", time_s},
          {"flops", flops},
          {"memory_read_bytes", 4e8},
          {"memory_written_bytes", 5e7},
          {"cache_hit_bytes", 0.0},
          {"bound", bound(0.6, 0.3)}};
}

inline Json run(const std::string& chip, double time_s) {
  const Json kernels{kernel("qkv", "layer", 4, 0.4 * time_s, 2e11),
                     kernel("softmax", "layer", 4, 0.1 * time_s, 0.0),
                     kernel("head", "end", 1, 0.5 * time_s, 3e11)};
  const Json phase{{"name", "prefill"},
                   {"time_s", time_s},
                   {"steps", 1.0},
                   {"tokens", 2048.0},
                   {"tokens_per_s", 2048.0 / time_s},
                   {"mfu", 0.5},
                   {"bound", bound(0.6, 0.3)},
                   {"energy_j", 3.0},
                   {"power_w", 300.0},
                   {"memory", memory()},
                   {"kernels", kernels}};
  Json out{{"model", "tiny <b>&"},
           {"parameters", 1.0e9},
           {"chip", chip},
           {"system", nullptr},
           {"chips", 1},
           {"stack", "bare"},
           {"phase", "prefill"},
           {"fidelity", "transaction"},
           {"time_s", time_s},
           {"cycles", 1000},
           {"clock_hz", 1e9},
           {"tokens", 2048.0},
           {"tokens_per_s", 2048.0 / time_s},
           {"mfu", 0.5},
           {"flops", 5e11},
           {"bound", bound(0.6, 0.3)},
           {"energy_j", 3.0},
           {"power_w", 300.0},
           {"energy_per_token_j", 3.0 / 2048},
           {"memory", memory()}};
  out["phases"] = Json::array({phase});
  out["provenance"] = {
      {"config_hash", "c0"}, {"program_hash", "p0"},   {"version", "0"},           {"seed", 1},
      {"events", 10},        {"repeats_simulated", 4}, {"repeats_extrapolated", 0}};
  return out;
}

/// A folder of its own that goes when the test ends.
class Folder {
 public:
  explicit Folder(const std::string& name)
      : path_(std::filesystem::temp_directory_path() /
              ("athena_report_" + name + "_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(path_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code failure;
    std::filesystem::remove_all(path_, failure);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  void put(const std::string& name, const std::string& text) const {
    write_file_atomically(path_ / name, text);
  }

 private:
  std::filesystem::path path_;
};

inline void put_run(const Folder& folder, const Json& result, const Json& point) {
  folder.put("result.json", result.dump());
  folder.put("point.json", point.dump());
}

}  // namespace athena::report::testing
