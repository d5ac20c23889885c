#include "exec/vector_meaning.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "base/error.h"
#include "numerics/convert.h"

namespace athena::exec {
namespace {

using timing::VectorFn;

float sigmoid(float x) {
  return 1.0F / (1.0F + std::exp(-x));
}
float silu(float x) {
  return x * sigmoid(x);
}
/// The tanh form of Hendrycks and Gimpel (2016), as GPT-2 has it.
float gelu(float x) {
  const float inner = std::sqrt(2.0F / std::numbers::pi_v<float>) * (x + 0.044715F * x * x * x);
  return 0.5F * x * (1.0F + std::tanh(inner));
}

void put(const VectorCall& call, std::int64_t r, std::int64_t c, float value) {
  call.c.row(r)[c] = numerics::round_to(call.c.dtype, value);
}

template <class F>
void each(const VectorCall& call, F&& function) {
  for (std::int64_t r = 0; r < call.rows; ++r) {
    for (std::int64_t c = 0; c < call.cols; ++c) put(call, r, c, function(r, c));
  }
}

/// Second operand of a pair: its own buffer, or the right half of the rows of a.
float second(const VectorCall& call, std::int64_t r, std::int64_t c) {
  return call.b.present() ? call.b.row(r)[c] : call.a.row(r)[c + call.cols];
}

void norm(const VectorCall& call, bool centred) {
  for (std::int64_t r = 0; r < call.rows; ++r) {
    const float* x = call.a.row(r);
    double mean = 0;
    double square = 0;
    for (std::int64_t c = 0; c < call.cols; ++c) mean += x[c];
    mean = centred ? mean / static_cast<double>(call.cols) : 0.0;
    for (std::int64_t c = 0; c < call.cols; ++c) square += (x[c] - mean) * (x[c] - mean);
    const double scale = 1.0 / std::sqrt(square / static_cast<double>(call.cols) + call.scalar);
    for (std::int64_t c = 0; c < call.cols; ++c) {
      double y = (x[c] - mean) * scale;
      if (call.b.present()) y *= call.b.values[c];
      if (call.d.present()) y += call.d.values[c];
      put(call, r, c, static_cast<float>(y));
    }
  }
}

/// Pairs (i, i + dim/2) of each head turn by position * 10000^(-2i/dim) (Su et al., 2021).
void rope(const VectorCall& call) {
  const std::int64_t dim = call.limit;
  const std::int64_t heads = call.cols / std::max<std::int64_t>(1, dim);
  for (std::int64_t r = 0; r < call.rows; ++r) {
    for (std::int64_t h = 0; h < heads; ++h) {
      float* x = call.a.row(r) + h * call.row_factor;
      for (std::int64_t i = 0; i < dim / 2; ++i) {
        const double angle =
            static_cast<double>(call.position + r) *
            std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(dim));
        const double cosine = std::cos(angle);
        const double sine = std::sin(angle);
        const double u = x[i];
        const double v = x[i + dim / 2];
        x[i] = numerics::round_to(call.a.dtype, static_cast<float>(u * cosine - v * sine));
        x[i + dim / 2] =
            numerics::round_to(call.a.dtype, static_cast<float>(u * sine + v * cosine));
      }
    }
  }
}

/// Running softmax (Milakov and Gimelshein, 2018). Statistics per row: maximum, sum, correction.
void softmax_online(const VectorCall& call) {
  for (std::int64_t r = 0; r < call.rows; ++r) {
    float* stats = call.b.row(r);
    const float old_max = call.fresh ? -std::numeric_limits<float>::infinity() : stats[0];
    const float old_sum = call.fresh ? 0.0F : stats[1];
    const std::int64_t visible = call.causal ? call.position + r / call.row_factor + 1 : call.cols;
    const std::int64_t count = std::clamp<std::int64_t>(visible, 0, call.cols);
    float maximum = old_max;
    const auto scale = static_cast<float>(call.scalar);
    for (std::int64_t c = 0; c < count; ++c) maximum = std::max(maximum, call.a.row(r)[c] * scale);
    const float correction = std::isinf(old_max) ? 0.0F : std::exp(old_max - maximum);
    float sum = old_sum * correction;
    for (std::int64_t c = 0; c < call.cols; ++c) {
      const float weight = c < count ? std::exp(call.a.row(r)[c] * scale - maximum) : 0.0F;
      sum += weight;
      put(call, r, c, weight);
    }
    stats[0] = maximum;
    stats[1] = sum;
    stats[2] = correction;
  }
}

/// log(e^a + e^b).
float log_add(float a, float b) {
  const float high = std::max(a, b);
  if (std::isinf(high)) return high;
  return high + std::log(std::exp(a - high) + std::exp(b - high));
}

/// The same on a unit that normalises whole rows: blocks of a row meet by the logarithm of their
/// sums. Weights are those of the row so far, so that its sum is 1 and its "maximum" that
/// logarithm.
void softmax_online_on(SoftmaxEngine& engine, const VectorCall& call) {
  const auto cols = static_cast<std::size_t>(call.cols);
  std::vector<float> values(cols);
  std::vector<float> weights(cols);
  const auto scale = static_cast<float>(call.scalar);
  for (std::int64_t r = 0; r < call.rows; ++r) {
    float* stats = call.b.row(r);
    const float before = call.fresh ? SoftmaxEngine::kMasked : stats[0];
    const std::int64_t visible = call.causal ? call.position + r / call.row_factor + 1 : call.cols;
    for (std::int64_t c = 0; c < call.cols; ++c) {
      values[static_cast<std::size_t>(c)] =
          c < visible ? call.a.row(r)[c] * scale : SoftmaxEngine::kMasked;
    }
    const float block = engine.row(call.core, values, weights);
    const float now = log_add(before, block);
    const float share = std::isinf(block) ? 0.0F : std::exp(block - now);
    for (std::int64_t c = 0; c < call.cols; ++c)
      put(call, r, c, weights[static_cast<std::size_t>(c)] * share);
    stats[0] = now;
    stats[1] = std::isinf(now) ? 0.0F : 1.0F;
    stats[2] = std::isinf(before) ? 0.0F : std::exp(before - now);
  }
}

void rescale(const VectorCall& call) {
  if (call.fresh) return;  // the first product of the item clears the accumulator
  each(call, [&](std::int64_t r, std::int64_t c) { return call.a.row(r)[c] * call.b.row(r)[2]; });
}

void softmax_finish(const VectorCall& call) {
  for (std::int64_t r = 0; r < call.rows; ++r) {
    const float* stats = call.b.row(r);
    const float scale = call.causal || stats[1] == 0.0F ? 1.0F : 1.0F / stats[1];
    for (std::int64_t c = 0; c < call.cols; ++c) put(call, r, c, call.a.row(r)[c] * scale);
    if (!call.causal) continue;
    call.c.row(r)[call.cols] = stats[0];
    call.c.row(r)[call.cols + 1] = stats[1];
  }
}

/// Merges partial attention rows: [head][value..., maximum, sum] per part.
void attention_combine(const VectorCall& call) {
  const std::int64_t dim = call.row_factor;
  const std::int64_t heads = call.cols / dim;
  for (std::int64_t r = 0; r < call.rows; ++r) {
    for (std::int64_t h = 0; h < heads; ++h) {
      const auto part = [&](std::int64_t p) {
        return call.a.row(p * call.part_rows + r) + h * (dim + 2);
      };
      float maximum = -std::numeric_limits<float>::infinity();
      for (std::int64_t p = 0; p < call.extra; ++p) {
        if (part(p)[dim + 1] > 0.0F) maximum = std::max(maximum, part(p)[dim]);
      }
      float sum = 0.0F;
      std::vector<float> values(static_cast<std::size_t>(dim), 0.0F);
      for (std::int64_t p = 0; p < call.extra; ++p) {
        if (part(p)[dim + 1] <= 0.0F) continue;  // a split that saw no key
        const float weight = std::exp(part(p)[dim] - maximum);
        sum += weight * part(p)[dim + 1];
        for (std::int64_t c = 0; c < dim; ++c)
          values[static_cast<std::size_t>(c)] += weight * part(p)[c];
      }
      for (std::int64_t c = 0; c < dim; ++c)
        put(call, r, h * dim + c, values[static_cast<std::size_t>(c)] / sum);
    }
  }
}

void sum_parts(const VectorCall& call) {
  each(call, [&](std::int64_t r, std::int64_t c) {
    float sum = 0.0F;
    for (std::int64_t p = 0; p < call.extra; ++p) sum += call.a.row(p * call.part_rows + r)[c];
    return sum;
  });
}

void softmax(const VectorCall& call) {
  std::vector<float> weights(static_cast<std::size_t>(call.cols));
  for (std::int64_t r = 0; r < call.rows; ++r) {
    const float* x = call.a.row(r);
    if (call.softmax != nullptr) {
      (void)call.softmax->row(call.core, {x, weights.size()}, weights);
      for (std::int64_t c = 0; c < call.cols; ++c)
        put(call, r, c, weights[static_cast<std::size_t>(c)]);
      continue;
    }
    const float maximum = *std::max_element(x, x + call.cols);
    float sum = 0.0F;
    for (std::int64_t c = 0; c < call.cols; ++c) sum += std::exp(x[c] - maximum);
    for (std::int64_t c = 0; c < call.cols; ++c) put(call, r, c, std::exp(x[c] - maximum) / sum);
  }
}

void argmax(const VectorCall& call) {
  for (std::int64_t r = 0; r < call.rows; ++r) {
    const float* x = call.a.row(r);
    call.c.row(r)[0] = static_cast<float>(std::max_element(x, x + call.cols) - x);
  }
}

}  // namespace

