#include "validate/noc_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace athena::validate {
namespace {

/// Cells of one line; a cell in double quotes may hold commas, "" in it is one quote.
std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
      cells.back() += '"';
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      cells.emplace_back();
    } else if (c != '\r') {
      cells.back() += c;
    }
  }
  return cells;
}

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  const std::string text = read_file(file);
  std::vector<std::string> lines;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

}  // namespace

bool TableRow::has(const std::string& column) const {
  return !text(column).empty();
}

std::string TableRow::text(const std::string& column) const {
  const auto found = cells_.find(column);
  return found == cells_.end() ? std::string() : found->second;
}

std::optional<double> TableRow::maybe(const std::string& column) const {
  const std::string cell = text(column);
  if (cell.empty()) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc() || end != cell.data() + cell.size() || !std::isfinite(value))
    throw InputError(Location{file_, line_, 0},
                     fmt::format("column '{}' should be a number, not '{}'", column, cell));
  return value;
}

double TableRow::number(const std::string& column) const {
  const auto value = maybe(column);
  if (!value)
    throw InputError(Location{file_, line_, 0},
                     fmt::format("column '{}' should be a number and is empty", column));
  return *value;
}

double TableRow::number_or(const std::string& column, double otherwise) const {
  return maybe(column).value_or(otherwise);
}

int TableRow::integer(const std::string& column) const {
  const double value = number(column);
  if (value != std::floor(value) || std::abs(value) > 1e9)
    throw InputError(
        Location{file_, line_, 0},
        fmt::format("column '{}' should be a whole number, not '{}'", column, text(column)));
  return static_cast<int>(value);
}

std::vector<std::string> table_columns(const std::filesystem::path& file) {
  const auto lines = lines_of(file);
  if (lines.empty())
    throw InputError(Location{file.string(), 0, 0}, "the table is empty: a head is expected");
  return split(lines.front());
}

std::vector<TableRow> read_table(const std::filesystem::path& file,
                                 const std::vector<std::string>& needed) {
  const auto lines = lines_of(file);
  const auto columns = table_columns(file);
  for (const std::string& name : needed) {
    if (std::find(columns.begin(), columns.end(), name) == columns.end())
      throw InputError(Location{file.string(), 1, 0},
                       fmt::format("column '{}' is missing; the table has {}.{}", name,
                                   join(columns, ", "), did_you_mean(name, columns)));
  }
  std::vector<TableRow> rows;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    if (lines[i].empty() || lines[i] == "\r") continue;
    const auto cells = split(lines[i]);
    const int line = static_cast<int>(i) + 1;
    if (cells.size() != columns.size())
      throw InputError(Location{file.string(), line, 0},
                       fmt::format("{} cells where the head has {}", cells.size(), columns.size()));
    std::map<std::string, std::string> row;
    for (std::size_t c = 0; c < columns.size(); ++c) row[columns[c]] = cells[c];
    rows.emplace_back(file.string(), line, std::move(row));
  }
  return rows;
}

}  // namespace athena::validate
