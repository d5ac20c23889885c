#include "workload/import/chakra_wire.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/wire_format_lite.h>

#include <cstring>
#include <memory>

#include "base/error.h"

namespace athena::workload {

namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

/// A message may be this large; Chakra nodes with thousands of tensors take some 10 KB.
constexpr std::uint32_t kLargestMessage = 64U << 20U;

// Field numbers of AttributeProto's value, by wire representation (chakra et_def.proto).
constexpr int kDoubleField = 3;
constexpr int kFloatField = 5;
constexpr int kBoolField = 27;
constexpr int kStringField = 29;
constexpr int kStringListField = 30;

bool is_plain_integer(int field) {
  return field >= 7 && field <= 14 && field % 2 == 1;
}
bool is_zigzag(int field) {
  return field == 15 || field == 17;
}

std::uint32_t sized(CodedInputStream& in) {
  std::uint32_t size = 0;
  return in.ReadVarint32(&size) ? size : kLargestMessage;
}

bool read_text(CodedInputStream& in, std::string& out) {
  const std::uint32_t size = sized(in);
  return size < kLargestMessage && in.ReadString(&out, static_cast<int>(size));
}

/// Calls `field(number, tag, in)` for each field; the callee reads or refuses (false).
template <class F>
bool for_each_field(const std::string& bytes, const F& field) {
  CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                      static_cast<int>(bytes.size()));
  while (true) {
    const std::uint32_t tag = in.ReadTag();
    if (tag == 0) return in.ConsumedEntireMessage();
    if (!field(WireFormatLite::GetTagFieldNumber(tag), tag, in)) return false;
  }
}

bool skip(CodedInputStream& in, std::uint32_t tag) {
  return WireFormatLite::SkipField(&in, tag);
}

bool read_numbers(CodedInputStream& in, std::uint32_t tag, std::vector<std::uint64_t>& out) {
  std::uint64_t value = 0;
  if (WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_VARINT) {
    if (!in.ReadVarint64(&value)) return false;
    out.push_back(value);
    return true;
  }
  const std::uint32_t size = sized(in);
  if (size >= kLargestMessage) return false;
  const auto limit = in.PushLimit(static_cast<int>(size));
  while (in.BytesUntilLimit() > 0) {
    if (!in.ReadVarint64(&value)) return false;
    out.push_back(value);
  }
  in.PopLimit(limit);
  return true;
}

bool read_fixed_number(CodedInputStream& in, int field, std::uint32_t tag, WireValue& value) {
  std::uint64_t bits64 = 0;
  std::uint32_t bits32 = 0;
  switch (WireFormatLite::GetTagWireType(tag)) {
    case WireFormatLite::WIRETYPE_FIXED64: {
      if (!in.ReadLittleEndian64(&bits64)) return false;
      double number = 0;
      std::memcpy(&number, &bits64, sizeof number);
      value.scalar = field == kDoubleField
                         ? decltype(value.scalar)(number)
                         : decltype(value.scalar)(static_cast<std::int64_t>(bits64));
      return true;
    }
    case WireFormatLite::WIRETYPE_FIXED32: {
      if (!in.ReadLittleEndian32(&bits32)) return false;
      float number = 0;
      std::memcpy(&number, &bits32, sizeof number);
      value.scalar = field == kFloatField
                         ? decltype(value.scalar)(static_cast<double>(number))
                         : decltype(value.scalar)(static_cast<std::int64_t>(bits32));
      return true;
    }
    default:
      return skip(in, tag);
  }
}

bool read_value(CodedInputStream& in, int field, std::uint32_t tag, WireValue& value) {
  std::uint64_t number = 0;
  if (field == kStringField) {
    std::string text;
    if (!read_text(in, text)) return false;
    value.scalar = std::move(text);
    return true;
  }
  if (field == kStringListField) {
    std::string list;
    return read_text(in, list) &&
           for_each_field(list, [&](int inner, std::uint32_t inner_tag, CodedInputStream& items) {
             if (inner != 1) return skip(items, inner_tag);
             return read_text(items, value.texts.emplace_back());
           });
  }
  if (WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_VARINT) {
    return read_fixed_number(in, field, tag, value);
  }
  if (!in.ReadVarint64(&number)) return false;
  if (field == kBoolField) {
    value.scalar = number != 0;
  } else if (is_zigzag(field)) {
    value.scalar = WireFormatLite::ZigZagDecode64(number);
  } else if (is_plain_integer(field)) {
    value.scalar = static_cast<std::int64_t>(number);
  }
  return true;
}

