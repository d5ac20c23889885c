#pragma once
/// The tree that a strict YAML (or JSON) document becomes. Every node remembers where it was
/// written, so that every later error can say file, line and column.
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace athena::config {

struct Entry;

/// One value of a document. Scalars keep the text as written; types and units are read by a schema.
struct Node {
  enum class Kind { kNull, kScalar, kMap, kList };

  Kind kind = Kind::kNull;
  std::string scalar;      ///< kScalar: text without quotes
  std::vector<Entry> map;  ///< kMap: in the order of the file, keys unique
  std::vector<Node> list;  ///< kList
  Location where;          ///< start of the value; line 0 for nodes that no file contains
  std::string origin;      ///< who set it: "file.yaml:12", "--set hbm.stacks=6", "" = default
  std::string source;      ///< `source:` note: where the figure was published
  std::string assumed;     ///< `assumed:` note: reasoning behind an unpublished figure

  [[nodiscard]] bool is_null() const { return kind == Kind::kNull; }
  [[nodiscard]] bool is_scalar() const { return kind == Kind::kScalar; }
  [[nodiscard]] bool is_map() const { return kind == Kind::kMap; }
  [[nodiscard]] bool is_list() const { return kind == Kind::kList; }

  /// The value under `key` of a map; nullptr when this is no map or has no such key.
  [[nodiscard]] const Node* find(std::string_view key) const;
  [[nodiscard]] Node* find(std::string_view key);
  /// Adds or replaces `key` of a map (a null node becomes a map).
  Node& set(std::string_view key, Node value);
  /// Removes `key` of a map; true if it was there.
  bool erase(std::string_view key);
  /// Keys of a map, in order.
  [[nodiscard]] std::vector<std::string> keys() const;
};

/// A key of a map with its value; `where` is the place of the key.
struct Entry {
  std::string key;
  Node value;
  Location where;
};

[[nodiscard]] Node scalar_node(std::string text);
[[nodiscard]] Node list_node(std::vector<Node> items);
[[nodiscard]] Node map_node();

/// Canonical YAML text: the same tree gives the same bytes, and parsing it gives the same tree.
/// Notes (source, assumed) are left out: they do not change what a document means.
[[nodiscard]] std::string to_yaml(const Node& node);

/// "a map", "a list", "'16 GiB'": for error sentences.
[[nodiscard]] std::string describe(const Node& node);

}  // namespace athena::config
