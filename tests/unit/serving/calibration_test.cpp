// Tables of a cheap simulator brought to the level of a dear one by a few of its steps.
#include "serving/calibration.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "base/rng.h"
#include "serving/operator_tables.h"

using namespace athena;
using namespace athena::serving;

namespace {

/// A make-believe chip in two tiers: the dear one is slower by a share that follows the size of
/// each operator's work, and scatters from shape to shape.
class TierTimer final : public OperatorTimer {
 public:
  explicit TierTimer(double slower, double scatter = 0.0) : slower_(slower), scatter_(scatter) {}
  std::int64_t calls = 0;

  std::string identity() const override { return slower_ > 0 ? "dear" : "cheap"; }
  Seconds host_time() const override { return Seconds(2e-3); }
  StepMeasurement measure(const StepShape& shape) override {
    ++calls;
    const auto n = static_cast<double>(shape.tokens());
    double decode = 0.0, prompt = 0.0;
    for (const auto& g : shape.groups) {
      const auto q = static_cast<double>(g.q_len), kv = static_cast<double>(g.kv_len);
      (g.q_len == 1 ? decode : prompt) +=
          static_cast<double>(g.count) * std::max(60e-9 * kv, 1.5e-9 * q * (kv - (q - 1) / 2.0));
    }
    double noise = 1.0;
    if (scatter_ > 0) {
      Rng rng(static_cast<std::uint64_t>(n * 131 + decode * 1e9 + prompt * 1e8));
      noise += scatter_ * rng.normal();
    }
    const double gemm = noise * std::max(8e-3, 60e-6 * 16.0 * std::ceil(n / 16.0)) *
                        (1.0 + slower_ * 0.02 * std::log2(n + 1));
    const double head = 1e-4 * static_cast<double>(shape.sequences());
    decode *= noise * (1.0 + slower_ * 0.1);
    prompt *= noise * (1.0 - slower_ * 0.05);
    StepMeasurement m;
    const auto add = [&](std::string_view op, OperatorKind kind, double seconds) {
      if (seconds > 0) {
        m.operators.push_back({std::string(op), kind, Seconds(seconds), Joules(100 * seconds),
                               StepTerms{Seconds(seconds), Seconds(0.4 * seconds),
                                         Joules(60 * seconds), Joules(40 * seconds)}});
      }
      return seconds;
    };
    const double sum = add("gemm", OperatorKind::kTokens, gemm) +
                       add("head", OperatorKind::kSequences, head) +
                       add("attention", OperatorKind::kAttention, decode) +
                       add(kPromptAttention, OperatorKind::kAttention, prompt);
    m.total = Seconds(sum) + host_time();
    m.energy = Joules(100 * sum);
    m.terms = StepTerms{m.total, Seconds(0.4 * sum), Joules(60 * sum), Joules(40 * sum)};
    return m;
  }

 private:
  double slower_, scatter_;
};

TableLimits limits() {
  TableLimits l;
  l.max_batch = 64;
  l.max_batched_tokens = 2048;
  l.max_context = 16384;
  return l;
}

StepShape random_shape(Rng& rng, bool prompts) {
  StepShape shape;
  const auto decodes = 8 + rng.below(40);
  for (std::uint64_t i = 0; i < decodes; ++i)
    shape.groups.push_back({1, 200 + static_cast<std::int64_t>(rng.below(3000)), 1});
  if (prompts) {
    const auto q = static_cast<std::int64_t>(64 + rng.below(1500));
    shape.groups.push_back({q, q + static_cast<std::int64_t>(rng.below(4000)), 1});
  }
  shape.sampled = shape.sequences();
  return shape;
}

double mean_error(OperatorTables& tables, OperatorTimer& truth, double* bias) {
  Rng rng(77);
  double sum = 0, foretold = 0, real = 0;
  constexpr int kSteps = 300;
  for (int i = 0; i < kSteps; ++i) {
    const StepShape shape = random_shape(rng, i % 2 == 0).canonical();
    const double t = truth.settle(truth.measure(shape).all_terms()).time.value();
    const double guess = tables.cost(shape).time.value();
    sum += std::abs(guess / t - 1.0);
    foretold += guess;
    real += t;
  }
  *bias = foretold / real - 1.0;
  return sum / kSteps;
}

}  // namespace

