#include <catch2/catch.hpp>
#include <set>

#include "base/dtype.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/rng.h"

using namespace athena;

TEST_CASE("every error type carries its exit code") {
  CHECK(Finding("x").code() == ExitCode::kFinding);
  CHECK(InputError("x").code() == ExitCode::kBadInput);
  CHECK(Contradiction("x").code() == ExitCode::kContradiction);
  CHECK(MachineError("x").code() == ExitCode::kMachine);
  CHECK(InternalError("x").code() == ExitCode::kInternal);
  CHECK(std::string(InputError(Location{"f", 3, 4}, "bad.").what()) == "f:3:4: bad.");
}

TEST_CASE("a place leaves out what is unknown") {
  CHECK(Location{"f"}.text() == "f");
  CHECK(Location{"f", 3}.text() == "f:3");
  CHECK(Location{"f", 3, 4}.text() == "f:3:4");
}

TEST_CASE("hashes are stable, and differ when one bit differs") {
  CHECK(content_hash("") ==
        "99aa06d3014798d86001c324468d497f");  // XXH3-128 of nothing, by its specification
  CHECK(content_hash("a") != content_hash("b"));
  std::set<std::string> seen;
  std::string text(64, '\0');
  for (std::size_t bit = 0; bit < 512; ++bit) {
    text[bit / 8] = static_cast<char>(1U << (bit % 8));
    seen.insert(content_hash(text));
    text[bit / 8] = '\0';
  }
  CHECK(seen.size() == 512);
}

TEST_CASE("format names are unique and invertible") {
  std::set<std::string> names;
  for (int i = 0; i <= static_cast<int>(Dtype::kInt32); ++i) {
    const auto type = static_cast<Dtype>(i);
    names.insert(std::string(name(type)));
    CHECK(dtype_from_name(name(type)) == type);
    CHECK(storage_bits(type) > 0);
  }
  CHECK(names.size() == static_cast<std::size_t>(Dtype::kInt32) + 1);
  CHECK_FALSE(dtype_from_name("float").has_value());
}

TEST_CASE("random numbers repeat from a seed and look uniform") {
  Rng a(5);
  Rng b(5);
  Rng c(6);
  CHECK(a.next() == b.next());
  CHECK(a.next() != c.next());
  double sum = 0;
  double squares = 0;
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = a.uniform();
    REQUIRE((x >= 0.0 && x < 1.0));
    REQUIRE(a.below(7) < 7);
    const double z = a.normal();
    sum += x;
    squares += z * z;
  }
  CHECK(sum / kDraws == Approx(0.5).margin(0.005));
  CHECK(squares / kDraws == Approx(1.0).margin(0.02));
}
