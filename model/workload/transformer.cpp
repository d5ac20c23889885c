#include "workload/transformer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace athena::workload {

namespace {

/// Longest pattern of layers that is looked for; published hybrids repeat every 4 layers.
constexpr int kMaxPeriod = 8;

std::int64_t norm_parameters(const Transformer& m, std::int64_t width) {
  return m.norm == NormKind::kLayer && m.norm_bias ? 2 * width : width;
}

std::int64_t mla_parameters(const Transformer& m) {
  const Mla& a = m.mla;
  const std::int64_t q_width = std::int64_t{m.heads} * (a.qk_nope_dim + a.qk_rope_dim);
  const std::int64_t q = a.q_lora_rank > 0
                             ? m.hidden * a.q_lora_rank + a.q_lora_rank + a.q_lora_rank * q_width
                             : m.hidden * q_width;
  const std::int64_t kv_a = m.hidden * (a.kv_lora_rank + a.qk_rope_dim) + a.kv_lora_rank;
  const std::int64_t kv_b = std::int64_t{a.kv_lora_rank} * m.heads * (a.qk_nope_dim + a.v_dim);
  const std::int64_t out = std::int64_t{m.heads} * a.v_dim * m.hidden;
  return q + kv_a + kv_b + out + (m.out_bias ? m.hidden : 0);
}

std::int64_t attention_parameters(const Transformer& m) {
  if (m.is_mla()) return mla_parameters(m);
  const std::int64_t q = std::int64_t{m.heads} * m.head_dim * (m.attention_gate ? 2 : 1);
  const std::int64_t kv = 2 * std::int64_t{m.kv_heads} * m.head_dim;
  const std::int64_t out = std::int64_t{m.heads} * m.head_dim * m.hidden;
  return m.hidden * (q + kv) + (m.qkv_bias ? q + kv : 0) + out + (m.out_bias ? m.hidden : 0) +
         (m.qk_norm ? 2 * std::int64_t{m.head_dim} : 0);
}

std::int64_t linear_attention_parameters(const Transformer& m) {
  const LinearAttention& a = m.linear;
  const std::int64_t keys = std::int64_t{a.key_heads} * a.key_dim;
  const std::int64_t values = std::int64_t{a.value_heads} * a.value_dim;
  const std::int64_t in = m.hidden * (2 * keys + 2 * values + 2 * std::int64_t{a.value_heads});
  const std::int64_t conv = (2 * keys + values) * a.conv_kernel;
  const std::int64_t decay = 2 * std::int64_t{a.value_heads};
  return in + conv + decay + a.value_dim + values * m.hidden;
}

/// One FFN of inner width `inner`.
std::int64_t ffn_parameters(const Transformer& m, std::int64_t inner, bool bias) {
  const std::int64_t matrices = m.gated ? 3 : 2;
  return matrices * m.hidden * inner + (bias ? (matrices - 1) * inner + m.hidden : 0);
}

std::int64_t moe_parameters(const Transformer& m, bool active_only) {
  const std::int64_t experts = active_only ? m.moe.top_k : m.moe.experts;
  std::int64_t n = experts * ffn_parameters(m, m.moe.expert_ffn, m.ffn_bias);
  n += m.hidden * m.moe.experts + (m.moe.router_bias ? m.moe.experts : 0);
  if (m.moe.shared_ffn > 0) n += ffn_parameters(m, m.moe.shared_ffn, m.ffn_bias);
  if (m.moe.shared_gate) n += m.hidden;
  return n;
}

std::int64_t outer_parameters(const Transformer& m) {
  std::int64_t n = m.vocab * m.hidden + m.token_types * m.hidden;
  if (m.positions == Positions::kLearned) n += m.max_context * m.hidden;
  if (m.embedding_norm) n += norm_parameters(m, m.hidden);
  if (m.final_norm) n += norm_parameters(m, m.hidden);
  if (m.head == Head::kPooler) n += m.hidden * m.hidden + m.hidden;
  if (m.head == Head::kLanguageModel) {
    n += (m.tied ? 0 : m.vocab * m.hidden) + (m.head_bias ? m.vocab : 0);
  }
  return n;
}

std::int64_t count(const Transformer& m, bool active_only) {
  std::int64_t n = outer_parameters(m);
  for (const LayerRun& run : m.layer_runs()) {
    for (const LayerKind& kind : run.period) {
      n += run.repeat * layer_parameters(m, kind, active_only);
    }
  }
  return n;
}

void require(bool fine, const Transformer& m, std::string_view sentence) {
  if (!fine) throw InputError(fmt::format("model '{}': {}", m.name, sentence));
}

void check_moe(const Transformer& m) {
  if (!m.is_moe()) return;
  require(
      m.moe.top_k >= 1 && m.moe.top_k <= m.moe.experts, m,
      fmt::format("moe.top_k is {}, expected 1 to moe.experts ({})", m.moe.top_k, m.moe.experts));
  require(m.moe.expert_ffn > 0, m, "moe.expert_ffn must be above 0");
  require(m.moe.layer_freq >= 1, m, "moe.layer_freq must be at least 1");
}

void check_attention(const Transformer& m) {
  require(m.heads > 0, m, "heads must be above 0");
  require(m.kv_heads > 0 && m.heads % m.kv_heads == 0, m,
          fmt::format("kv_heads ({}) must divide heads ({})", m.kv_heads, m.heads));
  require(m.head_dim > 0, m,
          fmt::format("head_dim is missing and hidden ({}) is not a multiple of heads ({})",
                      m.hidden, m.heads));
  require(m.rope_dim >= 0 && m.rope_dim <= m.head_dim, m,
          fmt::format("rope_dim ({}) must not exceed head_dim ({})", m.rope_dim, m.head_dim));
  if (m.is_mla()) {
    require(m.mla.qk_nope_dim > 0 && m.mla.qk_rope_dim > 0 && m.mla.v_dim > 0, m,
            "mla needs qk_nope_dim, qk_rope_dim and v_dim above 0");
  }
  if (m.linear.full_attention_interval > 0) {
    const LinearAttention& a = m.linear;
    require(a.key_heads > 0 && a.value_heads > 0 && a.key_dim > 0 && a.value_dim > 0 &&
                a.value_heads % a.key_heads == 0,
            m,
            "linear attention needs head counts and widths above 0, value_heads a multiple of "
            "key_heads");
  }
}

}  // namespace

