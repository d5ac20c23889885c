#pragma once
/// Text for people: nearest spellings, and numbers with their unit.
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"

namespace athena {

/// The candidate with the smallest Levenshtein distance to `word`, or "" when none is near enough
/// to be a likely slip (distance above a third of the longer word, at least 2 allowed).
[[nodiscard]] std::string nearest(std::string_view word,
                                  const std::vector<std::string>& candidates);

/// " Did you mean 'x'?" or "" -- to append to an error sentence.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       const std::vector<std::string>& candidates);

/// `parts` with `separator` between them.
[[nodiscard]] std::string join(const std::vector<std::string>& parts, std::string_view separator);

/// Three significant digits with an SI prefix: si(1.8e12, "B/s") is "1.80 TB/s".
[[nodiscard]] std::string si(double value, std::string_view unit);
/// Binary prefix: "64.0 GiB".
[[nodiscard]] std::string binary(Bytes bytes);
/// "1.23 ms" from seconds.
[[nodiscard]] inline std::string show(Seconds s) {
  return si(s.value(), "s");
}
[[nodiscard]] inline std::string show(BytesPerSecond r) {
  return si(r.value(), "B/s");
}

}  // namespace athena
