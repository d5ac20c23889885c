#include "serving/operator_timer.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"

namespace athena::serving {

std::string_view name(OperatorKind kind) {
  switch (kind) {
    case OperatorKind::kTokens:
      return "tokens";
    case OperatorKind::kSequences:
      return "sequences";
    case OperatorKind::kAttention:
      return "attention";
    case OperatorKind::kCollective:
      return "collective";
  }
  return "";
}

std::optional<OperatorKind> operator_kind_from_name(std::string_view text) {
  for (const OperatorKind kind : {OperatorKind::kTokens, OperatorKind::kSequences,
                                  OperatorKind::kAttention, OperatorKind::kCollective}) {
    if (text == name(kind)) return kind;
  }
  return std::nullopt;
}

Seconds StepMeasurement::time_of(OperatorKind kind) const {
  Seconds sum{0.0};
  for (const auto& op : operators) sum += op.kind == kind ? op.time : Seconds(0.0);
  return sum;
}

StepTerms StepMeasurement::terms_of(OperatorKind kind) const {
  StepTerms sum;
  for (const auto& op : operators) {
    if (op.kind == kind) sum += op.terms.value_or(StepTerms{op.time, {}, {}, op.energy});
  }
  return sum;
}

StepTerms StepMeasurement::all_terms() const {
  return terms.value_or(StepTerms{total, {}, {}, energy});
}

StepTerms& StepTerms::operator+=(const StepTerms& other) {
  time += other.time;
  core += other.core;
  core_energy += other.core_energy;
  other_energy += other.other_energy;
  return *this;
}

StepTerms& StepTerms::operator-=(const StepTerms& other) {
  time -= other.time;
  core -= other.core;
  core_energy -= other.core_energy;
  other_energy -= other.other_energy;
  return *this;
}

StepTerms StepParts::device() const {
  StepTerms all = tokens;
  all += head;
  all += decode_attention;
  all += prompt_attention;
  return all;
}

StepTerms StepParts::sum() const {
  StepTerms all = device();
  all += host;
  return all;
}

StepParts parts_of(const StepMeasurement& measured, const StepShape& shape, Seconds host_time) {
  StepParts parts;
  parts.host.time = host_time;
  parts.head = measured.terms_of(OperatorKind::kSequences);
  const StepTerms attention = measured.terms_of(OperatorKind::kAttention);
  const std::int64_t decodes = shape.decodes();
  if (decodes == shape.sequences()) {
    parts.decode_attention = attention;
  } else if (decodes == 0) {
    parts.prompt_attention = attention;
  } else {
    for (const OperatorTime& op : measured.operators) {
      if (op.kind != OperatorKind::kAttention) continue;
      (op.name == kPromptAttention ? parts.prompt_attention : parts.decode_attention) +=
          op.terms.value_or(StepTerms{op.time, {}, {}, op.energy});
    }
  }
  parts.tokens = measured.all_terms();
  parts.tokens -= parts.host;
  parts.tokens -= parts.head;
  parts.tokens -= attention;
  return parts;
}

nlohmann::json terms_json(const std::optional<StepTerms>& terms) {
  if (!terms) return nullptr;
  return {terms->time.value(), terms->core.value(), terms->core_energy.value(),
          terms->other_energy.value()};
}

std::optional<StepTerms> terms_from_json(const nlohmann::json& row) {
  if (row.is_null()) return std::nullopt;
  return StepTerms{Seconds(row.at(0).get<double>()), Seconds(row.at(1).get<double>()),
                   Joules(row.at(2).get<double>()), Joules(row.at(3).get<double>())};
}

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

ordered_json to_json(const std::optional<StepMeasurement>& m) {
  if (!m) return nullptr;
  ordered_json operators = ordered_json::array();
  for (const auto& op : m->operators) {
    operators.push_back(
        {op.name, name(op.kind), op.time.value(), op.energy.value(), terms_json(op.terms)});
  }
  return {{"total_s", m->total.value()},
          {"energy_j", m->energy.value()},
          {"terms", terms_json(m->terms)},
          {"operators", std::move(operators)}};
}

std::optional<StepMeasurement> from_json(const json& row) {
  if (row.is_null()) return std::nullopt;
  StepMeasurement m;
  m.total = Seconds(row.at("total_s").get<double>());
  m.energy = Joules(row.at("energy_j").get<double>());
  m.terms = terms_from_json(row.at("terms"));
  for (const auto& op : row.at("operators")) {
    const auto kind = operator_kind_from_name(op.at(1).get<std::string>());
    if (!kind) throw InputError("unknown operator kind");
    m.operators.push_back({op.at(0).get<std::string>(), *kind, Seconds(op.at(2).get<double>()),
                           Joules(op.at(3).get<double>()), terms_from_json(op.at(4))});
  }
  return m;
}

}  // namespace

MeasurementStore::MeasurementStore(OperatorTimer& timer, const std::filesystem::path& folder)
    : timer_(timer) {
  if (folder.empty()) return;
  file_ = folder / (content_hash(timer.identity()) + ".json");
  if (!std::filesystem::exists(file_)) return;
  try {
    const json document = json::parse(read_file(file_));
    if (document.at("identity").get<std::string>() != timer.identity()) {
      throw InputError("another configuration");
    }
    for (const auto& [shape, row] : document.at("steps").items()) {
      known_.emplace(shape, from_json(row));
    }
  } catch (const std::exception& error) {
    throw InputError(fmt::format("{}: the stored step times cannot be used ({}); delete the file.",
                                 file_.string(), error.what()));
  }
  loaded_ = static_cast<std::int64_t>(known_.size());
}

const std::optional<StepMeasurement>& MeasurementStore::get(const StepShape& shape) {
  const StepShape canonical = shape.canonical();
  const auto [place, fresh] = known_.try_emplace(canonical.text());
  if (!fresh) return place->second;
  ++measured_;
  try {
    place->second = timer_.measure(canonical);
  } catch (const Finding&) {
    place->second = std::nullopt;
  } catch (...) {
    known_.erase(place);
    throw;
  }
  if (place->second && !(place->second->total > Seconds(0.0))) {
    throw InternalError(fmt::format("the step {} took no time.", canonical.text()));
  }
  return place->second;
}

void MeasurementStore::save() {
  if (file_.empty() || measured_ == 0) return;
  ordered_json document;
  document["identity"] = timer_.identity();
  // Sorted, so that the same measurements give the same file.
  const std::map<std::string, std::optional<StepMeasurement>> sorted(known_.begin(), known_.end());
  ordered_json& steps = document["steps"] = ordered_json::object();
  for (const auto& [shape, measurement] : sorted) steps[shape] = to_json(measurement);
  write_file_atomically(file_, document.dump() + "\n");
}

StepCost ExactSteps::cost(const StepShape& shape) {
  const auto& measurement = store_.get(shape);
  if (!measurement) {
    throw Finding(fmt::format("a step of {} does not fit the system.", shape.canonical().text()));
  }
  return {measurement->total, measurement->energy};
}

}  // namespace athena::serving
