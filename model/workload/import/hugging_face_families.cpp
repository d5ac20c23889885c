#include "workload/import/hugging_face_families.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"

namespace athena::workload {

Keys::Keys(const nlohmann::json& document, std::string file)
    : document_(document), file_(std::move(file)) {}

const nlohmann::json* Keys::find(const std::vector<std::string>& names) const {
  for (const std::string& name : names) {
    const auto it = document_.find(name);
    if (it != document_.end() && !it->is_null()) return &*it;
  }
  return nullptr;
}

std::int64_t Keys::integer(const std::vector<std::string>& names) const {
  const nlohmann::json* value = find(names);
  if (value == nullptr) missing(names);
  return as_integer(*value, names);
}

std::int64_t Keys::integer_or(const std::vector<std::string>& names, std::int64_t fallback) const {
  const nlohmann::json* value = find(names);
  return value == nullptr ? fallback : as_integer(*value, names);
}

bool Keys::flag_or(const std::vector<std::string>& names, bool fallback) const {
  const nlohmann::json* value = find(names);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) wrong(names, "true or false", *value);
  return value->get<bool>();
}

double Keys::number_or(const std::vector<std::string>& names, double fallback) const {
  const nlohmann::json* value = find(names);
  if (value == nullptr) return fallback;
  if (!value->is_number()) wrong(names, "a number", *value);
  return value->get<double>();
}

std::string Keys::text_or(const std::vector<std::string>& names,
                          const std::string& fallback) const {
  const nlohmann::json* value = find(names);
  if (value == nullptr) return fallback;
  if (!value->is_string()) wrong(names, "a text", *value);
  return value->get<std::string>();
}

void Keys::missing(const std::vector<std::string>& names) const {
  std::vector<std::string> present;
  for (const auto& item : document_.items()) present.push_back(item.key());
  const std::string others =
      names.size() > 1 ? fmt::format(" (or {})", join({names.begin() + 1, names.end()}, ", "))
                       : std::string();
  throw InputError(fmt::format("{}: key '{}'{} is missing.{}", file_, names.front(), others,
                               did_you_mean(names.front(), present)));
}

void Keys::wrong(const std::vector<std::string>& names, std::string_view expected,
                 const nlohmann::json& value) const {
  throw InputError(
      fmt::format("{}: key '{}' is {}, expected {}", file_, names.front(), value.dump(), expected));
}

std::int64_t Keys::as_integer(const nlohmann::json& value,
                              const std::vector<std::string>& names) const {
  if (!value.is_number_integer()) wrong(names, "a whole number", value);
  const auto n = value.get<std::int64_t>();
  if (n < 0 || n > kLargest) wrong(names, "a whole number from 0 to a billion", value);
  return n;
}

