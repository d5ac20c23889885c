/// One rank's share of model and batch, and the errors of a parallelism that does not divide.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/units.h"
#include "workload/builder.h"

namespace athena::workload {

namespace {

void divides(std::string_view what, std::int64_t count, std::string_view flag, std::int64_t ways) {
  if (count % ways == 0) return;
  throw InputError(fmt::format("{} {} does not divide {} {}: choose a {} that does", flag, ways,
                               count, what, flag));
}

void positive(std::string_view flag, int value) {
  if (value >= 1) return;
  throw InputError(fmt::format("{} is {}, expected at least 1", flag, value));
}

/// Ring-balanced context parallelism: the prompt is cut into 2 cp chunks and rank r takes chunks r
/// and 2cp-1-r, so that every rank has the same number of causal pairs (Llama 3, arXiv:2407.21783,
/// section 3.3.2). Without a mask every rank takes one contiguous chunk.
std::vector<Sequences> context_share(const Transformer& model, const PhaseSpec& spec) {
  const int cp = spec.parallel.cp;
  if (cp == 1) return spec.batch;
  std::vector<Sequences> out;
  for (const Sequences& s : spec.batch) {
    if (s.kv_len != s.q_len) {
      throw InputError("--cp needs fresh prompts: a sequence brings " + std::to_string(s.q_len) +
                       " tokens but sees " + std::to_string(s.kv_len) + " keys");
    }
    const std::int64_t parts = model.causal ? 2 * cp : cp;
    if (s.q_len % parts != 0) {
      throw InputError(fmt::format("--cp {} needs prompts that divide by {}, not {} tokens", cp,
                                   parts, s.q_len));
    }
    const std::int64_t chunk = s.q_len / parts;
    if (!model.causal) {
      out.push_back({chunk, s.kv_len, s.count});
      continue;
    }
    out.push_back({chunk, (spec.cp_rank + 1) * chunk, s.count});
    out.push_back({chunk, (parts - spec.cp_rank) * chunk, s.count});
  }
  return out;
}

/// Inverse of the standard normal distribution (P. J. Acklam's rational approximation, relative
/// error below 1.2e-9; central region and tails).
double normal_quantile(double p) {
  constexpr double kA[] = {-3.969683028665376e+01, 2.209460984245205e+02,  -2.759285104469687e+02,
                           1.383577518672690e+02,  -3.066479806614716e+01, 2.506628277459239e+00};
  constexpr double kB[] = {-5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02,
                           6.680131188771972e+01, -1.328068155288572e+01};
  constexpr double kC[] = {-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
                           -2.549732539343734e+00, 4.374664141464968e+00,  2.938163982698783e+00};
  constexpr double kD[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
                           3.754408661907416e+00};
  constexpr double kLow = 0.02425;
  if (p > 1 - kLow) return -normal_quantile(1 - p);
  if (p >= kLow) {
    const double q = p - 0.5;
    const double r = q * q;
    return (((((kA[0] * r + kA[1]) * r + kA[2]) * r + kA[3]) * r + kA[4]) * r + kA[5]) * q /
           (((((kB[0] * r + kB[1]) * r + kB[2]) * r + kB[3]) * r + kB[4]) * r + 1);
  }
  const double q = std::sqrt(-2 * std::log(p));
  return (((((kC[0] * q + kC[1]) * q + kC[2]) * q + kC[3]) * q + kC[4]) * q + kC[5]) /
         ((((kD[0] * q + kD[1]) * q + kD[2]) * q + kD[3]) * q + 1);
}

/// Above this mean the binomial is taken as normal; below, its distribution is walked exactly.
constexpr double kNormalMean = 30;

/// Sorted rows per expert whose empirical distribution is that of a uniform random router.
std::vector<std::int64_t> binomial_rows(std::int64_t experts, int top_k, std::int64_t tokens) {
  const double p = static_cast<double>(top_k) / static_cast<double>(experts);
  const double mean = static_cast<double>(tokens) * p;
  std::vector<std::int64_t> rows(static_cast<std::size_t>(experts));
  const auto level = [&](std::size_t i) {
    return (static_cast<double>(i) + 0.5) / static_cast<double>(experts);
  };
  if (p >= 1) {
    std::fill(rows.begin(), rows.end(), tokens);
    return rows;
  }
  if (mean > kNormalMean) {
    const double sigma = std::sqrt(mean * (1 - p));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      rows[i] = std::clamp(std::llround(mean + sigma * normal_quantile(level(i))), 0LL,
                           static_cast<long long>(tokens));
    }
    return rows;
  }
  double mass = std::pow(1 - p, static_cast<double>(tokens));
  double below = mass;
  std::int64_t r = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    while (below < level(i) && r < tokens) {
      mass *= static_cast<double>(tokens - r) / static_cast<double>(r + 1) * p / (1 - p);
      below += mass;
      ++r;
    }
    rows[i] = r;
  }
  return rows;
}

/// Adds or removes single rows, from the middle outwards, until they sum to `target`.
void settle_sum(std::vector<std::int64_t>& rows, std::int64_t target, std::int64_t limit) {
  std::int64_t sum = 0;
  for (const std::int64_t r : rows) sum += r;
  const std::size_t n = rows.size();
  for (std::size_t step = 0; sum != target; ++step) {
    const std::size_t offset = (step % n + 1) / 2;
    std::int64_t& r = rows[(n / 2 + (step % 2 == 0 ? n - offset : offset)) % n];
    if (sum < target && r < limit) {
      ++r;
      ++sum;
    } else if (sum > target && r > 0) {
      --r;
      --sum;
    }
  }
}

}  // namespace

