#pragma once
/// The machinery behind build_graph(): emits the ops of one rank, block by block. Private to the
/// room; use build.h.
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "workload/build.h"

namespace athena::workload {

/// One rank's share of the model and of the batch.
struct Share {
  int heads = 0;
  int kv_heads = 0;
  int experts = 0;
  std::int64_t ffn = 0;
  std::int64_t expert_ffn = 0;
  std::int64_t shared_ffn = 0;
  std::int64_t vocab = 0;
  std::vector<Sequences> batch;  ///< what this CP rank computes
  std::int64_t tokens = 0;       ///< rows between the TP regions
  std::int64_t stream_rows = 0;  ///< rows of the residual stream (tokens / tp with SP)
  std::int64_t sequences = 0;
  bool absorbed_only = false;  ///< every sequence brings one token
};

/// Layers [begin, end) of a pipeline chunk, and whether the ends of the model belong to it.
struct StageRange {
  int begin = 0;
  int end = 0;
  bool first = true;
  bool last = true;
};
[[nodiscard]] StageRange stage_range(const Transformer& model, const PhaseSpec& spec);
[[nodiscard]] Share share_of(const Transformer& model, const PhaseSpec& spec);
/// Rows of every expert of this rank (run-length), for `tokens` tokens on each of ep ranks.
[[nodiscard]] std::vector<GroupRows> expert_rows(const Moe& moe, std::int64_t tokens, int ep,
                                                 int ep_rank, Routing routing);

class Builder {
 public:
  Builder(const Transformer& model, const PhaseSpec& spec);
  [[nodiscard]] Graph build();

 private:
  struct Scope;  // prefix, layer and copies of the block being emitted

  // --- emission (builder.cpp)
  Op& emit(OpKind kind, std::string_view label, OpShape shape, std::vector<TensorId> inputs,
           std::vector<TensorId> outputs);
  TensorId activation(std::string_view label, std::int64_t rows, std::int64_t width);
  TensorId activation(std::string_view label, std::int64_t rows, std::int64_t width, Dtype dtype);
  TensorId tensor(std::string_view label, Dims dims, Dtype dtype, Role role, int copies);
  TensorId weight(std::string_view label, Dims dims, Dtype dtype, bool expert = false);
  void begin_block(std::string name, int repeat, int first_layer, int layers_per_repeat);
  void collective(CollectiveKind kind, GroupKind group, std::string_view label, std::int64_t bytes,
                  std::vector<TensorId> inputs, std::vector<TensorId> outputs, bool async = false);
  [[nodiscard]] int group_size(GroupKind group) const;
  [[nodiscard]] int group_stride(GroupKind group) const;

  // --- forward (builder_layer.cpp, builder_attention.cpp, builder_moe.cpp)
  void forward();
  void prologue();
  void epilogue();
  void head(TensorId hidden);
  void layer(LayerKind kind);
  void sequential_layer(LayerKind kind);
  void parallel_layer(LayerKind kind);
  TensorId norm(TensorId x, std::string_view label, std::int64_t rows, std::int64_t width,
                TensorId out = kNoTensor);
  TensorId enter_tp(TensorId h, std::string_view label);  // all-gather with SP
  TensorId leave_tp(TensorId partial, std::string_view label);
  TensorId residual(TensorId x, TensorId y, std::string_view label);
  TensorId linear(TensorId a, std::string_view label, std::int64_t rows, std::int64_t in,
                  std::int64_t out, bool bias);
  TensorId gemm(std::string_view label, const GemmShape& shape, std::vector<TensorId> inputs,
                std::int64_t rows, std::int64_t width);
  TensorId attention(TensorId h, LayerKind kind);
  TensorId mha(TensorId h, LayerKind kind);
  TensorId fused_attention(TensorId qkv, LayerKind kind);
  TensorId unfused_attention(TensorId qkv, TensorId keys, TensorId values);
  TensorId mla(TensorId h);
  TensorId mla_expanded(TensorId q, TensorId latent, TensorId cache,
                        const std::vector<Sequences>& batch);
  TensorId mla_absorbed(TensorId q, TensorId cache, const std::vector<Sequences>& batch);
  TensorId linear_attention(TensorId h);
  TensorId ffn(TensorId h, LayerKind kind);
  TensorId dense_ffn(TensorId h, std::int64_t inner, std::string_view prefix);
  TensorId moe(TensorId h);
  [[nodiscard]] std::int64_t cache_slots() const;
  [[nodiscard]] bool cached() const { return !training_ && model_.causal; }

