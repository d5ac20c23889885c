#include "timing/scheduled_memory.h"

#include <catch2/catch.hpp>
#include <map>

#include "base/error.h"
#include "base/rng.h"
#include "timing/hbm_load.h"

namespace {
using namespace athena;
using namespace athena::timing;

HbmSpec spec() {
  HbmSpec s = spec_from_name("HBM2E-3.2Gbps-derived", 8, "hash");
  s.read_queue = s.write_queue = 32;
  s.drain_high = 0.75;
  s.drain_low = 0.1875;
  return s;
}

/// Steps the model, and counts.
class Counted final : public Block {
 public:
  explicit Counted(std::int64_t& steps)
      : Block("hbm_scheduler", hbm_scheduler_ports()), steps_(steps), body_({}) {}
  void reset() override { body_.reset(); }
  void cycle(const std::uint32_t* in, std::uint32_t* out) override {
    ++steps_;
    body_.cycle(in, out);
  }

 private:
  std::int64_t& steps_;
  HbmSchedulerStep body_;
};

ClockedBodies bodies(std::int64_t& steps) {
  ClockedBodies b;
  b.scheduler = [&steps](const std::string&) { return std::make_unique<Counted>(steps); };
  return b;
}

/// Drives a memory as the chip does; finish time by tag.
template <class Memory>
std::map<std::uint64_t, Time> serve(Memory& memory, const std::vector<HbmRequest>& requests) {
  std::map<std::uint64_t, Time> finish;
  std::size_t next = 0;
  Time now{0};
  while (next < requests.size() || memory.outstanding() > 0) {
    if (memory.outstanding() == 0) now = std::max(now, requests[next].arrival);
    for (; next < requests.size() && requests[next].arrival <= now; ++next)
      memory.submit(requests[next]);
    now += memory.lookahead();
    memory.advance(now);
    for (const HbmCompletion& done : memory.completions()) {
      CHECK(done.finish + memory.lookahead() > now);  // known before it happens
      CHECK(finish.emplace(done.tag, done.finish).second);
    }
    memory.completions().clear();
  }
  return finish;
}

std::vector<HbmRequest> stream(int count, std::int64_t bytes, Time gap) {
  std::vector<HbmRequest> requests;
  for (int i = 0; i < count; ++i) {
    requests.push_back({static_cast<std::uint64_t>(i) * static_cast<std::uint64_t>(bytes),
                        Bytes(bytes), i % 3 == 2, gap * i, static_cast<std::uint64_t>(i)});
  }
  return requests;
}
}  // namespace

TEST_CASE("the derived timing set gives the scheduler's parameters") {
  CHECK(scheduler_params(load_timing("HBM2E-3.2Gbps-derived")) == HbmSchedulerParams{});
  CHECK_FALSE(scheduler_params(load_timing("HBM2E-3.6Gbps-derived")) == HbmSchedulerParams{});
}

TEST_CASE("clocked schedulers serve every request once, after its column commands") {
  std::int64_t steps = 0;
  ClockedBodies b = bodies(steps);
  ScheduledMemory memory(spec(), b);
  const auto requests = stream(200, 1500, Time(3'000'000));
  const auto finish = serve(memory, requests);
  REQUIRE(finish.size() == requests.size());
  const Time least = spec().timing.clock_period() * (HbmSchedulerParams{}.cwl + 2);
  std::int64_t columns = 0;
  for (const HbmRequest& r : requests) {
    CHECK(finish.at(r.tag) >= r.arrival + least);
    const auto first = r.address / 32;
    columns += static_cast<std::int64_t>((r.address + 1499) / 32 - first + 1);
  }
  CHECK(b.scheduler_use.transactions == 200);
  CHECK(b.scheduler_use.pieces == columns);
  CHECK(b.scheduler_use.cycles == steps);
}

TEST_CASE("a saturated stream takes what the queued model says") {
  std::int64_t steps = 0;
  ClockedBodies b = bodies(steps);
  ScheduledMemory clocked(spec(), b);
  HbmQueued queued(spec());
  const auto requests = stream(600, 4096, Time(0));
  Time last_clocked{0};
  Time last_queued{0};
  for (const auto& [tag, at] : serve(clocked, requests)) last_clocked = std::max(last_clocked, at);
  for (const auto& [tag, at] : serve(queued, requests)) last_queued = std::max(last_queued, at);
  const double ratio = to_seconds(last_queued).value() / to_seconds(last_clocked).value();
  CHECK(ratio == Approx(1.0).margin(0.05));
}

TEST_CASE("whole refresh intervals without a request are left out, and nothing changes by it") {
  // The same two requests, with something in between that keeps every cycle walked, on a channel
  // of its own: the second request must end at the same time.
  const HbmSchedulerParams p;
  const Time period = spec().timing.clock_period();
  for (const std::int64_t gap : {3 * p.t_refi + 17, 7 * p.t_refi + 5000, 20 * p.t_refi - 400}) {
    std::int64_t steps = 0;
    ClockedBodies b = bodies(steps);
    ScheduledMemory memory(spec(), b);
    const std::vector<HbmRequest> apart{{0, Bytes(32), false, Time(0), 0},
                                        {0, Bytes(32), false, period * gap, 1}};
    const Time finish = serve(memory, apart).at(1);
    CHECK(steps < 3 * p.t_refi + 3000);

    HbmSchedulerStep oracle(p);
    std::vector<std::uint32_t> in(6);
    std::vector<std::uint32_t> out(11);
    std::int64_t expected = -1;
    for (std::int64_t cycle = 0; expected < 0; ++cycle) {
      in[0] = cycle == 0 || cycle == gap;
      oracle.cycle(in.data(), out.data());
      if (out[5] != 0 && cycle >= gap) expected = cycle + p.cl + p.bl;
    }
    CHECK(finish.value() == (period * expected).value());
  }
}

TEST_CASE("rows that the scheduler cannot name are refused with the address") {
  std::int64_t steps = 0;
  ClockedBodies b = bodies(steps);
  ScheduledMemory memory(spec(), b);
  const auto far = static_cast<std::uint64_t>(spec().capacity().value() - 4096);
  CHECK_THROWS_WITH(memory.submit({far, Bytes(64), false, Time(0), 0}),
                    Catch::Contains("names 16384 rows"));
}
