#pragma once
/// A request as it stands in a trace, and where requests come from.
#include <cstdint>
#include <string>
#include <vector>

#include "base/units.h"

namespace athena::serving {

/// One request of a trace.
struct Request {
  std::int64_t id = 0;   ///< place in the trace, from 0
  Seconds arrival{0.0};  ///< since the start of the trace
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  int priority = 0;  ///< smaller is more urgent
  /// Names of the prompt's blocks of `hash_block_tokens` tokens each (the last one may be shorter);
  /// equal names mean equal content from the start of the prompt. Empty: nothing is known.
  std::vector<std::uint64_t> hashes;
};

/// Requests in order of arrival, one at a time, in flat memory.
class TraceReader {
 public:
  TraceReader() = default;
  TraceReader(const TraceReader&) = delete;
  TraceReader& operator=(const TraceReader&) = delete;
  virtual ~TraceReader() = default;

  /// Reads the next request into `request`; false at the end. Throws InputError with the line of a
  /// malformed row, a zero-length request, or time going backwards.
  [[nodiscard]] virtual bool next(Request& request) = 0;
  /// Tokens that one hash of Request::hashes stands for.
  [[nodiscard]] virtual std::int64_t hash_block_tokens() const { return 512; }
};

}  // namespace athena::serving
