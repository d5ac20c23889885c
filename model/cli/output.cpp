#include "cli/output.h"

#include <algorithm>
#include <cctype>

namespace athena::cli {
namespace {

bool starts_like_number(const std::string& cell) {
  const std::size_t first = cell.find_first_not_of("+-~<>= ");
  return first != std::string::npos && std::isdigit(static_cast<unsigned char>(cell[first])) != 0;
}

std::string padded(const std::string& cell, std::size_t width, bool right) {
  const std::size_t used = display_width(cell);
  const std::string blanks(width > used ? width - used : 0, ' ');
  return right ? blanks + cell : cell + blanks;
}

}  // namespace

std::size_t display_width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

bool Table::is_numeric(std::size_t column) const {
  bool any = false;
  for (std::size_t r = 1; r < rows_.size(); ++r) {
    if (column >= rows_[r].size() || rows_[r][column].empty()) continue;
    if (!starts_like_number(rows_[r][column])) return false;
    any = true;
  }
  return any;
}

std::string Table::text(std::size_t indent) const {
  std::vector<std::size_t> widths;
  std::vector<bool> right;
  for (const auto& cells : rows_) {
    widths.resize(std::max(widths.size(), cells.size()), 0);
    for (std::size_t i = 0; i < cells.size(); ++i)
      widths[i] = std::max(widths[i], display_width(cells[i]));
  }
  for (std::size_t i = 0; i < widths.size(); ++i) right.push_back(is_numeric(i));
  std::string out;
  for (const auto& cells : rows_) {
    std::string line(indent, ' ');
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) line += "  ";
      line += padded(cells[i], widths[i], right[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace athena::cli
