#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "config/quantity.h"
#include "explore/report.h"

namespace athena::explore {
namespace {

using Json = nlohmann::ordered_json;

std::string heading(const Column& column) {
  return column.unit.empty() ? column.name : fmt::format("{} [{}]", column.name, column.unit);
}

std::string design_name(const SweepReport& report, const Row& row) {
  if (row.index >= 0) return std::to_string(row.index);
  return report.space.references[static_cast<std::size_t>(-1 - row.index)].name;
}

/// Texts of axes and derived values in their order; empty texts for a reference design.
std::vector<std::string> setting_texts(const SweepReport& report, const Row& row) {
  const std::size_t count = report.space.axes.size() + report.space.derived.size();
  std::vector<std::string> out(count);
  if (row.index < 0) return out;
  try {
    const auto settings =
        report.space.settings(report.space.candidate(static_cast<std::uint64_t>(row.index)));
    for (std::size_t i = 0; i < count; ++i) out[i] = settings[i].second;
  } catch (const InputError&) {
    // A derived value that this candidate cannot have: the row's own reason says so.
    const Candidate candidate = report.space.candidate(static_cast<std::uint64_t>(row.index));
    for (std::size_t i = 0; i < report.space.axes.size(); ++i) {
      out[i] = report.space.axes[i].texts[candidate.choice[i]];
    }
  }
  return out;
}

std::vector<std::string> setting_headings(const SweepReport& report) {
  std::vector<std::string> out;
  for (const Axis& axis : report.space.axes) out.push_back(axis.key);
  for (const Derived& derived : report.space.derived) out.push_back(derived.key);
  return out;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    out += c;
    if (c == '"') out += '"';
  }
  return out + "\"";
}

std::vector<std::size_t> chosen(const SweepReport& report, RowChoice choice) {
  if (choice == RowChoice::kFront) return report.front;
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < report.rows.size(); ++i) out.push_back(i);
  return out;
}

bool on_front(const SweepReport& report, std::size_t place) {
  return std::binary_search(report.front.begin(), report.front.end(), place);
}

std::string padded(const std::vector<std::vector<std::string>>& table) {
  std::vector<std::size_t> widths;
  for (const auto& line : table) {
    widths.resize(std::max(widths.size(), line.size()));
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string out;
  for (const auto& line : table) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i)
      text += fmt::format("{:>{}}  ", line[i], widths[i]);
    while (!text.empty() && text.back() == ' ') text.pop_back();
    out += text + "\n";
  }
  return out;
}

std::string status(const SweepReport& report, const Row& row) {
  if (!row.ok()) return row.error;
  for (std::size_t i = 0; i < row.violations.size(); ++i) {
    if (row.violations[i] != 0.0) return "breaks " + report.space.constraints[i].text();
  }
  return "";
}

std::string rows_text(const SweepReport& report, RowChoice choice, std::size_t limit) {
  std::vector<std::vector<std::string>> table;
  std::vector<std::string> head = {"tier", "candidate"};
  for (const std::string& name : setting_headings(report)) head.push_back(name);
  for (const Column& column : report.space.columns) head.push_back(heading(column));
  head.emplace_back("");
  table.push_back(head);
  std::vector<std::size_t> places = chosen(report, choice);
  // The reference designs stand beside the front they are compared with.
  for (std::size_t i = 0; choice == RowChoice::kFront && i < report.rows.size(); ++i) {
    const Row& row = report.rows[i];
    if (row.index < 0 && row.stage == report.last_stage) places.push_back(i);
  }
  const std::size_t shown = std::min(limit, places.size());
  for (std::size_t i = 0; i < shown; ++i) {
    const Row& row = report.rows[places[i]];
    std::vector<std::string> line = {tier_name(report.space, row.stage), design_name(report, row)};
    for (std::string& text : setting_texts(report, row)) line.push_back(std::move(text));
    for (std::size_t c = 0; c < report.space.columns.size(); ++c) {
      line.push_back(row.ok() ? fmt::format("{:.4g}", row.columns[c]) : "-");
    }
    const bool star = choice == RowChoice::kAll && on_front(report, places[i]);
    line.push_back(star ? "front" : status(report, row));
    table.push_back(std::move(line));
  }
  std::string out = padded(table);
  if (shown < places.size()) {
    out +=
        fmt::format("... {} more rows: --csv or --json writes them all\n", places.size() - shown);
  }
  return out;
}

