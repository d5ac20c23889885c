// A service under random traffic: what must hold whatever the policies are.
#include "serving/service.h"

#include <catch2/catch.hpp>
#include <map>

#include "analytic_steps.h"
#include "base/error.h"
#include "base/rng.h"

using namespace athena;
using namespace athena::serving;
using athena::serving::testing::LinearSteps;
using athena::serving::testing::ListTrace;
using athena::serving::testing::make_request;

namespace {

struct Scene {
  ServiceConfig config;
  ReplicaMemory memory;
  std::vector<Request> requests;
};

template <class T>
T pick(Rng& rng, std::initializer_list<T> options) {
  return options.begin()[rng.below(options.size())];
}

Scene random_scene(std::uint64_t seed) {
  Rng rng(seed);
  Scene scene;
  EngineConfig& e = scene.config.engine;
  e.batching = pick(rng, {Batching::kStatic, Batching::kContinuous, Batching::kChunked});
  e.order = pick(rng, {StepOrder::kPrefillFirst, StepOrder::kDecodeFirst});
  e.preemption = pick(rng, {Preemption::kRecompute, Preemption::kSwap});
  e.max_batch = pick<std::int64_t>(rng, {1, 3, 8, 32});
  e.max_batched_tokens = pick<std::int64_t>(rng, {32, 64, 300});
  e.page_tokens = pick<std::int64_t>(rng, {1, 4, 16});
  e.watermark = pick(rng, {0.0, 0.01, 0.1});
  e.prefix_cache = rng.chance(0.5);
  e.priority_preempts = rng.chance(0.5);
  e.step_overhead = Seconds(pick(rng, {0.0, 0.001}));
  e.swap_space = Bytes(pick<std::int64_t>(rng, {0, 1 << 20, 1 << 30}));
  scene.config.router =
      pick(rng, {Router::kRoundRobin, Router::kLeastLoaded, Router::kPrefixAware});
  scene.config.replicas = pick(rng, {1, 1, 2, 3});
  if (e.batching != Batching::kStatic && rng.chance(0.3)) {
    scene.config.prefill_replicas = pick(rng, {1, 2});
    scene.config.decode_replicas = pick(rng, {1, 2});
  }
  scene.memory.kv_pages = pick<std::int64_t>(rng, {0, 40, 80, 400});
  scene.memory.kv_bytes_per_token = Bytes(1000);
  scene.memory.max_context = pick<std::int64_t>(rng, {0, 150});
  double now = 0.0;
  const auto count = 5 + rng.below(30);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (!rng.chance(0.3)) now += rng.exponential(0.05);
    Request r = make_request(static_cast<std::int64_t>(i), now,
                             1 + static_cast<std::int64_t>(rng.below(120)),
                             1 + static_cast<std::int64_t>(rng.below(60)));
    r.priority = static_cast<int>(rng.below(3));
    const std::uint64_t stem = rng.below(3);
    for (std::int64_t b = 0; b < ceil_div<std::int64_t>(r.input_tokens, 16); ++b) {
      // Prompts of one stem begin alike for a while, then differ.
      const auto block = static_cast<std::uint64_t>(b);
      r.hashes.push_back(block < 3 ? stem * 100 + block : 1000 + i * 100 + block);
    }
    scene.requests.push_back(r);
  }
  return scene;
}

ServiceResult run(const Scene& scene, LinearSteps& steps, RunOptions options = {}) {
  ListTrace trace(scene.requests);
  trace.block_tokens = 16;
  return serve(trace, scene.config, scene.memory, steps, options);
}

}  // namespace