bool read_attribute(CodedInputStream& in, std::map<std::string, WireValue>& attributes) {
  std::string bytes;
  if (!read_text(in, bytes)) return false;
  std::string key;
  WireValue value;
  const bool fine =
      for_each_field(bytes, [&](int field, std::uint32_t tag, CodedInputStream& inner) {
        if (field == 1) return read_text(inner, key);
        if (field == 2) return skip(inner, tag);
        return read_value(inner, field, tag, value);
      });
  attributes[key] = std::move(value);
  return fine;
}

bool read_io(CodedInputStream& in, std::string& values, std::string* shapes) {
  std::string bytes;
  return read_text(in, bytes) &&
         for_each_field(bytes, [&](int field, std::uint32_t tag, CodedInputStream& inner) {
           if (field == 1) return read_text(inner, values);
           if (field == 2 && shapes != nullptr) return read_text(inner, *shapes);
           return skip(inner, tag);
         });
}

bool read_node(const std::string& bytes, WireNode& node) {
  return for_each_field(bytes, [&](int field, std::uint32_t tag, CodedInputStream& in) {
    std::uint64_t number = 0;
    switch (field) {
      case 1:
        return in.ReadVarint64(&node.id);
      case 2:
        return read_text(in, node.name);
      case 3:
        if (!in.ReadVarint64(&number)) return false;
        node.type = static_cast<int>(number);
        return true;
      case 4:
        return read_numbers(in, tag, node.ctrl_deps);
      case 5:
        return read_numbers(in, tag, node.data_deps);
      case 7:
        return in.ReadVarint64(&node.duration_us);
      case 8:
        return read_io(in, node.input_values, &node.input_shapes);
      case 9:
        return read_io(in, node.output_values, nullptr);
      case 10:
        return read_attribute(in, node.attributes);
      default:
        return skip(in, tag);
    }
  });
}

}  // namespace

struct WireReader::Stream {
  explicit Stream(std::istream& in) : input(&in) {}
  google::protobuf::io::IstreamInputStream input;
};

WireReader::WireReader(std::istream& stream, std::string file)
    : stream_(std::make_unique<Stream>(stream)), file_(std::move(file)) {}

WireReader::~WireReader() = default;

void WireReader::broken(const char* what) const {
  throw InputError(
      fmt::format("{}: message {} at byte {}: {}; expected a Chakra execution trace "
                  "(protobuf messages, each behind its length)",
                  file_, messages_, offset_, what));
}

bool WireReader::next_message(std::string& bytes) {
  // A fresh coded stream per message keeps its 2 GB limit per message, not per file.
  CodedInputStream in(&stream_->input);
  const void* peek = nullptr;
  int available = 0;
  if (!in.GetDirectBufferPointer(&peek, &available)) return false;
  ++messages_;
  offset_ = next_offset_;
  std::uint32_t size = 0;
  if (!in.ReadVarint32(&size)) broken("its length is cut off");
  if (size > kLargestMessage) broken("its length is beyond reason");
  bytes.clear();
  if (!in.ReadString(&bytes, static_cast<int>(size))) broken("it ends too early");
  next_offset_ += in.CurrentPosition();
  return true;
}

std::map<std::string, WireValue> WireReader::metadata() {
  std::string bytes;
  if (!next_message(bytes)) throw InputError(file_ + ": the file is empty");
  std::map<std::string, WireValue> attributes;
  const bool fine = for_each_field(bytes, [&](int field, std::uint32_t tag, CodedInputStream& in) {
    if (field == 2) return read_attribute(in, attributes);
    return skip(in, tag);
  });
  if (!fine) broken("it is no metadata");
  return attributes;
}

bool WireReader::next(WireNode& node) {
  std::string bytes;
  if (!next_message(bytes)) return false;
  node = WireNode{};
  if (!read_node(bytes, node)) broken("it is no node");
  return true;
}

}  // namespace athena::workload
