#pragma once
/// An ONNX graph as the importer looks at it: products with weights in execution order, producers
/// and consumers of values, shapes. Private to import/; keeps ONNX headers out of everything else.
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace athena::workload {

struct OnnxNode {
  std::string type;
  std::string name;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::map<std::string, std::int64_t> integers;  ///< integer attributes
};

/// An initializer or a Constant's value; dims only.
struct OnnxConstant {
  std::vector<std::int64_t> dims;
  bool is_float = false;
  int bits = 32;
  bool is_bf16 = false;
  std::vector<std::int64_t> values;  ///< of small integer tensors (shapes of reshapes)
  [[nodiscard]] std::int64_t elements() const;
};

struct OnnxView {
  std::vector<OnnxNode> nodes;  ///< in execution order
  std::map<std::string, OnnxConstant> constants;
  std::map<std::string, std::vector<std::int64_t>> shapes;  ///< inferred; -1 = not fixed
  std::map<std::string, std::size_t> producer;              ///< value -> node
  std::map<std::string, std::vector<std::size_t>> consumers;
  std::vector<std::string> inputs;

  /// The constant behind a value, through Transpose, Identity and Cast; `transposed` tells whether
  /// an odd number of transposes lay between. nullptr for anything computed.
  [[nodiscard]] const OnnxConstant* weight(const std::string& value, std::string* origin = nullptr,
                                           bool* transposed = nullptr) const;
  [[nodiscard]] const OnnxNode* made_by(const std::string& value) const;
};

/// Throws InputError: no such file, no ONNX, a graph that is not sound.
[[nodiscard]] OnnxView read_onnx(const std::filesystem::path& path);

}  // namespace athena::workload
