#include "config/node.h"

#include <algorithm>
#include <utility>

namespace athena::config {

const Node* Node::find(std::string_view key) const {
  for (const Entry& entry : map) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

Node* Node::find(std::string_view key) {
  return const_cast<Node*>(std::as_const(*this).find(key));
}

Node& Node::set(std::string_view key, Node value) {
  kind = Kind::kMap;
  if (Node* present = find(key)) {
    *present = std::move(value);
    return *present;
  }
  Location place = value.where;
  map.push_back(Entry{std::string(key), std::move(value), std::move(place)});
  return map.back().value;
}

bool Node::erase(std::string_view key) {
  const auto found =
      std::find_if(map.begin(), map.end(), [&](const Entry& e) { return e.key == key; });
  if (found == map.end()) return false;
  map.erase(found);
  return true;
}

std::vector<std::string> Node::keys() const {
  std::vector<std::string> out;
  out.reserve(map.size());
  for (const Entry& entry : map) out.push_back(entry.key);
  return out;
}

Node scalar_node(std::string text) {
  Node node;
  node.kind = Node::Kind::kScalar;
  node.scalar = std::move(text);
  return node;
}

Node list_node(std::vector<Node> items) {
  Node node;
  node.kind = Node::Kind::kList;
  node.list = std::move(items);
  return node;
}

Node map_node() {
  Node node;
  node.kind = Node::Kind::kMap;
  return node;
}

std::string describe(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return "nothing";
    case Node::Kind::kMap:
      return "a group of keys";
    case Node::Kind::kList:
      return "a list";
    case Node::Kind::kScalar:
      break;
  }
  constexpr std::size_t kLongest = 60;
  if (node.scalar.size() <= kLongest) return "'" + node.scalar + "'";
  return "'" + node.scalar.substr(0, kLongest) + "...'";
}

}  // namespace athena::config
