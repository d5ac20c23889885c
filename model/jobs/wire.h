#pragma once
/// Length-prefixed messages over a stream socket: four bytes of length (little-endian), then the
/// message. The two ends are one program, parent and forked worker.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace athena::jobs {

/// Writes one whole message, blocking. False when the other end is gone.
[[nodiscard]] bool send_message(int fd, std::string_view message);

/// Puts fields one after another into a message; FieldReader takes them out in the same order.
class FieldWriter {
 public:
  FieldWriter& number(std::int64_t value);
  FieldWriter& number(double value);
  FieldWriter& text(std::string_view value);
  [[nodiscard]] const std::string& message() const { return message_; }

 private:
  std::string message_;
};

/// See FieldWriter. Throws InternalError when the message ends before the field does.
class FieldReader {
 public:
  explicit FieldReader(std::string_view message) : rest_(message) {}
  [[nodiscard]] std::int64_t integer();
  [[nodiscard]] double real();
  [[nodiscard]] std::string text();

 private:
  [[nodiscard]] std::string_view take(std::size_t bytes);
  std::string_view rest_;
};

/// Collects bytes as they come and hands out whole messages.
class MessageReader {
 public:
  /// Reads what is there, at most once; false at the end of the stream.
  [[nodiscard]] bool fill(int fd);
  /// The next whole message, or nothing yet.
  [[nodiscard]] std::optional<std::string> next();

 private:
  std::string buffer_;
  std::size_t begin_ = 0;  ///< bytes of buffer_ already handed out
};

/// Blocks until one whole message has come; nothing at the end of the stream.
[[nodiscard]] std::optional<std::string> receive_message(int fd, MessageReader& reader);

}  // namespace athena::jobs
