#pragma once
/// The work of one rank in one phase as a list of operators with explicit shapes, in execution
/// order, unfused. Identical layers are stored once with a repeat count. A graph names tensors, not
/// addresses, and knows no chip.
///
/// Conventions that hold everywhere:
///  * Row-major tensors; "rows" are tokens in batch order (entry by entry, sequence by sequence).
///  * One multiply-add is 2 FLOP.
///  * A tensor may be input and output of the same element-wise op (add, rope, activation): each
///    element is read before it is written. The residual stream of inference is one such tensor
///    ("x") that every layer updates in place, so repeating a block needs no renaming.
///  * Layouts: q|k|v rows are [heads x d | kv_heads x d | kv_heads x d], followed by the gate where
///    the model gates its attention and by z in linear-attention layers; a gated FFN's first
///    product is [gate | up]; the weights of a qk_norm are row 0 for queries and row 1 for keys;
///    grouped (expert) rows come expert by expert.
///  * Fewer rows than the input has: final_norm and lm_head of a prefill take the last token of
///  each
///    sequence, the pooler takes the first.
///  * Token i of a sequence of entry e stands at position kv_len - q_len + i (Graph::batch): what
///    rope rotates by, what the embedding op "position" looks up, where kv_write writes.
///  * Launch-time values: in a decode graph the only fields that depend on the KV length are
///    Sequences::kv_len inside AttentionShape, KvWriteShape and Graph::batch (see set_kv_len). All
///    other fields, tensors and sizes depend on the number of tokens and on the KV *capacity*
///    alone, so that every step of a generation is the same graph.
#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/dtype.h"
#include "workload/transformer.h"

namespace athena::workload {

enum class Phase { kPrefill, kDecode, kTrain };
[[nodiscard]] std::string_view name(Phase phase);

// ---------------------------------------------------------------------------------- tensors

using TensorId = std::int32_t;
inline constexpr TensorId kNoTensor = -1;

enum class Role {
  kWeight,      ///< read-only parameter (an optimizer_step writes it)
  kActivation,  ///< made and used inside the graph
  kSaved,       ///< activation kept from forward to backward (counts as activation memory)
  kKvCache,     ///< persists between graphs; also the state of linear-attention layers
  kInput,       ///< given from outside: token ids, the hidden state received from a stage
  kOutput,      ///< handed out: logits or sampled tokens, the hidden state sent to a stage
  kGradient,    ///< gradient of a weight
  kOptimizer,   ///< optimizer state: fp32 master weights and both Adam moments
};
[[nodiscard]] std::string_view name(Role role);

/// Up to four dimensions, outermost first.
struct Dims {
  std::array<std::int64_t, 4> size{};
  int rank = 0;
  constexpr Dims() = default;
  constexpr Dims(std::initializer_list<std::int64_t> list) {
    for (const std::int64_t d : list) size[static_cast<std::size_t>(rank++)] = d;
  }
  [[nodiscard]] constexpr std::int64_t elements() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= size[static_cast<std::size_t>(i)];
    return n;
  }
  [[nodiscard]] constexpr std::int64_t operator[](int i) const {
    return size[static_cast<std::size_t>(i)];
  }
  constexpr bool operator==(const Dims&) const = default;
};

struct Tensor {
  std::string name;
  Dims dims;
  Dtype dtype = Dtype::kBf16;
  Role role = Role::kActivation;
  std::int64_t bytes = 0;  ///< of one copy
  /// How many copies exist: 1 for activations (each repetition of a block reuses them) and for
  /// what is not in a repeated block; the block's repeat for weights, gradients, optimizer state,
  /// KV cache and saved activations, where repetition r uses copy r (backward blocks: copy
  /// repeat-1-r). Copies lie `stride` apart, which the allocator chooses, at least `bytes`.
  int copies = 1;
};

// --------------------------------------------------------------------------------------- ops

