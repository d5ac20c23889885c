#include "timing/noc_traffic.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <queue>
#include <tuple>

#include "base/error.h"
#include "base/text.h"
#include "timing/noc_flit.h"
#include "timing/noc_transaction.h"

namespace athena::timing {
namespace {

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// Cycles without any movement, while flits are in flight, after which the network is dead. Longer
/// than any buffer chain takes to drain.
constexpr std::int64_t kWatchdogCycles = 20000;

/// Successive creation cycles of one Bernoulli source: the gaps are geometric.
class Source {
 public:
  Source(double packets_per_cycle, Rng& rng)
      : log_idle_(packets_per_cycle < 1 ? std::log1p(-packets_per_cycle) : 0.0),
        next_(gap(rng) - 1) {}
  [[nodiscard]] std::int64_t next() const { return next_; }
  void advance(Rng& rng) { next_ += gap(rng); }

 private:
  [[nodiscard]] std::int64_t gap(Rng& rng) const {
    if (log_idle_ == 0.0) return 1;
    return 1 + static_cast<std::int64_t>(std::log1p(-rng.uniform()) / log_idle_);
  }
  double log_idle_;
  std::int64_t next_;
};

class Tally {
 public:
  Tally(const NocLoad& load, int terminals)
      : first_(load.warmup), last_(load.warmup + load.measure), terminals_(terminals) {}
  [[nodiscard]] bool counts(std::int64_t created) const {
    return created >= first_ && created < last_;
  }
  void created(std::int64_t when) { open_ += counts(when) ? 1 : 0; }
  void delivered(std::int64_t created, std::int64_t injected, std::int64_t when, int flits,
                 int routers) {
    if (when >= first_ && when < last_) flits_ += flits;
    if (!counts(created)) return;
    --open_;
    ++packets_;
    latency_ += static_cast<double>(when - created);
    network_ += static_cast<double>(when - injected);
    routers_ += routers;
    longest_ = std::max(longest_, when - created);
  }
  [[nodiscard]] bool finished(std::int64_t now) const { return now >= last_ && open_ == 0; }
  [[nodiscard]] NocMeasurement result() const {
    NocMeasurement m;
    const double n = static_cast<double>(std::max<std::int64_t>(packets_, 1));
    m.latency = latency_ / n;
    m.network_latency = network_ / n;
    m.routers = routers_ / n;
    m.accepted = static_cast<double>(flits_) / static_cast<double>(last_ - first_) / terminals_;
    m.max_latency = static_cast<double>(longest_);
    m.packets = packets_;
    m.saturated = open_ > 0;
    return m;
  }