std::vector<GroupRows> expert_rows(const Moe& moe, std::int64_t tokens, int ep, int ep_rank,
                                   Routing routing) {
  const std::int64_t all_tokens = tokens * ep;
  const std::int64_t assignments = all_tokens * moe.top_k;
  std::vector<std::int64_t> rows;
  if (routing == Routing::kUniform) {
    rows = binomial_rows(moe.experts, moe.top_k, all_tokens);
    settle_sum(rows, assignments, all_tokens);
    std::sort(rows.begin(), rows.end());
  } else {
    rows.assign(static_cast<std::size_t>(moe.experts), assignments / moe.experts);
    const auto larger = static_cast<std::ptrdiff_t>(assignments % moe.experts);
    std::for_each(rows.end() - larger, rows.end(), [](std::int64_t& r) { ++r; });
  }
  std::vector<GroupRows> out;
  for (auto i = static_cast<std::size_t>(ep_rank); i < rows.size();
       i += static_cast<std::size_t>(ep)) {
    if (out.empty() || out.back().rows != rows[i]) out.push_back({rows[i], 0});
    ++out.back().count;
  }
  return out;
}

void check_parallelism(const Transformer& m, const Parallelism& p, int layers) {
  positive("--tp", p.tp);
  positive("--pp", p.pp);
  positive("--dp", p.dp);
  positive("--ep", p.ep);
  positive("--cp", p.cp);
  positive("--virtual-stages", p.virtual_stages);
  if (p.zero < 0 || p.zero > 3) {
    throw InputError(fmt::format("--zero is {}, expected 0 to 3", p.zero));
  }
  divides("attention heads", m.heads, "--tp", p.tp);
  if (!m.is_mla() && m.kv_heads % p.tp != 0 && p.tp % m.kv_heads != 0) {
    throw InputError(fmt::format("--tp {} and the model's {} KV heads: one must divide the other",
                                 p.tp, m.kv_heads));
  }
  if (m.linear.full_attention_interval > 0) {
    divides("linear-attention key heads", m.linear.key_heads, "--tp", p.tp);
    divides("linear-attention value heads", m.linear.value_heads, "--tp", p.tp);
  }
  divides("hidden columns", m.hidden, "--tp", p.tp);
  if (m.ffn > 0) divides("FFN columns", m.ffn, "--tp", p.tp);
  if (m.is_moe()) {
    divides("columns per expert", m.moe.expert_ffn, "--tp", p.tp);
    if (m.moe.shared_ffn > 0) divides("shared-expert columns", m.moe.shared_ffn, "--tp", p.tp);
    divides("experts", m.moe.experts, "--ep", p.ep);
  } else if (p.ep > 1) {
    throw InputError(
        fmt::format("--ep {} needs a model with experts; '{}' has none", p.ep, m.name));
  }
  if (p.dp % p.ep != 0) {
    throw InputError(
        fmt::format("--ep {} must divide --dp {}: expert parallelism takes its ranks "
                    "from data parallelism",
                    p.ep, p.dp));
  }
  if (p.virtual_stages > 1 && p.pp == 1) {
    throw InputError("--virtual-stages needs --pp above 1");
  }
  const int depth = layers > 0 ? layers : m.layers;
  if (p.pp * p.virtual_stages > 1)
    divides("layers", depth, "--pp x --virtual-stages", p.pp * p.virtual_stages);
}

StageRange stage_range(const Transformer& model, const PhaseSpec& spec) {
  const int depth = spec.layers > 0 ? spec.layers : model.layers;
  const int pp = spec.parallel.pp;
  const int chunks = pp * spec.parallel.virtual_stages;
  if (spec.stage < 0 || spec.stage >= pp || spec.chunk < 0 ||
      spec.chunk >= spec.parallel.virtual_stages) {
    throw InputError(
        fmt::format("pipeline stage {} chunk {} does not exist with --pp {} and {} "
                    "chunks per stage",
                    spec.stage, spec.chunk, pp, spec.parallel.virtual_stages));
  }
  const int index = spec.chunk * pp + spec.stage;
  const int per_chunk = depth / chunks;
  return {index * per_chunk, (index + 1) * per_chunk, index == 0, index == chunks - 1};
}

Share share_of(const Transformer& m, const PhaseSpec& spec) {
  const Parallelism& p = spec.parallel;
  Share s;
  s.heads = m.heads / p.tp;
  // More ranks than KV heads: neighbours hold the same one.
  s.kv_heads = std::max(1, m.kv_heads / p.tp);
  s.experts = m.is_moe() ? m.moe.experts / p.ep : 0;
  s.ffn = m.ffn / p.tp;
  s.expert_ffn = m.moe.expert_ffn / p.tp;
  s.shared_ffn = m.moe.shared_ffn / p.tp;
  s.vocab = ceil_div<std::int64_t>(m.vocab, p.tp);  // the vocabulary is padded to divide
  s.batch = context_share(m, spec);
  s.absorbed_only = true;
  for (const Sequences& q : s.batch) {
    s.tokens += q.q_len * q.count;
    s.absorbed_only = s.absorbed_only && q.q_len == 1;
  }
  for (const Sequences& q : spec.batch) s.sequences += q.count;
  s.stream_rows = s.tokens;
  if (p.sequence_parallel && p.tp > 1) {
    divides("tokens of the batch", s.tokens, "sequence parallelism over --tp", p.tp);
    s.stream_rows = s.tokens / p.tp;
  }
  return s;
}

}  // namespace athena::workload
