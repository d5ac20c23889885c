#include "workload/import/chakra_cost.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

namespace athena::workload {

namespace {

using nlohmann::json;

bool mentions(const std::string& name, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](const char* word) { return name.find(word) != std::string::npos; });
}

/// m, n, k of a symbolic matrix product from its multiply-adds m n k, |B| = k n and |C| = m n. (|A|
/// is not used: with sequence parallelism the trace lists it before its gather.)
std::optional<GemmShape> symbolic_gemm(const WireNode& node) {
  if (text_of(node, "op_type") != "M") return std::nullopt;
  const double operations = number_of(node, "num_ops").value_or(0);
  const std::vector<double> in = listed_sizes(node, "inputs");
  const std::vector<double> out = listed_sizes(node, "outputs");
  if (in.size() != 2 || out.size() != 1 || out[0] <= 0 || operations <= 0) return std::nullopt;
  const double k = operations / out[0];
  const double n = in[1] / k;
  const double m = out[0] / n;
  for (const double x : {m, n, k}) {
    if (x < 1 || x != std::floor(x)) return std::nullopt;
  }
  GemmShape g;
  g.m = static_cast<std::int64_t>(m);
  g.n = static_cast<std::int64_t>(n);
  g.k = static_cast<std::int64_t>(k);
  return g;
}

/// m, n, k of a kernel of a matrix-product library from the shapes of its operator: the last two
/// matrices [m, k] and [k, n] of mm and addmm.
std::optional<GemmShape> kernel_gemm(const WireNode& node) {
  if (!mentions(node.name, {"gemm"})) return std::nullopt;
  const json shapes = json::parse(node.input_shapes, nullptr, false);
  if (!shapes.is_array()) return std::nullopt;
  std::vector<std::array<std::int64_t, 2>> matrices;
  for (const json& shape : shapes) {
    if (!shape.is_array() || shape.empty()) continue;
    if (!std::all_of(shape.begin(), shape.end(), [](const json& d) { return d.is_number(); })) {
      return std::nullopt;
    }
    if (shape.size() == 2)
      matrices.push_back({shape[0].get<std::int64_t>(), shape[1].get<std::int64_t>()});
    if (shape.size() > 2) return std::nullopt;  // a convolution by way of matrix products
  }
  if (matrices.size() != 2 || matrices[0][1] != matrices[1][0]) return std::nullopt;
  GemmShape g;
  g.m = matrices[0][0];
  g.k = matrices[0][1];
  g.n = matrices[1][1];
  g.a = g.b = g.c = Dtype::kFp32;
  return g.m > 0 && g.k > 0 && g.n > 0 ? std::optional(g) : std::nullopt;
}

}  // namespace

std::optional<double> number_of(const WireNode& node, const std::string& key) {
  const auto it = node.attributes.find(key);
  if (it == node.attributes.end()) return std::nullopt;
  if (const auto* i = std::get_if<std::int64_t>(&it->second.scalar)) return static_cast<double>(*i);
  if (const auto* x = std::get_if<double>(&it->second.scalar)) return *x;
  if (const auto* b = std::get_if<bool>(&it->second.scalar)) return *b ? 1.0 : 0.0;
  return std::nullopt;
}

std::string text_of(const WireNode& node, const std::string& key) {
  const auto it = node.attributes.find(key);
  if (it == node.attributes.end()) return "";
  const auto* text = std::get_if<std::string>(&it->second.scalar);
  return text != nullptr ? *text : "";
}

std::vector<double> listed_sizes(const WireNode& node, const std::string& key) {
  std::vector<double> sizes;
  const auto it = node.attributes.find(key);
  if (it == node.attributes.end()) return sizes;
  const std::vector<std::string>& texts = it->second.texts;
  for (std::size_t i = 1; i < texts.size(); i += 2) {
    sizes.push_back(std::strtod(texts[i].c_str(), nullptr));
  }
  return sizes;
}

std::int64_t device_bytes(const std::string& values) {
  std::int64_t sum = 0;
  std::set<std::int64_t> seen;
  std::vector<std::int64_t> numbers;
  for (std::size_t i = 0; i < values.size();) {
    const char c = values[i];
    if (c == '[') {
      numbers.clear();
      ++i;
    } else if (c >= '0' && c <= '9') {
      std::int64_t n = 0;
      const auto end = std::from_chars(values.data() + i, values.data() + values.size(), n).ptr;
      numbers.push_back(n);
      i = static_cast<std::size_t>(end - values.data());
    } else if (c == '\'') {
      const std::size_t close = std::min(values.find('\'', i + 1), values.size() - 1);
      const std::string_view word = std::string_view(values).substr(i + 1, close - i - 1);
      const bool device = word.rfind("cuda", 0) == 0 || word.rfind("xla", 0) == 0;
      if (device && numbers.size() == 5 && seen.insert(numbers[0]).second) {
        sum += numbers[3] * numbers[4];
      }
      i = close + 1;
    } else {
      ++i;
    }
  }
  return sum;
}

bool is_streaming(const std::string& name) {
  return mentions(name, {"Memcpy", "Memset", "elementwise_kernel", "CatArrayBatchedCopy",
                         "multi_tensor_apply"});
}

std::optional<GemmShape> gemm_of(const WireNode& node) {
  const std::optional<GemmShape> symbolic = symbolic_gemm(node);
  return symbolic || number_of(node, "num_ops").value_or(0) > 0 ? symbolic : kernel_gemm(node);
}

}  // namespace athena::workload
