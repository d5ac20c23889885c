#include "workload/import/hugging_face.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "workload/import/hugging_face_families.h"

namespace athena::workload {

namespace {

using nlohmann::json;

int to_int(std::int64_t value) {
  return static_cast<int>(value);
}

// Keys with their aliases.
const std::vector<std::string> kLayers = {"num_hidden_layers", "n_layer", "n_layers", "num_layers"};
const std::vector<std::string> kHidden = {"hidden_size", "n_embd", "d_model"};
const std::vector<std::string> kHeads = {"num_attention_heads", "n_head", "n_heads"};
const std::vector<std::string> kKvHeads = {"num_key_value_heads"};
const std::vector<std::string> kContext = {"max_position_embeddings", "n_positions", "n_ctx",
                                           "max_seq_len"};

Dtype read_dtype(const Keys& k) {
  const std::string text = k.text_or({"torch_dtype", "dtype"}, "float32");
  if (text == "bfloat16") return Dtype::kBf16;
  if (text == "float16") return Dtype::kFp16;
  if (text == "float32") return Dtype::kFp32;
  throw InputError(
      fmt::format("{}: torch_dtype '{}' is not one of bfloat16 float16 float32", k.file(), text));
}

std::optional<Dtype> read_quantisation(const Keys& k) {
  const json* q = k.find({"quantization_config"});
  if (q == nullptr) return std::nullopt;
  const Keys inner(*q, k.file() + ": quantization_config");
  const std::string method = inner.text_or({"quant_method"}, "");
  if (method == "fp8" || method == "fbgemm_fp8") return Dtype::kFp8E4M3;
  if (method == "bitsandbytes") {
    return inner.flag_or({"load_in_4bit"}, false) ? Dtype::kInt4 : Dtype::kInt8;
  }
  if (method == "gptq" || method == "awq") {
    const std::int64_t bits = inner.integer({"bits", "w_bit"});
    if (bits == 4) return Dtype::kInt4;
    if (bits == 8) return Dtype::kInt8;
    throw InputError(
        fmt::format("{}: quantization_config has {} bits, expected 4 or 8", k.file(), bits));
  }
  throw InputError(
      fmt::format("{}: quant_method '{}' is not one of fp8 fbgemm_fp8 gptq awq "
                  "bitsandbytes",
                  k.file(), method));
}

std::optional<Activation> activation_from(const std::string& text) {
  if (text.rfind("gelu", 0) == 0) return Activation::kGelu;
  if (text == "silu" || text == "swish") return Activation::kSilu;
  if (text == "relu") return Activation::kRelu;
  return std::nullopt;
}

void read_activation(const Keys& k, Transformer& m) {
  const std::string text =
      k.text_or({"hidden_act", "activation_function", "hidden_activation"}, "");
  if (text.empty()) return;
  const std::optional<Activation> known = activation_from(text);
  if (!known) {
    throw InputError(
        fmt::format("{}: hidden_act '{}' is not one of gelu silu relu", k.file(), text));
  }
  m.activation = *known;
}

}  // namespace

Transformer import_hugging_face_text(std::string_view text, const std::string& file,
                                     const std::string& name) {
  json document;
  try {
    document = json::parse(text);
  } catch (const json::parse_error& error) {
    const auto end =
        text.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(error.byte, text.size()));
    const auto line = 1 + std::count(text.begin(), end, '\n');
    const bool truncated = error.byte >= text.size();
    throw InputError(Location{file, static_cast<int>(line), 0},
                     truncated ? "the JSON ends too early; is the file complete?"
                               : "this is not valid JSON from here on");
  } catch (const json::exception&) {
    throw InputError(file + ": a number in this JSON is beyond what a computer can hold");
  }
  if (!document.is_object()) {
    throw InputError(file + ": expected a JSON object with the keys of a config.json");
  }
  const Keys k(document, file);
  const Family& family = family_of(k);
  Transformer m;
  m.name = name;
  m.layers = to_int(k.integer(kLayers));
  m.hidden = k.integer(kHidden);
  m.heads = to_int(k.integer(kHeads));
  m.kv_heads = to_int(k.integer_or(kKvHeads, m.heads));
  m.head_dim = to_int(k.integer_or({"head_dim"}, 0));
  if (m.head_dim == 0 && m.heads > 0) m.head_dim = to_int(m.hidden / m.heads);
  m.vocab = k.integer({"vocab_size"});
  m.max_context = k.integer(kContext);
  m.tied = k.flag_or({"tie_word_embeddings"}, false);
  m.dtype = read_dtype(k);
  m.weight_dtype = read_quantisation(k);
  m.norm_epsilon = k.number_or({"rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon"}, 1e-5);
  m.rope_theta = k.number_or({"rope_theta", "rotary_emb_base"}, 10000);
  family.fill(k, m);
  read_activation(k, m);
  m.finish();
  return m;
}

Transformer import_hugging_face(const std::filesystem::path& path) {
  std::string name = path.stem().string();
  if (name == "config" && path.has_parent_path()) {
    name = std::filesystem::absolute(path).parent_path().filename().string();
  }
  return import_hugging_face_text(read_file(path), path.string(), name);
}

}  // namespace athena::workload
