#include "serving/calibration.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/rng.h"
#include "serving/operator_tables.h"

namespace athena::serving {
namespace {

double doublings(double value) {
  return std::log2(std::max(1.0, value));
}

constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

/// Steps half a doubling apart are neighbours. assumed: single steps of the transaction tier
/// scatter by half a per cent around a level that moves by a few per cent over a doubling, so that
/// a narrower window would follow the scatter and a wider one flatten the level.
constexpr double kWindow = 0.5;

using Place = std::array<double, 2>;

double quotient(double above, double below) {
  return below > 0.0 && above > 0.0 ? above / below : 1.0;
}

/// Ratio of sums over the neighbourhood: long steps count more, and nothing is biased by dividing
/// small numbers.
class Ratios {
 public:
  void add(double weight, const StepTerms& expected, const StepTerms& tables) {
    above_ += weighted(expected, weight);
    below_ += weighted(tables, weight);
  }
  [[nodiscard]] StepTerms applied(const StepTerms& t) const {
    StepTerms out{
        t.time * quotient(above_.time.value(), below_.time.value()),
        t.core * quotient(above_.core.value(), below_.core.value()),
        t.core_energy * quotient(above_.core_energy.value(), below_.core_energy.value()),
        t.other_energy * quotient(above_.other_energy.value(), below_.other_energy.value())};
    if (out.core > out.time) out.core = out.time;
    return out;
  }

 private:
  static StepTerms weighted(const StepTerms& t, double w) {
    return {t.time * w, t.core * w, t.core_energy * w, t.other_energy * w};
  }
  StepTerms above_, below_;
};

StepTerms scaled_by(const StepTerms& t, const StepTerms& above, const StepTerms& below) {
  Ratios one;
  one.add(1.0, above, below);
  return one.applied(t);
}

}  // namespace

StepFeatures StepFeatures::of(const StepShape& shape) {
  StepFeatures f;
  double decodes = 0.0, decode_keys = 0.0, tokens = 0.0, seen = 0.0;
  for (const auto& g : shape.groups) {
    const auto count = static_cast<double>(g.count), kv = static_cast<double>(g.kv_len);
    if (g.q_len == 1) {
      decodes += count;
      decode_keys += count * kv;
    } else {
      tokens += count * static_cast<double>(g.q_len);
      seen += count * static_cast<double>(g.q_len) * kv;
    }
  }
  f.only_decodes = tokens == 0.0;
  f.tokens = doublings(decodes + tokens);
  f.sequences = doublings(static_cast<double>(shape.sequences()));
  f.decodes = doublings(decodes);
  f.decode_keys = decodes > 0.0 ? doublings(decode_keys / decodes) : 0.0;
  f.prompt_tokens = doublings(tokens);
  f.prompt_keys = tokens > 0.0 ? doublings(seen / tokens) : 0.0;
  return f;
}

StepFeatures StepFeatures::decode(double batch, double keys) {
  StepFeatures f;
  f.only_decodes = true;
  f.tokens = f.sequences = f.decodes = doublings(batch);
  f.decode_keys = doublings(keys);
  return f;
}

Calibration::Calibration(std::vector<CalibrationStep> steps) : steps_(std::move(steps)) {
  for (const CalibrationStep& step : steps_) features_.push_back(StepFeatures::of(step.shape));
}

StepParts Calibration::scaled(const StepParts& parts, const StepFeatures& features) const {
  return scaled(parts, features, kNone);
}

StepParts Calibration::scaled(const StepParts& parts, const StepFeatures& features,
                              std::size_t without) const {
  // Steps of decodes only are scaled by their own kind, where there is one.
  bool same_kind = false;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    same_kind = same_kind || (i != without && features_[i].only_decodes == features.only_decodes);
  }
  const auto ratio = [&](auto place, auto part) {
    const Place here = place(features);
    std::vector<double> distance(steps_.size(), std::numeric_limits<double>::infinity());
    double nearest = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (i == without) continue;
      if (same_kind && features_[i].only_decodes != features.only_decodes) continue;
      if (!(part(steps_[i].tables).time > Seconds(0.0))) continue;
      const Place there = place(features_[i]);
      distance[i] = std::pow(here[0] - there[0], 2) + std::pow(here[1] - there[1], 2);
      nearest = std::min(nearest, distance[i]);
    }
    Ratios sums;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (!std::isfinite(distance[i])) continue;
      const double weight = std::exp((nearest - distance[i]) / (2.0 * kWindow * kWindow));
      sums.add(weight, part(steps_[i].expected), part(steps_[i].tables));
    }
    return sums;
  };
  StepParts out = parts;
  if (features.only_decodes && same_kind) {
    const Ratios whole = ratio(
        [](const StepFeatures& f) {
          return Place{f.decodes, f.decode_keys};
        },
        [](const StepParts& p) { return p.device(); });
    out.tokens = whole.applied(parts.tokens);
    out.head = whole.applied(parts.head);
    out.decode_attention = whole.applied(parts.decode_attention);
    return out;
  }
  out.tokens = ratio(
                   [](const StepFeatures& f) {
                     return Place{f.tokens, 0.0};
                   },
                   [](const StepParts& p) { return p.tokens; })
                   .applied(parts.tokens);
  out.head = ratio(
                 [](const StepFeatures& f) {
                   return Place{f.sequences, 0.0};
                 },
                 [](const StepParts& p) { return p.head; })
                 .applied(parts.head);
  out.decode_attention = ratio(
                             [](const StepFeatures& f) {
                               return Place{f.decodes, f.decode_keys};
                             },
                             [](const StepParts& p) { return p.decode_attention; })
                             .applied(parts.decode_attention);
  out.prompt_attention = ratio(
                             [](const StepFeatures& f) {
                               return Place{f.prompt_tokens, f.prompt_keys};
                             },
                             [](const StepParts& p) { return p.prompt_attention; })
                             .applied(parts.prompt_attention);
  return out;
}

