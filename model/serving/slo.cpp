#include "serving/slo.h"

#include <fmt/format.h>

#include <charconv>

#include "base/error.h"
#include "base/text.h"
#include "config/quantity.h"

namespace athena::serving {

std::string_view name(Latency latency) {
  switch (latency) {
    case Latency::kTtft:
      return "ttft";
    case Latency::kTpot:
      return "tpot";
    case Latency::kE2e:
      return "e2e";
  }
  return "";
}

bool Slo::kept_by(double ttft, double tpot, double e2e) const {
  for (const SloTerm& term : terms) {
    const double value = term.latency == Latency::kTtft   ? ttft
                         : term.latency == Latency::kTpot ? tpot
                                                          : e2e;
    if (value > term.limit.value()) return false;
  }
  return true;
}

Seconds parse_duration(std::string_view text, std::string_view what) {
  const auto parsed = config::parse_quantity(text, config::dimension_of<Seconds>());
  if (!parsed.problem.empty()) {
    throw InputError(fmt::format("{}: {}", what, parsed.problem));
  }
  if (parsed.value < 0) throw InputError(fmt::format("{}: {} is negative.", what, text));
  return Seconds(static_cast<double>(parsed.value));
}

namespace {

double parse_quantile(std::string_view text, std::string_view term) {
  if (text == "mean") return SloTerm::kMean;
  if (text == "max") return 1.0;
  double percent = 0.0;
  if (text.size() > 1 && text[0] == 'p') {
    const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), percent);
    if (error == std::errc() && end == text.data() + text.size() && percent > 0.0 &&
        percent < 100.0) {
      return percent / 100.0;
    }
  }
  throw InputError(fmt::format(
      "SLO '{}': expected a quantile such as p50, p99.9, mean or max after the dot, not '{}'.",
      term, text));
}

SloTerm parse_term(std::string_view text) {
  const std::size_t equals = text.find('=');
  const std::size_t dot = text.substr(0, equals).find('.');
  if (equals == std::string_view::npos || dot == std::string_view::npos) {
    throw InputError(
        fmt::format("SLO '{}': expected LATENCY.QUANTILE=TIME, such as ttft.p90=2s.", text));
  }
  SloTerm term;
  term.text = std::string(text);
  const std::string_view latency = text.substr(0, dot);
  bool known = false;
  for (const Latency candidate : {Latency::kTtft, Latency::kTpot, Latency::kE2e}) {
    if (latency != name(candidate)) continue;
    term.latency = candidate;
    known = true;
  }
  if (!known) {
    throw InputError(fmt::format("SLO '{}': '{}' is no latency; there are ttft, tpot and e2e.{}",
                                 text, latency, did_you_mean(latency, {"ttft", "tpot", "e2e"})));
  }
  term.quantile = parse_quantile(text.substr(dot + 1, equals - dot - 1), text);
  term.limit = parse_duration(text.substr(equals + 1), fmt::format("SLO '{}'", text));
  if (!(term.limit > Seconds(0.0))) {
    throw InputError(fmt::format("SLO '{}': the limit must be above zero.", text));
  }
  return term;
}

}  // namespace

Slo parse_slo(std::string_view text) {
  Slo slo;
  while (true) {
    const std::size_t comma = text.find(',');
    slo.terms.push_back(parse_term(text.substr(0, comma)));
    if (comma == std::string_view::npos) return slo;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace athena::serving