enum class OpKind {
  kEmbedding,  ///< RowShape: rows gathered of `width`          in {ids, table}      out {x}
  kNorm,       ///< RowShape: LayerNorm or RMSNorm (Op::norm)   in {x, weight[, bias]} out {y}
  kGemm,       ///< GemmShape                                   in {a, b[, bias]}    out {c}
  kRope,       ///< RopeShape, in place on q|k|v rows           in {qkv}             out {qkv}
  kKvWrite,    ///< KvWriteShape                                in {qkv}   out {k_cache, v_cache}
  kAttention,  ///< AttentionShape, online softmax     in {qkv[, k_cache, v_cache]}  out {o}
  kLinearAttention,  ///< LinearAttentionShape, gated delta rule  in {qkvz, ba, state} out {o,
                     ///< state}
  kConv,         ///< RowShape: depth-wise causal convolution, `inner` taps   in {x, weight} out {x}
  kActivation,   ///< RowShape: Op::activation; gated: in has 2 x width, out width
  kAdd,          ///< RowShape                                    in {a, b}            out {c}
  kMul,          ///< RowShape: element-wise product (gates; `unary`: sigmoid or tanh of b first)
  kSoftmax,      ///< RowShape (only where attention is not fused, and single operators)
  kRouterTopK,   ///< RowShape: rows x experts, `inner` chosen    in {scores}          out {routes}
  kMoeDispatch,  ///< RowShape: rows (tokens x top_k) gathered by expert    in {x, routes} out {xe}
  kMoeCombine,   ///< RowShape: rows = tokens, `inner` = top_k weighted sum in {ye, routes} out {y}
  kSampling,     ///< RowShape: arg-max or draw over rows x vocab in {logits}          out {tokens}
  kCollective,   ///< CollectiveShape
  kSendRecv,     ///< CollectiveShape (kind send, recv or both at once)
  kLoss,         ///< RowShape: cross entropy rows x vocab, writes the logits' gradient
  kNormBackward,             ///< RowShape     in {dy, x, weight}   out {dx[, dweight]}
  kAttentionBackward,        ///< AttentionShape in {do, qkv, o}    out {dqkv}
  kLinearAttentionBackward,  ///< LinearAttentionShape
  kActivationBackward,       ///< RowShape     in {dy, x}           out {dx}
  kMulBackward,              ///< RowShape    in {dy, a, b}         out {da, db}
  kSoftmaxBackward,          ///< RowShape     in {dy, y}           out {dx}
  kEmbeddingBackward,        ///< RowShape: scatter-add of rows     in {dx, ids}  out {dtable}
  kBiasBackward,             ///< RowShape: column sums             in {dy}       out {dbias}
  kConvBackward,             ///< RowShape
  kMoeDispatchBackward,      ///< RowShape (= a combine without weights)
  kMoeCombineBackward,       ///< RowShape (= a dispatch with weights, plus the routes' gradient)
  kOptimizerStep,  ///< OptimizerShape: Adam  in {gradients.., states}  out {weights, states}
};
[[nodiscard]] std::string_view name(OpKind kind);

/// Why an op is there; recompute is a forward op repeated during backward.
enum class Pass { kForward, kRecompute, kBackward, kUpdate };
[[nodiscard]] std::string_view name(Pass pass);

/// `count` sequences that each bring `q_len` new tokens, the last of which sees `kv_len` keys. The
/// new tokens are among those keys: a fresh prompt of 2048 is {2048, 2048, n}; a decode step with
/// 3072 keys {1, 3072, n}; the second half of a prompt of 1024 in two chunks {512, 1024, n}.
struct Sequences {
  std::int64_t q_len = 0;
  std::int64_t kv_len = 0;
  std::int64_t count = 1;
  bool operator==(const Sequences&) const = default;
};

/// `count` groups of a grouped GEMM with `rows` rows each.
struct GroupRows {
  std::int64_t rows = 0;
  std::int64_t count = 0;
  bool operator==(const GroupRows&) const = default;
};

/// C[m x n] = op(A)[m x k] * op(B)[k x n] (+ bias[n]), `groups` times over.
struct GemmShape {
  std::int64_t m = 0, n = 0, k = 0;
  std::int64_t groups = 1;    ///< independent products (experts; heads of an unfused attention)
  std::int64_t b_groups = 1;  ///< distinct B: groups / b_groups neighbours share one
  /// Rows per group where groups differ (experts); `m` is then the largest. Empty: every group has
  /// m rows. Groups with 0 rows are listed too (their B is not read).
  std::vector<GroupRows> group_rows;
  /// group_rows lists K instead of M (weight gradients of experts); `k` is then the largest.
  bool ragged_k = false;
  bool weights = true;       ///< B is a weight (kept between calls), not an activation
  bool transpose_a = false;  ///< A is stored k x m
  bool transpose_b = false;  ///< B is stored n x k
  bool bias = false;         ///< adds a vector of n
  bool accumulate = false;   ///< C += (gradients over micro-batches)
  Dtype a = Dtype::kBf16, b = Dtype::kBf16, c = Dtype::kBf16;
  [[nodiscard]] std::int64_t total_rows() const;     ///< rows of C over all groups
  [[nodiscard]] std::int64_t total_depth() const;    ///< K over all groups
  [[nodiscard]] std::int64_t active_groups() const;  ///< groups with work
  /// Format in which the matrix unit multiplies: the wider of A and B (w4a16 multiplies in 16 bit).
  [[nodiscard]] Dtype compute() const;
};

/// Ops that treat rows alike. `inner` is the op's further size (see OpKind), else 0.
struct RowShape {
  std::int64_t rows = 0;
  std::int64_t width = 0;
  std::int64_t inner = 0;
};

