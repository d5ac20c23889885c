#include "cosim/array_folds.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "numerics/array_math.h"
#include "numerics/convert.h"

namespace athena::cosim {

using timing::ArrayFormat;
using timing::SystolicRtlParams;

std::vector<Fold> folds_of(const SystolicRtlParams& p, std::int64_t m, std::int64_t n,
                           std::int64_t k) {
  const std::int64_t depth = static_cast<std::int64_t>(p.geometry.rows) * p.geometry.depth;
  std::vector<Fold> folds;
  for (std::int64_t n0 = 0; n0 < n; n0 += p.geometry.cols) {
    for (std::int64_t m0 = 0; m0 < m; m0 += p.acc_rows) {
      for (std::int64_t k0 = 0; k0 < k; k0 += depth) {
        folds.push_back(
            {m0, std::min<std::int64_t>(p.acc_rows, m - m0), n0, k0, k0 == 0, k0 + depth >= k});
      }
    }
  }
  return folds;
}

Cycles cycles_of(const SystolicRtlParams& p, std::span<const Fold> folds) {
  std::vector<std::int64_t> rows;
  rows.reserve(folds.size());
  for (const Fold& f : folds) rows.push_back(f.rows);
  return timing::fold_cycles(p, rows);
}

std::vector<Fold> twice(const std::vector<Fold>& folds) {
  std::vector<Fold> both = folds;
  both.insert(both.end(), folds.begin(), folds.end());
  return both;
}

std::vector<std::span<const Fold>> groups_of(const std::vector<Fold>& folds) {
  std::vector<std::span<const Fold>> groups;
  std::size_t start = 0;
  for (std::size_t i = 0; i < folds.size(); ++i) {
    if (!folds[i].last) continue;
    groups.emplace_back(&folds[start], i + 1 - start);
    start = i + 1;
  }
  return groups;
}

void check_job(const TileJob& job) {
  const auto need = [](std::size_t have, std::int64_t rows, std::int64_t cols, const char* name) {
    if (static_cast<std::int64_t>(have) < rows * cols) {
      throw InputError(fmt::format("matrix engine: operand {} holds {} values, {} x {} are needed",
                                   name, have, rows, cols));
    }
  };
  if (job.m < 1 || job.n < 1 || job.k < 1) {
    throw InputError("matrix engine: m, n and k must be at least 1");
  }
  need(job.a.size(), job.m, job.k, "a");
  need(job.b.size(), job.k, job.n, "b");
  if (!job.c.empty()) need(job.c.size(), job.m, job.n, "c");
}

Coded encode(const SystolicRtlParams& p, const TileJob& job) {
  Coded out;
  out.a.resize(static_cast<std::size_t>(job.m * job.k));
  out.b.resize(static_cast<std::size_t>(job.k * job.n));
  if (p.format != ArrayFormat::kMx8) {
    const auto code = [&](float v) {
      if (p.format == ArrayFormat::kBf16) return numerics::to_bf16(v);
      const float whole = numerics::round_to(Dtype::kInt8, v);
      return static_cast<std::uint16_t>(static_cast<std::uint8_t>(static_cast<std::int8_t>(whole)));
    };
    std::transform(job.a.begin(), job.a.begin() + job.m * job.k, out.a.begin(), code);
    std::transform(job.b.begin(), job.b.begin() + job.k * job.n, out.b.begin(), code);
    return out;
  }
  out.blocks = ceil_div<std::int64_t>(job.k, numerics::kMxBlock);
  out.a_scales.resize(static_cast<std::size_t>(job.m * out.blocks));
  out.b_scales.resize(static_cast<std::size_t>(out.blocks * job.n));
  const auto quantise = [&](std::int64_t line, std::int64_t block, bool left) {
    std::array<float, numerics::kMxBlock> values{};
    const std::int64_t k0 = block * numerics::kMxBlock;
    const std::int64_t count = std::min<std::int64_t>(numerics::kMxBlock, job.k - k0);
    const auto at = [&](std::int64_t i) {
      return static_cast<std::size_t>(left ? line * job.k + k0 + i : (k0 + i) * job.n + line);
    };
    for (std::int64_t i = 0; i < count; ++i) {
      values[static_cast<std::size_t>(i)] = left ? job.a[at(i)] : job.b[at(i)];
    }
    const auto mx = numerics::encode_mx(values);
    for (std::int64_t i = 0; i < count; ++i) {
      (left ? out.a : out.b)[at(i)] = static_cast<std::uint8_t>(mx.elements[i]);
    }
    return mx.scale;
  };
  for (std::int64_t block = 0; block < out.blocks; ++block) {
    for (std::int64_t m = 0; m < job.m; ++m) {
      out.a_scales[static_cast<std::size_t>(m * out.blocks + block)] = quantise(m, block, true);
    }
    for (std::int64_t n = 0; n < job.n; ++n) {
      out.b_scales[static_cast<std::size_t>(block * job.n + n)] = quantise(n, block, false);
    }
  }
  return out;
}

}  // namespace athena::cosim
