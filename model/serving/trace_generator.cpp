#include "serving/trace_generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/rng.h"
#include "serving/trace_line.h"

namespace athena::serving {

const std::vector<std::pair<ArrivalProcess, std::string>>& enum_names(const ArrivalProcess*) {
  static const std::vector<std::pair<ArrivalProcess, std::string>> names = {
      {ArrivalProcess::kFixed, "fixed"},
      {ArrivalProcess::kPoisson, "poisson"},
      {ArrivalProcess::kGamma, "gamma"}};
  return names;
}

const std::vector<std::pair<LengthDistribution, std::string>>& enum_names(
    const LengthDistribution*) {
  static const std::vector<std::pair<LengthDistribution, std::string>> names = {
      {LengthDistribution::kFixed, "fixed"},
      {LengthDistribution::kUniform, "uniform"},
      {LengthDistribution::kLognormal, "lognormal"}};
  return names;
}

const config::StructSchema& schema_of(const Arrivals*) {
  static const config::StructSchema schema =
      config::SchemaBuilder<Arrivals>("arrivals", "When requests come.")
          .field("process", &Arrivals::process, "Distribution of the gaps between requests")
          .field("rate", &Arrivals::rate, "Mean rate", config::positive(),
                 config::unit("requests/s"))
          .field("cv", &Arrivals::cv, "Coefficient of variation of the gaps (gamma)",
                 config::range(0.01, 100.0))
          .build();
  return schema;
}

const config::StructSchema& schema_of(const Lengths*) {
  static const config::StructSchema schema =
      config::SchemaBuilder<Lengths>("lengths", "How long prompts or answers are, in tokens.")
          .field("distribution", &Lengths::distribution, "Shape of the distribution")
          .field("mean", &Lengths::mean, "Mean (fixed, lognormal)", config::at_least(1.0))
          .field("cv", &Lengths::cv, "Coefficient of variation (lognormal)",
                 config::range(0.01, 100.0))
          .field("min", &Lengths::min, "Shortest", config::at_least(1.0))
          .field("max", &Lengths::max, "Longest", config::at_least(1.0))
          .check([](const Lengths& l) {
            return l.min <= l.max ? std::string()
                                  : fmt::format("min {} is above max {}", l.min, l.max);
          })
          .build();
  return schema;
}

const config::StructSchema& schema_of(const SharedPrefixes*) {
  static const config::StructSchema schema =
      config::SchemaBuilder<SharedPrefixes>("prefixes", "Prompts that begin alike.")
          .field("count", &SharedPrefixes::count, "Different beginnings; 0 = none",
                 config::not_negative())
          .field("tokens", &SharedPrefixes::tokens, "Length of each beginning",
                 config::not_negative())
          .field("share", &SharedPrefixes::share, "Share of requests that begin with one",
                 config::fraction())
          .build();
  return schema;
}

const config::StructSchema& schema_of(const TrafficSpec*) {
  static const config::StructSchema schema =
      config::SchemaBuilder<TrafficSpec>("traffic", "A seeded generator of requests.")
          .field("name", &TrafficSpec::name, "Name of the traffic")
          .field("about", &TrafficSpec::about, "What it stands for")
          .field("seed", &TrafficSpec::seed, "Seed of all draws")
          .field("requests", &TrafficSpec::requests, "How many requests", config::at_least(1.0))
          .field("arrivals", &TrafficSpec::arrivals, "When requests come")
          .field("input", &TrafficSpec::input, "Prompt lengths")
          .field("output", &TrafficSpec::output, "Answer lengths")
          .field("histogram", &TrafficSpec::histogram,
                 "CSV input_tokens,output_tokens,weight to draw lengths from")
          .field("prefixes", &TrafficSpec::prefixes, "Shared beginnings of prompts")
          .build();
  return schema;
}

namespace {

constexpr std::int64_t kBlockTokens = 512;  // as in the Mooncake traces, so that both mix

/// Gamma variate of mean 1 and the given shape (Marsaglia and Tsang, "A simple method for
/// generating gamma variables", 2000; shapes below 1 by their boosting step).
double unit_gamma(Rng& rng, double shape) {
  const double k = shape < 1.0 ? shape + 1.0 : shape;
  const double d = k - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  double value = 0.0;
  while (true) {
    const double x = rng.normal();
    const double v = std::pow(1.0 + c * x, 3.0);
    if (v <= 0.0) continue;
    const double u = 1.0 - rng.uniform();  // in (0, 1]
    if (std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) {
      value = d * v;
      break;
    }
  }
  if (shape < 1.0) value *= std::pow(1.0 - rng.uniform(), 1.0 / shape);
  return value / shape;
}

double draw_gap(Rng& rng, const Arrivals& arrivals) {
  const double mean = 1.0 / arrivals.rate;
  switch (arrivals.process) {
    case ArrivalProcess::kFixed:
      return mean;
    case ArrivalProcess::kPoisson:
      return rng.exponential(mean);
    case ArrivalProcess::kGamma:
      return mean * unit_gamma(rng, 1.0 / (arrivals.cv * arrivals.cv));
  }
  return mean;
}

std::int64_t draw_length(Rng& rng, const Lengths& lengths) {
  double value = lengths.mean;
  if (lengths.distribution == LengthDistribution::kUniform) {
    return lengths.min + static_cast<std::int64_t>(
                             rng.below(static_cast<std::uint64_t>(lengths.max - lengths.min + 1)));
  }
  if (lengths.distribution == LengthDistribution::kLognormal) {
    const double variance = std::log1p(lengths.cv * lengths.cv);
    value = std::exp(std::log(lengths.mean) - variance / 2.0 + std::sqrt(variance) * rng.normal());
  }
  const double clipped =
      std::clamp(value, static_cast<double>(lengths.min), static_cast<double>(lengths.max));
  return std::max<std::int64_t>(1, std::llround(clipped));
}

/// Pairs of lengths with cumulative weights.
class Histogram {
 public:
  explicit Histogram(const std::filesystem::path& path) {
    LineFile file(path);
    std::string line;
    std::vector<std::string_view> fields;
    constexpr const char* kColumns = "input_tokens,output_tokens,weight";
    if (!file.next(line) || line != kColumns) {
      file.fail(fmt::format("the header {} was expected.", kColumns));
    }
    while (file.next(line)) {
      file.split(line, 3, fields, kColumns);
      Request row;
      row.input_tokens = file.integer(fields[0], "input_tokens");
      row.output_tokens = file.integer(fields[1], "output_tokens");
      const double weight = file.number(fields[2], "weight");
      if (weight < 0.0) file.fail("a weight must not be negative.");
      file.check(row);
      total_ += weight;
      rows_.push_back({total_, row.input_tokens, row.output_tokens});
    }
    if (total_ <= 0.0) file.fail("the histogram is empty.");
  }
  void draw(Rng& rng, Request& request) const {
    const double mark = rng.uniform(0.0, total_);
    auto row = std::upper_bound(rows_.begin(), rows_.end(), mark,
                                [](double m, const Row& r) { return m < r.cumulative; });
    if (row == rows_.end()) --row;
    request.input_tokens = row->input;
    request.output_tokens = row->output;
  }

