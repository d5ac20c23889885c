#pragma once
/// Made-up traffic: a seeded description of arrivals and lengths that gives the same requests on
/// every machine.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "config/config.h"
#include "serving/request.h"

namespace athena::serving {

enum class ArrivalProcess { kFixed, kPoisson, kGamma };
[[nodiscard]] const std::vector<std::pair<ArrivalProcess, std::string>>& enum_names(
    const ArrivalProcess*);

/// When requests come.
struct Arrivals {
  ArrivalProcess process = ArrivalProcess::kPoisson;
  double rate = 1.0;  ///< mean requests per second
  double cv = 1.0;    ///< coefficient of variation of the gaps (gamma only)
};
[[nodiscard]] const config::StructSchema& schema_of(const Arrivals*);

enum class LengthDistribution { kFixed, kUniform, kLognormal };
[[nodiscard]] const std::vector<std::pair<LengthDistribution, std::string>>& enum_names(
    const LengthDistribution*);

/// How long prompts or answers are. Draws beyond the limits are moved to the limit.
struct Lengths {
  LengthDistribution distribution = LengthDistribution::kLognormal;
  double mean = 512.0;      ///< fixed, lognormal
  double cv = 1.0;          ///< lognormal
  std::int64_t min = 1;     ///< also the low end of uniform
  std::int64_t max = 8192;  ///< also the high end of uniform
};
[[nodiscard]] const config::StructSchema& schema_of(const Lengths*);

/// Prompts that begin alike, as with system prompts.
struct SharedPrefixes {
  std::int64_t count = 0;   ///< different beginnings; 0 = prompts carry no hashes
  std::int64_t tokens = 0;  ///< length of each, rounded down to whole hash blocks
  double share = 0.0;       ///< fraction of the requests that begin with one of them
};
[[nodiscard]] const config::StructSchema& schema_of(const SharedPrefixes*);

/// A generator as written in workloads/traces/*.yaml.
struct TrafficSpec {
  std::string name;
  std::string about;
  std::uint64_t seed = 1;
  std::int64_t requests = 1000;
  Arrivals arrivals;
  Lengths input;
  Lengths output;
  /// A CSV `input_tokens,output_tokens,weight` whose rows are drawn with their weight; replaces
  /// `input` and `output`. Relative to the YAML file.
  std::string histogram;
  SharedPrefixes prefixes;
};
[[nodiscard]] const config::StructSchema& schema_of(const TrafficSpec*);

/// Reads the YAML. Throws InputError with place and remedy.
[[nodiscard]] TrafficSpec load_traffic(const std::filesystem::path& path);

/// `folder` is where a relative histogram is looked for. Throws InputError for a bad histogram.
[[nodiscard]] std::unique_ptr<TraceReader> generate(const TrafficSpec& spec,
                                                    const std::filesystem::path& folder = {});

}  // namespace athena::serving