TEST_CASE("Nothing is lost, invented or served early, whatever the policies") {
  std::int64_t preemptions = 0, swaps = 0, reused = 0, rejected = 0, transfers = 0;
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    CAPTURE(seed);
    const Scene scene = random_scene(seed);
    LinearSteps steps;
    std::map<std::int64_t, Sequence> done;
    RunOptions options;
    options.audit = true;
    double sojourns = 0.0;
    options.on_finished = [&](const Sequence& s) {
      REQUIRE(done.emplace(s.id, s).second);
      sojourns += s.finished - s.arrival;
    };
    double clock = 0.0;
    options.on_step = [&](const StepRecord& r) {
      REQUIRE(r.end > r.begin);
      REQUIRE(r.end >= clock);
      clock = r.end;
      REQUIRE(r.kv_share <= 1.0);
      CAPTURE(r.replica, r.steps, r.output_tokens, r.prompt_tokens, r.begin, r.end);
      REQUIRE(r.sequences <= scene.config.engine.max_batch);
    };
    const ServiceResult result = run(scene, steps, options);
    REQUIRE(result.requests == static_cast<std::int64_t>(scene.requests.size()));
    REQUIRE(result.completed + result.rejected == result.requests);
    REQUIRE(result.unfinished == result.rejected);
    REQUIRE(static_cast<std::int64_t>(done.size()) == result.completed);
    std::int64_t outputs = 0, inputs = 0;
    for (const auto& [id, s] : done) {
      const Request& r = scene.requests[static_cast<std::size_t>(id)];
      REQUIRE(s.input == r.input_tokens);
      REQUIRE(s.generated == r.output_tokens);
      REQUIRE(s.first_token >= r.arrival.value() + steps.fixed);
      REQUIRE(s.finished >=
              s.first_token + steps.fixed * 0.999 * static_cast<double>(s.output - 1));
      outputs += s.output;
      inputs += s.input;
    }
    REQUIRE(result.sampled_tokens == outputs);
    REQUIRE(result.output_tokens == outputs);
    REQUIRE(result.prefill_tokens + result.reused_tokens >= inputs);
    if (result.preemptions == 0) {
      REQUIRE(result.prefill_tokens + result.reused_tokens == inputs);
    }
    // Little's law, in its exact form: the integral of the number in the system is the sum of the
    // times that requests spend in it.
    REQUIRE(result.in_system_s == Approx(sojourns).epsilon(1e-9));
    preemptions += result.preemptions;
    swaps += result.swaps;
    reused += result.reused_tokens;
    rejected += result.rejected;
    transfers += result.transfer_s > 0.0 ? 1 : 0;
  }
  // The traffic reaches every mechanism that it is meant to test.
  CHECK(preemptions > 1000);
  CHECK(swaps > 100);
  CHECK(reused > 1000);
  CHECK(rejected > 100);
  CHECK(transfers > 100);
}

TEST_CASE("Many decode steps at once equal the same steps one by one") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    const Scene scene = random_scene(seed);
    LinearSteps at_once, one_by_one;
    one_by_one.closed_form = false;
    const ServiceResult a = run(scene, at_once);
    const ServiceResult b = run(scene, one_by_one);
    REQUIRE(a.steps == b.steps);
    REQUIRE(a.last_finish_s == Approx(b.last_finish_s).epsilon(1e-9));
    REQUIRE(a.ttft.p99 == Approx(b.ttft.p99).epsilon(1e-6));
    REQUIRE(a.tpot.p50 == Approx(b.tpot.p50).epsilon(1e-6));
    REQUIRE(a.step_energy.value() == Approx(b.step_energy.value()).epsilon(1e-9));
    REQUIRE(a.preemptions == b.preemptions);
  }
}

TEST_CASE("The same input gives the same result to the last bit") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Scene scene = random_scene(seed);
    LinearSteps first, second;
    const ServiceResult a = run(scene, first), b = run(scene, second);
    REQUIRE(a.e2e.mean == b.e2e.mean);
    REQUIRE(a.last_finish_s == b.last_finish_s);
  }
}

namespace {

/// Requests of one output token whose prompt takes exactly `service` seconds, Poisson arrivals.
std::vector<Request> poisson(double rate, std::int64_t count, std::uint64_t seed,
                             std::int64_t output = 1) {
  Rng rng(seed);
  std::vector<Request> requests;
  double now = 0.0;
  for (std::int64_t i = 0; i < count; ++i) {
    now += rng.exponential(1.0 / rate);
    requests.push_back(make_request(i, now, 100, output));
  }
  return requests;
}

}  // namespace

TEST_CASE("One request at a time with constant service is an M/D/1 queue") {
  // Pollaczek-Khinchine: mean wait = rho * D / (2 (1 - rho)).
  for (const double load : {0.3, 0.6, 0.8}) {
    CAPTURE(load);
    Scene scene;
    scene.config.engine.max_batch = 1;
    scene.requests = poisson(load / 0.1, 400000, 7);
    LinearSteps steps;
    steps.fixed = 0.1;
    steps.per_token = steps.per_pair = 0.0;
    const ServiceResult result = run(scene, steps);
    const double wait = result.e2e.mean - 0.1;
    CHECK(wait == Approx(load * 0.1 / (2.0 * (1.0 - load))).epsilon(0.02));
    CHECK(result.utilisation() == Approx(load).epsilon(0.01));
    // Little's law over the run: L = lambda W.
    CHECK(result.in_system_s / result.duration_s() ==
          Approx(result.requests_per_s() * result.e2e.mean).epsilon(1e-6));
  }
}

TEST_CASE("More replicas, more urgency and more memory never serve worse where they must not") {
  Scene scene;
  scene.requests = poisson(40.0, 3000, 3, 20);
  scene.config.engine.max_batch = 8;
  LinearSteps steps;
  double before = 1e9;
  for (const int replicas : {1, 2, 4, 8}) {
    scene.config.replicas = replicas;
    const double mean = run(scene, steps).e2e.mean;
    CHECK(mean <= before);
    before = mean;
  }
  scene.config.replicas = 1;
  for (std::size_t i = 0; i < scene.requests.size(); ++i) {
    scene.requests[i].priority = static_cast<int>(i % 2);
  }
  double urgent = 0.0, patient = 0.0;
  RunOptions options;
  options.on_finished = [&](const Sequence& s) {
    (s.priority == 0 ? urgent : patient) += s.first_token - s.arrival;
  };
  (void)run(scene, steps, options);
  CHECK(urgent < 0.5 * patient);
}

