#include <fmt/format.h>

#include <charconv>
#include <map>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "program/text.h"

namespace athena::program {
namespace {

const std::map<std::string, Var>& vars() {
  static const std::map<std::string, Var> table{
      {"c0", Var::kCoord0},  {"c1", Var::kCoord1},  {"c2", Var::kCoord2}, {"c3", Var::kCoord3},
      {"p0", Var::kParam0},  {"p1", Var::kParam1},  {"p2", Var::kParam2}, {"p3", Var::kParam3},
      {"p4", Var::kParam4},  {"p5", Var::kParam5},  {"l0", Var::kLoop0},  {"l1", Var::kLoop1},
      {"x0", Var::kLaunch0}, {"x1", Var::kLaunch1}, {"r", Var::kRepeat},  {"1", Var::kOne}};
  return table;
}

const std::map<std::string, Opcode>& opcodes() {
  static const std::map<std::string, Opcode> table{{"load", Opcode::kLoad},
                                                   {"store", Opcode::kStore},
                                                   {"matmul", Opcode::kMatmul},
                                                   {"vector", Opcode::kVector},
                                                   {"wait", Opcode::kWait},
                                                   {"set", Opcode::kSet},
                                                   {"waitkernel", Opcode::kWaitKernel},
                                                   {"advance", Opcode::kAdvance},
                                                   {"loop", Opcode::kLoop},
                                                   {"end", Opcode::kEnd}};
  return table;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  int depth = 0;
  for (const char c : text) {
    if (c == '(') ++depth;
    if (c == ')') --depth;
    if (c == separator && depth == 0)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

/// One line: a word, then key=value pairs; values may be quoted.
class Line {
 public:
  Line(std::string_view text, Location where) : where_(std::move(where)) {
    std::size_t at = 0;
    const auto word = [&] {
      while (at < text.size() && text[at] == ' ') ++at;
      std::string result;
      bool in_quotes = false;
      for (; at < text.size() && (in_quotes || text[at] != ' '); ++at) {
        if (text[at] == '"')
          in_quotes = !in_quotes;
        else
          result += text[at];
      }
      return result;
    };
    kind_ = word();
    for (std::string field = word(); !field.empty(); field = word()) {
      const std::size_t equal = field.find('=');
      if (equal == std::string::npos) fail("expected key=value, found '" + field + "'.");
      fields_[field.substr(0, equal)] = field.substr(equal + 1);
    }
  }
  [[nodiscard]] const std::string& kind() const { return kind_; }
  [[nodiscard]] bool has(const std::string& key) const { return fields_.count(key) > 0; }
  [[nodiscard]] const std::string& text(const std::string& key) const {
    const auto found = fields_.find(key);
    if (found == fields_.end()) fail("'" + kind_ + "' needs '" + key + "='.");
    return found->second;
  }
  [[nodiscard]] std::int64_t integer(const std::string& key) const { return integer_of(text(key)); }
  [[nodiscard]] double real(const std::string& key) const {
    try {
      return std::stod(text(key));
    } catch (const std::exception&) {
      fail("'" + text(key) + "' is not a number.");
    }
  }
  [[nodiscard]] std::int64_t integer_of(const std::string& text) const {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
      fail("'" + text + "' is not an integer.");
    return value;
  }
  [[nodiscard]] Affine affine_of(const std::string& text) const {
    const std::vector<std::string> parts = split(text, '+');
    Affine result(integer_of(parts[0]));
    for (std::size_t i = 1; i < parts.size(); ++i) {
      const std::vector<std::string> factors = split(parts[i], '*');
      if (factors.size() < 2 || factors.size() > 3)
        fail("'" + parts[i] + "' is not scale*variable.");
      Affine::Term term{var_of(factors[1]), integer_of(factors[0]), Var::kOne};
      if (factors.size() == 3) term.times = var_of(factors[2]);
      result.terms.push_back(term);
    }
    return result;
  }
  [[nodiscard]] Affine affine(const std::string& key) const { return affine_of(text(key)); }
  [[nodiscard]] Count count(const std::string& key) const {
    const std::string& value = text(key);
    Count result;
    if (value.rfind("clamp(", 0) != 0 || value.back() != ')') {
      result.value = affine_of(value);
      return result;
    }
    const std::vector<std::string> parts = split(value.substr(6, value.size() - 7), ',');
    if (parts.size() != 5) fail("clamp takes five arguments.");
    result = Count(affine_of(parts[0]), integer_of(parts[1]), integer_of(parts[2]),
                   integer_of(parts[3]));
    result.cap = affine_of(parts[4]);
    return result;
  }
  [[nodiscard]] Operand operand(const std::string& key) const {
    Operand result;
    if (!has(key)) return result;
    std::string value = text(key);
    if (value.empty() || value[0] != 'b') fail("'" + value + "' is not a buffer.");
    value.erase(0, 1);
    if (!value.empty() && value.back() == '!') {
      result.release = true;
      value.pop_back();
    }
    const std::vector<std::string> parts = split(value, '@');
    result.buffer = static_cast<int>(integer_of(parts[0]));
    if (parts.size() > 1) result.column = integer_of(parts[1]);
    return result;
  }
  [[nodiscard]] Dtype dtype(const std::string& key) const {
    const auto type = dtype_from_name(text(key));
    if (!type) fail("'" + text(key) + "' is not a number format.");
    return *type;
  }
  [[nodiscard]] Var var_of(const std::string& text) const {
    const auto found = vars().find(text);
    if (found == vars().end()) fail("'" + text + "' is not a variable.");
    return found->second;
  }
  [[noreturn]] void fail(const std::string& sentence) const { throw InputError(where_, sentence); }

 private:
  Location where_;
  std::string kind_;
  std::map<std::string, std::string> fields_;
};

Instruction instruction_of(const Line& line) {
  Instruction i;
  const auto op = opcodes().find(line.kind());
  if (op == opcodes().end()) {
    std::vector<std::string> names;
    for (const auto& [name, value] : opcodes()) names.push_back(name);
    line.fail("'" + line.kind() + "' is not an instruction." + did_you_mean(line.kind(), names));
  }
  i.op = op->second;
  i.a = line.operand("a");
  i.b = line.operand("b");
  i.c = line.operand("c");
  i.d = line.operand("d");
  if (line.has("sem")) i.semaphore = static_cast<int>(line.integer("sem"));
  if (line.has("count")) i.count = line.integer("count");
  if (line.has("row_factor")) i.row_factor = line.integer("row_factor");
  if (line.has("region")) {
    i.window.region = static_cast<int>(line.integer("region"));
    i.window.row = line.affine("row");
    i.window.col = line.affine("col");
    i.window.rows = line.count("rows");
    i.window.bytes = line.count("bytes");
    if (line.has("gather")) i.window.gather = static_cast<int>(line.integer("gather"));
  }
  if (line.has("multicast"))
    i.multicast = line.text("multicast") == "row" ? Multicast::kRow : Multicast::kColumn;
  if (line.has("m")) i.m = line.count("m");
  if (line.has("n")) i.n = line.count("n");
  if (line.has("k")) i.k = line.count("k");
  if (line.has("fresh")) i.fresh = line.affine("fresh");
  if (line.has("fn")) {
    const auto fn = timing::vector_fn_from_name(line.text("fn"));
    if (!fn) line.fail("'" + line.text("fn") + "' is not a vector function.");
    i.fn = *fn;
  }
  if (line.has("scalar")) i.scalar = line.real("scalar");
  if (line.has("position")) i.position = line.affine("position");
  if (line.has("limit")) i.limit = line.affine("limit");
  i.causal = line.has("causal");
  i.transpose_a = line.has("transpose_a");
  i.transpose_b = line.has("transpose_b");
  if (line.has("dtype")) i.dtype = line.dtype("dtype");
  if (line.has("var")) i.loop = line.var_of(line.text("var"));
  if (line.has("fuse")) i.fuse = line.integer("fuse");
  return i;
}

class Assembler {
 public:
  explicit Assembler(std::string file) : file_(std::move(file)) {}

  Program run(std::string_view text) {
    int number = 0;
    while (!text.empty()) {
      const std::size_t end = text.find('\n');
      const std::string_view content = text.substr(0, end);
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
      ++number;
      if (content.find_first_not_of(' ') == std::string_view::npos) continue;
      take(Line(content, Location{file_, number, 1}));
    }
    return std::move(program_);
  }

 private:
  void take(const Line& line) {
    const std::string& kind = line.kind();
    if (kind == "program")
      header(line);
    else if (kind == "launch")
      launch(line);
    else if (kind == "region")
      region(line);
    else if (kind == "block")
      program_.blocks.push_back({line.text("name"), line.integer("repeat"), {}});
    else if (kind == "kernel")
      kernel(line);
    else
      in_kernel(line);
  }
  void header(const Line& line) {
    program_.chip = line.text("chip");
    program_.chip_hash = line.text("chip_hash");
    program_.workload = line.text("workload");
    program_.memory_bytes = line.integer("memory");
    program_.shared_bytes = line.integer("shared");
  }
  void launch(const Line& line) {
    program_.launch.push_back(line.text("name"));
    program_.launch_value.push_back(line.integer("value"));
  }
  void region(const Line& line) {
    Region r;
    r.name = line.text("name");
    r.space = line.text("space") == "shared" ? Space::kShared : Space::kMemory;
    r.role = static_cast<Role>(line.integer("role"));
    r.dtype = line.dtype("dtype");
    r.address = line.integer("address");
    r.rows = line.integer("rows");
    r.row_bytes = line.integer("row_bytes");
    r.pitch = line.integer("pitch");
    r.repeat_stride = line.integer("repeat_stride");
    r.repeats = line.integer("repeats");
    r.tiled = line.integer("tiled") != 0;
    program_.regions.push_back(r);
  }
  void kernel(const Line& line) {
    if (program_.blocks.empty()) line.fail("a kernel stands before any block.");
    Kernel k;
    k.name = line.text("name");
    k.mapping = line.text("mapping");
    k.order.group = line.integer("order");
    k.core_rows = line.integer("core_rows");
    k.core_cols = line.integer("core_cols");
    k.flat = line.integer("flat") != 0;
    k.scratch_bytes = line.integer("scratch");
    k.register_bytes = line.integer("registers");
    k.resident = line.integer("resident");
    k.depends = line.integer("depends");
    k.flops = line.real("flops");
    k.host_seconds = line.real("host_seconds");
    program_.blocks.back().kernels.push_back(std::move(k));
  }
  void in_kernel(const Line& line) {
    if (program_.blocks.empty() || program_.blocks.back().kernels.empty())
      line.fail("'" + line.kind() + "' stands outside a kernel.");
    Kernel& k = program_.blocks.back().kernels.back();
    const std::string& kind = line.kind();
    if (kind == "operator")
      k.operators.push_back(line.text("name"));
    else if (kind == "part")
      k.parts.push_back(part(line));
    else if (kind == "buffer")
      k.buffers.push_back(buffer(line));
    else if (kind == "semaphore")
      k.semaphores.push_back({line.text("name"), line.integer("initial")});
    else if (kind == "transfer")
      k.transfer = {
          line.text("kind"), line.integer("bytes"), static_cast<int>(line.integer("ranks")),
          static_cast<int>(line.integer("stride")), static_cast<int>(line.integer("region"))};
    else if (kind == "stream")
      engine_ = engine(line);
    else
      k.streams[engine_].push_back(instruction_of(line));
  }
  static Part part(const Line& line) {
    Part p;
    const std::vector<std::string> dims = split(line.text("dims"), ',');
    const std::vector<std::string> params = split(line.text("params"), ',');
    if (dims.size() != p.dims.size() || params.size() != p.params.size())
      line.fail("a part has 4 dims and 6 params.");
    for (std::size_t i = 0; i < dims.size(); ++i) p.dims[i] = line.integer_of(dims[i]);
    for (std::size_t i = 0; i < params.size(); ++i) p.params[i] = line.integer_of(params[i]);
    return p;
  }
  static Buffer buffer(const Line& line) {
    return {line.text("name"),
            line.integer("offset"),
            line.integer("stage_bytes"),
            line.integer("stages"),
            line.integer("pitch"),
            line.dtype("dtype"),
            line.integer("registers") != 0};
  }
  static std::size_t engine(const Line& line) {
    for (std::size_t e = 0; e < kEngines; ++e) {
      if (name(static_cast<Engine>(e)) == line.text("engine")) return e;
    }
    line.fail("'" + line.text("engine") + "' is not an engine.");
  }

  std::string file_;
  Program program_;
  std::size_t engine_ = 0;
};

}  // namespace

Program assemble(std::string_view text, const std::string& file) {
  return Assembler(file).run(text);
}

}  // namespace athena::program