namespace {

using nlohmann::json;

int to_int(std::int64_t value) {
  return static_cast<int>(value);
}

// Keys with their aliases.
const std::vector<std::string> kFfn = {"intermediate_size", "ffn_dim", "n_inner"};
const std::vector<std::string> kExperts = {"num_local_experts", "num_experts", "n_routed_experts",
                                           "num_routed_experts"};

void rotary_gated_rms(Transformer& m) {
  m.gated = true;
  m.norm = NormKind::kRms;
  m.norm_bias = false;
  m.positions = Positions::kRope;
  m.activation = Activation::kSilu;
}

void llama(const Keys& k, Transformer& m) {
  rotary_gated_rms(m);
  m.ffn = k.integer(kFfn);
  m.qkv_bias = m.out_bias = k.flag_or({"attention_bias"}, false);
  m.ffn_bias = k.flag_or({"mlp_bias"}, false);
}

void read_window(const Keys& k, Transformer& m) {
  m.window = k.integer_or({"sliding_window"}, 0);
}

void mistral(const Keys& k, Transformer& m) {
  llama(k, m);
  read_window(k, m);
}

void mixtral(const Keys& k, Transformer& m) {
  mistral(k, m);
  m.moe.experts = to_int(k.integer(kExperts));
  m.moe.top_k = to_int(k.integer({"num_experts_per_tok"}));
  m.moe.expert_ffn = m.ffn;
}

void phimoe(const Keys& k, Transformer& m) {
  mixtral(k, m);
  m.norm = NormKind::kLayer;
  m.norm_bias = true;
  m.head_bias = k.flag_or({"lm_head_bias"}, false);
}

void read_qwen_window(const Keys& k, Transformer& m) {
  if (!k.flag_or({"use_sliding_window"}, false)) return;
  read_window(k, m);
  m.window_from = to_int(k.integer_or({"max_window_layers"}, 0));
}

void qwen2(const Keys& k, Transformer& m) {
  rotary_gated_rms(m);
  m.ffn = k.integer(kFfn);
  m.qkv_bias = true;
  read_qwen_window(k, m);
}

void qwen3(const Keys& k, Transformer& m) {
  llama(k, m);
  m.qk_norm = true;
  read_qwen_window(k, m);
}

void read_qwen_moe(const Keys& k, Transformer& m) {
  m.moe.experts = to_int(k.integer(kExperts));
  m.moe.top_k = to_int(k.integer({"num_experts_per_tok"}));
  m.moe.expert_ffn = k.integer({"moe_intermediate_size"});
  m.moe.shared_ffn = k.integer_or({"shared_expert_intermediate_size"}, 0);
  m.moe.shared_gate = m.moe.shared_ffn > 0;
  const auto step = std::max<std::int64_t>(1, k.integer_or({"decoder_sparse_step"}, 1));
  for (int layer = 0; layer < m.layers; ++layer) {
    if ((layer + 1) % step != 0) m.moe.dense_layers.push_back(layer);
  }
  const json* dense = k.find({"mlp_only_layers"});
  if (dense == nullptr) return;
  for (const json& layer : *dense) {
    if (!layer.is_number_integer()) {
      throw InputError(k.file() + ": key 'mlp_only_layers' must be a list of layer numbers");
    }
    m.moe.dense_layers.push_back(layer.get<int>());
  }
}

void qwen2_moe(const Keys& k, Transformer& m) {
  qwen2(k, m);
  read_qwen_moe(k, m);
}

void qwen3_moe(const Keys& k, Transformer& m) {
  qwen3(k, m);
  read_qwen_moe(k, m);
}

void qwen3_next(const Keys& k, Transformer& m) {
  qwen3_moe(k, m);
  m.attention_gate = true;
  m.rope_dim = to_int(std::llround(k.number_or({"partial_rotary_factor"}, 1.0) * m.head_dim));
  LinearAttention& l = m.linear;
  l.full_attention_interval = to_int(k.integer({"full_attention_interval"}));
  l.conv_kernel = to_int(k.integer({"linear_conv_kernel_dim"}));
  l.key_heads = to_int(k.integer({"linear_num_key_heads"}));
  l.key_dim = to_int(k.integer({"linear_key_head_dim"}));
  l.value_heads = to_int(k.integer({"linear_num_value_heads"}));
  l.value_dim = to_int(k.integer({"linear_value_head_dim"}));
}

void deepseek(const Keys& k, Transformer& m) {
  llama(k, m);
  m.kv_heads = m.heads;
  m.mla.q_lora_rank = to_int(k.integer_or({"q_lora_rank"}, 0));
  m.mla.kv_lora_rank = to_int(k.integer({"kv_lora_rank"}));
  m.mla.qk_nope_dim = to_int(k.integer({"qk_nope_head_dim"}));
  m.mla.qk_rope_dim = to_int(k.integer({"qk_rope_head_dim"}));
  m.mla.v_dim = to_int(k.integer({"v_head_dim"}));
  m.moe.experts = to_int(k.integer(kExperts));
  m.moe.top_k = to_int(k.integer({"num_experts_per_tok"}));
  m.moe.expert_ffn = k.integer({"moe_intermediate_size"});
  m.moe.shared_ffn = k.integer_or({"n_shared_experts", "num_shared_experts"}, 0) * m.moe.expert_ffn;
  m.moe.first_dense = to_int(k.integer_or({"first_k_dense_replace"}, 0));
  m.moe.layer_freq = to_int(std::max<std::int64_t>(1, k.integer_or({"moe_layer_freq"}, 1)));
  // The auxiliary-loss-free router keeps one correction per expert.
  m.moe.router_bias = k.text_or({"topk_method"}, "") == "noaux_tc";
}

/// LayerNorm, two FFN matrices, biases everywhere: the GPT-2 lineage.
void classic(Transformer& m) {
  m.norm = NormKind::kLayer;
  m.activation = Activation::kGelu;
  m.qkv_bias = m.out_bias = m.ffn_bias = true;
}

void gpt2(const Keys& k, Transformer& m) {
  classic(m);
  m.positions = Positions::kLearned;
  m.ffn = k.integer_or(kFfn, 4 * m.hidden);
  m.tied = k.flag_or({"tie_word_embeddings"}, true);
}

void gptj(const Keys& k, Transformer& m) {
  classic(m);
  m.qkv_bias = m.out_bias = false;
  m.positions = Positions::kRope;
  m.rope_dim = to_int(k.integer({"rotary_dim"}));
  m.ffn = k.integer_or(kFfn, 4 * m.hidden);
  m.parallel_block = m.shared_norm = true;
  m.head_bias = true;
}

void gpt_neox(const Keys& k, Transformer& m) {
  classic(m);
  m.positions = Positions::kRope;
  m.rope_dim = to_int(std::llround(k.number_or({"rotary_pct"}, 0.25) * m.head_dim));
  m.ffn = k.integer(kFfn);
  m.parallel_block = k.flag_or({"use_parallel_residual"}, true);
}

void opt(const Keys& k, Transformer& m) {
  classic(m);
  m.positions = Positions::kLearned;
  m.ffn = k.integer(kFfn);
  m.activation = Activation::kRelu;
  m.tied = k.flag_or({"tie_word_embeddings"}, true);
}

void mpt(const Keys& k, Transformer& m) {
  classic(m);
  const bool bias = !k.flag_or({"no_bias"}, true);
  m.qkv_bias = m.out_bias = m.ffn_bias = m.norm_bias = bias;
  m.positions = Positions::kAlibi;
  m.ffn = m.hidden * k.integer_or({"expansion_ratio"}, 4);
  m.tied = true;
}

void bert(const Keys& k, Transformer& m) {
  classic(m);
  m.positions = Positions::kLearned;
  m.ffn = k.integer(kFfn);
  m.token_types = k.integer_or({"type_vocab_size"}, 2);
  m.post_norm = true;
  m.embedding_norm = true;
  m.final_norm = false;
  m.causal = false;
  m.tied = true;
  m.head = Head::kPooler;
}

constexpr Family kFamilies[] = {
    {"llama", "LlamaFor", llama},
    {"mistral", "MistralFor", mistral},
    {"mixtral", "MixtralFor", mixtral},
    {"qwen2", "Qwen2For", qwen2},
    {"qwen2_moe", "Qwen2MoeFor", qwen2_moe},
    {"qwen3", "Qwen3For", qwen3},
    {"qwen3_moe", "Qwen3MoeFor", qwen3_moe},
    {"qwen3_next", "Qwen3NextFor", qwen3_next},
    {"deepseek_v2", "DeepseekV2For", deepseek},
    {"deepseek_v3", "DeepseekV3For", deepseek},
    {"phimoe", "PhiMoEFor", phimoe},
    {"gpt2", "GPT2", gpt2},
    {"gptj", "GPTJ", gptj},
    {"gpt_neox", "GPTNeoXFor", gpt_neox},
    {"opt", "OPTFor", opt},
    {"mpt", "MPTFor", mpt},
    {"bert", "Bert", bert},
};

}  // namespace

const Family& family_of(const Keys& k) {
  std::vector<std::string> types;
  for (const Family& f : kFamilies) types.emplace_back(f.type);
  const std::string type = k.text_or({"model_type"}, "");
  if (!type.empty()) {
    for (const Family& f : kFamilies) {
      if (f.type == type) return f;
    }
    throw InputError(fmt::format("{}: model_type '{}' is not known; known are {}.{}", k.file(),
                                 type, join(types, " "), did_you_mean(type, types)));
  }
  if (const json* names = k.find({"architectures"}); names != nullptr && names->is_array()) {
    for (const json& name : *names) {
      for (const Family& f : kFamilies) {
        if (name.is_string() && name.get<std::string>().rfind(f.architecture, 0) == 0) return f;
      }
    }
  }
  // Early BERT files name no family; segment embeddings are theirs alone.
  if (k.find({"type_vocab_size"}) != nullptr) {
    return *std::find_if(std::begin(kFamilies), std::end(kFamilies),
                         [](const Family& f) { return f.type == "bert"; });
  }
  throw InputError(
      fmt::format("{}: key 'model_type' is missing, and without it the shape of the "
                  "FFN is not known; expected one of {}",
                  k.file(), join(types, " ")));
}

}  // namespace athena::workload