TEST_CASE("Chunked prefill bounds the gap between tokens that a long prompt opens") {
  Scene scene;
  scene.requests = {make_request(0, 0.0, 10, 200)};
  for (int i = 1; i < 20; ++i) scene.requests.push_back(make_request(i, 0.1 * i, 4000, 2));
  LinearSteps steps;
  scene.config.engine.max_batched_tokens = 256;
  const auto gap = [&](Batching batching, StepOrder order) {
    scene.config.engine.batching = batching;
    scene.config.engine.order = order;
    double longest = 0.0;
    RunOptions options;
    options.on_step = [&](const StepRecord& r) {
      longest = std::max(longest, (r.end - r.begin) / static_cast<double>(r.steps));
    };
    (void)run(scene, steps, options);
    return longest;
  };
  const double chunked = gap(Batching::kChunked, StepOrder::kDecodeFirst);
  const double whole = gap(Batching::kContinuous, StepOrder::kPrefillFirst);
  CHECK(chunked < 0.25 * whole);
}

TEST_CASE("Disaggregation pays for the KV that moves") {
  Scene scene;
  scene.requests = poisson(5.0, 200, 11, 10);
  scene.config.prefill_replicas = 1;
  scene.config.decode_replicas = 1;
  scene.memory.kv_bytes_per_token = Bytes(1'000'000);
  scene.config.transfer.bandwidth = BytesPerSecond(1e9);
  scene.config.transfer.latency = Seconds(0.01);
  LinearSteps steps;
  const ServiceResult slow = run(scene, steps);
  // 100 prompt tokens of 1 MB at 1 GB/s.
  CHECK(slow.transfer_s == Approx(200 * 0.1));
  scene.config.transfer.bandwidth = BytesPerSecond(1e12);
  const ServiceResult fast = run(scene, steps);
  CHECK(slow.e2e.p50 - fast.e2e.p50 > 0.09);
  CHECK(slow.ttft.p50 == Approx(fast.ttft.p50).epsilon(0.01));
}

TEST_CASE("What can never be served is counted, or shortened when asked") {
  Scene scene;
  scene.memory.max_context = 100;
  scene.requests = {make_request(0, 0, 50, 10), make_request(1, 0, 95, 10),
                    make_request(2, 0, 10, 400)};
  LinearSteps steps;
  const ServiceResult rejected = run(scene, steps);
  CHECK(rejected.rejected == 2);
  CHECK(rejected.completed == 1);
  CHECK(rejected.unfinished == 2);
  REQUIRE(rejected.refusals.size() == 2);
  CHECK(rejected.refusals[1].id == 2);
  RunOptions options;
  options.overlong = Overlong::kTruncate;
  const ServiceResult truncated = run(scene, steps, options);
  CHECK(truncated.truncated == 2);
  CHECK(truncated.completed == 3);
  CHECK(truncated.unfinished == 0);
  CHECK(truncated.output_tokens == 10 + 10 + 99);
  CHECK(truncated.input_tokens == 50 + 90 + 1);
}

TEST_CASE("A run that is cut off reports who is not finished") {
  Scene scene;
  scene.requests = poisson(10.0, 1000, 5, 50);
  LinearSteps steps;
  RunOptions options;
  options.stop_after = Seconds(20.0);
  const ServiceResult result = run(scene, steps, options);
  CHECK(result.requests == 1000);
  CHECK(result.completed > 0);
  CHECK(result.unfinished == 1000 - result.completed);
  CHECK(result.last_finish_s <= 20.0);
}

TEST_CASE("An empty trace is no traffic") {
  Scene scene;
  LinearSteps steps;
  CHECK_THROWS_AS(run(scene, steps), InputError);
}

TEST_CASE("Goodput counts the requests that keep every limit") {
  Scene scene;
  scene.requests = poisson(18.0, 2000, 9, 20);
  scene.config.engine.max_batch = 4;
  LinearSteps steps;
  RunOptions options;
  options.slo = parse_slo("ttft.p90=300ms,tpot.p99=20 ms");
  std::int64_t good = 0;
  options.on_finished = [&](const Sequence& s) {
    const double tpot = (s.finished - s.first_token) / static_cast<double>(s.output - 1);
    good += s.first_token - s.arrival <= 0.3 && tpot <= 0.02 ? 1 : 0;
  };
  const ServiceResult result = run(scene, steps, options);
  CHECK(result.good_requests == good);
  CHECK(good > 0);
  CHECK(good < 2000);
  REQUIRE(result.slo.size() == 2);
  for (const SloOutcome& outcome : result.slo) {
    CHECK(outcome.met == (outcome.reached_s <= outcome.term.limit.value()));
  }
}