LayerKind Transformer::layer_kind(int layer) const {
  LayerKind kind;
  kind.moe =
      is_moe() && layer >= moe.first_dense && layer % moe.layer_freq == 0 &&
      std::find(moe.dense_layers.begin(), moe.dense_layers.end(), layer) == moe.dense_layers.end();
  const int interval = linear.full_attention_interval;
  kind.linear_attention = interval > 0 && (layer + 1) % interval != 0;
  kind.windowed = window > 0 && layer >= window_from && !kind.linear_attention;
  return kind;
}

std::vector<LayerRun> Transformer::layer_runs(int begin, int end) const {
  std::vector<LayerKind> kinds;
  kinds.reserve(static_cast<std::size_t>(std::max(0, end - begin)));
  for (int i = begin; i < end; ++i) kinds.push_back(layer_kind(i));

  std::vector<LayerRun> runs;
  const auto n = static_cast<int>(kinds.size());
  const auto at = [&](int i) { return kinds[static_cast<std::size_t>(i)]; };
  for (int i = 0; i < n;) {
    int best_period = 1;
    int best_cover = 1;
    for (int p = 1; p <= kMaxPeriod && i + p <= n; ++p) {
      int cover = p;
      while (i + cover < n && at(i + cover) == at(i + cover - p)) ++cover;
      cover -= cover % p;
      // A pattern must recur to count; a longer one must cover strictly more.
      if ((p == 1 || cover >= 2 * p) && cover > best_cover) {
        best_cover = cover;
        best_period = p;
      }
    }
    LayerRun run;
    run.first_layer = begin + i;
    run.period.assign(kinds.begin() + i, kinds.begin() + i + best_period);
    run.repeat = best_cover / best_period;
    runs.push_back(std::move(run));
    i += best_cover;
  }
  return runs;
}

