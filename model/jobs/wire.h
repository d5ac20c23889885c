#pragma once
/// Length-prefixed messages over a stream socket: four bytes of length (little-endian), then the
/// message. The two ends are one program, parent and forked worker.
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace athena::jobs {

/// Writes one whole message, blocking. False when the other end is gone.
[[nodiscard]] bool send_message(int fd, std::string_view message);

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
