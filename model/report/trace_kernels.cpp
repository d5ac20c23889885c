#include <cmath>

#include "report/trace.h"

namespace athena::report {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kExecutionsDrawn = 20000;

double executions_of(const Json& kernel) {
  return std::max(1.0, std::round(kernel.at("executions").get<double>()));
}

Json args_of(const Json& kernel, double executions) {
  Json args{{"block", kernel.at("block")}, {"executions", executions}};
  args["flops"] = kernel.at("flops").get<double>() / executions;
  args["memory_read_bytes"] = kernel.at("memory_read_bytes").get<double>() / executions;
  args["memory_written_bytes"] = kernel.at("memory_written_bytes").get<double>() / executions;
  args["mapping"] = kernel.at("mapping");
  return args;
}

/// One chip's lanes being filled from left to right.
class Filler {
 public:
  Filler(std::string chip, std::vector<TraceEvent>& events)
      : chip_(std::move(chip)), events_(events) {}

  void phase(const Json& phase) {
    const Json kernels = phase.value("kernels", Json::array());
    const double start = now_;
    double total = 0;
    for (const Json& kernel : kernels) total += executions_of(kernel);
    const bool every = total <= kExecutionsDrawn;
    for (std::size_t from = 0; from < kernels.size();) {
      std::size_t to = from;
      while (to < kernels.size() && kernels[to].at("block") == kernels[from].at("block")) ++to;
      block(kernels, from, to, every);
      from = to;
    }
    if (now_ == start) now_ += phase.at("time_s").get<double>();
    events_.push_back({chip_ + "/phases", phase.at("name").get<std::string>(), Seconds(start),
                       Seconds(now_ - start), Json{{"time_s", phase.at("time_s")}}});
  }

 private:
  void block(const Json& kernels, std::size_t from, std::size_t to, bool every) {
    double rounds = 1;
    for (std::size_t i = from; every && i < to; ++i)
      rounds = std::max(rounds, executions_of(kernels[i]));
    for (double round = 0; round < rounds; ++round) {
      for (std::size_t i = from; i < to; ++i) {
        const double executions = every ? executions_of(kernels[i]) : 1.0;
        if (round < executions) kernel(kernels[i], executions);
      }
    }
  }

  void kernel(const Json& kernel, double executions) {
    const double duration = kernel.at("time_s").get<double>() / executions;
    events_.push_back({chip_ + "/kernels", kernel.at("name").get<std::string>(), Seconds(now_),
                       Seconds(duration), args_of(kernel, executions)});
    now_ += duration;
  }

  std::string chip_;
  std::vector<TraceEvent>& events_;
  double now_ = 0;
};

void side_events(const Json& run, std::vector<TraceEvent>& events) {
  Filler filler(run.at("chip").get<std::string>(), events);
  for (const Json& phase : run.at("phases")) filler.phase(phase);
}

}  // namespace

std::vector<TraceEvent> kernel_events(const Json& run) {
  std::vector<TraceEvent> events;
  side_events(run, events);
  if (run.contains("vs")) side_events(run.at("vs"), events);
  return events;
}

}  // namespace athena::report