/// Rotation of `heads` query heads and `kv_heads` key heads, `dim` columns of each.
struct RopeShape {
  std::int64_t rows = 0;
  int heads = 0;
  int kv_heads = 0;
  int dim = 0;
  double theta = 10000;  ///< base of the frequencies
};

/// Scaled dot-product attention over a ragged batch. Input 0 holds, per token, the columns
/// [heads x qk_dim | kv_heads x qk_dim | kv_heads x v_dim]; with a cache, keys and values of all
/// kv_len tokens (the new ones included, a kKvWrite precedes) are read from it. Other inputs: with
/// context parallelism {qkv, kv of all ranks}; MLA expanded {q, kv, latent with the rotated key},
/// MLA absorbed {absorbed q, q with the rotated part, latent cache}. Training adds a second output,
/// the log-sum-exp of each row and head in fp32.
struct AttentionShape {
  std::vector<Sequences> batch;
  int heads = 0;
  int kv_heads = 0;
  int qk_dim = 0;
  int v_dim = 0;
  bool causal = true;
  std::int64_t window = 0;     ///< a query sees at most this many keys; 0 = all
  double scale = 0;            ///< of the scores; 0 = 1/sqrt(qk_dim)
  bool alibi = false;          ///< adds a slope per head times the distance to the scores
  bool shared_latent = false;  ///< absorbed MLA: V is the first v_dim columns of K, read once
  [[nodiscard]] std::int64_t queries() const;  ///< sum of q_len * count
  [[nodiscard]] std::int64_t keys() const;     ///< sum of keys read (window applied) * count
  /// Query-key pairs that the mask lets through, per head (exact).
  [[nodiscard]] std::int64_t pairs() const;
};

/// Appends the new tokens' keys and values at position kv_len - q_len of each sequence.
struct KvWriteShape {
  std::vector<Sequences> batch;
  std::int64_t width = 0;  ///< elements per token over both outputs
};

/// Gated delta rule over a ragged batch: per value head a state of key_dim x value_dim.
struct LinearAttentionShape {
  std::vector<Sequences> batch;
  int key_heads = 0;
  int value_heads = 0;
  int key_dim = 0;
  int value_dim = 0;
};

enum class CollectiveKind {
  kAllReduce,
  kAllGather,
  kReduceScatter,
  kAllToAll,
  kBroadcast,
  kSend,
  kRecv,
  kSendRecv
};
[[nodiscard]] std::string_view name(CollectiveKind kind);
enum class GroupKind { kTp, kCp, kEp, kDp, kPp };
[[nodiscard]] std::string_view name(GroupKind kind);

/// `bytes`: all-reduce, broadcast, send, receive: the message; all-gather: the gathered whole;
/// reduce-scatter: the whole before reduction; all-to-all: what one rank holds (a share 1/size of
/// it stays). (The "size" of nccl-tests.)
struct CollectiveShape {
  CollectiveKind kind = CollectiveKind::kAllReduce;
  GroupKind group = GroupKind::kTp;
  int size = 1;    ///< ranks in the group
  int stride = 1;  ///< distance between neighbouring members in global rank order
  std::int64_t bytes = 0;
  /// The framework issues it on a side stream: it may overlap any op up to the first reader of its
  /// output (the end of the graph if none). In a repeated block it may start as early as one
  /// repetition before its place (FSDP prefetches the next layer's weights).
  bool async = false;
};

struct OptimizerShape {
  std::int64_t parameters = 0;
  std::int64_t read_bytes = 0;   ///< gradients, master weights, both moments
  std::int64_t write_bytes = 0;  ///< master weights, moments, weights in the model's format
};

using OpShape = std::variant<RowShape, GemmShape, RopeShape, AttentionShape, KvWriteShape,
                             LinearAttentionShape, CollectiveShape, OptimizerShape>;

/// Least bytes an op must move, every operand once.
struct Traffic {
  std::int64_t read = 0;
  std::int64_t written = 0;
  [[nodiscard]] std::int64_t total() const { return read + written; }
};

struct Op {
  OpKind kind = OpKind::kAdd;
  /// Place in the layer, stable across models: qkv qk softmax av attention out_proj ffn1 ffn2 gelu
  /// silu_mul layernorm_attn layernorm_ffn all_reduce_attn all_reduce_ffn rope kv_write router ...
  std::string name;
  Pass pass = Pass::kForward;
  int layer = -1;  ///< layer of the block's first repetition; -1 outside layers
  OpShape shape;
  Dtype dtype = Dtype::kBf16;                 ///< of the activations
  Dtype kv_dtype = Dtype::kBf16;              ///< attention, kv_write: of keys and values
  NormKind norm = NormKind::kRms;             ///< kNorm, kNormBackward
  double epsilon = 1e-5;                      ///< kNorm, kNormBackward
  Activation activation = Activation::kGelu;  ///< kActivation(Backward)
  bool gated = false;                         ///< kActivation(Backward): act(x0) * x1
  /// kNorm: adds input `r` first and writes the sum too (set by a compiler that fuses)
  bool residual = false;
  /// kMul: passes b through a sigmoid first (SiLU where activation is kSilu); b of one column
  /// counts for all
  bool unary = false;
  std::vector<TensorId> inputs;
  std::vector<TensorId> outputs;

