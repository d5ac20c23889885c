#include "config/parse.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <sstream>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace athena::config {
namespace {

/// {value:, source:} or {value:, assumed:} and nothing else.
bool is_annotated_value(const Node& node) {
  const Node* value = node.find("value");
  if (value == nullptr || value->is_map()) return false;
  bool noted = false;
  for (const Entry& entry : node.map) {
    const bool note = entry.key == "source" || entry.key == "assumed";
    if (entry.key != "value" && !(note && entry.value.is_scalar())) return false;
    noted = noted || note;
  }
  return noted;
}

Node without_annotation(Node node) {
  Node value = std::move(*node.find("value"));
  if (const Node* source = node.find("source")) value.source = source->scalar;
  if (const Node* assumed = node.find("assumed")) value.assumed = assumed->scalar;
  return value;
}

/// Builds the tree from yaml-cpp's events; a stack of open maps and lists.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::string name) : name_(std::move(name)) {}

  [[nodiscard]] Node take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse_anchor(mark); }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(make(Node::Kind::kNull, mark, "?", anchor));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node = make(Node::Kind::kScalar, mark, tag, anchor);
    node.scalar = value;
    add(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(make(Node::Kind::kList, mark, tag, anchor));
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(make(Node::Kind::kMap, mark, tag, anchor));
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Node node;
    bool key_pending = false;  ///< map: the next event is the value of map.back()
  };

  [[nodiscard]] Location place(const YAML::Mark& mark) const {
    return Location{name_, mark.line + 1, mark.column + 1};
  }

  [[noreturn]] void refuse_anchor(const YAML::Mark& mark) const {
    throw InputError(place(mark),
                     "anchors (&) and aliases (*) are not allowed; use 'base:' to inherit from "
                     "another file, or write the value twice.");
  }

  Node make(Node::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) const {
    if (anchor != YAML::NullAnchor) refuse_anchor(mark);
    if (!tag.empty() && tag != "?" && tag != "!")
      throw InputError(place(mark),
                       "tags such as '" + tag + "' are not allowed; write the plain value.");
    Node node;
    node.kind = kind;
    node.where = place(mark);
    node.origin = name_ + ":" + std::to_string(mark.line + 1);
    return node;
  }

  void open(Node node) {
    if (!stack_.empty() && stack_.back().node.is_map() && !stack_.back().key_pending)
      throw InputError(
          node.where,
          "expected a plain word as key, found a list or a map; is a bracket never closed?");
    stack_.push_back(Open{std::move(node)});
  }

  void close() {
    Node node = std::move(stack_.back().node);
    stack_.pop_back();
    if (node.is_map() && is_annotated_value(node)) node = without_annotation(std::move(node));
    add(std::move(node));
  }

  void add(Node node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& top = stack_.back();
    if (top.node.is_list()) {
      top.node.list.push_back(std::move(node));
    } else if (!top.key_pending) {
      add_key(top, node);
    } else {
      top.node.map.back().value = std::move(node);
      top.key_pending = false;
    }
  }

  static void add_key(Open& top, const Node& key) {
    if (!key.is_scalar())
      throw InputError(key.where, "a key must be a plain word, not " + describe(key) + ".");
    for (const Entry& present : top.node.map) {
      if (present.key == key.scalar)
        throw InputError(key.where, "the key '" + key.scalar + "' is given twice (first on line " +
                                        std::to_string(present.where.line) + ").");
    }
    top.node.map.push_back(Entry{key.scalar, Node{}, key.where});
    top.key_pending = true;
  }

  std::string name_;
  std::vector<Open> stack_;
  Node root_;
};

}  // namespace

Node parse_text(std::string_view text, const std::string& name) {
  std::istringstream in{std::string(text)};
  TreeBuilder builder(name);
  try {
    YAML::Parser parser(in);
    parser.HandleNextDocument(builder);
    Node node = builder.take();
    TreeBuilder rest(name);
    if (parser.HandleNextDocument(rest))
      throw InputError(Location{name},
                       "holds more than one YAML document; one file is one document.");
    return node;
  } catch (const YAML::Exception& error) {
    const Location where{name, error.mark.line + 1, error.mark.column + 1};
    throw InputError(where, "not valid YAML: " + error.msg + ".");
  }
}

Node parse_file(const std::filesystem::path& path) {
  // Sweeps read the same few documents thousands of times. Reading a file is cheap, parsing it is
  // not: the tree is kept for as long as the text stays the same.
  struct Known {
    std::string text;
    Node tree;
  };
  constexpr std::size_t kMostKnown = 256;
  thread_local std::unordered_map<std::string, Known> known;
  const std::string name = path.string();
  std::string text = read_file(path);
  if (const auto found = known.find(name); found != known.end() && found->second.text == text)
    return found->second.tree;
  Node tree = parse_text(text, name);
  if (known.size() >= kMostKnown) known.clear();
  known[name] = {std::move(text), tree};
  return tree;
}

}  // namespace athena::config