CalibrationError Calibration::left_out(const OperatorTimer& timer) const {
  CalibrationError error;
  double foretold = 0.0, measured = 0.0;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    std::int64_t others = -1;
    for (const StepFeatures& f : features_) others += f.only_decodes == features_[i].only_decodes;
    if (others < 1) continue;
    const double guess = timer.settle(scaled(steps_[i].tables, features_[i], i).sum()).time.value();
    const double truth = timer.settle(steps_[i].expected.sum()).time.value();
    foretold += guess;
    measured += truth;
    ++error.steps;
    error.mean += std::abs(guess / truth - 1.0);
    error.max = std::max(error.max, std::abs(guess / truth - 1.0));
  }
  if (error.steps > 0) {
    error.mean /= static_cast<double>(error.steps);
    error.bias = foretold / measured - 1.0;
  }
  return error;
}

StepSample::StepSample(std::size_t size, std::uint64_t seed) : size_(size), seed_(seed) {}

void StepSample::show(const StepShape& shape, double weight) {
  if (size_ == 0 || !(weight > 0.0)) return;
  Rng rng(seed_ + ++shown_);
  const double key = std::log1p(-rng.uniform()) / weight;
  std::vector<Kept>& kept = kept_[shape.decodes() == shape.sequences() ? 0 : 1];
  const auto later = [](const Kept& a, const Kept& b) { return a.key > b.key; };
  if (kept.size() == size_) {
    if (key <= kept.front().key) return;
    std::pop_heap(kept.begin(), kept.end(), later);
    kept.pop_back();
  }
  kept.push_back({key, shape});
  std::push_heap(kept.begin(), kept.end(), later);
}

void StepSample::show_run(const StepShape& first, std::int64_t steps, double weight) {
  if (steps <= 1) {
    show(first, weight);
    return;
  }
  StepShape middle = first;
  for (auto& group : middle.groups) group.kv_len += steps / 2;
  show(middle, weight);
}

std::vector<StepShape> StepSample::shapes() const {
  std::vector<StepShape> out;
  for (const std::vector<Kept>& kind : kept_) {
    std::vector<Kept> sorted = kind;
    std::sort(sorted.begin(), sorted.end(),
              [](const Kept& a, const Kept& b) { return a.key > b.key; });
    for (Kept& kept : sorted) out.push_back(std::move(kept.shape));
  }
  return out;
}

Calibration calibrate(OperatorTables& tables, MeasurementStore& full, MeasurementStore& closed_form,
                      MeasurementStore& transaction, const std::vector<StepShape>& shapes) {
  std::vector<CalibrationStep> steps;
  const Seconds host = full.timer().host_time();
  for (const StepShape& shape : shapes) {
    const auto& whole = full.get(shape);
    const auto& cheap = closed_form.get(shape);
    const auto& dear = transaction.get(shape);
    if (!whole || !cheap || !dear) continue;
    CalibrationStep step{shape, tables.parts(shape), parts_of(*whole, shape, host)};
    const StepParts below = parts_of(*cheap, shape, host), above = parts_of(*dear, shape, host);
    StepParts& e = step.expected;
    e.tokens = scaled_by(e.tokens, above.tokens, below.tokens);
    e.head = scaled_by(e.head, above.head, below.head);
    e.decode_attention =
        scaled_by(e.decode_attention, above.decode_attention, below.decode_attention);
    e.prompt_attention =
        scaled_by(e.prompt_attention, above.prompt_attention, below.prompt_attention);
    steps.push_back(std::move(step));
  }
  return Calibration(std::move(steps));
}

}  // namespace athena::serving
