#include "report/columns.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace athena::report {
namespace {

using Json = nlohmann::ordered_json;

/// Six digits are more than a picture shows, and a third of the bytes.
double rounded(double value) {
  if (!std::isfinite(value) || value == 0.0) return value;
  const std::string text = fmt::format("{:.6g}", value);
  double out = value;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> out(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
      out.back() += line[++i];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      out.emplace_back();
    } else if (c != '\r') {
      out.back() += c;
    }
  }
  return out;
}

Json cell(const std::string& text) {
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = code == std::errc() && end == text.data() + text.size();
  if (whole && std::isfinite(value)) return rounded(value);
  return text.empty() ? Json(nullptr) : Json(text);
}

/// Texts by number, in order of first appearance.
class Dictionary {
 public:
  int number(const std::string& text) {
    const auto [place, fresh] = numbers_.try_emplace(text, static_cast<int>(texts_.size()));
    if (fresh) texts_.push_back(text);
    return place->second;
  }
  [[nodiscard]] const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::map<std::string, int> numbers_;
  std::vector<std::string> texts_;
};

struct CodedColumn {
  Dictionary dictionary;
  std::vector<int> index;
  [[nodiscard]] Json json() const { return {{"texts", dictionary.texts()}, {"index", index}}; }
};

}  // namespace

Json csv_columns(const std::filesystem::path& path, std::size_t limit) {
  const std::string text = read_file(path);
  std::vector<std::string> lines;
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t end = std::min(text.find('\n', from), text.size());
    lines.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  if (lines.empty()) throw InputError(path.string() + ": is empty; expected a CSV with a head");
  const std::vector<std::string> head = fields_of(lines.front());
  const std::size_t rows = lines.size() - 1;
  const std::size_t step = rows > limit ? (rows + limit - 1) / limit : 1;
  std::vector<Json> columns(head.size(), Json::array());
  for (std::size_t i = 1; i <= rows; i += step) {
    const std::vector<std::string> fields = fields_of(lines[i]);
    if (fields.size() != head.size()) {
      throw InputError(Location{path.string(), static_cast<int>(i) + 1, 0},
                       fmt::format("has {} fields; expected {}", fields.size(), head.size()));
    }
    for (std::size_t c = 0; c < head.size(); ++c) columns[c].push_back(cell(fields[c]));
  }
  Json out{{"rows", rows}, {"step", step}, {"columns", Json::object()}};
  for (std::size_t c = 0; c < head.size(); ++c) out["columns"][head[c]] = std::move(columns[c]);
  return out;
}

Json sweep_columns(Json sweep) {
  const Json rows = std::move(sweep["rows"]);
  sweep.erase("rows");
  CodedColumn tiers;
  CodedColumn reasons;
  std::vector<std::string> keys;
  std::map<std::string, CodedColumn> settings;
  std::map<std::string, Json> numbers;
  Json candidates = Json::array();
  Json feasible = Json::array();
  Json front = Json::array();
  for (const Json& row : rows) {
    for (const auto& [key, value] : row.at("settings").items()) {
      if (settings.try_emplace(key).second) keys.push_back(key);
    }
  }
  for (const Json& row : rows) {
    candidates.push_back(row.at("candidate"));
    tiers.index.push_back(tiers.dictionary.number(row.at("tier").get<std::string>()));
    for (auto& [key, column] : settings) {
      const auto found = row.at("settings").find(key);
      const bool has = found != row.at("settings").end();
      column.index.push_back(has ? column.dictionary.number(found->get<std::string>()) : -1);
    }
    for (const Json& column : sweep.at("columns")) {
      const std::string name = column.at("name").get<std::string>();
      const auto found = row.at("columns").find(name);
      const bool has = found != row.at("columns").end() && found->is_number();
      numbers[name].push_back(has ? Json(rounded(found->get<double>())) : Json(nullptr));
    }
    feasible.push_back(row.at("feasible").get<bool>() ? 1 : 0);
    front.push_back(row.at("front").get<bool>() ? 1 : 0);
    const bool why = row.contains("reason");
    reasons.index.push_back(why ? reasons.dictionary.number(row.at("reason").get<std::string>())
                                : -1);
  }
  Json table{{"candidate", std::move(candidates)}, {"tier", tiers.json()}};
  table["settings"] = Json::object();
  for (const std::string& key : keys) table["settings"][key] = settings.at(key).json();
  table["columns"] = Json::object();
  for (auto& [name, values] : numbers) table["columns"][name] = std::move(values);
  table["feasible"] = std::move(feasible);
  table["front"] = std::move(front);
  table["reasons"] = reasons.json();
  sweep["table"] = std::move(table);
  return sweep;
}

}  // namespace athena::report
