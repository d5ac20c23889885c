#pragma once
/// The few messages of the Chakra schema that we read, straight from the protobuf wire format.
/// Private to import/.
#include <cstdint>
#include <istream>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace athena::workload {

/// Value of an attribute; lists of numbers become texts of their own in `texts`.
struct WireValue {
  std::variant<std::monostate, double, std::int64_t, bool, std::string> scalar;
  std::vector<std::string> texts;
};

struct WireNode {
  std::uint64_t id = 0;
  std::string name;
  int type = 0;
  std::vector<std::uint64_t> ctrl_deps;
  std::vector<std::uint64_t> data_deps;
  std::uint64_t duration_us = 0;
  std::string input_values;
  std::string input_shapes;
  std::string output_values;
  std::map<std::string, WireValue> attributes;
};

/// Messages of a delimited stream, one by one.
class WireReader {
 public:
  WireReader(std::istream& stream, std::string file);
  ~WireReader();
  WireReader(const WireReader&) = delete;
  WireReader& operator=(const WireReader&) = delete;

  /// Attributes of the GlobalMetadata message that opens the stream.
  [[nodiscard]] std::map<std::string, WireValue> metadata();
  /// The next node; false at the end of the stream.
  [[nodiscard]] bool next(WireNode& node);

 private:
  [[nodiscard]] bool next_message(std::string& bytes);
  [[noreturn]] void broken(const char* what) const;

  struct Stream;
  std::unique_ptr<Stream> stream_;
  std::string file_;
  std::int64_t messages_ = 0;
  std::int64_t offset_ = 0;  ///< where the current message starts
  std::int64_t next_offset_ = 0;
};

}  // namespace athena::workload
