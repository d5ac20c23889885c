#pragma once
/// Text for a terminal.
#include <string>
#include <vector>

namespace athena::cli {

/// Thrown when the reader of standard output has gone; main ends quietly.
struct ClosedOutput {};

/// Columns that line up. The first row is the head; columns of numbers align right.
class Table {
 public:
  explicit Table(std::vector<std::string> head) : rows_{std::move(head)} {}
  Table& row(std::vector<std::string> cells) {
    rows_.push_back(std::move(cells));
    return *this;
  }
  [[nodiscard]] std::size_t size() const { return rows_.size() - 1; }
  /// Lines of text, each ended; `indent` blanks before each.
  [[nodiscard]] std::string text(std::size_t indent = 0) const;

 private:
  [[nodiscard]] bool is_numeric(std::size_t column) const;

  std::vector<std::vector<std::string>> rows_;
};

/// Characters that `text` takes on a terminal (UTF-8 continuation bytes take none).
[[nodiscard]] std::size_t display_width(const std::string& text);

}  // namespace athena::cli