  // --- training (builder_train.cpp: blocks; builder_backward.cpp: ops; builder_shard.cpp: ZeRO)
  void training();
  void loss(TensorId logits);
  void backward_block(std::size_t index);
  void backward_op(const Op& op);
  void gemm_backward(const Op& op);
  void matrix_backward(const Op& op);
  void row_backward(const Op& op, OpKind kind, const RowShape& shape,
                    const std::vector<TensorId>& kept, const std::vector<TensorId>& targets);
  void collective_backward(const Op& op);
  void regather(TensorId whole);
  void append_recompute(const Block& forward);
  void mark_saved(const Block& forward, TensorId block_input);
  TensorId gradient(TensorId of);  ///< a buffer for the gradient of an activation
  TensorId weight_gradient(TensorId weight);
  void add_gradient(TensorId of, TensorId grad);
  [[nodiscard]] TensorId gradient_of(TensorId of) const;
  /// Weights (or their gradients) that a forward block owns, dense or routed experts.
  [[nodiscard]] std::vector<TensorId> weights_of(const Block& block, bool expert) const;
  void gather_weights(std::size_t index, const Block& forward);
  void reduce_gradients(const Block& forward);
  void update();
  /// Ranks that hold copies of a weight and share its optimizer state.
  [[nodiscard]] int replicas(bool expert) const;
  void replica_collective(CollectiveKind kind, bool expert, std::string_view label,
                          std::int64_t bytes, std::vector<TensorId> inputs,
                          std::vector<TensorId> outputs);
  [[nodiscard]] std::int64_t bytes_sum(const std::vector<TensorId>& ids) const;
  Tensor& at(TensorId id) { return graph_.tensors[static_cast<std::size_t>(id)]; }

  const Transformer& model_;
  const PhaseSpec& spec_;
  Precision precision_;
  Share share_;
  StageRange range_;
  bool training_ = false;
  Graph graph_;
  std::string prefix_;  // of tensor names
  int layer_ = -1;
  int copies_ = 1;
  TensorId stream_ = kNoTensor;  // residual stream
  TensorId ids_ = kNoTensor;
  TensorId table_ = kNoTensor;       // embedding matrix
  TensorId head_table_ = kNoTensor;  // the head's own matrix
  std::set<TensorId> parameters_;
  std::map<TensorId, int> parameter_copies_;
  std::map<TensorId, TensorId> gathered_;  // with SP: whole input of a TP region -> its part
  std::set<TensorId> expert_;              // weights of routed experts: reduced over fewer ranks
  std::set<TensorId> tp_inputs_;  // replicated inputs of a TP region: gradient is all-reduced
  std::set<TensorId> columns_;    // several ops use disjoint columns: one gradient buffer
  struct Ends {
    TensorId in = kNoTensor;
    TensorId out = kNoTensor;
  };
  std::vector<Ends> ends_;                  // per forward block
  std::vector<TensorId> gradients_;         // by tensor; kNoTensor where none yet
  std::map<TensorId, int> gradient_count_;  // buffers made for the gradient of a tensor
  std::vector<TensorId> weight_gradients_;
  std::vector<TensorId> shards_;  // ZeRO-3: what a rank keeps of its weights
  std::vector<TensorId> kept_gradients_;
  std::set<TensorId> regathered_;  // within the backward block being built
  Pass pass_ = Pass::kForward;
  TensorId incoming_ = kNoTensor;  // gradient that enters the next backward block
};

}  // namespace athena::workload
