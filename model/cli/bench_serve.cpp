/// athena bench serve: requests through the serving model per second of one core.
#include <ctime>
#include <vector>

#include "cli/bench_mode.h"
#include "serving/service.h"
#include "serving/trace_generator.h"

namespace athena::cli {
namespace {

/// A step time that costs nothing to ask, so that what is measured is the serving model: 12 ms for
/// the weights of a step, then per token and per key. Its size does not matter here.
class ClosedFormSteps final : public serving::StepTime {
 public:
  serving::StepCost cost(const serving::StepShape& shape) override {
    double time = 12e-3;
    for (const auto& g : shape.groups) {
      time += static_cast<double>(g.count) *
              (2e-5 * static_cast<double>(g.q_len) + 2e-8 * static_cast<double>(g.kv_len));
    }
    return {Seconds(time), Joules(time)};
  }
  serving::StepSegment segment(const serving::StepShape& shape, std::int64_t max_steps) override {
    const double growth = 2e-8 * static_cast<double>(shape.sequences());
    return {cost(shape), {Seconds(growth), Joules(growth)}, max_steps};
  }
};

BenchResult serve_synthetic(const std::string& name, serving::Batching batching, double scale) {
  constexpr double kRequests = 200000;
  serving::TrafficSpec traffic;
  traffic.requests = static_cast<std::int64_t>(kRequests * scale) + 1;
  traffic.arrivals.rate = 10.0;
  traffic.input.mean = 1000.0;
  traffic.output.mean = 220.0;
  traffic.output.max = 2000;
  serving::ServiceConfig config;
  config.engine.batching = batching;
  if (batching == serving::Batching::kContinuous) {
    config.engine.order = serving::StepOrder::kPrefillFirst;
  }
  serving::ReplicaMemory memory;
  memory.kv_pages = 30000;
  memory.kv_bytes_per_token = Bytes(320 << 10);
  ClosedFormSteps steps;
  const std::clock_t begin = std::clock();
  const auto trace = serving::generate(traffic);
  const serving::ServiceResult result = serving::serve(*trace, config, memory, steps);
  const double cpu = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  return {name, static_cast<double>(result.completed) / cpu, "requests"};
}

std::vector<BenchResult> run(double scale, Session& session) {
  std::vector<BenchResult> results;
  session.progress(0.0, "chunked prefill");
  results.push_back(serve_synthetic("serve_chunked", serving::Batching::kChunked, scale));
  session.progress(0.5, "whole prompts");
  results.push_back(serve_synthetic("serve_continuous", serving::Batching::kContinuous, scale));
  return results;
}

}  // namespace

BenchMode bench_serve_mode() {
  return {"serve", "requests through the serving model, step times in closed form", run};
}

}  // namespace athena::cli
