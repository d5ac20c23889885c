#include "serving/trace.h"

#include <fmt/format.h>

#include <cmath>
#include <unordered_set>

#include "base/error.h"
#include "serving/trace_generator.h"
#include "serving/trace_line.h"

namespace athena::serving {
namespace {

class Windowed final : public TraceReader {
 public:
  Windowed(std::unique_ptr<TraceReader> inner, const TraceWindow& window, std::string name)
      : inner_(std::move(inner)), window_(window), name_(std::move(name)) {
    const auto positive = [](double x) { return x > 0.0 && std::isfinite(x); };
    if (!positive(window.rate_scale)) throw InputError("--rate-scale must be a number above 0.");
    if (!positive(window.time_scale)) throw InputError("--time-scale must be a number above 0.");
    if (window.limit < 0) throw InputError("--limit must not be negative.");
    if (!(window.from < window.to)) {
      throw InputError(fmt::format("--from {} s does not come before --to {} s.",
                                   window.from.value(), window.to.value()));
    }
  }
  bool next(Request& request) override {
    if (window_.limit > 0 && taken_ >= window_.limit) return false;
    do {
      if (!inner_->next(request)) return end();
    } while (request.arrival < window_.from);
    if (!(request.arrival < window_.to)) return end();
    ++taken_;
    request.arrival = (request.arrival - window_.from) * (window_.time_scale / window_.rate_scale);
    return true;
  }
  std::int64_t hash_block_tokens() const override { return inner_->hash_block_tokens(); }

 private:
  bool end() const {
    if (taken_ == 0) {
      throw InputError(name_ + ": the trace holds no requests, or none between --from and --to.");
    }
    return false;
  }

  std::unique_ptr<TraceReader> inner_;
  TraceWindow window_;
  std::string name_;
  std::int64_t taken_ = 0;
};

/// The first line that is not blank, without reading the rest.
std::string first_line(const std::filesystem::path& path) {
  LineFile file(path);
  std::string line;
  if (!file.next(line)) file.fail("the trace is empty.");
  return line;
}

std::unique_ptr<TraceReader> open_any(const std::filesystem::path& path, std::uint64_t seed) {
  const std::string extension = path.extension().string();
  const std::string line = first_line(path);
  if (extension == ".yaml" || extension == ".yml") {
    TrafficSpec spec = load_traffic(path);
    if (seed != 0) spec.seed = seed;
    return generate(spec, path.parent_path());
  }
  if (line.front() == '{') return open_mooncake_jsonl(path);
  if (line.find("TIMESTAMP") != std::string::npos) return open_azure_csv(path);
  if (line.find("arrival_s") != std::string::npos) return open_plain_csv(path);
  throw InputError(
      Location{path.string(), 1, 0},
      "this is no known trace; it must begin with TIMESTAMP,ContextTokens,GeneratedTokens, with "
      "arrival_s,input_tokens,output_tokens[,priority], or be Mooncake JSONL or a generator's "
      "YAML.");
}

}  // namespace

std::unique_ptr<TraceReader> windowed(std::unique_ptr<TraceReader> inner, const TraceWindow& window,
                                      const std::string& name) {
  return std::make_unique<Windowed>(std::move(inner), window, name);
}

std::unique_ptr<TraceReader> open_trace(const std::filesystem::path& path,
                                        const TraceWindow& window, std::uint64_t seed) {
  return windowed(open_any(path, seed), window, path.string());
}

double TraceSummary::requests_per_s() const {
  return duration.value() > 0.0 ? static_cast<double>(requests - 1) / duration.value() : 0.0;
}

double TraceSummary::infinite_hit_rate() const {
  return blocks > 0 ? static_cast<double>(blocks_seen_before) / static_cast<double>(blocks) : 0.0;
}

TraceSummary summarise(TraceReader& reader) {
  TraceSummary summary;
  std::unordered_set<std::uint64_t> known;
  Request request;
  double first = 0.0, previous = 0.0, gaps = 0.0, squares = 0.0;
  while (reader.next(request)) {
    const double now = request.arrival.value();
    if (summary.requests == 0) first = previous = now;
    gaps += now - previous;
    squares += (now - previous) * (now - previous);
    previous = now;
    ++summary.requests;
    summary.input_tokens += request.input_tokens;
    summary.output_tokens += request.output_tokens;
    summary.longest = std::max(summary.longest, request.input_tokens + request.output_tokens);
    summary.blocks += static_cast<std::int64_t>(request.hashes.size());
    bool prefix = true;
    for (const std::uint64_t hash : request.hashes) {
      const bool fresh = known.insert(hash).second;
      prefix = prefix && !fresh;
      summary.blocks_seen_before += prefix ? 1 : 0;
    }
  }
  summary.duration = Seconds(previous - first);
  const auto n = static_cast<double>(summary.requests - 1);
  if (n > 1.0 && gaps > 0.0) {
    const double mean = gaps / n;
    summary.arrival_cv = std::sqrt(std::max(0.0, squares / n - mean * mean)) / mean;
  }
  return summary;
}

}  // namespace athena::serving
