#include "validate/hbm_reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <sstream>
#include <tuple>

#include "base/error.h"
#include "base/file.h"
#include "timing/hbm_load.h"

namespace athena::validate {
namespace {

/// Latency near saturation is a property of the random numbers, not of the memory.
constexpr double kBelowSaturation = 0.9;
/// Seeds over which an open loop's latency is averaged: the mean of one run is noisy.
constexpr std::uint64_t kSeeds = 4;

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> cells;
  std::stringstream stream(line);
  for (std::string cell; std::getline(stream, cell, ',');) cells.push_back(cell);
  while (!cells.empty() && !cells.back().empty() && cells.back().back() == '\r') {
    cells.back().pop_back();
  }
  return cells;
}

std::optional<double> number(const std::string& text) {
  double value = 0.0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class Columns {
 public:
  Columns(const std::string& header, const std::filesystem::path& file) : file_(file.string()) {
    const auto cells = split(header);
    for (std::size_t i = 0; i < cells.size(); ++i) index_[cells[i]] = i;
  }
  [[nodiscard]] std::size_t at(const std::string& name) const {
    const auto it = index_.find(name);
    if (it == index_.end()) {
      throw InputError({file_, 1, 0}, "expected a column named '" + name + "'");
    }
    return it->second;
  }

 private:
  std::string file_;
  std::map<std::string, std::size_t> index_;
};

std::string row_id(const HbmReferenceRow& row) {
  std::string id = fmt::format("{} {}ch {} {}", row.config, row.channels, row.mapping, row.pattern);
  if (row.offered_load > 0.0) id += fmt::format(" load {:.2f}", row.offered_load);
  return id;
}

using Key = std::tuple<std::string, int, std::string, std::string>;
Key key_of(const HbmReferenceRow& row) {
  return {row.config, row.channels, row.mapping, row.pattern};
}

/// Saturated bandwidth of each set-up, from the rows without an offered load.
std::map<Key, double> saturation(const std::vector<HbmReferenceRow>& rows) {
  std::map<Key, double> result;
  for (const HbmReferenceRow& row : rows) {
    if (row.offered_load == 0.0) result[key_of(row)] = row.bandwidth;
  }
  return result;
}

HbmMeasured measure(const HbmReferenceRow& row, HbmFidelity fidelity) {
  const timing::HbmSpec spec = timing::spec_from_name(row.config, row.channels, row.mapping);
  HbmRun run;
  run.pattern = row.pattern;
  run.offered_load = row.offered_load;
  run.requests = row.requests;
  const std::uint64_t seeds = row.offered_load > 0.0 ? kSeeds : 1;
  HbmMeasured sum;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    run.seed = seed;
    const HbmMeasured one =
        fidelity == HbmFidelity::kQueued ? drive_queued(spec, run) : drive_fast(spec, run);
    sum.bandwidth += one.bandwidth / static_cast<double>(seeds);
    sum.read_latency_ns += one.read_latency_ns / static_cast<double>(seeds);
    sum.counters = one.counters;
  }
  return sum;
}

/// Where the data bus's time went, largest loss first.
std::string explain(const timing::HbmCounters& counters) {
  std::vector<std::pair<double, std::string>> shares;
  for (std::size_t i = 0; i < timing::kHbmLosses; ++i) {
    const auto loss = static_cast<timing::HbmLoss>(i);
    shares.emplace_back(counters.share(loss), std::string(timing::name(loss)));
  }
  std::stable_sort(shares.begin(), shares.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string text = "bus:";
  for (std::size_t i = 0; i < 3; ++i) {
    text += fmt::format(" {} {:.0f} %", shares[i].second, 100.0 * shares[i].first);
  }
  return text;
}

struct Verdict {
  const char* quantity;
  double measured;
  double model;
  bool in_overall;
};

void add(std::vector<Figure>& figures, const HbmReferenceRow& row, const Verdict& verdict,
         const std::string& explanation) {
  Figure figure;
  figure.id = row_id(row) + " " + verdict.quantity;
  figure.measured = verdict.measured;
  figure.model = verdict.model;
  figure.groups = {{"quantity", verdict.quantity},
                   {std::string("pattern (") + verdict.quantity + ")", row.pattern},
                   {std::string("config (") + verdict.quantity + ")", row.config}};
  figure.explanation = explanation;
  figure.in_overall = verdict.in_overall;
  figures.push_back(std::move(figure));
}

}  // namespace

std::vector<HbmReferenceRow> read_hbm_reference(const std::filesystem::path& file,
                                                std::vector<Skipped>& skipped) {
  std::stringstream text(read_file(file));
  std::string line;
  std::getline(text, line);
  const Columns columns(line, file);
  const std::size_t config = columns.at("config");
  const std::size_t channels = columns.at("channels");
  const std::size_t mapping = columns.at("mapping");
  const std::size_t pattern = columns.at("pattern");
  const std::size_t load = columns.at("offered_load");
  const std::size_t bandwidth = columns.at("bw_frac");
  const std::size_t latency = columns.at("read_lat_ns");
  const std::size_t requests = columns.at("n_req64");
  const std::size_t needed =
      std::max({config, channels, mapping, pattern, load, bandwidth, latency, requests});
  std::vector<HbmReferenceRow> rows;
  for (int number_of_line = 2; std::getline(text, line); ++number_of_line) {
    if (line.empty() || line == "\r") continue;
    const auto cells = split(line);
    if (cells.size() <= needed) {
      skipped.push_back({number_of_line, "", "too few columns"});
      continue;
    }
    const auto c = number(cells[channels]);
    const auto l = number(cells[load]);
    const auto b = number(cells[bandwidth]);
    const auto ns = number(cells[latency]);
    const auto n = number(cells[requests]);
    if (!c || !l || !b || !ns || !n || *n < 10.0) {
      skipped.push_back({number_of_line, cells[config], "a cell that must be a number is not"});
      continue;
    }
    if (*c < 1.0 || *c > 16.0) {
      skipped.push_back({number_of_line, cells[config], "expected 1 to 16 channels"});
      continue;
    }
    rows.push_back({number_of_line, cells[config], cells[mapping], cells[pattern],
                    static_cast<int>(*c), *l, *b, *ns, static_cast<std::uint64_t>(*n)});
  }
  return rows;
}

ErrorTable validate_hbm(const std::filesystem::path& file, HbmFidelity fidelity,
                        const std::function<void(double)>& progress) {
  std::vector<Skipped> skipped;
  const std::vector<HbmReferenceRow> rows = read_hbm_reference(file, skipped);
  const auto saturated = saturation(rows);
  std::vector<Figure> figures;
  double done = 0.0;
  for (const HbmReferenceRow& row : rows) {
    if (progress) progress(done++ / static_cast<double>(rows.size()));
    HbmMeasured model;
    try {
      model = measure(row, fidelity);
    } catch (const InputError& error) {
      skipped.push_back({row.line, row_id(row), error.what()});
      continue;
    }
    const std::string why = explain(model.counters);
    if (row.pattern == "chase") {
      add(figures, row, {"chase latency", row.latency_ns, model.read_latency_ns, true}, why);
    } else if (row.offered_load == 0.0) {
      add(figures, row, {"saturated bandwidth", row.bandwidth, model.bandwidth, true}, why);
    } else {
      const auto it = saturated.find(key_of(row));
      const double limit = it == saturated.end() ? 1.0 : it->second;
      const bool below = row.offered_load < kBelowSaturation * limit;
      if (below) {
        add(figures, row, {"latency below saturation", row.latency_ns, model.read_latency_ns, true},
            why);
      } else {
        add(figures, row, {"bandwidth at saturating load", row.bandwidth, model.bandwidth, false},
            why);
      }
    }
  }
  const char* tier =
      fidelity == HbmFidelity::kQueued ? "queued (detailed tier)" : "fast (transaction tier)";
  return summarise(fmt::format("HBM model, {}, against {}", tier, file.filename().string()),
                   std::move(figures), std::move(skipped));
}

}  // namespace athena::validate