 private:
  std::int64_t first_;
  std::int64_t last_;
  int terminals_;
  std::int64_t open_ = 0;
  std::int64_t packets_ = 0;
  std::int64_t flits_ = 0;
  std::int64_t longest_ = 0;
  double latency_ = 0;
  double network_ = 0;
  double routers_ = 0;
};

void check(const Topology& topology, const NocLoad& load) {
  if (load.packet_flits < 1) throw InputError("a packet has at least 1 flit");
  if (!(load.rate >= 0) || load.rate / load.packet_flits > 1)
    throw InputError(
        fmt::format("an injection rate of {} flits per cycle is beyond one packet per "
                    "cycle",
                    load.rate));
  const int n = topology.terminals();
  const bool power = std::has_single_bit(static_cast<unsigned>(n));
  const NocSpec& s = topology.spec();
  if (load.pattern == NocPattern::kTranspose && s.rows != s.cols)
    throw InputError(
        fmt::format("transpose traffic needs a square grid, not {} x {}", s.rows, s.cols));
  if ((load.pattern == NocPattern::kBitReverse || load.pattern == NocPattern::kShuffle) && !power)
    throw InputError(
        fmt::format("this traffic needs a power-of-two number of terminals, not {}", n));
}

}  // namespace

NocPattern parse_pattern(const std::string& text) {
  static const std::vector<std::pair<std::string, NocPattern>> kNames = {
      {"uniform", NocPattern::kUniform},       {"transpose", NocPattern::kTranspose},
      {"neighbor", NocPattern::kNeighbor},     {"hotspot", NocPattern::kHotspot},
      {"hotspot_node0", NocPattern::kHotspot}, {"tornado", NocPattern::kTornado},
      {"bitcomp", NocPattern::kBitComplement}, {"bitrev", NocPattern::kBitReverse},
      {"shuffle", NocPattern::kShuffle}};
  std::vector<std::string> names;
  for (const auto& [name, pattern] : kNames) {
    if (name == text) return pattern;
    names.push_back(name);
  }
  throw InputError(fmt::format("unknown traffic '{}'; known are {}.{}", text, join(names, ", "),
                               did_you_mean(text, names)));
}

int destination_of(NocPattern pattern, const NocSpec& spec, int terminals, int source, Rng& rng) {
  const int per = spec.terminals_per_router;
  const int router = source / per;
  const int lane = source % per;
  const int x = router % spec.cols;
  const int y = router / spec.cols;
  const auto place = [&](int to_x, int to_y) { return (to_y * spec.cols + to_x) * per + lane; };
  const int bits = static_cast<int>(std::bit_width(static_cast<unsigned>(terminals))) - 1;
  switch (pattern) {
    case NocPattern::kTranspose:
      return place(y, x);
    case NocPattern::kNeighbor:
      return place((x + 1) % spec.cols, (y + 1) % spec.rows);
    case NocPattern::kHotspot:
      return 0;
    case NocPattern::kTornado:
      return place((x + (spec.cols - 1) / 2) % spec.cols, y);
    case NocPattern::kBitComplement:
      return terminals - 1 - source;
    case NocPattern::kBitReverse: {
      int reversed = 0;
      for (int b = 0; b < bits; ++b) reversed |= ((source >> b) & 1) << (bits - 1 - b);
      return reversed;
    }
    case NocPattern::kShuffle:
      return ((source << 1) | (source >> (bits - 1))) & (terminals - 1);
    case NocPattern::kUniform:
      break;
  }
  return static_cast<int>(rng.below(static_cast<std::uint64_t>(terminals)));
}

NocMeasurement measure_flits(const Topology& topology, const NocLoad& load) {
  check(topology, load);
  const int terminals = topology.terminals();
  const double packets_per_cycle = load.rate / load.packet_flits;
  Rng rng(load.seed);
  std::vector<Source> sources;
  sources.reserve(static_cast<std::size_t>(terminals));
  for (int t = 0; t < terminals; ++t) sources.emplace_back(packets_per_cycle, rng);
  FlitNetwork net(topology);
  Tally tally(load, terminals);
  const std::int64_t limit = load.warmup + load.measure + load.patience;
  std::int64_t next_creation = 0;
  while (net.cycle() < limit && !tally.finished(net.cycle())) {
    const std::int64_t now = net.cycle();
    if (now >= next_creation) {
      next_creation = limit;
      for (int t = 0; t < terminals; ++t) {
        Source& s = sources[at(t)];
        if (s.next() <= now) {
          const auto variant =
              static_cast<int>(rng.below(static_cast<std::uint64_t>(topology.variants())));
          net.offer(t, destination_of(load.pattern, topology.spec(), terminals, t, rng),
                    load.packet_flits, 0, s.next(), variant);
          tally.created(s.next());
          s.advance(rng);
        }
        next_creation = std::min(next_creation, s.next());
      }
    }
    if (net.idle()) {
      net.skip_to(std::min(next_creation, limit));
      continue;
    }
    net.step();
    for (const NocDelivery& d : net.deliveries())
      tally.delivered(d.created, d.injected, d.delivered, d.flits, d.routers);
    net.deliveries().clear();
    if (net.packets_in_network() > 0 && net.cycle() - net.last_movement() > kWatchdogCycles)
      throw Contradiction(fmt::format("the network is deadlocked since cycle {}: {}",
                                      net.last_movement(), join(net.blocked(8), "; ")));
  }
  NocMeasurement m = tally.result();
  m.flit_hops = net.flit_hops();
  m.cycles = net.cycle();
  return m;
}

namespace {

/// Events by cycle: a ring of lists for the near future, a heap for the rest. First in, first out
/// within a cycle, as the hops' arbitration is.
class Agenda {
 public:
  explicit Agenda(std::size_t items) : next_(items, kEnd), heads_(kSlots, kEnd), tails_(kSlots) {}
  void grow(std::size_t items) { next_.resize(items, kEnd); }
  void put(std::int64_t when, std::uint32_t item) {
    if (when - now_ >= static_cast<std::int64_t>(kSlots)) {
      far_.push({when, order_++, item});
      return;
    }
    const std::size_t slot = at(when) & (kSlots - 1);
    next_[item] = kEnd;
    if (heads_[slot] == kEnd) {
      heads_[slot] = item;
    } else {
      next_[tails_[slot]] = item;
    }
    tails_[slot] = item;
    ++pending_;
  }
  /// The next item and its cycle; false when nothing is left.
  bool take(std::int64_t& when, std::uint32_t& item) {
    if (pending_ == 0) {
      if (far_.empty()) return false;
      now_ = far_.top().when;
      refill();
    }
    while (heads_[at(now_) & (kSlots - 1)] == kEnd) {
      ++now_;
      if (!far_.empty()) refill();
    }
    const std::size_t slot = at(now_) & (kSlots - 1);
    item = heads_[slot];
    heads_[slot] = next_[item];
    --pending_;
    when = now_;
    return true;
  }

