#include "workload/build.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.h"
#include "base/text.h"
#include "workload/builder.h"

namespace athena::workload {

namespace {

struct NamedPrecision {
  std::string_view name;
  Precision precision;
};

constexpr Dtype kF16 = Dtype::kFp16;
constexpr Dtype kB16 = Dtype::kBf16;
constexpr Dtype kF8 = Dtype::kFp8E4M3;

/// activations, GEMM input, weights, KV cache.
constexpr std::array<NamedPrecision, 8> kPrecisions = {{
    {"fp32", {Dtype::kFp32, Dtype::kFp32, Dtype::kFp32, Dtype::kFp32}},
    {"tf32", {Dtype::kTf32, Dtype::kTf32, Dtype::kTf32, Dtype::kTf32}},
    {"fp16", {kF16, kF16, kF16, kF16}},
    {"bf16", {kB16, kB16, kB16, kB16}},
    {"fp8", {kB16, kF8, kF8, kB16}},
    {"int8", {kF16, Dtype::kInt8, Dtype::kInt8, kF16}},
    {"w8a16", {kF16, kF16, Dtype::kInt8, kF16}},
    {"w4a16", {kF16, kF16, Dtype::kInt4, kF16}},
}};

/// The integer that `text` is, whole; `what` and `spec` name it in the error.
std::int64_t number(std::string_view text, std::string_view what, std::string_view spec) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1) {
    throw InputError(fmt::format("--batch-spec '{}': {} is '{}', expected a whole number above 0",
                                 spec, what, text));
  }
  return value;
}

Sequences parse_entry(std::string_view entry, std::string_view spec) {
  Sequences s;
  const std::size_t times = entry.find('x');
  if (times != std::string_view::npos) {
    s.count = number(entry.substr(times + 1), "the count", spec);
    entry = entry.substr(0, times);
  }
  const std::size_t comma = entry.find(',');
  const std::string_view q = entry.substr(0, comma);
  const std::string_view kv = comma == std::string_view::npos ? "" : entry.substr(comma + 1);
  if (q.substr(0, 2) != "q=" || kv.substr(0, 3) != "kv=") {
    throw InputError(
        fmt::format("--batch-spec '{}': entry '{}' is not of the form q=512,kv=1024x4 "
                    "(new tokens, keys seen, sequences)",
                    spec, entry));
  }
  s.q_len = number(q.substr(2), "q", spec);
  s.kv_len = number(kv.substr(3), "kv", spec);
  return s;
}

void check_batch(const Transformer& model, const PhaseSpec& spec) {
  if (spec.batch.empty()) throw InputError("the batch is empty: give at least one sequence");
  const std::int64_t limit = spec.max_context > 0 ? spec.max_context : model.max_context;
  for (const Sequences& s : spec.batch) {
    if (s.count < 1 || s.q_len < 1) {
      throw InputError(
          fmt::format("the batch has {} sequences of {} tokens: both must be at least "
                      "1",
                      s.count, s.q_len));
    }
    if (s.kv_len < s.q_len) {
      throw InputError(
          fmt::format("a sequence brings {} tokens but sees only {} keys: kv counts "
                      "the new tokens too",
                      s.q_len, s.kv_len));
    }
    const std::int64_t longest = std::max(s.kv_len, spec.kv_capacity);
    if (longest > limit) {
      throw InputError(
          fmt::format("context {} is beyond the {} tokens '{}' was published for; "
                      "--max-context {} allows it",
                      longest, limit, model.name, longest));
    }
    if (spec.phase == Phase::kTrain && s.kv_len != s.q_len) {
      throw InputError("training takes whole sequences: kv must equal q");
    }
    if (!model.causal && s.kv_len != s.q_len) {
      throw InputError(fmt::format("'{}' is an encoder: kv must equal q", model.name));
    }
  }
  if (spec.phase == Phase::kDecode && !model.causal) {
    throw InputError(fmt::format("'{}' is an encoder and has no decode phase", model.name));
  }
}

void check_spec(const Transformer& model, const PhaseSpec& spec) {
  check_batch(model, spec);
  if (spec.layers < 0 || spec.layers > model.layers) {
    throw InputError(fmt::format("--layers {} is outside 1 to {}, the layers of '{}'", spec.layers,
                                 model.layers, model.name));
  }
  check_parallelism(model, spec.parallel, spec.layers);
  const Parallelism& p = spec.parallel;
  if (spec.cp_rank < 0 || spec.cp_rank >= p.cp || spec.ep_rank < 0 || spec.ep_rank >= p.ep) {
    throw InputError("cp_rank and ep_rank must be below --cp and --ep");
  }
  if (spec.phase != Phase::kTrain && p.zero > 0) {
    throw InputError("--zero splits optimizer state and needs --phase train");
  }
  if (!spec.fused_attention && (model.is_mla() || p.cp > 1)) {
    throw InputError("unfused attention is for ordinary heads without --cp");
  }
  if (p.cp > 1 && model.linear.full_attention_interval > 0) {
    throw InputError(
        fmt::format("'{}' carries a state along the sequence in its linear-attention "
                    "layers, which --cp cannot split",
                    model.name));
  }
}

}  // namespace

Precision precision_from_name(std::string_view text) {
  std::vector<std::string> names;
  for (const NamedPrecision& p : kPrecisions) {
    if (p.name == text) return p.precision;
    names.emplace_back(p.name);
  }
  throw InputError(fmt::format("unknown precision '{}', expected one of {}.{}", text,
                               join(names, " "), did_you_mean(text, names)));
}

Precision precision_of(const Transformer& model) {
  Precision p{model.dtype, model.dtype, model.dtype, model.dtype};
  if (!model.weight_dtype) return p;
  p.weights = *model.weight_dtype;
  // 8-bit floating-point checkpoints multiply in that format; integer weights are widened.
  if (p.weights == Dtype::kFp8E4M3 || p.weights == Dtype::kFp8E5M2) p.gemm_input = p.weights;
  return p;
}

std::vector<Sequences> parse_batch_spec(std::string_view text) {
  std::vector<Sequences> batch;
  const std::string_view whole = text;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(';'), text.size());
    if (end > 0) batch.push_back(parse_entry(text.substr(0, end), whole));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (batch.empty()) throw InputError("--batch-spec is empty, expected e.g. q=512,kv=1024x4");
  for (const Sequences& s : batch) {
    if (s.kv_len >= s.q_len) continue;
    throw InputError(
        fmt::format("--batch-spec '{}': kv={} is below q={}; kv counts the new tokens "
                    "too",
                    whole, s.kv_len, s.q_len));
  }
  return batch;
}

std::vector<Sequences> prefill_batch(std::int64_t batch, std::int64_t input) {
  return {{input, input, batch}};
}

std::vector<Sequences> decode_batch(std::int64_t batch, std::int64_t kv_len) {
  return {{1, kv_len, batch}};
}

std::vector<std::int64_t> decode_kv_lengths(std::int64_t input, std::int64_t output) {
  std::vector<std::int64_t> lengths;
  for (std::int64_t step = 1; step < output; ++step) lengths.push_back(input + step);
  return lengths;
}

Graph build_graph(const Transformer& model, const PhaseSpec& spec) {
  check_spec(model, spec);
  return Builder(model, spec).build();
}

}  // namespace athena::workload
