#include "workload/import/gemm_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace athena::workload {

namespace {

const std::vector<std::string> kColumns = {"name", "m", "n", "k", "count", "precision"};

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::vector<std::string_view> cells(std::string_view line) {
  std::vector<std::string_view> out;
  while (true) {
    const auto comma = line.find(',');
    out.push_back(trim(line.substr(0, comma)));
    if (comma == std::string_view::npos) return out;
    line.remove_prefix(comma + 1);
  }
}

/// One row with its header, for errors that name file, line and column.
class Row {
 public:
  Row(const std::vector<std::string>& header, std::vector<std::string_view> values, Location where)
      : header_(header), values_(std::move(values)), where_(std::move(where)) {
    if (values_.size() == header_.size()) return;
    throw InputError(where_, fmt::format("the row has {} cells, expected {} ({})", values_.size(),
                                         header_.size(), join(header_, ",")));
  }

  [[nodiscard]] std::string_view text(std::string_view column) const {
    const auto it = std::find(header_.begin(), header_.end(), column);
    if (it == header_.end()) return {};
    return values_[static_cast<std::size_t>(it - header_.begin())];
  }

  [[nodiscard]] std::int64_t number(std::string_view column, std::int64_t fallback) const {
    const std::string_view cell = text(column);
    if (cell.empty() && fallback > 0) return fallback;
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (error != std::errc() || end != cell.data() + cell.size() || value < 1) {
      throw InputError(where_,
                       fmt::format("{} is '{}', expected a whole number above 0", column, cell));
    }
    return value;
  }

 private:
  const std::vector<std::string>& header_;
  std::vector<std::string_view> values_;
  Location where_;
};

std::vector<std::string> read_header(std::string_view line, const Location& where) {
  std::vector<std::string> header;
  for (const std::string_view cell : cells(line)) {
    const std::string column(cell);
    if (std::find(kColumns.begin(), kColumns.end(), column) == kColumns.end()) {
      throw InputError(where, fmt::format("unknown column '{}', expected {}.{}", column,
                                          join(kColumns, ","), did_you_mean(column, kColumns)));
    }
    header.push_back(column);
  }
  for (const char* needed : {"m", "n", "k"}) {
    if (std::find(header.begin(), header.end(), needed) == header.end()) {
      throw InputError(where,
                       fmt::format("column '{}' is missing; a GEMM list needs m,n,k", needed));
    }
  }
  return header;
}

void append(Graph& graph, Graph one, const std::string& name, int count) {
  const auto base = static_cast<TensorId>(graph.tensors.size());
  for (Tensor& t : one.tensors) {
    t.name = name + "." + t.name;
    if (t.role == Role::kWeight) t.copies = count;
    graph.tensors.push_back(std::move(t));
  }
  Block block = std::move(one.blocks.front());
  block.name = name;
  block.repeat = count;
  for (Op& op : block.ops) {
    op.name = name;
    for (TensorId& id : op.inputs) id += base;
    for (TensorId& id : op.outputs) id += base;
  }
  graph.blocks.push_back(std::move(block));
}

}  // namespace

Graph import_gemm_list_text(std::string_view text, const std::string& file,
                            const Precision& precision) {
  Graph graph;
  graph.name = std::filesystem::path(file).stem().string();
  std::vector<std::string> header;
  int line_number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++line_number;
    if (line.empty() || line.front() == '#') continue;
    const Location where{file, line_number, 0};
    if (header.empty()) {
      header = read_header(line, where);
      continue;
    }
    const Row row(header, cells(line), where);
    const std::string_view own = row.text("precision");
    const Precision p = own.empty() ? precision : precision_from_name(own);
    const std::int64_t m = row.number("m", 0);
    const std::int64_t n = row.number("n", 0);
    const std::int64_t k = row.number("k", 0);
    const std::int64_t count = row.number("count", 1);
    std::string name(row.text("name"));
    if (name.empty()) name = fmt::format("gemm_{}x{}x{}", m, n, k);
    append(graph, gemm_graph(m, n, k, p), name, static_cast<int>(count));
  }
  if (graph.blocks.empty()) throw InputError(file + ": the list holds no GEMM");
  return graph;
}

Graph import_gemm_list(const std::filesystem::path& path, const Precision& precision) {
  return import_gemm_list_text(read_file(path), path.string(), precision);
}

}  // namespace athena::workload
