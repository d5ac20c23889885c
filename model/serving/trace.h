#pragma once
/// Opening request traces: the file's form is told by its content, and a window is laid over it.
///   *.csv with `TIMESTAMP,ContextTokens,GeneratedTokens`   Azure LLM inference traces (2023, 2024)
///   *.csv with `arrival_s,input_tokens,output_tokens[,priority]`   plain
///   *.jsonl with timestamp (ms), input_length, output_length[, hash_ids, priority]   Mooncake
///   *.yaml   a seeded generator, see trace_generator.h
#include <filesystem>
#include <limits>
#include <memory>

#include "serving/request.h"

namespace athena::serving {

/// What is taken of a trace and how its time is bent. `from` and `to` are in the trace's own time,
/// before scaling; what comes out counts from `from`.
struct TraceWindow {
  Seconds from{0.0};
  Seconds to{std::numeric_limits<double>::infinity()};
  std::int64_t limit = 0;   ///< at most this many requests; 0 = all
  double rate_scale = 1.0;  ///< this many times as many requests per second (gaps divided by it)
  double time_scale = 1.0;  ///< the time between requests is multiplied by it
};

/// Opens a trace by its name. `seed` replaces a generator's own when not 0; recorded traces have no
/// randomness. Throws InputError: missing file, unknown form, bad scale, empty window.
[[nodiscard]] std::unique_ptr<TraceReader> open_trace(const std::filesystem::path& path,
                                                      const TraceWindow& window = {},
                                                      std::uint64_t seed = 0);

/// The single forms, for tests and for readers of standard streams.
[[nodiscard]] std::unique_ptr<TraceReader> open_azure_csv(const std::filesystem::path& path);
[[nodiscard]] std::unique_ptr<TraceReader> open_plain_csv(const std::filesystem::path& path);
[[nodiscard]] std::unique_ptr<TraceReader> open_mooncake_jsonl(const std::filesystem::path& path);
/// Lays a window over any reader. `name` heads the error when nothing is left in the window.
[[nodiscard]] std::unique_ptr<TraceReader> windowed(std::unique_ptr<TraceReader> inner,
                                                    const TraceWindow& window,
                                                    const std::string& name);

/// What a trace is like, in one pass.
struct TraceSummary {
  std::int64_t requests = 0;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  std::int64_t longest = 0;  ///< input + output, tokens
  Seconds duration{0.0};     ///< first to last arrival
  double arrival_cv = 0.0;   ///< coefficient of variation of the gaps; 1 for Poisson
  std::int64_t blocks = 0;   ///< prompt blocks with a hash
  /// Of those, found in a cache that forgets nothing, counted from the start of each prompt up to
  /// its first unknown block.
  std::int64_t blocks_seen_before = 0;
  [[nodiscard]] double requests_per_s() const;
  [[nodiscard]] double infinite_hit_rate() const;
};
[[nodiscard]] TraceSummary summarise(TraceReader& reader);

}  // namespace athena::serving
