#include "config/resolve.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "config/parse.h"

using namespace athena;
using namespace athena::config;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

/// A repository of its own for one test.
class Workspace {
 public:
  Workspace()
      : root_(fs::temp_directory_path() / ("athena_resolve_" + std::to_string(::getpid()))) {
    fs::create_directories(root_ / "configs" / "things");
    ::setenv("ATHENA_ROOT", root_.c_str(), 1);
  }
  ~Workspace() {
    ::unsetenv("ATHENA_ROOT");
    std::error_code code;
    fs::remove_all(root_, code);
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(root_ / "configs" / "things" / name) << text;
  }
  [[nodiscard]] fs::path path(const std::string& name) const {
    return root_ / "configs" / "things" / name;
  }

 private:
  fs::path root_;
};

std::string text_of(const Node& node, const std::string& key) {
  const Node* found = node.find(key);
  return found == nullptr ? "(absent)" : found->scalar;
}

}  // namespace

TEST_CASE("documents are found by name, path and alias") {
  const Workspace w;
  w.write("alpha.yaml", "name: alpha\naliases: [first, a1]\n");
  w.write("beta.yaml", "name: beta\n");
  CHECK(text_of(resolve("alpha", "things"), "name") == "alpha");
  CHECK(text_of(resolve("a1", "things"), "name") == "alpha");
  CHECK(text_of(resolve(w.path("beta.yaml").string(), "things"), "name") == "beta");
  CHECK(list_documents("things") == std::vector<std::string>{"alpha", "beta"});
  CHECK_THROWS_WITH(resolve("alpah", "things"), Contains("Did you mean 'alpha'?"));
  CHECK_THROWS_WITH(resolve("quite-different", "things"), Contains("There are: alpha, beta."));
  CHECK_THROWS_WITH(resolve("./no.yaml", "things"), Contains("there is no file './no.yaml'"));
}

TEST_CASE("base is merged below the document, key by key") {
  const Workspace w;
  w.write("low.yaml", "name: low\naliases: [l]\na: {x: 1, y: 2}\nlist: [1, 2, 3]\nonly: low\n");
  w.write("mid.yaml", "base: low\nname: mid\na: {y: 3}\n");
  w.write("top.yaml", "base: ./mid.yaml\nname: top\nlist: [9]\na: {z: 4}\n");
  const Node top = resolve("top", "things");
  CHECK(text_of(top, "name") == "top");
  CHECK(text_of(top, "base") == "(absent)");
  CHECK(text_of(top, "aliases") == "(absent)");
  CHECK(text_of(top, "only") == "low");
  CHECK(to_yaml(*top.find("a")) == "x: 1\ny: 3\nz: 4\n");
  CHECK(top.find("list")->list.size() == 1);
  CHECK_THAT(top.find("a")->find("y")->origin, Contains("mid.yaml:3"));
  CHECK_THAT(top.find("a")->find("x")->origin, Contains("low.yaml:3"));
}

TEST_CASE("merging is associative and has the empty document as neutral element") {
  const Node a = parse_text("{x: 1, g: {p: 1, q: 2}, l: [1]}", "a");
  const Node b = parse_text("{g: {q: 3, r: {s: 1}}, l: [2, 3]}", "b");
  const Node c = parse_text("{g: {r: {t: 2}}, x: 5, y: 6}", "c");
  CHECK(to_yaml(merge(merge(a, b), c)) == to_yaml(merge(a, merge(b, c))));
  CHECK(to_yaml(merge(a, map_node())) == to_yaml(a));
  CHECK(to_yaml(merge(map_node(), a)) == to_yaml(a));
}

TEST_CASE("base errors name the line of the base") {
  const Workspace w;
  w.write("one.yaml", "base: two\n");
  w.write("two.yaml", "base: one\n");
  w.write("lost.yaml", "\nbase: nowhere\n");
  w.write("odd.yaml", "base: [1]\n");
  for (int i = 0; i < 20; ++i)
    w.write("deep" + std::to_string(i) + ".yaml", "base: deep" + std::to_string(i + 1) + "\n");
  w.write("deep20.yaml", "a: 1\n");
  CHECK_THROWS_WITH(resolve("one", "things"),
                    Contains("two.yaml:1:7: base: 'one' leads back to itself"));
  CHECK_THROWS_WITH(resolve("lost", "things"),
                    Contains("lost.yaml:2:7: base: there is no document 'nowhere'"));
  CHECK_THROWS_WITH(resolve("odd", "things"), Contains("expected a name or a file, got a list"));
  CHECK_THROWS_WITH(resolve("deep0", "things"), Contains("more than 16 documents deep"));
}

TEST_CASE("a document that is no map is refused") {
  const Workspace w;
  w.write("list.yaml", "- 1\n");
  CHECK_THROWS_WITH(resolve("list", "things"), Contains("expected 'key: value' lines, got a list"));
}

TEST_CASE("an override with --set replaces values wherever they stand") {
  Node node = parse_text("{a: {b: 1}, list: [{x: 1}, {x: 2}]}", "x");
  apply_set(node, "a.b=1.8 TB/s");
  apply_set(node, "a.c=[1, 2]");
  apply_set(node, "list.1.x=7");
  apply_set(node, "list[0].x=5");
  apply_set(node, "new.deep.key=v=w");
  CHECK(node.find("a")->find("b")->scalar == "1.8 TB/s");
  CHECK(node.find("a")->find("b")->origin == "--set a.b=1.8 TB/s");
  CHECK(node.find("a")->find("c")->list.size() == 2);
  CHECK(node.find("list")->list[1].find("x")->scalar == "7");
  CHECK(node.find("list")->list[0].find("x")->scalar == "5");
  CHECK(node.find("new")->find("deep")->find("key")->scalar == "v=w");
}

TEST_CASE("an override with --set slips are refused") {
  Node node = parse_text("{a: {b: 1}, list: [1, 2]}", "x");
  CHECK_THROWS_WITH(apply_set(node, "a.b"), Contains("expected KEY=VALUE"));
  CHECK_THROWS_WITH(apply_set(node, "=3"), Contains("expected KEY=VALUE"));
  CHECK_THROWS_WITH(apply_set(node, "a..b=3"), Contains("empty part"));
  CHECK_THROWS_WITH(apply_set(node, "a.b.c=3"), Contains("'a.b' is a value"));
  CHECK_THROWS_WITH(apply_set(node, "list.2=3"),
                    Contains("'list' has 2 items; there is no index 2"));
  CHECK_THROWS_WITH(apply_set(node, "list.x=3"), Contains("expected an index, got 'x'"));
  CHECK_THROWS_WITH(apply_set(node, "a.b=[1"), Contains("--set a.b=[1"));
}
