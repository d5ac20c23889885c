#pragma once
/// Transformer + phase + parallelism -> Graph of one rank. Unfused: fusing is the compiler's
/// business. Building takes tens of microseconds, so sweeps build a graph per point.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "workload/graph.h"
#include "workload/transformer.h"

namespace athena::workload {

/// Formats of one run. Embedding, norms, router and head stay in `activations`.
struct Precision {
  Dtype activations = Dtype::kBf16;  ///< between ops; vector ops
  Dtype gemm_input = Dtype::kBf16;   ///< A of a layer's GEMMs (fp8: quantised on the way in)
  Dtype weights = Dtype::kBf16;      ///< B of a layer's GEMMs
  Dtype kv = Dtype::kBf16;
  bool operator==(const Precision&) const = default;
};
/// fp32 tf32 fp16 bf16 fp8 int8 w8a16 w4a16 (w*a16: narrow weights, 16-bit arithmetic). Throws
/// InputError with the nearest name.
[[nodiscard]] Precision precision_from_name(std::string_view text);
/// The model's own: its dtype, and its weight_dtype where quantised.
[[nodiscard]] Precision precision_of(const Transformer& model);

/// Sizes of the groups over which a model is spread. World = tp * cp * dp * pp; EP is carved out of
/// DP (ep divides dp). Global rank order, fastest first: tp, cp, dp, pp.
struct Parallelism {
  int tp = 1;
  int pp = 1;
  int dp = 1;
  int ep = 1;
  int cp = 1;
  bool sequence_parallel = false;  ///< norms and residuals split over TP by tokens (Megatron)
  int zero = 0;                    ///< 0..3; 3 = FSDP full shard
  int virtual_stages = 1;          ///< model chunks per pipeline rank (interleaved schedule)
  [[nodiscard]] int world() const { return tp * pp * dp * cp; }
};

enum class Recompute { kNone, kSelective, kFull };

/// How tokens spread over experts. kUniform: as a uniform random router does (deterministic
/// quantiles of the binomial distribution); kBalanced: as evenly as possible.
enum class Routing { kUniform, kBalanced };

/// Which part of a training step a graph holds.
enum class TrainPart { kWhole, kForward, kBackward, kUpdate };

struct PhaseSpec {
  Phase phase = Phase::kPrefill;
  /// Of one model replica (one DP rank; with CP, of the whole CP group). Train: one micro-batch.
  std::vector<Sequences> batch;
  std::optional<Precision> precision;  ///< default precision_of(model)
  int layers = 0;                      ///< first n layers only; 0 = all
  bool layers_only = false;            ///< without embedding and head (one layer on its own)
  std::int64_t max_context = 0;        ///< overrides the model's published limit
  /// KV slots per sequence; 0 = kv_len (decode of a generation: input + output).
  std::int64_t kv_capacity = 0;
  bool fused_attention = true;  ///< false: qk, softmax, av as three ops, full matrix
  bool all_logits = false;      ///< prefill: head on every token, not on each last one
  Routing routing = Routing::kUniform;
  Parallelism parallel;
  int stage = 0;  ///< pipeline rank
  int chunk = 0;  ///< model chunk of that rank (virtual stages)
  int cp_rank = 0;
  int ep_rank = 0;
  // Training only:
  Recompute recompute = Recompute::kNone;
  TrainPart part = TrainPart::kWhole;
  bool sync_gradients = true;  ///< this micro-batch is the last: reduce over DP
  bool accumulate = false;     ///< gradients add to those of earlier micro-batches
};

/// "q=512,kv=1024x4;q=1,kv=2000x60". Throws InputError pointing at the part that is wrong.
[[nodiscard]] std::vector<Sequences> parse_batch_spec(std::string_view text);
/// `batch` fresh prompts of `input` tokens.
[[nodiscard]] std::vector<Sequences> prefill_batch(std::int64_t batch, std::int64_t input);
/// `batch` sequences, one new token each, seeing `kv_len` keys.
[[nodiscard]] std::vector<Sequences> decode_batch(std::int64_t batch, std::int64_t kv_len);
/// KV length of every decode step of a generation: prefill gives the first output token, so there
/// are output - 1 steps with input + 1 ... input + output - 1 keys.
[[nodiscard]] std::vector<std::int64_t> decode_kv_lengths(std::int64_t input, std::int64_t output);

/// Graph of one rank. Throws InputError (sizes that do not divide, context above the limit, empty
/// batch, decode on an encoder), naming both numbers.
[[nodiscard]] Graph build_graph(const Transformer& model, const PhaseSpec& spec);

/// Throws InputError when the parallelism does not fit the model (heads, layers, experts).
void check_parallelism(const Transformer& model, const Parallelism& parallel, int layers = 0);

// Single operators, as rows of a table of measured kernels.
[[nodiscard]] Graph gemm_graph(std::int64_t m, std::int64_t n, std::int64_t k,
                               const Precision& precision);
/// kNorm, kActivation, kAdd, kSoftmax on rows x width. `op`: rmsnorm layernorm silu_mul gelu add
/// softmax. (silu_mul reads 2 x width.) Throws InputError on another name.
[[nodiscard]] Graph row_op_graph(std::string_view op, std::int64_t rows, std::int64_t width,
                                 Dtype dtype);
/// `kind` kAttention; with `backward`, kAttentionBackward follows.
[[nodiscard]] Graph attention_graph(const AttentionShape& shape, Dtype dtype, bool cached,
                                    bool backward = false);
[[nodiscard]] Graph collective_graph(const CollectiveShape& shape, Dtype dtype);

}  // namespace athena::workload
