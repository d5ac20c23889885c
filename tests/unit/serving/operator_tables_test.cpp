#include "serving/operator_tables.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "analytic_steps.h"
#include "base/error.h"
#include "base/rng.h"
#include "serving/service.h"

using namespace athena;
using namespace athena::serving;
namespace fs = std::filesystem;

namespace {

/// A make-believe chip: projections in tiles of 128 rows under a memory floor, attention bound by
/// keys or by pairs, a collective with latency, launches between operators, and a cache of limited
/// size.
class ToyTimer final : public OperatorTimer {
 public:
  std::int64_t calls = 0;
  std::int64_t capacity = 1 << 30;  ///< keys
  std::string tag = "toy";

  std::string identity() const override { return tag; }
  StepMeasurement measure(const StepShape& shape) override {
    ++calls;
    const auto n = static_cast<double>(shape.tokens());
    double keys = 0.0, attention = 5e-6;
    for (const auto& g : shape.groups) {
      const auto q = static_cast<double>(g.q_len), kv = static_cast<double>(g.kv_len);
      const auto count = static_cast<double>(g.count);
      keys += kv * count;
      attention += count * std::max(60e-9 * kv, 1.5e-9 * q * (kv - (q - 1) / 2.0));
    }
    if (keys > static_cast<double>(capacity)) throw Finding("does not fit.");
    const double gemm = std::max(8e-3, 60e-6 * 16.0 * std::ceil(n / 16.0));
    const double reduce = 40e-6 + 30e-9 * n;
    const double head = 1e-4 + 1e-6 * static_cast<double>(shape.sequences());
    StepMeasurement m;
    m.operators = {
        {"gemm", OperatorKind::kTokens, Seconds(gemm), Joules(200 * gemm)},
        {"attention", OperatorKind::kAttention, Seconds(attention), Joules(100 * attention)},
        {"all_reduce", OperatorKind::kCollective, Seconds(reduce), Joules(50 * reduce)},
        {"head", OperatorKind::kSequences, Seconds(head), Joules(100 * head)}};
    m.total = Seconds(gemm + attention + reduce + head + 3e-4);
    m.energy = Joules(150 * m.total.value());
    return m;
  }
  Watts idle_power() const override { return Watts(60.0); }
};

/// The same chip under a power cap: the products draw more than it allows, and how far the clock
/// falls depends on what else the step does.
class CappedTimer final : public OperatorTimer {
 public:
  std::string identity() const override { return "capped"; }
  StepCost settle(const StepTerms& terms) const override {
    const double power = terms.core_energy.value() / terms.time.value();
    const double slow = std::max(1.0, power / 200.0);
    return {terms.time - terms.core + terms.core * slow, terms.core_energy + terms.other_energy};
  }
  StepMeasurement measure(const StepShape& shape) override {
    StepMeasurement m = toy_.measure(shape);
    StepTerms all{m.total, {}, {}, {}};
    for (OperatorTime& op : m.operators) {
      const bool product = op.kind == OperatorKind::kTokens;
      op.terms = StepTerms{op.time, product ? op.time : Seconds(0.0),
                           Joules((product ? 400.0 : 60.0) * op.time.value()), Joules(0.0)};
      all.core += op.terms->core;
      all.core_energy += op.terms->core_energy;
    }
    m.terms = all;
    const StepCost cost = settle(all);
    m.total = cost.time;
    m.energy = cost.energy;
    return m;
  }

 private:
  ToyTimer toy_;
};

TableLimits limits() {
  TableLimits l;
  l.max_batch = 64;
  l.max_batched_tokens = 2048;
  l.max_context = 32768;
  return l;
}

StepShape random_shape(Rng& rng) {
  StepShape shape;
  const auto decodes = rng.below(60);
  for (std::uint64_t i = 0; i < decodes; ++i) {
    shape.groups.push_back({1, 1 + static_cast<std::int64_t>(rng.below(4000)), 1});
  }
  if (decodes == 0 || rng.chance(0.5)) {
    const auto q = static_cast<std::int64_t>(2 + rng.below(1500));
    shape.groups.push_back(
        {q, q + (rng.chance(0.5) ? 0 : static_cast<std::int64_t>(rng.below(8000))), 1});
  }
  shape.sampled = shape.sequences();
  return shape;
}

}  // namespace

