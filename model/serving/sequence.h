#pragma once
/// A request on its way through the service.
#include <cstdint>
#include <vector>

#include "serving/kv_cache.h"
#include "serving/request.h"

namespace athena::serving {

/// Times are seconds since the start of the trace; -1 = not yet.
struct Sequence {
  std::int64_t id = 0;
  double arrival = 0.0;
  double first_token = -1.0;
  double finished = -1.0;
  std::int64_t input = 0;
  std::int64_t output = 0;
  std::int64_t generated = 0;  ///< output tokens made so far
  std::int64_t computed = 0;   ///< tokens whose keys and values are in memory
  int priority = 0;
  int preemptions = 0;
  int replica = -1;        ///< where it runs (disaggregated: where it prefilled, later decodes)
  bool looked_up = false;  ///< its prefix was counted in the hit rate
  bool swapped = false;
  std::int64_t reused = 0;  ///< prompt tokens found in the prefix cache at first admission
  std::vector<std::uint64_t> hashes;
  KvHolding holding;
  KvHolding landing;  ///< pages at the decode replica while the KV is on its way there

  /// Tokens known: prompt and what was generated.
  [[nodiscard]] std::int64_t length() const { return input + generated; }
  /// Tokens that the next steps must compute before a new one can be sampled.
  [[nodiscard]] std::int64_t pending() const { return length() - computed; }
  [[nodiscard]] std::int64_t remaining() const { return output - generated; }
  /// One new token per step from here on.
  [[nodiscard]] bool decoding() const { return generated > 0 && pending() == 1; }
};

}  // namespace athena::serving
