#pragma once
/// Small chips, models and compiled programs that several suites use.
#include "compiler/compile.h"
#include "config/config.h"
#include "workload/build.h"

namespace athena::testing {

inline config::ChipConfig chip(const std::string& name, const std::vector<std::string>& sets = {}) {
  return config::load<config::ChipConfig>(name, "chips", sets);
}

inline config::StackConfig stack(const std::string& name = "bare") {
  return config::load<config::StackConfig>(name, "stacks");
}

inline workload::Graph prefill(const std::string& model, std::int64_t batch, std::int64_t input,
                               int layers = 0, const std::string& dtype = "") {
  workload::PhaseSpec spec;
  spec.batch = workload::prefill_batch(batch, input);
  spec.layers = layers;
  spec.all_logits = true;
  if (!dtype.empty()) spec.precision = workload::precision_from_name(dtype);
  return workload::build_graph(workload::load_transformer(model), spec);
}

inline workload::Graph decode(const std::string& model, std::int64_t batch, std::int64_t keys,
                              int layers = 0, std::int64_t capacity = 0) {
  workload::PhaseSpec spec;
  spec.phase = workload::Phase::kDecode;
  spec.batch = workload::decode_batch(batch, keys);
  spec.layers = layers;
  spec.kv_capacity = capacity;
  return workload::build_graph(workload::load_transformer(model), spec);
}

}  // namespace athena::testing
