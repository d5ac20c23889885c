#include "timing/softmax_step.h"

#include <catch2/catch.hpp>
#include <vector>

#include "base/rng.h"
#include "numerics/convert.h"

namespace {
using namespace athena;
using namespace athena::timing;

/// Cycles from the first beat's entry to the last beat's appearance, both streams always ready.
std::int64_t stepped_cycles(const std::vector<std::int64_t>& rows, Rng& rng) {
  const SoftmaxRtlParams params;
  SoftmaxStep step(params);
  const Ports& ports = step.ports();
  std::vector<std::uint32_t> in(static_cast<std::size_t>(ports.input_words()));
  std::vector<std::uint32_t> out(static_cast<std::size_t>(ports.output_words()));
  const auto at = [](int word) { return static_cast<std::size_t>(word); };
  std::size_t row = 0;
  std::size_t finished = 0;
  std::int64_t beat = 0;
  for (std::int64_t cycle = 0;; ++cycle) {
    REQUIRE(cycle < 100'000);
    const bool more = row < rows.size();
    in[at(ports.input("in_valid").word)] = more;
    in[at(ports.input("in_last").word)] = more && beat == rows[row] - 1;
    in[at(ports.input("out_ready").word)] = 1;
    for (int lane = 0; lane < params.lanes; ++lane) {
      put_bits(in.data() + ports.input("in_data").word, lane * 16, 16,
               numerics::to_bf16(static_cast<float>(rng.normal())));
    }
    step.cycle(in.data(), out.data());
    const bool seen = out[at(ports.output("out_valid").word)] != 0;
    if (seen && out[at(ports.output("out_last").word)] != 0 && ++finished == rows.size()) {
      return cycle;
    }
    if (more && out[at(ports.output("in_ready").word)] != 0 && ++beat == rows[row]) {
      beat = 0;
      ++row;
    }
  }
}
}  // namespace

TEST_CASE("the stepped softmax takes exactly the cycles of its closed form") {
  Rng rng(41);
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<std::int64_t> rows(1 + rng.below(12));
    for (auto& beats : rows)
      beats = static_cast<std::int64_t>(1 + rng.below(rng.chance(0.2) ? 64 : 9));
    REQUIRE(stepped_cycles(rows, rng) == softmax_cycles(rows).value());
  }
}

TEST_CASE(
    "rows that follow each other overlap: each costs its beats and a few cycles at its border") {
  const std::vector<std::int64_t> one{32};
  const std::int64_t alone = softmax_cycles(one).value();
  const std::vector<std::int64_t> many(50, 32);
  constexpr std::int64_t kBorder = 4;  // the row's maximum and sum change hands
  CHECK(softmax_cycles(many).value() <= alone + 49 * (32 + kBorder));
  CHECK(softmax_cycles(many).value() >= 50 * 32);
}
