#pragma once
/// The policies of a serving engine, as written in configs/serving/*.yaml.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/units.h"
#include "config/config.h"

namespace athena::serving {

/// How requests join a running batch.
///  static      a batch is formed, runs until its longest answer is done, then the next is formed;
///              finished sequences go on as padding (FasterTransformer)
///  continuous  requests join and leave between steps; a prompt is computed in one step (Orca, vLLM
///              before chunking)
///  chunked     as continuous, but prompts are cut to the step's token budget and mixed with decode
///              steps (Sarathi-Serve, vLLM since 0.6)
enum class Batching { kStatic, kContinuous, kChunked };
[[nodiscard]] const std::vector<std::pair<Batching, std::string>>& enum_names(const Batching*);

/// Who is served first when a step is put together.
///  prefill_first  continuous: a step of waiting prompts only comes before any decode step;
///                 chunked: prompt chunks take the token budget before decodes do
///  decode_first   every running sequence gets its token, prompts share what is left of the budget
enum class StepOrder { kPrefillFirst, kDecodeFirst };
[[nodiscard]] const std::vector<std::pair<StepOrder, std::string>>& enum_names(const StepOrder*);

/// What happens to a sequence whose pages are needed by more important ones.
enum class Preemption { kRecompute, kSwap };
[[nodiscard]] const std::vector<std::pair<Preemption, std::string>>& enum_names(const Preemption*);

enum class Router { kRoundRobin, kLeastLoaded, kPrefixAware };
[[nodiscard]] const std::vector<std::pair<Router, std::string>>& enum_names(const Router*);

/// One engine: how a replica schedules.
struct EngineConfig {
  Batching batching = Batching::kChunked;
  StepOrder order = StepOrder::kDecodeFirst;
  std::int64_t max_batch = 256;            ///< sequences in a step
  std::int64_t max_batched_tokens = 2048;  ///< new tokens in a step
  Seconds static_wait{0.1};       ///< a static batch starts when its oldest waited this long
  std::int64_t page_tokens = 16;  ///< tokens per KV page
  bool prefix_cache = false;      ///< reuse pages of equal prompt beginnings
  /// Share of the pages that admission leaves free for running sequences to grow into.
  double watermark = 0.01;
  Preemption preemption = Preemption::kRecompute;
  bool priority_preempts = true;        ///< a more urgent request may push out a running one
  BytesPerSecond swap_bandwidth{25e9};  ///< host link per chip, each way
  Bytes swap_space{64LL << 30};         ///< host memory for swapped pages, per chip
  Seconds step_overhead{0.0};           ///< host time between steps that the chip waits for
  double memory_share = 0.9;            ///< share of the device memory that the engine may use
};
[[nodiscard]] const config::StructSchema& schema_of(const EngineConfig*);

/// Moving the KV of a prompt from a prefill to a decode replica.
struct KvTransfer {
  BytesPerSecond bandwidth{50e9};  ///< of one prefill replica's way out
  Seconds latency{20e-6};
};
[[nodiscard]] const config::StructSchema& schema_of(const KvTransfer*);

/// A whole service: replicas of the model behind a router.
struct ServiceConfig {
  std::string name;
  std::string about;
  EngineConfig engine;
  int replicas = 1;  ///< that do both phases; ignored when disaggregated
  Router router = Router::kLeastLoaded;
  int prefill_replicas = 0;  ///< above 0: phases run on pools of their own
  int decode_replicas = 0;
  KvTransfer transfer;

  [[nodiscard]] bool disaggregated() const { return prefill_replicas > 0; }
  [[nodiscard]] int replica_count() const {
    return disaggregated() ? prefill_replicas + decode_replicas : replicas;
  }
};
[[nodiscard]] const config::StructSchema& schema_of(const ServiceConfig*);

/// What the model and the system give one replica.
struct ReplicaMemory {
  std::int64_t kv_pages = 0;     ///< 0 = no limit
  Bytes kv_bytes_per_token{0};   ///< over all chips of the replica
  std::int64_t max_context = 0;  ///< tokens of a request, prompt and answer; 0 = no limit
  int chips = 1;                 ///< that share one replica (host links, prices)
};

}  // namespace athena::serving
