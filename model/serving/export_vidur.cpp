#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "serving/exports.h"

namespace athena::serving {
namespace {

constexpr double kMillisecondsPerSecond = 1e3;

struct Column {
  const char* vidur;               ///< name in time_stats
  std::vector<std::string> names;  ///< our operators
};

const std::vector<Column>& mlp_columns() {
  static const std::vector<Column> columns = {
      {"input_layernorm", {"layernorm_attn"}},
      {"attn_pre_proj", {"qkv", "qk_norm"}},
      {"attn_rope", {"rope"}},
      {"attn_post_proj", {"out_proj"}},
      {"post_attention_layernorm", {"layernorm_ffn"}},
      {"mlp_up_proj", {"ffn1"}},
      {"mlp_act", {"silu_mul", "gelu_mul", "relu_mul", "silu", "gelu", "relu"}},
      {"mlp_down_proj", {"ffn2"}},
      {"add", {"add_attn", "add_ffn", "add_branches"}},
  };
  return columns;
}

/// A simulator repeats itself exactly: least, most, mean and median are one number.
std::string stats_header(const std::string& name) {
  std::string out;
  for (const char* part : {"min", "max", "mean", "median", "std"}) {
    out += fmt::format("time_stats.{}.{},", name, part);
  }
  return out;
}

std::string stats(double seconds) {
  const double ms = seconds * kMillisecondsPerSecond;
  return fmt::format("{0:.9g},{0:.9g},{0:.9g},{0:.9g},0,", ms);
}

class Vidur {
 public:
  Vidur(const workload::Transformer& model, MeasurementStore& store, const ExportSpec& spec)
      : model_(model), store_(store), spec_(spec) {
    keys_ = std::min(spec.max_keys, model.max_context > 0 ? model.max_context : spec.max_keys);
    tokens_ = export_grid(1, spec.max_tokens, 2.0 * spec.density);
    batches_ = export_grid(1, spec.max_batch, 1.0 * spec.density);
    lengths_ = export_grid(std::min<std::int64_t>(16, keys_), keys_, 1.0 * spec.density);
    total_ = tokens_.size() + batches_.size() * lengths_.size() +
             lengths_.size() * (lengths_.size() / 2 + 1);
  }

  std::vector<ExportFile> files() {
    const std::string compute = fmt::format("compute/{}/{}/", spec_.hardware, spec_.model);
    std::vector<ExportFile> out = {{compute + "mlp.csv", mlp()},
                                   {compute + "attention.csv", attention()}};
    if (spec_.tp > 1) {
      out.push_back({fmt::format("network/{}/all_reduce.csv", spec_.hardware), all_reduce()});
    }
    out.push_back({compute + "provenance.txt", spec_.provenance + "\n"});
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

  /// Sequences of at most a context's length that bring `n` tokens.
  std::vector<workload::Sequences> prompt(std::int64_t n) const {
    const std::int64_t longest = model_.max_context > 0 ? model_.max_context : n;
    std::vector<workload::Sequences> groups;
    if (n / longest > 0) groups.push_back({longest, longest, n / longest});
    if (n % longest > 0) groups.push_back({n % longest, n % longest, 1});
    return groups;
  }

  std::string mlp() {
    std::string out;
    for (const Column& c : mlp_columns()) out += stats_header(c.vidur);
    out += stats_header("emb");
    out +=
        "n_head,n_kv_head,n_embd,n_expanded_embd,vocab_size,use_gated_mlp,num_tokens,"
        "num_tensor_parallel_workers\n";
    for (const std::int64_t n : tokens_) {
      const StepMeasurement* step = measure(prompt(n));
      if (step == nullptr) continue;
      for (const Column& c : mlp_columns())
        out += stats(seconds_of(*step, c.names) / model_.layers);
      out += stats(seconds_of(*step, {"embedding", "position"}));
      out += fmt::format("{},{},{},{},{},{},{},{}\n", model_.heads, model_.kv_heads, model_.hidden,
                         model_.ffn, model_.vocab, model_.gated ? "True" : "False", n, spec_.tp);
    }
    return out;
  }

  void attention_row(std::string& out, const StepMeasurement& step, bool prefill,
                     std::int64_t batch, std::int64_t chunk, std::int64_t keys) {
    const double attention = seconds_of(step, {"attention", "qk", "softmax", "av"}) / model_.layers;
    const double save = seconds_of(step, {"kv_write"}) / model_.layers;
    // Layouts are chosen by the compiler: there is nothing to reshape.
    out += stats(0.0) + stats(save) + stats(prefill ? attention : 0.0) +
           stats(prefill ? 0.0 : attention) + stats(0.0);
    out += fmt::format("{},{},{},{},{},{},{},{},{},{},athena\n", model_.hidden, model_.heads,
                       model_.kv_heads, spec_.page_tokens, spec_.tp, keys_, batch, chunk, keys,
                       prefill ? "True" : "False");
  }

  std::string attention() {
    std::string out;
    for (const char* name : {"attn_input_reshape", "attn_kv_cache_save", "attn_prefill",
                             "attn_decode", "attn_output_reshape"}) {
      out += stats_header(name);
    }
    out +=
        "n_embd,n_q_head,n_kv_head,block_size,num_tensor_parallel_workers,max_model_len,batch_size,"
        "prefill_chunk_size,kv_cache_size,is_prefill,attention_backend\n";
    for (const std::int64_t batch : batches_) {
      for (const std::int64_t keys : lengths_) {
        // Vidur's kv_cache_size is what was there before the step.
        const StepMeasurement* step = measure({{1, std::min(keys + 1, keys_), batch}});
        if (step != nullptr) attention_row(out, *step, false, batch, 0, keys);
      }
    }
    for (const std::int64_t chunk : lengths_) {
      if (chunk > spec_.max_tokens) break;
      std::vector<std::int64_t> histories = {0};
      for (std::size_t i = 0; i < lengths_.size(); i += 2) histories.push_back(lengths_[i]);
      for (const std::int64_t history : histories) {
        if (history + chunk > keys_) break;
        const StepMeasurement* step = measure({{chunk, history + chunk, 1}});
        if (step != nullptr) attention_row(out, *step, true, 1, chunk, history);
      }
    }
    return out;
  }

  std::string all_reduce() {
    std::string out = stats_header("all_reduce");
    out += "rank,num_workers,size,collective,devices_per_node,max_devices_per_node\n";
    const std::int64_t bytes_per_token = model_.hidden * 2;  // 16-bit activations, as Vidur assumes
    for (const std::int64_t n : tokens_) {
      const StepMeasurement* step = measure(prompt(n));
      if (step == nullptr) continue;
      out += stats(seconds_of(*step, {"all_reduce_attn"}) / model_.layers);
      out += fmt::format("0,{0},{1},all_reduce,{0},{0}\n", spec_.tp, n * bytes_per_token);
    }
    return out;
  }

  const workload::Transformer& model_;
  MeasurementStore& store_;
  const ExportSpec& spec_;
  std::int64_t keys_ = 0;
  std::vector<std::int64_t> tokens_, batches_, lengths_;
  std::size_t total_ = 1, done_ = 0;
};

}  // namespace

std::vector<ExportFile> export_vidur(const workload::Transformer& model, MeasurementStore& store,
                                     const ExportSpec& spec) {
  if (model.is_moe()) {
    throw InputError(fmt::format(
        "'{}' is a mixture of experts, which Vidur's profiles cannot express; export it with "
        "--format llmservingsim.",
        model.name));
  }
  return Vidur(model, store, spec).files();
}

}  // namespace athena::serving