std::string summary_text(const SweepReport& report) {
  std::size_t first_tier = 0;
  std::size_t failed = 0;
  std::size_t feasible = 0;
  for (const Row& row : report.rows) {
    if (row.index < 0 || row.stage != 0) continue;
    ++first_tier;
    if (!row.ok()) ++failed;
    if (row.feasible()) ++feasible;
  }
  const Json settings = Json::parse(report.settings);
  std::string out = report.space.name;
  if (!report.space.description.empty()) out += ": " + report.space.description;
  out += fmt::format("\n{} of {} candidates by {} in the {} tier, {} feasible, {} failed",
                     first_tier, report.space.size(), settings.value("optimizer", "grid"),
                     tier_name(report.space, 0), feasible, failed);
  if (report.space.objectives() > 0) {
    out += fmt::format("; front of {} designs in the {} tier", report.front.size(),
                       tier_name(report.space, report.last_stage));
  }
  return out + "\n";
}

std::string effects_text(const SweepReport& report) {
  std::string out;
  for (std::size_t c = 0; c < report.effects.size(); ++c) {
    if (report.effects[c].empty() || report.effects[c].front().swing <= 0.0) continue;
    out += fmt::format("\nwhat moves {} (mean over the other axes, swing as share of the mean)\n",
                       heading(report.space.columns[c]));
    std::vector<std::vector<std::string>> table;
    for (const MainEffect& effect : report.effects[c]) {
      const Axis& axis = report.space.axes[effect.axis];
      std::size_t low = 0;
      std::size_t high = 0;
      for (std::size_t i = 0; i < effect.means.size(); ++i) {
        if (effect.counts[i] == 0) continue;
        if (effect.counts[low] == 0 || effect.means[i] < effect.means[low]) low = i;
        if (effect.counts[high] == 0 || effect.means[i] > effect.means[high]) high = i;
      }
      const std::string bar(static_cast<std::size_t>(std::min(40.0, 20.0 * effect.swing)), '#');
      table.push_back({axis.key, fmt::format("{:.1f} %", 100.0 * effect.swing),
                       fmt::format("{:.4g} at {}", effect.means[low], axis.texts[low]),
                       fmt::format("{:.4g} at {}", effect.means[high], axis.texts[high]), bar});
    }
    out += padded(table);
  }
  return out;
}

Json number_or_null(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

Json effects_json(const SweepReport& report) {
  Json all = Json::array();
  for (std::size_t c = 0; c < report.effects.size(); ++c) {
    Json axes = Json::array();
    for (const MainEffect& effect : report.effects[c]) {
      const Axis& axis = report.space.axes[effect.axis];
      Json means = Json::array();
      for (std::size_t i = 0; i < effect.means.size(); ++i) {
        means.push_back({{"value", axis.texts[i]},
                         {"mean", number_or_null(effect.means[i])},
                         {"rows", effect.counts[i]}});
      }
      axes.push_back({{"key", axis.key}, {"swing", effect.swing}, {"means", std::move(means)}});
    }
    all.push_back({{"column", report.space.columns[c].name}, {"axes", std::move(axes)}});
  }
  return all;
}

Json row_json(const SweepReport& report, std::size_t place,
              const std::vector<std::string>& headings) {
  const Row& row = report.rows[place];
  Json out{{"tier", tier_name(report.space, row.stage)}, {"candidate", design_name(report, row)}};
  const std::vector<std::string> texts = setting_texts(report, row);
  Json settings = Json::object();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (!texts[i].empty()) settings[headings[i]] = texts[i];
  }
  out["settings"] = std::move(settings);
  Json columns = Json::object();
  for (std::size_t c = 0; row.ok() && c < report.space.columns.size(); ++c) {
    columns[report.space.columns[c].name] = row.columns[c];
  }
  out["columns"] = std::move(columns);
  out["feasible"] = row.feasible();
  out["front"] = on_front(report, place);
  if (!row.ok()) out["code"] = static_cast<int>(row.code);
  if (const std::string reason = status(report, row); !reason.empty()) out["reason"] = reason;
  return out;
}

}  // namespace

