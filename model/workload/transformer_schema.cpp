#include "workload/transformer_schema.h"

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "config/resolve.h"
#include "workload/import/hugging_face.h"
#include "workload/import/onnx_import.h"

namespace athena::workload {

using config::at_least;
using config::required;
using config::SchemaBuilder;
using config::StructSchema;

std::vector<std::pair<NormKind, std::string>> enum_names(const NormKind*);
std::vector<std::pair<Activation, std::string>> enum_names(const Activation*);
std::vector<std::pair<Positions, std::string>> enum_names(const Positions*);
std::vector<std::pair<Head, std::string>> enum_names(const Head*);

std::vector<std::pair<NormKind, std::string>> enum_names(const NormKind*) {
  return {{NormKind::kLayer, "layernorm"}, {NormKind::kRms, "rmsnorm"}};
}

std::vector<std::pair<Activation, std::string>> enum_names(const Activation*) {
  return {{Activation::kGelu, "gelu"}, {Activation::kSilu, "silu"}, {Activation::kRelu, "relu"}};
}

std::vector<std::pair<Positions, std::string>> enum_names(const Positions*) {
  return {{Positions::kRope, "rope"},
          {Positions::kLearned, "learned"},
          {Positions::kAlibi, "alibi"},
          {Positions::kNone, "none"}};
}

std::vector<std::pair<Head, std::string>> enum_names(const Head*) {
  return {
      {Head::kLanguageModel, "language_model"}, {Head::kPooler, "pooler"}, {Head::kNone, "none"}};
}

const StructSchema& schema_of(const Moe*) {
  static const StructSchema schema =
      SchemaBuilder<Moe>("moe", "Mixture of experts in place of the dense FFN.")
          .field("experts", &Moe::experts, "routed experts per layer", at_least(0))
          .field("top_k", &Moe::top_k, "routed experts per token", at_least(0))
          .field("expert_ffn", &Moe::expert_ffn, "inner width of a routed expert", at_least(0))
          .field("shared_ffn", &Moe::shared_ffn,
                 "inner width of all shared experts together; 0 = none", at_least(0))
          .field("shared_gate", &Moe::shared_gate, "a gate on the shared expert")
          .field("router_bias", &Moe::router_bias, "a correction per expert in the router")
          .field("first_dense", &Moe::first_dense, "first layers that keep the dense FFN",
                 at_least(0))
          .field("layer_freq", &Moe::layer_freq, "every n-th layer is a MoE layer", at_least(1))
          .field("dense_layers", &Moe::dense_layers, "further layers with the dense FFN")
          .build();
  return schema;
}

const StructSchema& schema_of(const Mla*) {
  static const StructSchema schema =
      SchemaBuilder<Mla>("mla", "Multi-head latent attention.")
          .field("q_lora_rank", &Mla::q_lora_rank, "rank of the query projection; 0 = full",
                 at_least(0))
          .field("kv_lora_rank", &Mla::kv_lora_rank, "width of the cached latent", at_least(0))
          .field("qk_nope_dim", &Mla::qk_nope_dim, "head columns without rotation", at_least(0))
          .field("qk_rope_dim", &Mla::qk_rope_dim, "rotated head columns", at_least(0))
          .field("v_dim", &Mla::v_dim, "value columns per head", at_least(0))
          .build();
  return schema;
}

const StructSchema& schema_of(const LinearAttention*) {
  using L = LinearAttention;
  static const StructSchema schema =
      SchemaBuilder<L>("linear_attention",
                       "Gated delta-rule layers between layers of full attention.")
          .field("full_attention_interval", &L::full_attention_interval,
                 "every n-th layer has full attention; 0 = all have", at_least(0))
          .field("conv_kernel", &L::conv_kernel, "taps of the causal convolution", at_least(0))
          .field("key_heads", &L::key_heads, "heads of queries and keys", at_least(0))
          .field("key_dim", &L::key_dim, "columns per key head", at_least(0))
          .field("value_heads", &L::value_heads, "heads of values", at_least(0))
          .field("value_dim", &L::value_dim, "columns per value head", at_least(0))
          .build();
  return schema;
}

const StructSchema& schema_of(const Transformer*) {
  using T = Transformer;
  static const StructSchema schema =
      SchemaBuilder<T>("models", "The architecture of a transformer.")
          .field("name", &T::name, "name shown in results", required())
          .field("aliases", &T::aliases, "other names, as tables of measurements use them")
          .field("layers", &T::layers, "layers", required(), at_least(1))
          .field("hidden", &T::hidden, "width of the residual stream", required(), at_least(1))
          .field("heads", &T::heads, "query heads", required(), at_least(1))
          .field("kv_heads", &T::kv_heads, "key/value heads; 0 = as many as heads", at_least(0))
          .field("head_dim", &T::head_dim, "columns per head; 0 = hidden / heads", at_least(0))
          .field("ffn", &T::ffn, "inner width of the dense FFN", at_least(0))
          .field("gated", &T::gated, "three FFN matrices (SwiGLU) instead of two")
          .field("activation", &T::activation, "of the FFN")
          .field("norm", &T::norm, "kind of norm")
          .field("norm_epsilon", &T::norm_epsilon, "added to the variance", config::positive())
          .field("norm_bias", &T::norm_bias, "LayerNorm has a shift")
          .field("positions", &T::positions, "how tokens know their place")
          .field("rope_dim", &T::rope_dim, "rotated columns per head; 0 = all", at_least(0))
          .field("rope_theta", &T::rope_theta, "base of the rotary frequencies", config::positive())
          .field("qkv_bias", &T::qkv_bias, "bias of the Q, K, V projections")
          .field("out_bias", &T::out_bias, "bias of the output projection")
          .field("ffn_bias", &T::ffn_bias, "biases of the FFN")
          .field("head_bias", &T::head_bias, "bias of the language-model head")
          .field("qk_norm", &T::qk_norm, "a norm over each head of Q and K")
          .field("attention_gate", &T::attention_gate, "a sigmoid gate on the attention output")
          .field("parallel_block", &T::parallel_block, "attention and FFN side by side")
          .field("shared_norm", &T::shared_norm, "... behind one norm")
          .field("post_norm", &T::post_norm, "norm after the residual")
          .field("causal", &T::causal, "false: encoder")
          .field("vocab", &T::vocab, "tokens of the vocabulary", required(), at_least(1))
          .field("token_types", &T::token_types, "segment embeddings", at_least(0))
          .field("embedding_norm", &T::embedding_norm, "a norm behind the embedding")
          .field("final_norm", &T::final_norm, "a norm before the head")
          .field("tied", &T::tied, "the head shares the embedding's matrix")
          .field("head", &T::head, "what stands after the last layer")
          .field("max_context", &T::max_context, "published limit in tokens", required(),
                 at_least(1))
          .field("window", &T::window, "sliding window of the attention; 0 = none", at_least(0))
          .field("window_from", &T::window_from, "first layer with the window", at_least(0))
          .field("moe", &T::moe, "experts")
          .field("mla", &T::mla, "latent attention")
          .field("linear_attention", &T::linear, "linear-attention layers")
          .field("dtype", &T::dtype, "format of the published weights")
          .field("weight_dtype", &T::weight_dtype, "of the layers' matrices, where quantised")
          .build();
  return schema;
}

Transformer load_transformer(const std::string& name_or_path,
                             const std::vector<std::string>& sets) {
  const std::filesystem::path path(name_or_path);
  const bool json = path.extension() == ".json";
  if (json || path.extension() == ".onnx") {
    if (!sets.empty()) {
      throw InputError("'" + name_or_path +
                       "': --set changes the project's own model files (.yaml), not imported ones");
    }
    return json ? import_hugging_face(path) : import_onnx(path);
  }
  Transformer model = config::load<Transformer>(name_or_path, "models", sets);
  model.finish();
  return model;
}

}  // namespace athena::workload
