#include "explore/table.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "jobs/sqlite.h"

namespace athena::explore {
namespace {

using jobs::Database;
using jobs::Statement;
using Json = nlohmann::ordered_json;

const Database::Kind& table_kind() {
  static const Database::Kind kind = {
      "the table of a sweep", 0x61745f73 /* "at_s" */, 1,
      "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
      "CREATE TABLE candidates (stage INTEGER NOT NULL, idx INTEGER NOT NULL,"
      " sequence INTEGER NOT NULL, code INTEGER NOT NULL, error TEXT NOT NULL,"
      " columns TEXT NOT NULL, violations TEXT NOT NULL, failed_points INTEGER NOT NULL,"
      " host_cpu_s REAL NOT NULL,"
      " PRIMARY KEY (stage, idx)) WITHOUT ROWID;"};
  return kind;
}

constexpr const char* kSelect =
    "SELECT stage, idx, sequence, code, error, columns, violations, failed_points, host_cpu_s "
    "FROM candidates ";

/// Numbers as a JSON list; shortest text that reads back to the same bits.
std::string numbers_text(const std::vector<double>& numbers) {
  return Json(numbers).dump();
}

std::vector<double> numbers_from(const std::string& text) {
  return Json::parse(text).get<std::vector<double>>();
}

Row read_row(const Statement& from) {
  Row row;
  row.stage = static_cast<int>(from.integer(0));
  row.index = from.integer(1);
  row.sequence = from.integer(2);
  row.code = static_cast<ExitCode>(from.integer(3));
  row.error = from.text(4);
  row.columns = numbers_from(from.text(5));
  row.violations = numbers_from(from.text(6));
  row.failed_points = from.integer(7);
  row.host_cpu_s = from.real(8);
  return row;
}

}  // namespace

bool Row::feasible() const {
  return ok() &&
         std::all_of(violations.begin(), violations.end(), [](double v) { return v == 0.0; });
}

class SweepTable::Impl {
 public:
  explicit Impl(const std::filesystem::path& file) : database(file, table_kind()) {}
  Database database;
  Statement put{database, "INSERT OR REPLACE INTO candidates VALUES (?,?,?,?,?,?,?,?,?)"};
  Statement find{database, std::string(kSelect) + "WHERE stage = ? AND idx = ?"};
};

SweepTable::SweepTable(const std::filesystem::path& folder)
    : impl_(std::make_unique<Impl>(file(folder))) {}
SweepTable::~SweepTable() = default;

std::filesystem::path SweepTable::file(const std::filesystem::path& folder) {
  return folder / "sweep.sqlite";
}

bool SweepTable::exists(const std::filesystem::path& folder) {
  return std::filesystem::exists(file(folder));
}

std::string SweepTable::fact(const std::string& name) {
  Statement query(impl_->database, "SELECT value FROM facts WHERE name = ?");
  query.bind(0, name);
  return query.step() ? query.text(0) : "";
}

void SweepTable::set_fact(const std::string& name, const std::string& value) {
  Statement insert(impl_->database, "INSERT OR REPLACE INTO facts VALUES (?, ?)");
  insert.bind(0, name).bind(1, value);
  insert.run();
}

void SweepTable::put(std::span<const Row> rows) {
  if (rows.empty()) return;
  impl_->database.transaction([&] {
    Statement& put = impl_->put;
    for (const Row& row : rows) {
      put.bind(0, std::int64_t{row.stage}).bind(1, row.index).bind(2, row.sequence);
      put.bind(3, static_cast<std::int64_t>(row.code)).bind(4, row.error);
      put.bind(5, numbers_text(row.columns)).bind(6, numbers_text(row.violations));
      put.bind(7, row.failed_points).bind(8, row.host_cpu_s);
      put.run();
    }
  });
}

std::optional<Row> SweepTable::find(int stage, std::int64_t index) {
  Statement& query = impl_->find;
  query.bind(0, std::int64_t{stage}).bind(1, index);
  std::optional<Row> row;
  if (query.step()) row = read_row(query);
  query.reset();
  return row;
}

std::vector<Row> SweepTable::rows() {
  Statement query(impl_->database, std::string(kSelect) + "ORDER BY stage, idx");
  std::vector<Row> out;
  while (query.step()) out.push_back(read_row(query));
  return out;
}

}  // namespace athena::explore