std::string to_csv(const SweepReport& report, RowChoice choice) {
  std::string out = "tier,candidate";
  for (const std::string& name : setting_headings(report)) out += "," + csv_field(name);
  for (const Column& column : report.space.columns) out += "," + csv_field(heading(column));
  out += ",feasible,front,code,reason\n";
  for (const std::size_t place : chosen(report, choice)) {
    const Row& row = report.rows[place];
    out += tier_name(report.space, row.stage) + "," + csv_field(design_name(report, row));
    for (const std::string& text : setting_texts(report, row)) out += "," + csv_field(text);
    for (std::size_t c = 0; c < report.space.columns.size(); ++c) {
      out += "," + (row.ok() ? config::format_number(row.columns[c]) : std::string());
    }
    out += fmt::format(",{},{},{},{}\n", row.feasible() ? 1 : 0, on_front(report, place) ? 1 : 0,
                       static_cast<int>(row.code), csv_field(status(report, row)));
  }
  return out;
}

Json to_json(const SweepReport& report, RowChoice choice) {
  Json out{{"name", report.space.name}, {"description", report.space.description}};
  out["search"] = Json::parse(report.settings);
  Json columns = Json::array();
  for (const Column& column : report.space.columns) {
    const char* direction = column.direction == Direction::kMinimise   ? "minimise"
                            : column.direction == Direction::kMaximise ? "maximise"
                                                                       : "report";
    columns.push_back({{"name", column.name},
                       {"unit", column.unit},
                       {"direction", direction},
                       {"expression", column.expression.text()}});
  }
  out["columns"] = std::move(columns);
  const std::vector<std::string> headings = setting_headings(report);
  Json rows = Json::array();
  for (const std::size_t place : chosen(report, choice)) {
    rows.push_back(row_json(report, place, headings));
  }
  out["rows"] = std::move(rows);
  Json volume = Json::array();
  for (const VolumeStep& step : report.volume) {
    volume.push_back({{"evaluations", step.evaluations}, {"hypervolume", step.hypervolume}});
  }
  out["hypervolume"] = std::move(volume);
  Json agreement = Json::array();
  for (const TierAgreement& tier : report.agreement) {
    agreement.push_back({{"objective", tier.objective},
                         {"from", tier.from},
                         {"to", tier.to},
                         {"designs", tier.designs},
                         {"spearman", tier.spearman}});
  }
  out["rank_correlation"] = std::move(agreement);
  out["effects"] = effects_json(report);
  out["warnings"] = report.warnings;
  return out;
}

std::string to_text(const SweepReport& report, RowChoice choice, std::size_t limit) {
  std::string out = summary_text(report) + "\n" + rows_text(report, choice, limit);
  out += effects_text(report);
  for (const TierAgreement& tier : report.agreement) {
    out += fmt::format("\nranks of {} agree between {} and {}: {:.3f} over {} designs",
                       tier.objective, tier.from, tier.to, tier.spearman, tier.designs);
  }
  if (!report.agreement.empty()) out += "\n";
  if (!report.volume.empty() && report.space.objectives() > 1) {
    out += "\nhypervolume of the front (share of the objectives' box) after";
    for (const VolumeStep& step : report.volume) {
      out += fmt::format(" {}: {:.4f}", step.evaluations, step.hypervolume);
    }
    out += "\n";
  }
  for (const std::string& warning : report.warnings) out += "\nwarning: " + warning;
  if (!report.warnings.empty()) out += "\n";
  return out;
}

std::string candidate_text(const SweepReport& report, std::int64_t index) {
  std::string out;
  for (const Row& row : report.rows) {
    if (row.index != index) continue;
    const std::string tier = tier_name(report.space, row.stage);
    out += fmt::format("candidate {} in the {} tier\n", design_name(report, row), tier);
    const std::string fidelity = row.stage > 0 ? tier : "";
    const auto points =
        index >= 0 ? report.space.points(report.space.candidate(static_cast<std::uint64_t>(index)),
                                         fidelity)
                   : report.space.points(
                         report.space.references[static_cast<std::size_t>(-1 - index)], fidelity);
    for (const jobs::PointSpec& point : points) out += "  " + jobs::command_line(point) + "\n";
    for (std::size_t c = 0; row.ok() && c < report.space.columns.size(); ++c) {
      out += fmt::format("  {} = {:.6g}\n", heading(report.space.columns[c]), row.columns[c]);
    }
    if (const std::string reason = status(report, row); !reason.empty())
      out += "  " + reason + "\n";
  }
  if (out.empty()) throw InputError(fmt::format("the sweep has no candidate {}", index));
  return out;
}

}  // namespace athena::explore
