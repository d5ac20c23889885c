#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace athena {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({change, above + 1, row[j - 1] + 1});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = 0;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    const std::size_t allowed =
        std::max<std::size_t>(2, std::max(word.size(), candidate.size()) / 3);
    if (distance > allowed || (!best.empty() && distance >= best_distance)) continue;
    best = candidate;
    best_distance = distance;
  }
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string match = nearest(word, candidates);
  return match.empty() ? "" : " Did you mean '" + match + "'?";
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

std::string si(double value, std::string_view unit) {
  struct Prefix {
    double scale;
    const char* text;
  };
  static constexpr std::array kPrefixes{Prefix{1e18, "E"}, Prefix{1e15, "P"}, Prefix{1e12, "T"},
                                        Prefix{1e9, "G"},  Prefix{1e6, "M"},  Prefix{1e3, "k"},
                                        Prefix{1.0, ""},   Prefix{1e-3, "m"}, Prefix{1e-6, "u"},
                                        Prefix{1e-9, "n"}, Prefix{1e-12, "p"}};
  const double size = std::abs(value);
  if (size == 0.0 || !std::isfinite(value)) return fmt::format("{} {}", value, unit);
  for (const Prefix& prefix : kPrefixes) {
    if (size < prefix.scale * 0.9995 && prefix.scale > 1e-12) continue;
    const double scaled = value / prefix.scale;
    const int digits = std::abs(scaled) >= 99.95 ? 0 : std::abs(scaled) >= 9.995 ? 1 : 2;
    return fmt::format("{:.{}f} {}{}", scaled, digits, prefix.text, unit);
  }
  return fmt::format("{} {}", value, unit);
}

std::string binary(Bytes bytes) {
  static constexpr std::array<const char*, 6> kNames{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes.value());
  std::size_t index = 0;
  while (std::abs(value) >= 1024.0 && index + 1 < kNames.size()) {
    value /= 1024.0;
    ++index;
  }
  return index == 0 ? fmt::format("{} B", bytes.value())
                    : fmt::format("{:.1f} {}", value, kNames[index]);
}

}  // namespace athena
