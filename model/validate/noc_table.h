#pragma once
/// A table of comma-separated values with a head, read strictly: for the interconnect validators.
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace athena::validate {

/// One row: its line in the file and its cells by column name.
class TableRow {
 public:
  TableRow(std::string file, int line, std::map<std::string, std::string> cells)
      : file_(std::move(file)), line_(line), cells_(std::move(cells)) {}
  [[nodiscard]] int line() const { return line_; }
  [[nodiscard]] bool has(const std::string& column) const;
  /// The cell, "" when the column is absent or empty.
  [[nodiscard]] std::string text(const std::string& column) const;
  /// The cell as a number. Throws InputError with file and line when it is none.
  [[nodiscard]] double number(const std::string& column) const;
  [[nodiscard]] double number_or(const std::string& column, double otherwise) const;
  [[nodiscard]] int integer(const std::string& column) const;
  [[nodiscard]] std::optional<double> maybe(const std::string& column) const;

 private:
  std::string file_;
  int line_;
  std::map<std::string, std::string> cells_;
};

/// Reads the file. Throws InputError when it cannot be read, has no head, lacks one of `needed`
/// (with the nearest column that it has), or has a row with another number of cells than the head.
[[nodiscard]] std::vector<TableRow> read_table(const std::filesystem::path& file,
                                               const std::vector<std::string>& needed);

/// The head of the file. Throws InputError when it cannot be read.
[[nodiscard]] std::vector<std::string> table_columns(const std::filesystem::path& file);

}  // namespace athena::validate