 private:
  struct Row {
    double cumulative;
    std::int64_t input, output;
  };
  std::vector<Row> rows_;
  double total_ = 0.0;
};

class Generator final : public TraceReader {
 public:
  Generator(const TrafficSpec& spec, const std::filesystem::path& folder)
      : spec_(spec), rng_(spec.seed) {
    if (!spec.histogram.empty()) histogram_ = std::make_unique<Histogram>(folder / spec.histogram);
  }
  bool next(Request& request) override {
    if (made_ >= spec_.requests) return false;
    request = Request{};
    request.id = made_++;
    now_ += draw_gap(rng_, spec_.arrivals);
    request.arrival = Seconds(now_);
    if (histogram_) {
      histogram_->draw(rng_, request);
    } else {
      request.input_tokens = draw_length(rng_, spec_.input);
      request.output_tokens = draw_length(rng_, spec_.output);
    }
    if (spec_.prefixes.count > 0) add_hashes(request);
    return true;
  }
  std::int64_t hash_block_tokens() const override { return kBlockTokens; }

 private:
  void add_hashes(Request& request) {
    // Shared blocks are numbered from 0; every other block gets a number of its own above them.
    const std::int64_t blocks_per_prefix = spec_.prefixes.tokens / kBlockTokens;
    std::int64_t shared = 0;
    std::int64_t base = 0;
    if (rng_.chance(spec_.prefixes.share)) {
      base = blocks_per_prefix * static_cast<std::int64_t>(
                                     rng_.below(static_cast<std::uint64_t>(spec_.prefixes.count)));
      shared = std::min(blocks_per_prefix, request.input_tokens / kBlockTokens);
    }
    const std::int64_t blocks = ceil_div(request.input_tokens, kBlockTokens);
    for (std::int64_t i = 0; i < blocks; ++i) {
      const std::int64_t own = blocks_per_prefix * spec_.prefixes.count + fresh_;
      request.hashes.push_back(static_cast<std::uint64_t>(i < shared ? base + i : own));
      fresh_ += i < shared ? 0 : 1;
    }
  }

  TrafficSpec spec_;
  Rng rng_;
  std::unique_ptr<Histogram> histogram_;
  double now_ = 0.0;
  std::int64_t made_ = 0;
  std::int64_t fresh_ = 0;
};

}  // namespace

TrafficSpec load_traffic(const std::filesystem::path& path) {
  return config::bind<TrafficSpec>(config::parse_file(path));
}

std::unique_ptr<TraceReader> generate(const TrafficSpec& spec,
                                      const std::filesystem::path& folder) {
  return std::make_unique<Generator>(spec, folder);
}

}  // namespace athena::serving