std::int64_t layer_parameters(const Transformer& m, LayerKind kind, bool active_only) {
  const std::int64_t attention =
      kind.linear_attention ? linear_attention_parameters(m) : attention_parameters(m);
  const std::int64_t ffn =
      kind.moe ? moe_parameters(m, active_only) : ffn_parameters(m, m.ffn, m.ffn_bias);
  return attention + ffn + (m.shared_norm ? 1 : 2) * norm_parameters(m, m.hidden);
}

std::int64_t Transformer::parameter_count() const {
  return count(*this, false);
}

std::int64_t Transformer::active_parameter_count() const {
  return count(*this, true);
}

std::int64_t Transformer::kv_bytes_per_token(Dtype type) const {
  if (!causal) return 0;
  const std::int64_t per_layer =
      is_mla() ? mla.kv_lora_rank + mla.qk_rope_dim : 2 * std::int64_t{kv_heads} * head_dim;
  std::int64_t caching_layers = 0;
  for (int i = 0; i < layers; ++i) caching_layers += layer_kind(i).linear_attention ? 0 : 1;
  return caching_layers * per_layer * storage_bits(type) / 8;
}

std::int64_t Transformer::state_bytes_per_sequence(Dtype type) const {
  std::int64_t linear_layers = 0;
  for (int i = 0; i < layers; ++i) linear_layers += layer_kind(i).linear_attention ? 1 : 0;
  const std::int64_t state = std::int64_t{linear.value_heads} * linear.key_dim * linear.value_dim;
  return linear_layers * state * storage_bits(type) / 8;
}

std::string Transformer::summary() const {
  const std::string experts =
      is_moe() ? fmt::format(", {} experts of {} ({} per token{})", moe.experts, moe.expert_ffn,
                             moe.top_k, moe.shared_ffn > 0 ? " and shared" : "")
               : std::string();
  const std::string active =
      is_moe()
          ? fmt::format(" ({:.2f} B active)", static_cast<double>(active_parameter_count()) * 1e-9)
          : std::string();
  const auto parameters = static_cast<double>(parameter_count());
  const std::string size = parameters < 1e7 ? fmt::format("{:.2f} M", parameters * 1e-6)
                                            : fmt::format("{:.2f} B", parameters * 1e-9);
  return fmt::format(
      "{}: {} layers, hidden {}, {} heads ({} KV) of {}, FFN {}{}{}, vocabulary {}, "
      "{} parameters{}",
      name, layers, hidden, heads, kv_heads, head_dim, ffn, gated ? " gated" : "", experts, vocab,
      size, active);
}

void Transformer::finish() {
  require(layers > 0, *this, "layers must be above 0");
  require(hidden > 0, *this, "hidden must be above 0");
  if (kv_heads == 0) kv_heads = heads;
  if (is_mla()) head_dim = mla.qk_nope_dim + mla.qk_rope_dim;
  if (head_dim == 0 && heads > 0 && hidden % heads == 0) {
    head_dim = static_cast<int>(hidden / heads);
  }
  if (positions != Positions::kRope) rope_dim = 0;
  if (positions == Positions::kRope && rope_dim == 0) rope_dim = head_dim;
  if (is_mla()) rope_dim = mla.qk_rope_dim;
  check_attention(*this);
  check_moe(*this);
  bool any_dense = false;
  for (int i = 0; i < layers; ++i) any_dense = any_dense || !layer_kind(i).moe;
  require(!any_dense || ffn > 0, *this, "ffn must be above 0 (some layers have a dense FFN)");
  require(vocab > 0, *this, "vocab must be above 0");
  require(max_context > 0, *this, "max_context must be above 0");
}

}  // namespace athena::workload
