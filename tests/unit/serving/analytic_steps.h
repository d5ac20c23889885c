#pragma once
// A step time in closed form, so that what the serving model does with it can be predicted.
#include <limits>

#include "serving/request.h"
#include "serving/step_time.h"

namespace athena::serving::testing {

/// fixed + per_token * tokens + per_key * (keys read by decodes) + per_pair * q * kv of prompts.
class LinearSteps final : public StepTime {
 public:
  double fixed = 0.01;
  double per_token = 1e-5;
  double per_key = 1e-7;
  double per_pair = 1e-9;
  double watts = 100.0;
  bool closed_form = true;  ///< false: one step at a time
  std::int64_t asked = 0;

  StepCost cost(const StepShape& shape) override {
    ++asked;
    double time = fixed;
    for (const auto& g : shape.groups) {
      const auto q = static_cast<double>(g.q_len), kv = static_cast<double>(g.kv_len);
      const auto n = static_cast<double>(g.count);
      time += n * (per_token * q + (g.q_len == 1 ? per_key * kv : per_pair * q * kv));
    }
    return {Seconds(time), Joules(watts * time)};
  }
  StepSegment segment(const StepShape& shape, std::int64_t max_steps) override {
    if (!closed_form) return StepTime::segment(shape, max_steps);
    StepSegment s;
    s.first = cost(shape);
    const double growth = per_key * static_cast<double>(shape.decodes());
    s.growth = {Seconds(growth), Joules(watts * growth)};
    s.steps = max_steps;
    return s;
  }
  Watts idle_power() const override { return Watts(10.0); }
};

/// Requests from memory.
class ListTrace final : public TraceReader {
 public:
  explicit ListTrace(std::vector<Request> requests) : requests_(std::move(requests)) {}
  bool next(Request& request) override {
    if (at_ >= requests_.size()) return false;
    request = requests_[at_++];
    return true;
  }
  std::int64_t block_tokens = 512;
  std::int64_t hash_block_tokens() const override { return block_tokens; }

 private:
  std::vector<Request> requests_;
  std::size_t at_ = 0;
};

inline Request make_request(std::int64_t id, double arrival, std::int64_t input,
                            std::int64_t output) {
  Request r;
  r.id = id;
  r.arrival = Seconds(arrival);
  r.input_tokens = input;
  r.output_tokens = output;
  return r;
}

}  // namespace athena::serving::testing