 private:
  static constexpr std::size_t kSlots = 4096;
  static constexpr std::uint32_t kEnd = 0xffffffff;
  struct Far {
    std::int64_t when;
    std::uint64_t order;
    std::uint32_t item;
    bool operator<(const Far& o) const { return when != o.when ? when > o.when : order > o.order; }
  };
  void refill() {
    while (!far_.empty() && far_.top().when - now_ < static_cast<std::int64_t>(kSlots)) {
      const Far f = far_.top();
      far_.pop();
      put(f.when, f.item);
    }
  }
  std::vector<std::uint32_t> next_;
  std::vector<std::uint32_t> heads_;
  std::vector<std::uint32_t> tails_;
  std::priority_queue<Far> far_;
  std::uint64_t order_ = 0;
  std::int64_t now_ = 0;
  std::size_t pending_ = 0;
};

struct Traveller {
  NocFlight flight;
  std::int64_t created = 0;
  std::int64_t injected = 0;
  std::span<const LinkId> links;
  std::uint32_t hop = 0;
  int source = 0;
};

}  // namespace

NocMeasurement measure_transactions(const Topology& topology, const NocLoad& load) {
  check(topology, load);
  const int terminals = topology.terminals();
  Rng rng(load.seed);
  NocTransaction net(topology);
  const std::int64_t tick = net.cycle().value();
  const auto bytes =
      Bytes(static_cast<std::int64_t>(std::ceil(load.packet_flits * topology.spec().flit_bytes)));
  std::vector<Source> sources;
  Agenda agenda(at(terminals));
  for (int t = 0; t < terminals; ++t) {
    sources.emplace_back(load.rate / load.packet_flits, rng);
    agenda.put(sources.back().next(), static_cast<std::uint32_t>(t));
  }
  // Items below `terminals` are sources, the others travellers.
  std::vector<Traveller> pool;
  std::vector<std::uint32_t> unused;
  const bool ranged = topology.spec().kind == config::NocKind::kTorus ||
                      topology.spec().routing == NocRouting::kO1Turn;
  Tally tally(load, terminals);
  const std::int64_t limit = load.warmup + load.measure + load.patience;
  std::int64_t flit_hops = 0;
  std::int64_t now = 0;
  std::uint32_t item = 0;
  const auto own = static_cast<std::uint32_t>(terminals);
  while (agenda.take(now, item) && now < limit && !tally.finished(now)) {
    if (item < own) {
      // A source launches when its link is free; the packet may have been created earlier.
      const int t = static_cast<int>(item);
      Source& source = sources[item];
      const std::int64_t free = net.free_at(topology.injection(t)).value() / tick;
      if (free > now) {
        agenda.put(free, item);
        continue;
      }
      std::uint32_t id;
      if (unused.empty()) {
        id = static_cast<std::uint32_t>(pool.size());
        pool.emplace_back();
        agenda.grow(own + pool.size());
      } else {
        id = unused.back();
        unused.pop_back();
      }
      Traveller& p = pool[id];
      const auto variant =
          static_cast<int>(rng.below(static_cast<std::uint64_t>(topology.variants())));
      const int to = destination_of(load.pattern, topology.spec(), terminals, t, rng);
      p.created = source.next();
      p.source = t;
      p.links = topology.path(t, to, variant);
      p.hop = 0;
      p.flight = net.launch(Time(now * tick), bytes);
      tally.created(p.created);
      agenda.put(now, own + id);
      source.advance(rng);
      continue;
    }
    Traveller& p = pool[item - own];
    const LinkId link = p.links[p.hop];
    int begin = 0;
    int end = 0;
    if (ranged) std::tie(begin, end) = topology.vc_range(p.links, p.hop);
    if (!net.advance(p.flight, link, begin, end)) {
      agenda.put(p.flight.head.value() / tick, item);
      continue;
    }
    if (p.hop == 0) {
      // The source may send its next packet when this one has left.
      p.injected = now;
      agenda.put(std::max(sources[at(p.source)].next(), net.free_at(link).value() / tick),
                 static_cast<std::uint32_t>(p.source));
    } else {
      flit_hops += load.packet_flits;
    }
    if (++p.hop < p.links.size()) {
      agenda.put(p.flight.head.value() / tick, item);
      continue;
    }
    tally.delivered(p.created, p.injected, p.flight.tail.value() / tick, load.packet_flits,
                    static_cast<int>(p.links.size()) - 1);
    unused.push_back(item - own);
  }
  NocMeasurement m = tally.result();
  m.flit_hops = flit_hops;
  m.cycles = now;
  return m;
}

}  // namespace athena::timing
