// The rules of the house, checked on its sources. The order of rooms is CMake's ATHENA_ROOMS.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

const fs::path kRoot = ATHENA_SOURCE_DIR;
const std::set<std::string> kSystemCRooms{"sim",    "compute", "memory", "noc",
                                          "fabric", "power",   "chip",   "cosim"};

std::vector<std::string> rooms() {
  std::istringstream in(ATHENA_ROOMS);
  return {std::istream_iterator<std::string>(in), {}};
}

struct Source {
  std::string path;                   ///< from model/: "timing/systolic.h"
  std::string room;                   ///< "timing"
  std::string text;                   ///< as written
  std::string code;                   ///< without comments and string literals
  std::vector<std::string> includes;  ///< as written, with < or "
  [[nodiscard]] bool is_header() const { return path.ends_with(".h"); }
};

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}

/// Drops comments and the inside of literals; keeps the line structure.
std::string code_of(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, 2, "//") == 0) {
      i = std::min(text.find('\n', i), text.size());
      out += '\n';
    } else if (text.compare(i, 2, "/*") == 0) {
      i = std::min(text.find("*/", i), text.size()) + 1;
    } else if (text.compare(i, 3, "R\"(") == 0) {
      i = std::min(text.find(")\"", i), text.size()) + 1;
      out += "\"\"";
    } else if (text[i] == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\') ++i;
      }
      out += "\"\"";
    } else {
      out += text[i];
    }
  }
  return out;
}

std::vector<std::string> includes_of(const std::string& text) {
  static const std::regex kInclude(R"(^[ \t]*#[ \t]*include[ \t]*([<"][^>"]+))");
  std::vector<std::string> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_search(line, match, kInclude)) out.push_back(match[1]);
  }
  return out;
}

const std::vector<Source>& sources() {
  static const std::vector<Source> all = [] {
    std::vector<Source> out;
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / "model")) {
      const std::string extension = entry.path().extension().string();
      if (extension != ".h" && extension != ".cpp") continue;
      Source source;
      source.path = fs::relative(entry.path(), kRoot / "model").generic_string();
      source.room = source.path.substr(0, source.path.find('/'));
      source.text = content(entry.path());
      source.code = code_of(source.text);
      source.includes = includes_of(source.text);
      out.push_back(std::move(source));
    }
    return out;
  }();
  return all;
}

bool is_systemc(const std::string& include) {
  return include.starts_with("<systemc") || include.starts_with("<tlm") ||
         include.starts_with("<sysc/") || include.starts_with("\"systemc") ||
         include.starts_with("\"tlm");
}

/// A generated model ("Vrouter.h"), or the library behind it ("verilated.h").
bool is_verilated(const std::string& include, const char* name) {
  return std::regex_match(
      include, std::regex("[<\"]([a-z0-9_]+/)?" + std::string(name) + "[A-Za-z0-9_]*\\.h"));
}

/// Chains of quoted includes from `path` that end at SystemC; empty = none.
std::string way_to_systemc(const std::string& path, std::set<std::string>& seen) {
  static const std::map<std::string, const Source*> by_path = [] {
    std::map<std::string, const Source*> out;
    for (const Source& source : sources()) out[source.path] = &source;
    return out;
  }();
  const auto found = by_path.find(path);
  if (found == by_path.end() || !seen.insert(path).second) return "";
  for (const std::string& include : found->second->includes) {
    if (is_systemc(include)) return path + " -> " + include.substr(1);
    if (include[0] != '"') continue;
    const std::string below = way_to_systemc(include.substr(1), seen);
    if (!below.empty()) return path + " -> " + below;
  }
  return "";
}

}  // namespace

TEST_CASE("every folder of model is a room of the list") {
  const std::vector<std::string> list = rooms();
  REQUIRE(list.size() > 20);
  for (const auto& entry : fs::directory_iterator(kRoot / "model")) {
    if (!entry.is_directory()) continue;
    CAPTURE(entry.path());
    CHECK(std::count(list.begin(), list.end(), entry.path().filename().string()) == 1);
  }
}

TEST_CASE("a room uses only rooms before it") {
  const std::vector<std::string> list = rooms();
  const auto rank = [&](const std::string& room) {
    return std::find(list.begin(), list.end(), room) - list.begin();
  };
  REQUIRE(sources().size() > 50);
  for (const Source& source : sources()) {
    for (const std::string& include : source.includes) {
      if (include[0] != '"') continue;
      const std::string room = include.substr(1, include.find('/') - 1);
      if (std::find(list.begin(), list.end(), room) == list.end()) continue;
      CAPTURE(source.path, include);
      CHECK(rank(room) <= rank(source.room));
    }
  }
}

TEST_CASE("SystemC is seen only by the machine's rooms and main") {
  for (const Source& source : sources()) {
    if (kSystemCRooms.count(source.room) > 0 || source.path == "cli/main.cpp") continue;
    std::set<std::string> seen;
    CHECK(way_to_systemc(source.path, seen) == "");
  }
}

