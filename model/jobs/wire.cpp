#include "jobs/wire.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace athena::jobs {
namespace {
constexpr std::size_t kHeaderBytes = 4;
constexpr std::size_t kChunkBytes = 65536;

bool send_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    // No SIGPIPE: a vanished peer is an answer, not a reason to die.
    const ssize_t sent = ::send(fd, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    data += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}
}  // namespace

bool send_message(int fd, std::string_view message) {
  const auto size = static_cast<std::uint32_t>(message.size());
  std::string frame(kHeaderBytes, '\0');
  for (std::size_t i = 0; i < kHeaderBytes; ++i) {
    frame[i] = static_cast<char>((size >> (8 * i)) & 0xffU);
  }
  frame.append(message);
  return send_all(fd, frame.data(), frame.size());
}

FieldWriter& FieldWriter::number(std::int64_t value) {
  message_.append(reinterpret_cast<const char*>(&value), sizeof value);
  return *this;
}

FieldWriter& FieldWriter::number(double value) {
  message_.append(reinterpret_cast<const char*>(&value), sizeof value);
  return *this;
}

FieldWriter& FieldWriter::text(std::string_view value) {
  number(static_cast<std::int64_t>(value.size()));
  message_.append(value);
  return *this;
}

std::string_view FieldReader::take(std::size_t bytes) {
  if (bytes > rest_.size()) throw InternalError("a message of a worker ends too early");
  const std::string_view field = rest_.substr(0, bytes);
  rest_.remove_prefix(bytes);
  return field;
}

std::int64_t FieldReader::integer() {
  std::int64_t value = 0;
  std::memcpy(&value, take(sizeof value).data(), sizeof value);
  return value;
}

double FieldReader::real() {
  double value = 0;
  std::memcpy(&value, take(sizeof value).data(), sizeof value);
  return value;
}

std::string FieldReader::text() {
  const auto size = static_cast<std::size_t>(integer());
  return std::string(take(size));
}

bool MessageReader::fill(int fd) {
  std::array<char, kChunkBytes> chunk;  // filled by read: not initialised on purpose
  for (;;) {
    const ssize_t got = ::read(fd, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return true;
    if (got <= 0) return false;
    buffer_.append(chunk.data(), static_cast<std::size_t>(got));
    return true;
  }
}

std::optional<std::string> MessageReader::next() {
  if (buffer_.size() - begin_ < kHeaderBytes) return std::nullopt;
  std::uint32_t size = 0;
  for (std::size_t i = 0; i < kHeaderBytes; ++i) {
    size |= static_cast<std::uint32_t>(static_cast<unsigned char>(buffer_[begin_ + i])) << (8 * i);
  }
  if (buffer_.size() - begin_ - kHeaderBytes < size) return std::nullopt;
  std::string message = buffer_.substr(begin_ + kHeaderBytes, size);
  begin_ += kHeaderBytes + size;
  if (begin_ == buffer_.size()) {
    buffer_.clear();
    begin_ = 0;
  } else if (begin_ > kChunkBytes) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  return message;
}

std::optional<std::string> receive_message(int fd, MessageReader& reader) {
  for (;;) {
    if (auto message = reader.next()) return message;
    if (!reader.fill(fd)) return std::nullopt;
  }
}

}  // namespace athena::jobs
