#include "serving/engine_config.h"

namespace athena::serving {

const std::vector<std::pair<Batching, std::string>>& enum_names(const Batching*) {
  static const std::vector<std::pair<Batching, std::string>> names = {
      {Batching::kStatic, "static"},
      {Batching::kContinuous, "continuous"},
      {Batching::kChunked, "chunked"}};
  return names;
}

const std::vector<std::pair<StepOrder, std::string>>& enum_names(const StepOrder*) {
  static const std::vector<std::pair<StepOrder, std::string>> names = {
      {StepOrder::kPrefillFirst, "prefill_first"}, {StepOrder::kDecodeFirst, "decode_first"}};
  return names;
}

const std::vector<std::pair<Preemption, std::string>>& enum_names(const Preemption*) {
  static const std::vector<std::pair<Preemption, std::string>> names = {
      {Preemption::kRecompute, "recompute"}, {Preemption::kSwap, "swap"}};
  return names;
}

const std::vector<std::pair<Router, std::string>>& enum_names(const Router*) {
  static const std::vector<std::pair<Router, std::string>> names = {
      {Router::kRoundRobin, "round_robin"},
      {Router::kLeastLoaded, "least_loaded"},
      {Router::kPrefixAware, "prefix_aware"}};
  return names;
}

const config::StructSchema& schema_of(const EngineConfig*) {
  using E = EngineConfig;
  static const config::StructSchema schema =
      config::SchemaBuilder<E>("engine", "How one replica schedules its requests.")
          .field("batching", &E::batching, "How requests join a batch")
          .field("order", &E::order, "Who is served first in a step")
          .field("max_batch", &E::max_batch, "Sequences in a step", config::range(1, 65536))
          .field("max_batched_tokens", &E::max_batched_tokens, "New tokens in a step",
                 config::range(1, 1 << 24))
          .field("static_wait", &E::static_wait, "Longest wait for a static batch to fill",
                 config::not_negative())
          .field("page_tokens", &E::page_tokens, "Tokens per KV page", config::range(1, 65536))
          .field("prefix_cache", &E::prefix_cache, "Reuse the KV of equal prompt beginnings")
          .field("watermark", &E::watermark, "Share of pages that admission leaves free",
                 config::fraction())
          .field("preemption", &E::preemption, "What happens to a sequence that must give way")
          .field("priority_preempts", &E::priority_preempts,
                 "An urgent request may push out a less urgent running one")
          .field("swap_bandwidth", &E::swap_bandwidth, "Host link of one chip, each way",
                 config::positive())
          .field("swap_space", &E::swap_space, "Host memory for swapped pages, per chip",
                 config::not_negative())
          .field("step_overhead", &E::step_overhead, "Host time between steps",
                 config::not_negative())
          .field("memory_share", &E::memory_share, "Share of device memory that may be used",
                 config::fraction())
          .check([](const E& e) {
            return e.max_batched_tokens >= e.max_batch || e.batching != Batching::kChunked
                       ? std::string()
                       : std::string(
                             "max_batched_tokens must be at least max_batch, or running "
                             "sequences would starve");
          })
          .build();
  return schema;
}

const config::StructSchema& schema_of(const KvTransfer*) {
  static const config::StructSchema schema =
      config::SchemaBuilder<KvTransfer>("transfer", "KV from a prefill to a decode replica.")
          .field("bandwidth", &KvTransfer::bandwidth, "Way out of one prefill replica",
                 config::positive())
          .field("latency", &KvTransfer::latency, "Before the first byte", config::not_negative())
          .build();
  return schema;
}

const config::StructSchema& schema_of(const ServiceConfig*) {
  using S = ServiceConfig;
  static const config::StructSchema schema =
      config::SchemaBuilder<S>("serving", "Replicas of a model behind a router.")
          .field("name", &S::name, "Name of the document")
          .field("about", &S::about, "What it stands for")
          .field("engine", &S::engine, "Policies of each replica")
          .field("replicas", &S::replicas, "Replicas that do both phases", config::range(1, 4096))
          .field("router", &S::router, "Which replica a request goes to")
          .field("prefill_replicas", &S::prefill_replicas,
                 "Replicas that only prefill; above 0 the phases run on separate pools",
                 config::range(0, 4096))
          .field("decode_replicas", &S::decode_replicas, "Replicas that only decode",
                 config::range(0, 4096))
          .field("transfer", &S::transfer, "KV transfer between the pools")
          .check([](const S& s) {
            if ((s.prefill_replicas > 0) == (s.decode_replicas > 0)) return std::string();
            return std::string(
                "prefill_replicas and decode_replicas must both be above 0, or both 0");
          })
          .check([](const S& s) {
            return s.disaggregated() && s.engine.batching == Batching::kStatic
                       ? std::string("static batching cannot be disaggregated")
                       : std::string();
          })
          .build();
  return schema;
}

}  // namespace athena::serving
