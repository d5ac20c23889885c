#pragma once
/// The architecture of a transformer, whatever file it came from, in one normal form: everything
/// that decides shapes, parameters and bytes, and nothing about where or how it runs.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/dtype.h"

namespace athena::workload {

enum class NormKind { kLayer, kRms };
enum class Activation { kGelu, kSilu, kRelu };
enum class Positions { kRope, kLearned, kAlibi, kNone };
/// What stands after the last layer: a language-model head, a BERT pooler, or nothing.
enum class Head { kLanguageModel, kPooler, kNone };

/// Mixture of experts. `experts == 0` means a dense model.
struct Moe {
  int experts = 0;                ///< routed experts per MoE layer
  int top_k = 0;                  ///< routed experts per token
  std::int64_t expert_ffn = 0;    ///< inner width of one routed expert
  std::int64_t shared_ffn = 0;    ///< inner width of all shared experts together; 0 = none
  bool shared_gate = false;       ///< a hidden -> 1 gate on the shared expert (Qwen)
  bool router_bias = false;       ///< one correction per expert (DeepSeek-V3)
  int first_dense = 0;            ///< the first layers that keep the dense FFN
  int layer_freq = 1;             ///< after those, every layer_freq-th layer is MoE
  std::vector<int> dense_layers;  ///< further layers that keep the dense FFN
};

/// Multi-head latent attention (DeepSeek). `kv_lora_rank == 0` means ordinary attention.
struct Mla {
  int q_lora_rank = 0;  ///< 0: queries are projected directly
  int kv_lora_rank = 0;
  int qk_nope_dim = 0;
  int qk_rope_dim = 0;
  int v_dim = 0;
};

/// Gated delta-rule layers between full-attention layers (Qwen3-Next). `full_attention_interval ==
/// 0` means that every layer has full attention; n means that layers n-1, 2n-1, ... have.
struct LinearAttention {
  int full_attention_interval = 0;
  int conv_kernel = 0;  ///< taps of the depth-wise causal convolution on q, k, v
  int key_heads = 0;
  int key_dim = 0;
  int value_heads = 0;
  int value_dim = 0;
};

/// What one layer of the stack is made of; equal kinds have equal shapes.
struct LayerKind {
  bool moe = false;
  bool linear_attention = false;
  bool windowed = false;
  auto operator<=>(const LayerKind&) const = default;
};

/// `period` layers with these kinds, `repeat` times over: Llama is {[dense], 32}, DeepSeek-V2-Lite
/// {[dense], 1} {[moe], 26}, Qwen3-Next {[linear, linear, linear, full], 12}.
struct LayerRun {
  int first_layer = 0;
  std::vector<LayerKind> period;
  int repeat = 0;
};

/// A normalised architecture. Counts are of the whole model, never of a rank.
struct Transformer {
  std::string name;
  std::vector<std::string> aliases;
  int layers = 0;
  std::int64_t hidden = 0;
  int heads = 0;
  int kv_heads = 0;      ///< 0 in a file: as many as heads
  int head_dim = 0;      ///< 0 in a file: hidden / heads
  std::int64_t ffn = 0;  ///< inner width of the dense FFN
  bool gated = false;    ///< three FFN matrices (SwiGLU) instead of two
  Activation activation = Activation::kGelu;
  NormKind norm = NormKind::kLayer;
  double norm_epsilon = 1e-5;
  bool norm_bias = true;  ///< LayerNorm has a shift (MPT has none)
  Positions positions = Positions::kRope;
  int rope_dim = 0;           ///< rotated columns per head; 0 in a file: head_dim
  double rope_theta = 10000;  ///< base of the rotary frequencies (scaling rules do not cost time)
  bool qkv_bias = false;
  bool out_bias = false;
  bool ffn_bias = false;
  bool head_bias = false;
  bool qk_norm = false;         ///< a norm over each head of Q and K (Qwen3)
  bool attention_gate = false;  ///< sigmoid gate on the attention output (Qwen3-Next)
  bool parallel_block = false;  ///< attention and FFN read the same input (GPT-J, NeoX)
  bool shared_norm = false;     ///< ... through one norm (GPT-J)
  bool post_norm = false;       ///< norm after the residual (BERT)
  bool causal = true;           ///< false: encoder
  std::int64_t vocab = 0;
  std::int64_t token_types = 0;  ///< BERT segment embedding
  bool embedding_norm = false;   ///< a norm behind the embedding (BERT)
  bool final_norm = true;
  bool tied = false;  ///< the head uses the embedding's matrix
  Head head = Head::kLanguageModel;
  std::int64_t max_context = 0;  ///< published limit, tokens
  std::int64_t window = 0;       ///< sliding window of the attention; 0 = none
  int window_from = 0;           ///< first layer that has the window (Qwen2)
  Moe moe;
  Mla mla;
  LinearAttention linear;
  Dtype dtype = Dtype::kBf16;         ///< as published
  std::optional<Dtype> weight_dtype;  ///< of the layers' matrices, where quantised

  [[nodiscard]] bool is_moe() const { return moe.experts > 0; }
  [[nodiscard]] bool is_mla() const { return mla.kv_lora_rank > 0; }
  [[nodiscard]] LayerKind layer_kind(int layer) const;
  /// Layers [begin, end) as runs of repeated periods.
  [[nodiscard]] std::vector<LayerRun> layer_runs(int begin, int end) const;
  [[nodiscard]] std::vector<LayerRun> layer_runs() const { return layer_runs(0, layers); }

  /// Every trained number (multi-token-prediction heads not counted).
  [[nodiscard]] std::int64_t parameter_count() const;
  /// Those that one token uses: parameter_count() without the experts it is not routed to.
  [[nodiscard]] std::int64_t active_parameter_count() const;
  /// Bytes that one token adds to the KV cache over all layers (MLA: the latent and the rotated
  /// key; a window does not change what a token adds; 0 for encoders).
  [[nodiscard]] std::int64_t kv_bytes_per_token(Dtype type) const;
  /// State of linear-attention layers that one sequence keeps, bytes, whatever its length.
  [[nodiscard]] std::int64_t state_bytes_per_sequence(Dtype type) const;
  /// "Llama-2-7b: 32 layers, hidden 4096, 32 heads (32 KV) of 128, FFN 11008 gated, 6.74 B
  /// parameters" -- printed so that a wrong shape is seen.
  [[nodiscard]] std::string summary() const;
  /// Fills what a file may leave out (kv_heads, head_dim, rope_dim) and throws InputError naming
  /// the key that is wrong (heads that do not divide, zero sizes, top_k above experts).
  void finish();
};

/// Parameters of one layer of the given kind; `active_only` leaves out experts not routed to.
[[nodiscard]] std::int64_t layer_parameters(const Transformer& model, LayerKind kind,
                                            bool active_only = false);

/// A model from a file: `.json` is a Hugging Face config.json, `.onnx` a transformer graph,
/// anything else the project's own YAML, by path or by the name of a file in workloads/models/.
/// `sets` are
/// `--set` overrides of the YAML form. Throws InputError with place and remedy.
[[nodiscard]] Transformer load_transformer(const std::string& name_or_path,
                                           const std::vector<std::string>& sets = {});

}  // namespace athena::workload