TEST_CASE("A dozen steps of each kind bring cheap tables to the dear tier") {
  TierTimer cheap(0.0), dear(1.0, 0.005), silent(1.0);
  MeasurementStore full(cheap), few(cheap), transaction(dear);
  OperatorTables tables(full, limits());
  double bias = 0;
  const double before = mean_error(tables, silent, &bias);
  CHECK(before > 0.08);

  StepSample sample(12);
  Rng rng(5);
  for (int i = 0; i < 400; ++i) sample.show(random_shape(rng, i % 2 == 0), 0.02);
  REQUIRE(sample.shapes().size() == 24);
  const Calibration calibration = calibrate(tables, full, few, transaction, sample.shapes());
  CHECK(dear.calls == 24);
  tables.calibrate(&calibration);
  CHECK(mean_error(tables, silent, &bias) < 0.01);
  CHECK(std::abs(bias) < 0.004);
  // The error that is told is the one that is there, scatter included.
  const CalibrationError told = calibration.left_out(cheap);
  CHECK(told.steps == 24);
  CHECK(told.mean < 0.02);
  CHECK(told.mean > 0.001);
  CHECK(told.max >= told.mean);
}

TEST_CASE("Calibrated steps in a row agree with the steps one by one") {
  TierTimer cheap(0.0), dear(1.0);
  MeasurementStore full(cheap), few(cheap), transaction(dear);
  OperatorTables tables(full, limits());
  StepSample sample(8);
  Rng rng(9);
  for (int i = 0; i < 100; ++i) sample.show(random_shape(rng, i % 2 == 0), 0.02);
  const Calibration calibration = calibrate(tables, full, few, transaction, sample.shapes());
  tables.calibrate(&calibration);
  StepShape shape{{{1, 700, 20}}, 20};
  const StepSegment segment = tables.segment(shape, 1000);
  REQUIRE(segment.steps > 10);
  double sum = 0;
  for (std::int64_t i = 0; i < segment.steps; ++i) {
    sum += tables.step(shape).value();
    for (auto& g : shape.groups) ++g.kv_len;
  }
  CHECK(segment.time_of(segment.steps).value() == Approx(sum).epsilon(2e-3));
}

TEST_CASE("Without steps a calibration changes nothing") {
  TierTimer cheap(0.0);
  MeasurementStore full(cheap);
  OperatorTables tables(full, limits());
  const Calibration none({});
  Rng rng(3);
  for (int i = 0; i < 20; ++i) {
    const StepShape shape = random_shape(rng, i % 2 == 0);
    const StepCost plain = tables.cost(shape);
    tables.calibrate(&none);
    CHECK(tables.cost(shape).time.value() == plain.time.value());
    tables.calibrate(nullptr);
  }
  CHECK(none.left_out(cheap).steps == 0);
}

TEST_CASE("A sample keeps both kinds of steps, long ones more often, always the same") {
  const auto draw = [](std::uint64_t seed) {
    StepSample sample(20, seed);
    for (std::int64_t i = 0; i < 2000; ++i) {
      const bool slow = i % 4 == 0;  // a quarter of the steps, each ten times as long
      sample.show({{{1, slow ? 5000 : 100, 8}}, 8}, slow ? 0.1 : 0.01);
      if (i % 10 == 0) sample.show({{{512, 512, 1}, {1, 100, 8}}, 9}, 0.05);
    }
    return sample.shapes();
  };
  int slow = 0, fast = 0, mixed = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto shapes = draw(seed);
    REQUIRE(shapes.size() == 40);
    for (const StepShape& shape : shapes) {
      const bool decodes = shape.decodes() == shape.sequences();
      mixed += decodes ? 0 : 1;
      if (decodes) (shape.groups[0].kv_len == 5000 ? slow : fast) += 1;
    }
  }
  CHECK(mixed == 400);
  // 500 steps of 0.1 s against 1500 of 0.01 s: 77 % of the time.
  CHECK(static_cast<double>(slow) / (slow + fast) == Approx(0.77).margin(0.06));
  const auto once = draw(7), again = draw(7);
  for (std::size_t i = 0; i < once.size(); ++i) CHECK(once[i].text() == again[i].text());
}

TEST_CASE("A run of steps is sampled by the one in its middle") {
  StepSample sample(4);
  sample.show_run({{{1, 100, 3}}, 3}, 40, 1.0);
  REQUIRE(sample.shapes().size() == 1);
  CHECK(sample.shapes()[0].groups[0].kv_len == 120);
}
