#include "timing/hbm_queue.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "base/rng.h"

namespace athena::timing {
namespace {

struct Piece {
  std::uint32_t tag;
  int bank;
  std::uint32_t row;
  bool hit;
};

std::vector<std::uint32_t> tags(const HbmQueue& queue, std::uint64_t places) {
  std::vector<std::uint32_t> result;
  for (; places != 0; places &= places - 1) result.push_back(queue[lowest(places)].tag);
  return result;
}

template <class Which>
std::vector<std::uint32_t> tags(const std::vector<Piece>& pieces, Which which) {
  std::vector<std::uint32_t> result;
  for (const Piece& piece : pieces) {
    if (which(piece)) result.push_back(piece.tag);
  }
  return result;
}

}  // namespace

TEST_CASE("a queue's masks name its pieces in the order of age, however many came and went",
          "[hbm]") {
  constexpr int kBanks = 16;
  constexpr int kGroupShift = 2;
  constexpr int kRankShift = 3;
  HbmQueue queue;
  queue.reset(kBanks, kGroupShift, kRankShift);
  std::vector<Piece> pieces;  // what must be there, oldest first
  Rng rng(3);
  for (std::uint32_t i = 0; i < 5000; ++i) {
    const bool add = pieces.empty() || (!queue.full() && rng.below(100) < 52);
    if (add) {
      const Piece piece{i, static_cast<int>(rng.below(kBanks)),
                        static_cast<std::uint32_t>(rng.below(3)), rng.below(2) == 0};
      const int place = queue.append(piece.bank);
      queue[place].tag = piece.tag;
      queue[place].row = piece.row;
      if (piece.hit) queue.add_hits(piece.bank, bit(place));
      pieces.push_back(piece);
    } else {
      const auto which = static_cast<std::ptrdiff_t>(rng.below(pieces.size()));
      const Piece piece = pieces[static_cast<std::size_t>(which)];
      std::uint64_t places = queue.of_bank(piece.bank);
      while (queue[lowest(places)].tag != piece.tag) places &= places - 1;
      queue.remove(lowest(places));
      pieces.erase(pieces.begin() + which);
    }
    const int bank = static_cast<int>(rng.below(kBanks));
    const int group = bank >> kGroupShift;
    const auto of_bank = [&](const Piece& p) { return p.bank == bank; };
    REQUIRE(tags(queue, queue.of_bank(bank)) == tags(pieces, of_bank));
    REQUIRE(tags(queue, queue.of_group(group)) ==
            tags(pieces, [&](const Piece& p) { return p.bank >> kGroupShift == group; }));
    REQUIRE(tags(queue, queue.of_rank(bank >> kRankShift)) == tags(pieces, [&](const Piece& p) {
              return p.bank >> kRankShift == bank >> kRankShift;
            }));
    REQUIRE(tags(queue, queue.wanting(bank, 1)) ==
            tags(pieces, [&](const Piece& p) { return of_bank(p) && p.row == 1; }));
    const auto hit = tags(pieces, [](const Piece& p) { return p.hit; });
    REQUIRE(tags(queue, queue.hits()) == hit);
    const auto hit_here =
        tags(pieces, [&](const Piece& p) { return p.hit && p.bank >> kGroupShift == group; });
    REQUIRE(((queue.hit_groups() >> group) & 1) == (hit_here.empty() ? 0 : 1));
    const int oldest = queue.oldest(queue.hits(), std::uint32_t{1} << group);
    if (hit_here.empty()) {
      REQUIRE(oldest == HbmQueue::kPlaces);
    } else {
      REQUIRE(queue[oldest].tag == hit_here.front());
    }
    REQUIRE(queue.empty() == pieces.empty());
  }
}

TEST_CASE("a closed row has no hits", "[hbm]") {
  HbmQueue queue;
  queue.reset(8, 2, 3);
  for (const int bank : {1, 5, 1}) queue.add_hits(bank, bit(queue.append(bank)));
  queue.drop_hits(1);
  CHECK(queue.hits() == queue.of_bank(5));
  CHECK(queue.hit_groups() == 0b10);
  queue.drop_hits(5);
  CHECK(queue.hits() == 0);
  CHECK(queue.hit_groups() == 0);
}

}  // namespace athena::timing
