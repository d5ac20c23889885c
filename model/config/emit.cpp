#include <algorithm>
#include <array>
#include <cctype>

#include "config/node.h"

namespace athena::config {
namespace {

bool is_null_word(const std::string& text) {
  static constexpr std::array<std::string_view, 5> kWords{"", "~", "null", "Null", "NULL"};
  return std::find(kWords.begin(), kWords.end(), text) != kWords.end();
}

/// Conservative: quotes more than YAML asks for, never less.
bool is_plain(const std::string& text) {
  if (is_null_word(text) || text.front() == ' ' || text.back() == ' ') return false;
  static constexpr std::string_view kSafePunctuation = " ._-+/$^%()";
  const auto safe = [](unsigned char c) {
    return std::isalnum(c) != 0 || kSafePunctuation.find(static_cast<char>(c)) != std::string::npos;
  };
  if (!std::all_of(text.begin(), text.end(), safe)) return false;
  static constexpr std::string_view kRiskyStart = "-%";
  const bool negative_number =
      text.size() > 1 && text[0] == '-' && std::isdigit(static_cast<unsigned char>(text[1])) != 0;
  if (text.starts_with("---") || text.starts_with("...")) return false;
  return negative_number || kRiskyStart.find(text.front()) == std::string_view::npos;
}

std::string quoted(const std::string& text) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string scalar_text(const std::string& text) {
  return is_plain(text) ? text : quoted(text);
}

bool is_leaf(const Node& node) {
  return node.is_scalar() || node.is_null() || (node.is_list() && node.list.empty()) ||
         (node.is_map() && node.map.empty());
}

std::string leaf_text(const Node& node) {
  if (node.is_null()) return "~";
  if (node.is_list()) return "[]";
  if (node.is_map()) return "{}";
  return scalar_text(node.scalar);
}

bool fits_one_line(const Node& node) {
  return node.is_list() && std::all_of(node.list.begin(), node.list.end(), is_leaf);
}

std::string flow_list(const Node& node) {
  std::string out = "[";
  for (std::size_t i = 0; i < node.list.size(); ++i) {
    if (i > 0) out += ", ";
    out += leaf_text(node.list[i]);
  }
  return out + "]";
}

void emit(const Node& node, std::size_t indent, std::string& out);

/// Writes what follows "key:" or "-".
void emit_value(const Node& node, std::size_t indent, std::string& out) {
  if (is_leaf(node)) {
    out += " " + leaf_text(node) + "\n";
  } else if (fits_one_line(node)) {
    out += " " + flow_list(node) + "\n";
  } else {
    out += "\n";
    emit(node, indent, out);
  }
}

void emit(const Node& node, std::size_t indent, std::string& out) {
  const std::string margin(indent, ' ');
  for (const Entry& entry : node.map) {
    out += margin + scalar_text(entry.key) + ":";
    emit_value(entry.value, indent + 2, out);
  }
  for (const Node& item : node.list) {
    out += margin + "-";
    emit_value(item, indent + 2, out);
  }
}

}  // namespace

std::string to_yaml(const Node& node) {
  if (is_leaf(node)) return leaf_text(node) + "\n";
  if (fits_one_line(node)) return flow_list(node) + "\n";
  std::string out;
  emit(node, 0, out);
  return out;
}

}  // namespace athena::config
