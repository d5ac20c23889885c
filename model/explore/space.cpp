#include "explore/space.h"

#include <algorithm>
#include <limits>

namespace athena::explore {
namespace {

bool is_document_key(const std::string& key) {
  for (const char* document : {"chip.", "system.", "stack.", "cost."}) {
    if (key.rfind(document, 0) == 0) return true;
  }
  return false;
}

bool is_variable(const std::string& key) {
  return key.rfind("var.", 0) == 0;
}

const Setting* find_setting(const std::vector<Setting>& settings, const std::string& key) {
  for (const Setting& setting : settings) {
    if (setting.first == key) return &setting;
  }
  return nullptr;
}

void apply_all(jobs::PointSpec& spec, const std::vector<Setting>& settings) {
  for (const Setting& setting : settings) apply_setting(spec, setting);
}

}  // namespace

void apply_setting(jobs::PointSpec& spec, const Setting& setting) {
  const auto& [key, text] = setting;
  if (is_variable(key)) return;
  if (!is_document_key(key)) return jobs::set_field(spec, key, text);
  // The last word on a path stands alone, so that equal designs have equal text.
  const std::string path = key + "=";
  std::erase_if(spec.sets, [&](const std::string& set) { return set.rfind(path, 0) == 0; });
  spec.sets.push_back(path + text);
}

std::size_t Space::objectives() const {
  return static_cast<std::size_t>(
      std::count_if(columns.begin(), columns.end(),
                    [](const Column& column) { return column.direction != Direction::kReport; }));
}

std::uint64_t Space::size() const {
  std::uint64_t product = 1;
  for (const Axis& axis : axes) {
    if (product > std::numeric_limits<std::int64_t>::max() / axis.texts.size()) {
      throw InputError(axis.where, "the space has more candidates than can be numbered");
    }
    product *= axis.texts.size();
  }
  return product;
}

/// The last axis runs fastest, as nested loops in the order of the file would.
Candidate Space::candidate(std::uint64_t index) const {
  Candidate out;
  out.index = index;
  out.choice.resize(axes.size());
  for (std::size_t i = axes.size(); i-- > 0;) {
    out.choice[i] = static_cast<std::size_t>(index % axes[i].texts.size());
    index /= axes[i].texts.size();
  }
  return out;
}

std::uint64_t Space::index_of(const std::vector<std::size_t>& choice) const {
  std::uint64_t index = 0;
  for (std::size_t i = 0; i < axes.size(); ++i) index = index * axes[i].texts.size() + choice[i];
  return index;
}

std::optional<Value> Space::value_of(const Candidate& candidate, const std::string& key) const {
  for (std::size_t i = 0; i < axes.size(); ++i) {
    if (axes[i].key == key) return axes[i].values[candidate.choice[i]];
  }
  for (std::size_t i = 0; i < derived.size(); ++i) {
    if (derived[i].key != key) continue;
    // A derived value may use those written before it: no cycles.
    return derived[i].expression.evaluate([&](const std::string& wanted) -> std::optional<Value> {
      for (std::size_t later = i; later < derived.size(); ++later) {
        if (derived[later].key == wanted) return std::nullopt;
      }
      return value_of(candidate, wanted);
    });
  }
  if (const Setting* setting = find_setting(fixed, key)) return value_from_text(setting->second);
  return std::nullopt;
}

bool Space::allowed(const Candidate& candidate) const {
  const Lookup lookup = [&](const std::string& wanted) { return value_of(candidate, wanted); };
  return std::all_of(conditions.begin(), conditions.end(),
                     [&](const Expression& condition) { return condition.truth(lookup); });
}

std::vector<Setting> Space::settings(const Candidate& candidate) const {
  std::vector<Setting> out;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    out.emplace_back(axes[i].key, axes[i].texts[candidate.choice[i]]);
  }
  for (const Derived& value : derived) {
    try {
      out.emplace_back(value.key, to_text(value_of(candidate, value.key).value()));
    } catch (const InputError& error) {
      if (value.expression.where().file.empty()) throw;
      throw InputError(value.expression.where(), value.key + ": " + error.what());
    }
  }
  return out;
}

std::vector<jobs::PointSpec> Space::points(const Candidate& candidate,
                                           const std::string& fidelity) const {
  const std::vector<Setting> chosen = settings(candidate);
  std::vector<jobs::PointSpec> out;
  for (const Scenario& scenario : scenarios) {
    jobs::PointSpec spec;
    apply_all(spec, fixed);
    apply_all(spec, scenario.settings);
    apply_all(spec, chosen);
    if (!fidelity.empty()) spec.fidelity = fidelity;
    out.push_back(std::move(spec));
  }
  return out;
}

std::vector<jobs::PointSpec> Space::points(const Reference& reference,
                                           const std::string& fidelity) const {
  std::vector<jobs::PointSpec> out;
  for (const Scenario& scenario : scenarios) {
    jobs::PointSpec spec;
    for (const Setting& setting : fixed) {
      if (!is_document_key(setting.first)) apply_setting(spec, setting);
    }
    apply_all(spec, scenario.settings);
    apply_all(spec, reference.settings);
    if (!fidelity.empty()) spec.fidelity = fidelity;
    out.push_back(std::move(spec));
  }
  return out;
}

}  // namespace athena::explore
