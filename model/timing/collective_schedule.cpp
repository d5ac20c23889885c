#include "timing/collective_schedule.h"

#include <fmt/format.h>

#include <bit>

#include "base/error.h"

namespace athena::timing {
namespace {

using Kind = CollectiveKind;
using Algorithm = CollectiveAlgorithm;

class Builder {
 public:
  Builder(const std::vector<int>& ranks, const ScheduleCosts& costs) : costs_(costs) {
    out_.ranks = ranks;
  }
  [[nodiscard]] int ranks() const { return static_cast<int>(out_.ranks.size()); }

  /// Adds a message from rank index `from` to `to`; `reduced`: bytes added to the local buffer
  /// between the arrivals that it waits for and its start.
  int send(int from, int to, double bytes, double reduced, bool first) {
    Transfer t;
    t.source = out_.ranks[static_cast<std::size_t>(from)];
    t.destination = out_.ranks[static_cast<std::size_t>(to)];
    t.bytes = bytes;
    t.delay = (first ? costs_.start + costs_.step : costs_.step) + reduced * costs_.reduce_per_byte;
    out_.transfers.push_back(t);
    return static_cast<int>(out_.transfers.size()) - 1;
  }
  void after(int earlier, int later) {
    out_.transfers[static_cast<std::size_t>(earlier)].unlocks.push_back(later);
    ++out_.transfers[static_cast<std::size_t>(later)].waits_for;
  }
  void finish_reducing(double bytes) { out_.finish_delay = bytes * costs_.reduce_per_byte; }
  CollectiveSchedule take() { return std::move(out_); }

 private:
  ScheduleCosts costs_;
  CollectiveSchedule out_;
};

/// `steps` rounds round the ring; the first `reducing` of them add what arrives.
void ring(Builder& b, double chunk, int steps, int reducing) {
  const int n = b.ranks();
  std::vector<int> last(static_cast<std::size_t>(n), -1);  // latest message into each rank
  for (int s = 0; s < steps; ++s) {
    std::vector<int> now(static_cast<std::size_t>(n));
    for (int r = 0; r < n; ++r) {
      const double reduced = s > 0 && s <= reducing ? chunk : 0;
      const int id = b.send(r, (r + 1) % n, chunk, reduced, s == 0);
      if (s > 0) b.after(last[static_cast<std::size_t>(r)], id);
      now[static_cast<std::size_t>((r + 1) % n)] = id;
    }
    last = now;
  }
  if (reducing >= steps) b.finish_reducing(chunk);
}

/// Every rank to every other at once; a second phase waits for all arrivals of the first.
void direct(Builder& b, double chunk, int phases, bool reduces) {
  const int n = b.ranks();
  std::vector<std::vector<int>> arrivals(static_cast<std::size_t>(n));
  for (int phase = 0; phase < phases; ++phase) {
    std::vector<std::vector<int>> now(static_cast<std::size_t>(n));
    for (int r = 0; r < n; ++r) {
      for (int k = 1; k < n; ++k) {
        const int to = (r + k) % n;
        const int id = b.send(r, to, chunk, phase > 0 && reduces ? chunk : 0, phase == 0);
        for (const int before : arrivals[static_cast<std::size_t>(r)]) b.after(before, id);
        now[static_cast<std::size_t>(to)].push_back(id);
      }
    }
    arrivals = std::move(now);
  }
  if (reduces && phases == 1) b.finish_reducing(chunk);
}

void halving_doubling(Builder& b, Kind kind, double bytes) {
  const int n = b.ranks();
  const int levels = static_cast<int>(std::bit_width(static_cast<unsigned>(n))) - 1;
  struct Round {
    int distance;
    double bytes;
    bool reduces;
  };
  std::vector<Round> rounds;
  if (kind != Kind::kAllGather)
    for (int l = 0; l < levels; ++l) rounds.push_back({1 << l, bytes / (2 << l), true});
  if (kind != Kind::kReduceScatter)
    for (int l = levels - 1; l >= 0; --l) rounds.push_back({1 << l, bytes / (2 << l), false});
  std::vector<int> last(static_cast<std::size_t>(n), -1);
  for (std::size_t i = 0; i < rounds.size(); ++i) {
    std::vector<int> now(static_cast<std::size_t>(n));
    for (int r = 0; r < n; ++r) {
      const int peer = r ^ rounds[i].distance;
      // What the round before brought is added first: a share of 1/n of the buffer at a time.
      const double reduced = i > 0 && rounds[i - 1].reduces ? bytes / n : 0;
      const int id = b.send(r, peer, rounds[i].bytes, reduced, i == 0);
      if (i > 0) b.after(last[static_cast<std::size_t>(r)], id);
      now[static_cast<std::size_t>(peer)] = id;
    }
    last = now;
  }
  if (kind == Kind::kReduceScatter) b.finish_reducing(bytes / n);
}

/// A chain that forwards in pieces, so that all its links work at once.
void broadcast(Builder& b, double bytes) {
  constexpr int kPieces = 16;  // the pipeline's fill is then below 1/16 of the transfer per hop
  const int n = b.ranks();
  std::vector<int> previous_piece(static_cast<std::size_t>(n), -1);
  for (int p = 0; p < kPieces; ++p) {
    int upstream = -1;
    for (int r = 0; r + 1 < n; ++r) {
      const int id = b.send(r, r + 1, bytes / kPieces, 0, p == 0 && r == 0);
      if (upstream >= 0) b.after(upstream, id);
      const int before = previous_piece[static_cast<std::size_t>(r)];
      if (before >= 0 && r == 0) b.after(before, id);
      previous_piece[static_cast<std::size_t>(r)] = id;
      upstream = id;
    }
  }
}

[[noreturn]] void refuse(Kind kind, Algorithm algorithm) {
  throw InputError(fmt::format("there is no {} {} to simulate", name(algorithm), name(kind)));
}

}  // namespace

CollectiveSchedule schedule_of(Kind kind, Algorithm algorithm, double bytes,
                               const std::vector<int>& ranks, const ScheduleCosts& costs) {
  if (ranks.size() < 2) throw InputError("a collective needs at least two ranks");
  Builder b(ranks, costs);
  const int n = b.ranks();
  const double chunk = bytes / n;
  if (kind == Kind::kSendReceive) {
    b.send(0, n - 1, bytes, 0, true);
  } else if (kind == Kind::kAllToAll) {
    direct(b, chunk, 1, false);
  } else if (kind == Kind::kBroadcast) {
    broadcast(b, bytes);
  } else if (algorithm == Algorithm::kRing) {
    const int phases = kind == Kind::kAllReduce ? 2 : 1;
    ring(b, chunk, phases * (n - 1), kind == Kind::kAllGather ? 0 : n - 1);
  } else if (algorithm == Algorithm::kDirect) {
    direct(b, chunk, kind == Kind::kAllReduce ? 2 : 1, kind != Kind::kAllGather);
  } else if (algorithm == Algorithm::kHalvingDoubling) {
    if (!std::has_single_bit(static_cast<unsigned>(n)))
      throw InputError(
          fmt::format("halving-doubling needs a power-of-two number of ranks, not {}", n));
    halving_doubling(b, kind, bytes);
  } else {
    refuse(kind, algorithm);
  }
  CollectiveSchedule schedule = b.take();
  schedule.title = fmt::format("{} {} of {} ranks", name(algorithm), name(kind), n);
  return schedule;
}

}  // namespace athena::timing
