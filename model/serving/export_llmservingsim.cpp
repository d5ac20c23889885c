#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "serving/exports.h"

namespace athena::serving {
namespace {

constexpr double kMicrosecondsPerSecond = 1e6;

/// A layer of the bundle: ours that it stands for, and how often it is called in a step.
struct Layer {
  const char* bundle;
  std::vector<std::string> names;
  bool per_layer = true;
};

const std::vector<Layer>& dense_layers() {
  static const std::vector<Layer> layers = {
      {"embedding", {"embedding", "position"}, false},
      {"layernorm", {"layernorm_attn"}},
      {"qkv_proj", {"qkv", "q", "q_a", "q_a_norm", "q_b", "kv_a", "kv_a_norm", "kv_b", "qk_norm"}},
      {"rotary_emb", {"rope", "kv_write"}},
      {"o_proj", {"out_proj", "add_attn"}},
      {"gate_up_proj", {"ffn1"}},
      {"act_fn", {"silu_mul", "gelu_mul", "relu_mul", "silu", "gelu", "relu"}},
      {"down_proj", {"ffn2", "add_ffn"}},
      {"final_layernorm", {"final_norm"}, false},
  };
  return layers;
}

bool is_moe_operator(const std::string& name) {
  return name.starts_with("router") || name.starts_with("moe_") || name.starts_with("expert") ||
         name.starts_with("shared_");
}

class Bundle {
 public:
  Bundle(const workload::Transformer& model, MeasurementStore& store, const ExportSpec& spec)
      : model_(model), store_(store), spec_(spec) {
    keys_ = std::min(spec.max_keys, model.max_context > 0 ? model.max_context : spec.max_keys);
    const double d = spec.density;
    tokens_ = export_grid(1, spec.max_tokens, 2.0 * d);
    sequences_ = export_grid(1, spec.max_batch, 1.0 * d);
    chunks_ = export_grid(std::min<std::int64_t>(16, spec.max_tokens), spec.max_tokens, 0.5 * d);
    lengths_ = export_grid(std::min<std::int64_t>(16, keys_), keys_, 0.5 * d);
    for (int i = 0; i < model.layers; ++i) moe_layers_ += model.layer_kind(i).moe ? 1 : 0;
    total_ = tokens_.size() * (dense_layers().size() + (model.is_moe() ? 1 : 0)) +
             2 * sequences_.size() + sequences_.size() * lengths_.size() +
             chunks_.size() * (1 + lengths_.size() + 8);
  }

  std::vector<ExportFile> files() {
    const std::string root =
        fmt::format("perf/{}/{}/{}/", spec_.hardware, spec_.model, spec_.variant);
    const std::string folder = fmt::format("{}tp{}/", root, spec_.tp);
    std::vector<ExportFile> out = {{folder + "dense.csv", dense()},
                                   {folder + "per_sequence.csv", per_sequence()},
                                   {folder + "attention.csv", attention()}};
    if (model_.is_moe()) out.push_back({folder + "moe.csv", moe()});
    out.push_back({root + "meta.yaml", meta()});
    return out;
  }

 private:
  const StepMeasurement* measure(std::vector<workload::Sequences> groups) {
    StepShape shape{std::move(groups), 0};
    shape.sampled = shape.sequences();
    const auto& found = store_.get(shape);
    ++done_;
    if (spec_.on_progress) {
      spec_.on_progress(std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_)));
    }
    return found ? &*found : nullptr;
  }

  /// A prompt of n tokens where the context allows it, else several.
  const StepMeasurement* measure_tokens(std::int64_t n) {
    if (n <= keys_) return measure({{n, n, 1}});
    std::vector<workload::Sequences> groups = {{keys_, keys_, n / keys_}};
    if (n % keys_ > 0) groups.push_back({n % keys_, n % keys_, 1});
    return measure(std::move(groups));
  }

  static std::string us(double seconds) {
    return fmt::format("{:.6g}", seconds * kMicrosecondsPerSecond);
  }

  std::string dense() {
    std::string out = "layer,tokens,time_us\n";
    for (const Layer& layer : dense_layers()) {
      for (const std::int64_t n : tokens_) {
        const StepMeasurement* step = measure_tokens(n);
        if (step == nullptr) continue;
        const double calls = layer.per_layer ? model_.layers : 1;
        out +=
            fmt::format("{},{},{}\n", layer.bundle, n, us(seconds_of(*step, layer.names) / calls));
      }
    }
    return out;
  }

