#include "serving/operator_tables.h"

#include <algorithm>
#include <cmath>

namespace athena::serving {
namespace {

// Places in TableValues: the terms of what a table stands for, then a second set: of whole decode
// steps the part that is attention, of pieces of prompts what a second piece beside it adds.
constexpr std::size_t kFirst = 0, kSecond = 4;

void put(TableValues& values, std::size_t place, const StepTerms& terms) {
  values[place] = terms.time.value();
  values[place + 1] = terms.core.value();
  values[place + 2] = terms.core_energy.value();
  values[place + 3] = terms.other_energy.value();
}

StepTerms get(const TableValues& values, std::size_t place) {
  return {Seconds(values[place]), Seconds(values[place + 1]), Joules(values[place + 2]),
          Joules(values[place + 3])};
}

StepTerms times(StepTerms terms, double factor) {
  return {terms.time * factor, terms.core * factor, terms.core_energy * factor,
          terms.other_energy * factor};
}

/// Grid lines from 1 to `last`, each about 2^`doublings` times the one before: thirds of powers of
/// two, which lie midway in every staircase whose steps are powers of two (see adaptive_table.cpp).
/// `also` becomes a line of its own: the place that is asked for most.
std::vector<std::int64_t> grid_lines(int doublings, std::int64_t last, std::int64_t also = 0) {
  std::vector<std::int64_t> lines = {1};
  for (int k = 2 + doublings; k < 62; k += doublings) {
    const std::int64_t line = ((std::int64_t{1} << k) + 1) / 3;
    if (line >= last) break;
    if (line > lines.back()) lines.push_back(line);
  }
  lines.push_back(std::max<std::int64_t>(2, last));
  if (also > 1 && also < last) {
    lines.insert(std::upper_bound(lines.begin(), lines.end(), also), also);
  }
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  return lines;
}

/// Sequences that bring `tokens` new tokens in all, none longer than the model's context.
StepShape prompts_of(std::int64_t tokens, std::int64_t max_context) {
  StepShape shape;
  const std::int64_t pieces = ceil_div(tokens, max_context);
  const std::int64_t each = tokens / pieces, longer = tokens % pieces;
  if (pieces > longer) shape.groups.push_back({each, each, pieces - longer});
  if (longer > 0) shape.groups.push_back({each + 1, each + 1, longer});
  shape.sampled = pieces;
  return shape;
}

StepShape single(std::int64_t q, std::int64_t kv, std::int64_t count) {
  return {{{q, kv, count}}, count};
}

}  // namespace

OperatorTables::OperatorTables(MeasurementStore& store, const TableLimits& limits)
    : store_(store),
      limits_(limits),
      tokens_(
          [this](std::int64_t n, std::int64_t) { return measure_tokens(n); },
          grid_lines(1, std::max(limits.max_batched_tokens, limits.max_context) + limits.max_batch,
                     limits.max_batched_tokens),
          {0}, limits.tolerance),
      head_([this](std::int64_t n, std::int64_t) { return measure_head(n); },
            grid_lines(2, limits.max_batch), {0}, limits.tolerance),
      decode_([this](std::int64_t b, std::int64_t k) { return measure_decode(b, k); },
              grid_lines(2, limits.max_batch), grid_lines(3, limits.max_context), limits.tolerance),
      fresh_prompt_([this](std::int64_t q, std::int64_t) { return measure_prompt(q, 0); },
                    grid_lines(2, limits.max_context), {0}, limits.tolerance),
      prompt_([this](std::int64_t q, std::int64_t h) { return measure_prompt(q, h); },
              grid_lines(2, limits.max_context), grid_lines(3, limits.max_context),
              limits.tolerance) {}

std::optional<TablePoint> OperatorTables::measure_tokens(std::int64_t tokens) {
  const auto& m = store_.get(prompts_of(tokens, limits_.max_context));
  if (!m) return std::nullopt;
  // What is neither attention nor head: token-wise operators, collectives, and what lies between.
  StepTerms rest = m->all_terms();
  rest -= m->terms_of(OperatorKind::kAttention);
  rest -= m->terms_of(OperatorKind::kSequences);
  TablePoint point{{}, m->all_terms().time.value()};
  put(point.values, kFirst, rest);
  return point;
}

std::optional<TablePoint> OperatorTables::measure_head(std::int64_t sequences) {
  const auto& m = store_.get(single(1, 1, sequences));
  if (!m) return std::nullopt;
  TablePoint point{{}, m->all_terms().time.value()};
  put(point.values, kFirst, m->terms_of(OperatorKind::kSequences));
  return point;
}

std::optional<TablePoint> OperatorTables::measure_decode(std::int64_t batch, std::int64_t keys) {
  const auto& m = store_.get(single(1, keys, batch));
  if (!m) return std::nullopt;
  TablePoint point{{}, m->all_terms().time.value()};
  put(point.values, kFirst, m->all_terms());
  put(point.values, kSecond, m->terms_of(OperatorKind::kAttention));
  return point;
}

std::optional<TablePoint> OperatorTables::measure_prompt(std::int64_t q, std::int64_t history) {
  // A piece may not reach beyond the context. Grid points there only help to interpolate inside it:
  // they take the attention of the longest history possible, in proportion to query-key pairs.
  const std::int64_t h = std::max<std::int64_t>(0, std::min(history, limits_.max_context - q));
  const auto& m = store_.get(single(q, q + h, 1));
  if (!m) return std::nullopt;
  const auto pairs = [q](std::int64_t before) {
    return static_cast<double>(before) + static_cast<double>(q + 1) / 2.0;
  };
  const double scale = pairs(history) / pairs(h);
  const StepTerms alone = m->terms_of(OperatorKind::kAttention);
  TablePoint point{{}, m->all_terms().time.value()};
  put(point.values, kFirst, times(alone, scale));
  // Pieces of several prompts run as one kernel: it starts once, and they fill the cores together.
  StepTerms added = alone;
  if (const auto& both = store_.get(single(q, q + h, 2)); both) {
    added = both->terms_of(OperatorKind::kAttention);
    added -= alone;
  }
  put(point.values, kSecond, times(added, scale));
  return point;
}

/// Padding of a static batch goes on growing past the context; it is billed as the longest.
double OperatorTables::mean_keys(std::int64_t keys, std::int64_t batch) const {
  return std::min(static_cast<double>(keys) / static_cast<double>(batch),
                  static_cast<double>(limits_.max_context));
}

/// Attention of all pieces of prompts in a step: what each adds beside others, and once the most
/// that one pays for being first.
StepTerms OperatorTables::prompt_attention(const StepShape& shape) {
  StepTerms sum, start;
  for (const auto& g : shape.groups) {
    if (g.q_len == 1) continue;
    const auto history = static_cast<double>(g.kv_len - g.q_len);
    const auto q = static_cast<double>(g.q_len);
    const auto sample = history == 0.0 ? fresh_prompt_.at(q, 0.0) : prompt_.at(q, history);
    const StepTerms alone = get(sample.values, kFirst), added = get(sample.values, kSecond);
    sum += times(added, static_cast<double>(g.count));
    StepTerms first = alone;
    first -= added;
    if (first.time > start.time) start = first;
  }
  sum += start;
  return sum;
}

/// A whole decode step from its table entry.
StepParts OperatorTables::decode_parts(const TableValues& values, double batch) {
  StepParts parts;
  parts.host.time = store_.timer().host_time();
  parts.decode_attention = get(values, kSecond);
  parts.head = get(head_.at(batch, 0.0).values, kFirst);
  parts.tokens = get(values, kFirst);
  parts.tokens -= parts.host;
  parts.tokens -= parts.decode_attention;
  parts.tokens -= parts.head;
  return parts;
}

StepParts OperatorTables::parts(const StepShape& shape) {
  const std::int64_t decodes = shape.decodes(), sequences = shape.sequences();
  std::int64_t decode_keys = 0;
  for (const auto& g : shape.groups) decode_keys += g.q_len == 1 ? g.kv_len * g.count : 0;
  TableValues decode{};
  if (decodes > 0) {
    decode = decode_.at(static_cast<double>(decodes), mean_keys(decode_keys, decodes)).values;
    if (decodes == sequences) return decode_parts(decode, static_cast<double>(decodes));
  }
  StepParts parts;
  parts.host.time = store_.timer().host_time();
  parts.prompt_attention = prompt_attention(shape);
  parts.decode_attention = get(decode, kSecond);
  parts.tokens = get(tokens_.at(static_cast<double>(shape.tokens()), 0.0).values, kFirst);
  parts.tokens -= parts.host;
  parts.head = get(head_.at(static_cast<double>(sequences), 0.0).values, kFirst);
  return parts;
}

StepCost OperatorTables::settle(const StepParts& parts, const StepFeatures& features) const {
  return store_.timer().settle(
      (calibration_ == nullptr ? parts : calibration_->scaled(parts, features)).sum());
}

StepCost OperatorTables::cost(const StepShape& shape) {
  return settle(parts(shape), StepFeatures::of(shape));
}

StepSegment OperatorTables::segment(const StepShape& shape, std::int64_t max_steps) {
  std::int64_t batch = 0, keys = 0;
  for (const auto& g : shape.groups) {
    if (g.q_len != 1) return StepTime::segment(shape, max_steps);
    batch += g.count;
    keys += g.kv_len * g.count;
  }
  const double mean = mean_keys(keys, batch);
  const auto sequences = static_cast<double>(batch);
  const auto sample = decode_.at(sequences, mean);
  StepSegment segment;
  // Step i sees mean + i keys; the form holds up to the cell's far side.
  const auto inside = static_cast<std::int64_t>(std::floor(sample.y_end - mean)) + 1;
  segment.steps = std::clamp<std::int64_t>(inside, 1, max_steps);
  segment.first =
      settle(decode_parts(sample.values, sequences), StepFeatures::decode(sequences, mean));
  // The far side of the cell, not of the segment, so that how a stretch is cut changes nothing.
  const double ahead = std::max(1.0, sample.y_end - mean);
  TableValues far = sample.values;
  for (std::size_t k = 0; k < far.size(); ++k) far[k] += sample.slope[k] * ahead;
  const StepCost last =
      settle(decode_parts(far, sequences), StepFeatures::decode(sequences, mean + ahead));
  segment.growth = {(last.time - segment.first.time) * (1.0 / ahead),
                    (last.energy - segment.first.energy) * (1.0 / ahead)};
  return segment;
}

AdaptiveTable::Error OperatorTables::interpolation_error() const {
  AdaptiveTable::Error all;
  for (const AdaptiveTable* table : {&tokens_, &head_, &decode_, &fresh_prompt_, &prompt_}) {
    const AdaptiveTable::Error one = table->error();
    all.mean += one.mean * static_cast<double>(one.cells);
    all.cells += one.cells;
    all.max = std::max(all.max, one.max);
  }
  if (all.cells > 0) all.mean /= static_cast<double>(all.cells);
  return all;
}

TableCheck check_tables(OperatorTables& tables, MeasurementStore& store,
                        const std::vector<StepShape>& shapes) {
  TableCheck check;
  for (const StepShape& shape : shapes) {
    const auto& exact = store.get(shape);
    if (!exact) continue;
    const double error = tables.cost(shape).time / exact->total - 1.0;
    ++check.steps;
    check.bias += error;
    check.mean_error += std::abs(error);
    check.max_error = std::max(check.max_error, std::abs(error));
  }
  if (check.steps > 0) {
    check.bias /= static_cast<double>(check.steps);
    check.mean_error /= static_cast<double>(check.steps);
  }
  return check;
}

}  // namespace athena::serving
