#include "timing/scratchpad.h"

#include <catch2/catch.hpp>
#include <vector>

#include "base/error.h"
#include "base/rng.h"

using namespace athena;
using namespace athena::timing;

namespace {

/// Word by word: the banks' closed form must agree with counting.
std::int64_t counted(const ScratchpadSpec& spec, const ScratchAccess& a) {
  std::vector<std::int64_t> load(static_cast<std::size_t>(spec.banks), 0);
  for (std::int64_t r = 0; r < a.rows; ++r) {
    const std::int64_t begin = static_cast<std::int64_t>(a.address) + r * a.pitch.value();
    const std::int64_t end = begin + a.row_bytes.value();
    for (std::int64_t w = begin / spec.bank_bytes; w * spec.bank_bytes < end; ++w) {
      ++load[static_cast<std::size_t>(w % spec.banks)];
    }
  }
  std::int64_t most = 0;
  for (const std::int64_t n : load) most = std::max(most, n);
  return most;
}

}  // namespace

TEST_CASE("closed form of bank conflicts against counting", "[scratchpad]") {
  ScratchpadSpec spec;
  Rng rng(5);
  for (int i = 0; i < 3000; ++i) {
    ScratchAccess a;
    const auto words = static_cast<std::int64_t>(1) << rng.below(6);
    const auto pitch_words = words << rng.below(6);
    a.row_bytes = Bytes(words * spec.bank_bytes);
    a.pitch = Bytes(pitch_words * spec.bank_bytes);
    a.rows = static_cast<std::int64_t>(1) << rng.below(6);
    INFO("row " << words << " words, pitch " << pitch_words << ", rows " << a.rows);
    REQUIRE(bank_cycles(spec, a).value() == counted(spec, a));
  }
}

TEST_CASE("a column walk keeps hitting one bank", "[scratchpad]") {
  ScratchpadSpec spec;
  ScratchAccess a;
  a.row_bytes = Bytes(4);
  a.rows = 64;
  a.pitch = Bytes(static_cast<std::int64_t>(spec.banks) * spec.bank_bytes);
  CHECK(bank_cycles(spec, a).value() == 64);
  a.pitch = Bytes(spec.bank_bytes);
  CHECK(bank_cycles(spec, a).value() == 64 / spec.banks);
}

TEST_CASE("ports serialise, the banks bound the sum", "[scratchpad]") {
  ScratchpadSpec spec;
  spec.read_ports = GENERATE(1, 2);
  Scratchpad pad(spec);
  ScratchAccess a;
  a.row_bytes = Bytes(512 * 100);
  Time end{0};
  for (int i = 0; i < 10; ++i) end = pad.access(Time(0), a);
  CHECK(end == periods(1000 + 2, spec.clock));
  CHECK(pad.moved() == Bytes(512 * 1000));
  CHECK(pad.conflict_cycles() == 0);
}

TEST_CASE("an access beyond the scratchpad is refused", "[scratchpad]") {
  Scratchpad pad(ScratchpadSpec{});
  ScratchAccess a;
  a.address = (1 << 20) - 32;
  a.row_bytes = Bytes(64);
  CHECK_THROWS_AS(pad.access(Time(0), a), InputError);
}