  std::string per_sequence() {
    std::string out = "layer,sequences,time_us\n";
    for (const auto& [bundle, ours] :
         {std::pair<const char*, const char*>{"lm_head", "lm_head"}, {"sampler", "sampling"}}) {
      for (const std::int64_t n : sequences_) {
        const StepMeasurement* step = measure({{1, 1, n}});
        if (step != nullptr)
          out += fmt::format("{},{},{}\n", bundle, n, us(seconds_of(*step, {ours})));
      }
    }
    return out;
  }

  void attention_row(std::string& out, std::int64_t chunk, std::int64_t history,
                     std::int64_t decodes, std::int64_t keys) {
    std::vector<workload::Sequences> groups;
    if (chunk > 0) {
      if (chunk + history > keys_) return;
      groups.push_back({chunk, chunk + history, 1});
    }
    if (decodes > 0) groups.push_back({1, keys, decodes});
    const StepMeasurement* step = measure(std::move(groups));
    if (step == nullptr) return;
    const double seconds = seconds_of(*step, {"attention", "qk", "softmax", "av"}) / model_.layers;
    out += fmt::format("{},{},{},{},{}\n", chunk, history, decodes, keys, us(seconds));
  }

  std::string attention() {
    std::string out = "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us\n";
    for (const std::int64_t n : sequences_) {
      for (const std::int64_t keys : lengths_) attention_row(out, 0, 0, n, keys);
    }
    for (const std::int64_t chunk : chunks_) {
      attention_row(out, chunk, 0, 0, 0);
      for (const std::int64_t history : lengths_) attention_row(out, chunk, history, 0, 0);
    }
    // Mixed steps on a coarser grid: a chunk beside few or many decodes with short or long context.
    const std::int64_t few = std::min<std::int64_t>(8, spec_.max_batch);
    const std::int64_t many = std::min<std::int64_t>(64, spec_.max_batch);
    for (const std::int64_t chunk : chunks_) {
      for (const std::int64_t history : {std::int64_t{0}, keys_ / 4}) {
        for (const std::int64_t n : {few, many}) {
          for (const std::int64_t keys : {keys_ / 16, keys_ / 4}) {
            attention_row(out, chunk, history, n, std::max<std::int64_t>(1, keys));
          }
        }
      }
    }
    return out;
  }

  std::string moe() {
    std::string out = "tokens,activated_experts,time_us\n";
    const double share = static_cast<double>(model_.moe.top_k) / model_.moe.experts;
    for (const std::int64_t n : tokens_) {
      const StepMeasurement* step = measure_tokens(n);
      if (step == nullptr) continue;
      double seconds = 0.0;
      for (const OperatorTime& op : step->operators) {
        if (is_moe_operator(op.name)) seconds += op.time.value();
      }
      // Experts that a uniform router reaches with n tokens.
      const double active =
          model_.moe.experts * (1.0 - std::pow(1.0 - share, static_cast<double>(n)));
      out += fmt::format("{},{},{}\n", n, std::llround(active), us(seconds / moe_layers_));
    }
    return out;
  }

  std::string meta() const {
    std::string out = "profiler: athena\n";
    out += fmt::format("provenance: '{}'\n", spec_.provenance);
    out += fmt::format("hardware: {}\nmodel: {}\nvariant: {}\n", spec_.hardware, spec_.model,
                       spec_.variant);
    out += fmt::format("tp_degrees: [{}]\n", spec_.tp);
    out += fmt::format("layers: {}\nhidden_size: {}\nnum_attention_heads: {}\n", model_.layers,
                       model_.hidden, model_.heads);
    out += fmt::format("num_key_value_heads: {}\nintermediate_size: {}\nvocab_size: {}\n",
                       model_.kv_heads, model_.ffn, model_.vocab);
    out += fmt::format("engine_effective:\n  block_size: {}\n  max_num_batched_tokens: {}\n",
                       spec_.page_tokens, spec_.max_tokens);
    out += fmt::format("  max_num_seqs: {}\n  max_model_len: {}\n", spec_.max_batch, keys_);
    out +=
        "notes: >-\n"
        "  Times are of one call on one of tp chips. kv_prefill counts the keys before the chunk,\n"
        "  kv_decode those of each decoding sequence, its new token included. An operator that\n"
        "  runs inside another one's kernel has its time there and 0 of its own.\n";
    return out;
  }

  const workload::Transformer& model_;
  MeasurementStore& store_;
  const ExportSpec& spec_;
  std::int64_t keys_ = 0;
  std::vector<std::int64_t> tokens_, sequences_, chunks_, lengths_;
  int moe_layers_ = 0;
  std::size_t total_ = 1, done_ = 0;
};

}  // namespace

std::vector<ExportFile> export_llmservingsim(const workload::Transformer& model,
                                             MeasurementStore& store, const ExportSpec& spec) {
  return Bundle(model, store, spec).files();
}

}  // namespace athena::serving