TEST_CASE("only sim starts the kernel") {
  static const std::regex kStart(R"(\bsc_start\s*\()");
  for (const Source& source : sources()) {
    if (source.room == "sim") continue;
    CAPTURE(source.path);
    CHECK_FALSE(std::regex_search(source.code, kStart));
  }
}

TEST_CASE("yaml-cpp is seen only by sources of config, Verilated models only by sources of cosim") {
  for (const Source& source : sources()) {
    for (const std::string& include : source.includes) {
      CAPTURE(source.path, include);
      if (include.starts_with("<yaml-cpp")) CHECK((source.room == "config" && !source.is_header()));
      if (is_verilated(include, "V")) CHECK((source.room == "cosim" && !source.is_header()));
      if (is_verilated(include, "verilated")) CHECK(source.room == "cosim");
    }
  }
}

TEST_CASE("nobody below the command line prints") {
  static const std::regex kPrints(
      R"(\bstd::(cout|cerr|clog)\b|\b(std::)?(printf|puts|putchar|fprintf|fputs)\s*\(|\bfmt::print\s*\()");
  for (const Source& source : sources()) {
    if (source.room == "cli") continue;
    std::smatch match;
    CAPTURE(source.path);
    const bool prints = std::regex_search(source.code, match, kPrints);
    CAPTURE(match.str());
    CHECK_FALSE(prints);
  }
}

TEST_CASE("no product's name is known to the model") {
  static const std::regex kProduct(
      R"([^a-z](a100|h100|h200|v100|mi[0-9]{3}|maia|tpu|trainium|gaudi)[^a-z])", std::regex::icase);
  static const std::regex kLiteral("\"([^\"\\\\\\n]|\\\\.)*\"");
  for (const Source& source : sources()) {
    if (source.room == "cli") continue;                    // help texts show examples
    if (source.path.starts_with("cost/claims")) continue;  // published claims name products
    std::istringstream lines(source.text);
    for (std::string line; std::getline(lines, line);) {
      if (line.find("//") != std::string::npos) line.resize(line.find("//"));
      for (std::sregex_iterator it(line.begin(), line.end(), kLiteral), end; it != end; ++it) {
        const std::string literal = it->str();
        CAPTURE(source.path, literal);
        CHECK_FALSE(std::regex_search(literal, kProduct));
      }
    }
  }
}

TEST_CASE("the top level is the fixed set") {
  const std::set<std::string> allowed{
      "CMakeLists.txt", "CMakePresets.json", "README.md", "LICENSE", "model", "rtl",
      "configs",        "workloads",         "tests",     "scripts"};
  const std::set<std::string> ignored{"build", "out", "node_modules"};  // as .gitignore says
  for (const auto& entry : fs::directory_iterator(kRoot)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".") || ignored.count(name) > 0) continue;
    CAPTURE(name);
    CHECK(allowed.count(name) == 1);
  }
  for (const std::string& name : allowed) {
    CAPTURE(name);
    CHECK(fs::exists(kRoot / name));
  }
}

TEST_CASE("nothing is left unfinished") {
  // Put together from halves, so that this file does not find itself.
  const std::string words = std::string("TO") + "DO|FIX" + "ME|XX" + "X\\b|not impl" +
                            "emented|place" + "holder|for n" + "ow\\b|work in prog" + "ress";
  const std::regex unfinished("\\b(" + words + ")");
  for (const char* folder : {"model", "rtl", "configs", "workloads", "tests", "scripts"}) {
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      static const std::set<std::string> kTexts{".h",   ".cpp",   ".sv", ".yaml", ".md",
                                                ".txt", ".cmake", ".py", ".sh",   ""};
      if (!entry.is_regular_file() || kTexts.count(entry.path().extension().string()) == 0)
        continue;
      if (entry.path().string().find("node_modules") != std::string::npos) continue;
      const std::string text = content(entry.path());
      std::smatch match;
      const bool found = std::regex_search(text, match, unfinished);
      CAPTURE(entry.path(), match.str());
      CHECK_FALSE(found);
    }
  }
}

TEST_CASE("headers have a guard and never open a namespace for others") {
  for (const Source& source : sources()) {
    if (!source.is_header()) continue;
    CAPTURE(source.path);
    CHECK(source.text.find("#pragma once") != std::string::npos);
    CHECK(source.code.find("using namespace") == std::string::npos);
  }
}

TEST_CASE("memory is owned by types, not by hand") {
  static const std::regex kRaw(R"((=|\(|return)\s*new\s+[A-Za-z_:<]+|\bdelete\s+[A-Za-z_\[])");
  for (const Source& source : sources()) {
    if (source.path == "memory/payload.h")
      continue;  // TLM-2.0 extensions clone themselves with new
    std::smatch match;
    const bool raw = std::regex_search(source.code, match, kRaw);
    CAPTURE(source.path, match.str());
    CHECK_FALSE(raw);
  }
}