TEST_CASE("Tables stay near the simulator on steps of every kind") {
  ToyTimer timer;
  MeasurementStore store(timer);
  OperatorTables tables(store, limits());
  Rng rng(3);
  std::vector<StepShape> shapes;
  for (int i = 0; i < 2000; ++i) shapes.push_back(random_shape(rng));
  for (const auto& shape : shapes) (void)tables.cost(shape);
  const std::int64_t points = store.measured();
  const TableCheck check = check_tables(tables, store, shapes);
  CHECK(check.steps == 2000);
  CHECK(check.mean_error < 0.005);
  CHECK(std::abs(check.bias) < 0.004);
  CHECK(points < 750);  // pieces of prompts are measured alone and in pairs
  const auto error = tables.interpolation_error();
  CHECK(error.cells > 10);
  CHECK(error.mean < limits().tolerance);
}

TEST_CASE("The clock of a step follows from all of it, not from its operators one by one") {
  CappedTimer timer;
  MeasurementStore store(timer);
  OperatorTables tables(store, limits());
  Rng rng(11);
  std::vector<StepShape> shapes;
  for (int i = 0; i < 500; ++i) shapes.push_back(random_shape(rng));
  double slowest = 0.0, fastest = 1e9;  // of products at N tokens, relative to full clock
  for (const auto& shape : shapes) {
    const auto& m = store.get(shape);
    const double stretch = m->total / m->terms->time;
    slowest = std::max(slowest, stretch);
    fastest = std::min(fastest, stretch);
  }
  REQUIRE(slowest > 1.2 * fastest);  // the cap matters, and not for all steps alike
  const TableCheck check = check_tables(tables, store, shapes);
  CHECK(check.mean_error < 0.005);
  CHECK(std::abs(check.bias) < 0.004);
}

TEST_CASE("What a table says does not depend on what it was asked before") {
  ToyTimer timer;
  Rng rng(5);
  std::vector<StepShape> shapes;
  for (int i = 0; i < 200; ++i) shapes.push_back(random_shape(rng));
  MeasurementStore one(timer), two(timer);
  OperatorTables forwards(one, limits()), backwards(two, limits());
  std::vector<double> times;
  for (const auto& s : shapes) times.push_back(forwards.cost(s).time.value());
  for (std::size_t i = shapes.size(); i-- > 0;) {
    REQUIRE(backwards.cost(shapes[i]).time.value() == times[i]);
  }
}

TEST_CASE("A segment is the sum of the steps that it stands for") {
  ToyTimer timer;
  MeasurementStore store(timer);
  OperatorTables tables(store, limits());
  Rng rng(8);
  for (int round = 0; round < 200; ++round) {
    StepShape shape;
    const auto batch = 1 + rng.below(60);
    for (std::uint64_t i = 0; i < batch; ++i) {
      shape.groups.push_back({1, 1 + static_cast<std::int64_t>(rng.below(5000)), 1});
    }
    const StepSegment segment = tables.segment(shape, 400);
    REQUIRE(segment.steps >= 1);
    REQUIRE(segment.steps <= 400);
    double sum = 0.0;
    for (std::int64_t i = 0; i < segment.steps; ++i) {
      sum += tables.cost(shape).time.value();
      for (auto& g : shape.groups) ++g.kv_len;
    }
    REQUIRE(segment.time_of(segment.steps).value() == Approx(sum).epsilon(1e-9));
  }
}

TEST_CASE("Steps that begin before a limit are counted exactly") {
  Rng rng(2);
  for (int round = 0; round < 500; ++round) {
    StepSegment s;
    s.first.time = Seconds(rng.uniform(0.001, 0.1));
    s.growth.time = Seconds(rng.uniform(0.0, 0.001));
    s.steps = 1 + static_cast<std::int64_t>(rng.below(300));
    const Seconds limit(rng.uniform(-0.1, 40.0));
    const std::int64_t n = s.steps_beginning_before(limit);
    REQUIRE(n >= 1);
    REQUIRE(n <= s.steps);
    if (n > 1) REQUIRE(s.time_of(n - 1) < limit);
    if (n < s.steps) REQUIRE_FALSE(s.time_of(n) < limit);
  }
}