  [[nodiscard]] const RowShape& rows() const { return std::get<RowShape>(shape); }
  [[nodiscard]] const GemmShape& gemm() const { return std::get<GemmShape>(shape); }
  [[nodiscard]] const RopeShape& rope() const { return std::get<RopeShape>(shape); }
  [[nodiscard]] const AttentionShape& attention() const { return std::get<AttentionShape>(shape); }
  [[nodiscard]] const KvWriteShape& kv_write() const { return std::get<KvWriteShape>(shape); }
  [[nodiscard]] const LinearAttentionShape& linear() const {
    return std::get<LinearAttentionShape>(shape);
  }
  [[nodiscard]] const CollectiveShape& collective() const {
    return std::get<CollectiveShape>(shape);
  }
  [[nodiscard]] const OptimizerShape& optimizer() const { return std::get<OptimizerShape>(shape); }

  /// FLOP of matrix products: gemms and both products of attention (exact, masked pairs left out).
  [[nodiscard]] double matrix_flops() const;
  /// Element operations outside matrix products (exp, rsqrt, tanh count 1 each).
  [[nodiscard]] double vector_flops() const;
  [[nodiscard]] double flops() const { return matrix_flops() + vector_flops(); }
  /// Least memory traffic; collectives: their local reads and writes.
  [[nodiscard]] Traffic traffic() const;
  [[nodiscard]] std::int64_t min_bytes() const { return traffic().total(); }
  /// Whether a field changes with the KV length (attention, kv_write).
  [[nodiscard]] bool depends_on_kv() const {
    return kind == OpKind::kAttention || kind == OpKind::kKvWrite;
  }
};

/// Ops that run `repeat` times in a row.
struct Block {
  std::string name;  ///< "embedding", "layers", "head", "layers.backward", ...
  int repeat = 1;
  int first_layer = -1;
  int layers_per_repeat = 0;  ///< 0 outside the stack
  bool reverse = false;       ///< repetition r uses tensor copy repeat-1-r (backward)
  std::vector<Op> ops;
  struct Carry {
    TensorId from = kNoTensor;
    TensorId to = kNoTensor;
  };
  /// Training only (the residual stream of inference is updated in place). `entry`: before
  /// repetition 0, `to` takes the value of `from`, made by an earlier block. `carried`: in
  /// repetition r+1, `to` takes the value that `from` had after repetition r. Neither is a copy in
  /// memory: an allocator gives both names one place.
  std::vector<Carry> entry;
  std::vector<Carry> carried;
};

struct Graph {
  std::string name;
  Phase phase = Phase::kPrefill;
  std::vector<Tensor> tensors;
  std::vector<Block> blocks;
  std::int64_t tokens = 0;  ///< new tokens of this rank's batch
  std::int64_t sequences = 0;
  std::vector<Sequences> batch;  ///< of this rank
  /// KV slots of one sequence, per entry of the batch; a cache tensor has their sum (times count)
  /// as its first dimension, sequences in batch order.
  std::vector<std::int64_t> kv_capacity;

  [[nodiscard]] const Tensor& tensor(TensorId id) const {
    return tensors.at(static_cast<std::size_t>(id));
  }
  TensorId add(Tensor tensor);                ///< fills `bytes` from dims and dtype
  [[nodiscard]] double matrix_flops() const;  ///< repeats included, as are the next three
  [[nodiscard]] double flops() const;
  [[nodiscard]] std::int64_t min_bytes() const;
  [[nodiscard]] std::int64_t op_count() const;
  /// Bytes of all copies of the tensors of a role.
  [[nodiscard]] std::int64_t bytes_of(Role role) const;
  /// Sets kv_len of every sequence of entry i to kv_len[i] (decode: the launch-time value). Throws
  /// InputError when one exceeds the capacity the graph was built with.
  /// Only for decode graphs with fused attention: other shapes are fixed when a graph is built.
  void set_kv_len(const std::vector<std::int64_t>& kv_len);
};

/// The same work with every block repeated once, each repetition with tensors of its own names
/// ("L3.qkv.weight"): for functional runs and for tests of the repetition.
[[nodiscard]] Graph unroll(const Graph& graph);

/// Structural check: every id valid, every input produced before or given, shapes against tensor
/// sizes. Returns sentences, empty when sound.
[[nodiscard]] std::vector<std::string> check(const Graph& graph);

}  // namespace athena::workload