void run_vector(VectorFn fn, const VectorCall& call) {
  switch (fn) {
    case VectorFn::kConvert:
      each(call, [&](auto r, auto c) { return call.a.row(r)[c]; });
      return;
    case VectorFn::kAdd:
      each(call, [&](auto r, auto c) { return call.a.row(r)[c] + call.b.row(r)[c]; });
      return;
    case VectorFn::kAddRow:
      each(call, [&](auto r, auto c) { return call.a.row(r)[c] + call.b.values[c]; });
      return;
    case VectorFn::kMul:
      each(call, [&](auto r, auto c) { return call.a.row(r)[c] * call.b.row(r)[c]; });
      return;
    case VectorFn::kSigmoidMul:
      each(call, [&](auto r, auto c) { return call.a.row(r)[c] * sigmoid(call.b.row(r)[c]); });
      return;
    case VectorFn::kGelu:
      each(call, [&](auto r, auto c) { return gelu(call.a.row(r)[c]); });
      return;
    case VectorFn::kSilu:
      each(call, [&](auto r, auto c) { return silu(call.a.row(r)[c]); });
      return;
    case VectorFn::kRelu:
      each(call, [&](auto r, auto c) { return std::max(0.0F, call.a.row(r)[c]); });
      return;
    case VectorFn::kSiluMul:
      each(call, [&](auto r, auto c) { return silu(call.a.row(r)[c]) * second(call, r, c); });
      return;
    case VectorFn::kGeluMul:
      each(call, [&](auto r, auto c) { return gelu(call.a.row(r)[c]) * second(call, r, c); });
      return;
    case VectorFn::kRmsNorm:
      norm(call, false);
      return;
    case VectorFn::kLayerNorm:
      norm(call, true);
      return;
    case VectorFn::kRope:
      rope(call);
      return;
    case VectorFn::kSoftmaxOnline:
      if (call.softmax != nullptr) {
        softmax_online_on(*call.softmax, call);
      } else {
        softmax_online(call);
      }
      return;
    case VectorFn::kScale:
      rescale(call);
      return;
    case VectorFn::kSoftmaxFinish:
      softmax_finish(call);
      return;
    case VectorFn::kAttentionCombine:
      attention_combine(call);
      return;
    case VectorFn::kSumParts:
      sum_parts(call);
      return;
    case VectorFn::kSoftmax:
      softmax(call);
      return;
    case VectorFn::kArgmax:
      argmax(call);
      return;
    default:
      break;
  }
  throw InputError("--functional: the vector function '" + std::string(timing::name(fn)) +
                   "' is timed but computes no numbers; run without --functional.");
}

}  // namespace athena::exec