TEST_CASE("Serving from tables gives the percentiles of serving from every step") {
  for (const Batching batching : {Batching::kChunked, Batching::kContinuous}) {
    ToyTimer timer;
    Rng rng(17);
    std::vector<Request> requests;
    double now = 0.0;
    for (int i = 0; i < 500; ++i) {
      now += rng.exponential(0.35);
      requests.push_back(testing::make_request(i, now,
                                               20 + static_cast<std::int64_t>(rng.below(3000)),
                                               1 + static_cast<std::int64_t>(rng.below(300))));
    }
    ServiceConfig config;
    config.engine.batching = batching;
    config.engine.order =
        batching == Batching::kChunked ? StepOrder::kDecodeFirst : StepOrder::kPrefillFirst;
    config.engine.max_batch = 64;
    ReplicaMemory memory;
    memory.kv_pages = 8000;
    memory.max_context = 32768;
    MeasurementStore store(timer);
    OperatorTables tables(store, limits());
    ExactSteps exact(store);
    testing::ListTrace first(requests), second(requests);
    const ServiceResult a = serve(first, config, memory, tables);
    const std::int64_t points = store.measured();
    const ServiceResult b = serve(second, config, memory, exact);
    CAPTURE(static_cast<int>(batching), points, tables.interpolation_error().mean,
            tables.interpolation_error().max);
    CHECK(points < 500);
    CHECK(store.measured() > 10 * points);
    const auto close = [](const Percentiles& x, const Percentiles& y) {
      CHECK(x.p50 == Approx(y.p50).epsilon(0.01));
      CHECK(x.p90 == Approx(y.p90).epsilon(0.01));
      CHECK(x.p99 == Approx(y.p99).epsilon(0.01));
    };
    close(a.ttft, b.ttft);
    close(a.tpot, b.tpot);
    close(a.e2e, b.e2e);
    CHECK(a.energy().value() == Approx(b.energy().value()).epsilon(0.01));
  }
}

TEST_CASE("Tables work up to the edge of what fits, and refuse beyond it") {
  ToyTimer timer;
  timer.capacity = 40000;
  MeasurementStore store(timer);
  OperatorTables tables(store, limits());
  Rng rng(4);
  for (int i = 0; i < 300; ++i) {
    const auto batch = static_cast<std::int64_t>(1 + rng.below(64));
    const auto keys = static_cast<std::int64_t>(
        1 + rng.below(static_cast<std::uint64_t>(std::min<std::int64_t>(32768, 40000 / batch))));
    const StepShape shape{{{1, keys, batch}}, batch};
    ToyTimer fresh;
    REQUIRE(tables.cost(shape).time / fresh.measure(shape).total == Approx(1.0).epsilon(0.01));
  }
  CHECK_THROWS_AS(tables.cost({{{1, 30000, 60}}, 60}), Finding);
}

TEST_CASE("Measurements are kept on disk under the identity of what was measured") {
  const fs::path folder =
      fs::temp_directory_path() / ("athena_step_store_" + std::to_string(::getpid()));
  ToyTimer timer;
  const StepShape shape{{{1, 700, 3}, {64, 900, 1}}, 4};
  Seconds measured{0.0};
  {
    MeasurementStore store(timer, folder);
    measured = store.get(shape)->total;
    timer.capacity = 10;
    CHECK_FALSE(store.get({{{1, 700, 30}}, 30}).has_value());
    store.save();
  }
  {
    MeasurementStore store(timer, folder);
    CHECK(store.loaded() == 2);
    // The order of the entries and how they are grouped do not matter.
    CHECK(store.get({{{64, 900, 1}, {1, 700, 1}, {1, 700, 2}}, 4})->total == measured);
    CHECK_FALSE(store.get({{{1, 700, 30}}, 30}).has_value());
    CHECK(store.measured() == 0);
  }
  timer.tag = "other";
  CHECK(MeasurementStore(timer, folder).loaded() == 0);
  timer.tag = "toy";
  for (const auto& entry : fs::directory_iterator(folder)) std::ofstream(entry.path()) << "{";
  CHECK_THROWS_AS(MeasurementStore(timer, folder), InputError);
  fs::remove_all(folder);
}
