#include "noc/network.h"

#include <catch2/catch.hpp>
#include <map>
#include <numeric>

#include "base/error.h"
#include "base/rng.h"

using namespace athena;
using namespace athena::noc;
using config::NocKind;

namespace {

/// Notes when what arrived where.
class Sink final : public Receiver {
 public:
  explicit Sink(sim::Dispatcher& dispatcher) : dispatcher_(dispatcher) {}
  void arrived(void* item, int terminal) override {
    arrivals.push_back({item, terminal, dispatcher_.now()});
  }
  struct Arrival {
    void* item;
    int terminal;
    Time when;
  };
  std::vector<Arrival> arrivals;

 private:
  sim::Dispatcher& dispatcher_;
};

/// Sends a list of messages, each at its time.
class Traffic final : public sim::Client {
 public:
  Traffic(Network& network, sim::Dispatcher& dispatcher, Receiver& sink)
      : network_(network), dispatcher_(dispatcher), sink_(sink) {}
  void add(Time when, int source, std::vector<int> destinations, Bytes bytes) {
    messages_.push_back(std::make_unique<Message>(Message{source, std::move(destinations), bytes}));
    dispatcher_.post(when, *this, 0, messages_.back().get());
  }
  void wake(std::uint32_t, void* item) override {
    const auto& m = *static_cast<Message*>(item);
    network_.send(m.source, m.destinations, m.bytes, 0, sink_, item);
  }

 private:
  struct Message {
    int source;
    std::vector<int> destinations;
    Bytes bytes;
  };
  Network& network_;
  sim::Dispatcher& dispatcher_;
  Receiver& sink_;
  std::vector<std::unique_ptr<Message>> messages_;
};

/// One network of each tier: SystemC builds all modules before the first run.
struct Pair {
  explicit Pair(const timing::NocSpec& spec, sim::Dispatcher& dispatcher)
      : coarse(make_network("coarse", spec, Tier::kTransaction, dispatcher)),
        fine(make_network("fine", spec, Tier::kDetailed, dispatcher)) {}
  [[nodiscard]] Network& of(Tier tier) { return tier == Tier::kDetailed ? *fine : *coarse; }
  std::unique_ptr<Network> coarse;
  std::unique_ptr<Network> fine;
};

timing::NocSpec mesh() {
  timing::NocSpec spec;
  spec.flit_bytes = 64;
  spec.clock = Hertz(1e9);
  return spec;
}

}  // namespace

TEST_CASE("a lone message takes the closed form in both tiers") {
  sim::prepare_kernel();
  sim::Dispatcher dispatcher("dispatcher");
  Pair pair(mesh(), dispatcher);
  for (const Tier tier : {Tier::kTransaction, Tier::kDetailed}) {
    Network* const network = &pair.of(tier);
    for (const int to : {0, 3, 5, 15}) {
      dispatcher.reset();
      network->reset();
      Sink sink(dispatcher);
      Traffic traffic(*network, dispatcher, sink);
      traffic.add(Time(7000000), 0, {to}, Bytes(64 * 12));
      dispatcher.run_to_idle();
      REQUIRE(sink.arrivals.size() == 1);
      const Time expected =
          Time(7000000) + Time(1000000) * network->topology().zero_load_cycles(0, to, 12);
      CHECK(sink.arrivals[0].when == expected);
      CHECK(network->open() == 0);
      CHECK_NOTHROW(network->check_progress());
    }
  }
}

TEST_CASE("both tiers deliver everything, at similar times, and carry the same bytes") {
  sim::prepare_kernel();
  sim::Dispatcher dispatcher("dispatcher");
  std::map<Tier, double> mean;
  std::map<Tier, std::int64_t> carried;
  Pair pair(mesh(), dispatcher);
  for (const Tier tier : {Tier::kTransaction, Tier::kDetailed}) {
    Network* const network = &pair.of(tier);
    dispatcher.reset();
    Sink sink(dispatcher);
    Traffic traffic(*network, dispatcher, sink);
    Rng rng(5);
    for (int i = 0; i < 1200; ++i) {
      const int s = static_cast<int>(rng.below(16));
      const int d = static_cast<int>(rng.below(16));
      traffic.add(Time(1000000) * i, s, {d}, Bytes(64 * 8));
    }
    dispatcher.run_to_idle();
    REQUIRE(sink.arrivals.size() == 1200);
    double sum = 0;
    for (const auto& a : sink.arrivals) sum += to_seconds(a.when).value();
    mean[tier] = sum / 1200;
    for (timing::LinkId l = 0; l < network->topology().link_count(); ++l)
      carried[tier] += network->use(l).bytes.value();
  }
  CHECK(mean[Tier::kTransaction] == Approx(mean[Tier::kDetailed]).epsilon(0.02));
  CHECK(carried[Tier::kTransaction] == carried[Tier::kDetailed]);
}

TEST_CASE("a multicast reaches everyone once and pays shared links once") {
  sim::prepare_kernel();
  sim::Dispatcher dispatcher("dispatcher");
  const auto network = make_network("network", mesh(), Tier::kTransaction, dispatcher);
  Sink sink(dispatcher);
  Traffic traffic(*network, dispatcher, sink);
  std::vector<int> all(16);
  std::iota(all.begin(), all.end(), 0);
  traffic.add(Time(0), 5, all, Bytes(64 * 4));
  dispatcher.run_to_idle();
  CHECK(sink.arrivals.size() == 16);
  std::int64_t packets = 0;
  for (timing::LinkId l = 0; l < network->topology().link_count(); ++l) {
    CHECK(network->use(l).packets <= 1);
    packets += network->use(l).packets;
  }
  CHECK(packets == 1 + 15 + 15);  // injection, a spanning tree, ejections
}

TEST_CASE("a run after reset equals the first, to the femtosecond") {
  sim::prepare_kernel();
  sim::Dispatcher dispatcher("dispatcher");
  Pair pair(mesh(), dispatcher);
  for (const Tier tier : {Tier::kTransaction, Tier::kDetailed}) {
    Network* const network = &pair.of(tier);
    std::vector<std::vector<Time>> runs;
    for (int run = 0; run < 2; ++run) {
      dispatcher.reset();
      network->reset();
      Sink sink(dispatcher);
      Traffic traffic(*network, dispatcher, sink);
      Rng rng(9);
      for (int i = 0; i < 300; ++i)
        traffic.add(Time(500000) * i, static_cast<int>(rng.below(16)),
                    {static_cast<int>(rng.below(16))}, Bytes(700));
      dispatcher.run_to_idle();
      runs.emplace_back();
      for (const auto& a : sink.arrivals) runs.back().push_back(a.when);
    }
    CHECK(runs[0] == runs[1]);
  }
}

TEST_CASE("a network that can deadlock is not built") {
  sim::prepare_kernel();
  sim::Dispatcher dispatcher("dispatcher");
  timing::NocSpec spec = mesh();
  spec.kind = NocKind::kTorus;
  spec.virtual_channels = 1;
  CHECK_THROWS_WITH(make_network("ring", spec, Tier::kTransaction, dispatcher),
                    Catch::Matchers::Contains("can deadlock"));
}
