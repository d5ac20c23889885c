#include "jobs/wire.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <thread>

#include "base/error.h"
#include "base/rng.h"

using namespace athena;
using namespace athena::jobs;

namespace {
struct Pair {
  Pair() { REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0); }
  ~Pair() {
    for (const int fd : ends) close(fd);
  }
  std::array<int, 2> ends{};
};
}  // namespace

TEST_CASE("messages of any length and content arrive whole and in order") {
  Pair pair;
  Rng rng(7);
  std::vector<std::string> sent;
  for (int i = 0; i < 200; ++i) {
    std::string message(rng.below(i % 20 == 0 ? 300000 : 300), '\0');
    for (char& c : message) c = static_cast<char>(rng.below(256));
    sent.push_back(message);
  }
  std::thread writer([&] {
    for (const std::string& message : sent) {
      if (!send_message(pair.ends[0], message)) return;
    }
  });
  MessageReader reader;
  for (const std::string& message : sent) {
    const auto got = receive_message(pair.ends[1], reader);
    REQUIRE(got.has_value());
    REQUIRE(*got == message);
  }
  writer.join();
}

TEST_CASE("a torn message is never handed out") {
  Pair pair;
  REQUIRE(send_message(pair.ends[0], "whole"));
  const std::string torn{"\x10\x00\x00\x00half", 8};
  REQUIRE(write(pair.ends[0], torn.data(), torn.size()) == 8);
  shutdown(pair.ends[0], SHUT_WR);
  MessageReader reader;
  CHECK(receive_message(pair.ends[1], reader) == std::optional<std::string>("whole"));
  CHECK_FALSE(receive_message(pair.ends[1], reader).has_value());
}

TEST_CASE("sending to a peer that is gone is an answer, not a signal") {
  Pair pair;
  close(pair.ends[1]);
  CHECK_FALSE(send_message(pair.ends[0], "hello"));
  pair.ends[1] = dup(pair.ends[0]);
}

TEST_CASE("fields come out of a message as they went in; a message cut short is noticed") {
  FieldWriter out;
  out.number(std::int64_t{-3}).text(std::string("a\0b", 3)).number(0.1).text("");
  FieldReader in(out.message());
  CHECK(in.integer() == -3);
  CHECK(in.text() == std::string("a\0b", 3));
  CHECK(in.real() == 0.1);
  CHECK(in.text().empty());
  CHECK_THROWS_AS(in.integer(), athena::InternalError);
  FieldReader cut(std::string_view(out.message()).substr(0, 17));
  CHECK(cut.integer() == -3);
  CHECK_THROWS_AS(cut.text(), athena::InternalError);
}
