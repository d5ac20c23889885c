#include "serving/capacity.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "analytic_steps.h"
#include "base/error.h"
#include "base/rng.h"
#include "serving/result_json.h"

using namespace athena;
using namespace athena::serving;
using athena::serving::testing::LinearSteps;
using athena::serving::testing::ListTrace;

namespace {

/// Poisson requests of one token to a server that takes 0.1 s for each: an M/D/1 queue.
TrafficFactory md1_traffic(double rate, std::int64_t count) {
  return [rate, count](double scale, int replication) -> std::unique_ptr<TraceReader> {
    Rng rng(static_cast<std::uint64_t>(replication) + 1);
    std::vector<Request> requests;
    double now = 0.0;
    for (std::int64_t i = 0; i < count; ++i) {
      now += rng.exponential(1.0 / (rate * scale));
      requests.push_back(testing::make_request(i, now, 100, 1));
    }
    return std::make_unique<ListTrace>(std::move(requests));
  };
}

struct Md1 {
  LinearSteps steps;
  ServiceConfig config;
  ReplicaMemory memory;
  Md1() {
    steps.fixed = 0.1;
    steps.per_token = steps.per_pair = 0.0;
    config.engine.max_batch = 1;
    config.router = Router::kLeastLoaded;
  }
};

}  // namespace

TEST_CASE("The capacity of an M/D/1 queue is where theory puts it") {
  // Mean time in system 0.1 (1 + rho / (2 (1 - rho))) = 0.2 at rho = 2/3: 6.67 requests/s.
  Md1 md1;
  CapacityOptions options;
  options.slo = parse_slo("e2e.mean=200ms");
  const CapacityResult result =
      find_capacity(md1_traffic(3.0, 40000), md1.config, md1.memory, md1.steps, options);
  REQUIRE(result.found);
  CHECK(result.best.rate_per_s == Approx(6.667).epsilon(0.04));
  CHECK(result.best.rate_per_s < 6.75);  // errs to the safe side
  CHECK(result.broken_above_per_s >= result.best.rate_per_s);
  CHECK(result.broken_above_per_s < result.best.rate_per_s * 1.03);
  for (const RateTrial& trial : result.trials) {
    CHECK(trial.replications >= options.min_replications);
    CHECK(trial.replications <= options.max_replications);
  }
}

TEST_CASE("An SLO that no rate or every rate keeps is said so") {
  Md1 md1;
  CapacityOptions options;
  options.slo = parse_slo("e2e.p50=50ms");  // below the service time
  options.lowest_scale = 0.1;
  CHECK_FALSE(
      find_capacity(md1_traffic(1.0, 300), md1.config, md1.memory, md1.steps, options).found);
  options.slo = parse_slo("e2e.max=1h");
  options.highest_scale = 20.0;
  const auto open =
      find_capacity(md1_traffic(1.0, 300), md1.config, md1.memory, md1.steps, options);
  CHECK(open.open_ended);
  CHECK(open.found);
  options.slo = Slo{};
  CHECK_THROWS_AS(find_capacity(md1_traffic(1.0, 300), md1.config, md1.memory, md1.steps, options),
                  InputError);
}

TEST_CASE("Replicas for a given traffic: enough, and one fewer is not") {
  Md1 md1;
  CapacityOptions options;
  options.slo = parse_slo("e2e.p90=300ms");
  const auto traffic = md1_traffic(50.0, 5000);  // five servers' worth
  const int replicas = find_replicas(traffic, md1.config, md1.memory, md1.steps, options, 1.0, 64);
  CHECK(replicas >= 6);
  CHECK(replicas <= 8);
  CHECK(find_replicas(traffic, md1.config, md1.memory, md1.steps, options, 1.0, 4) == 0);
}

TEST_CASE("Student's t quantiles are those of the tables") {
  CHECK(student_t(0.95, 2) == Approx(2.920).epsilon(1e-3));
  CHECK(student_t(0.95, 7) == Approx(1.895).epsilon(1e-3));
  CHECK(student_t(0.975, 10) == Approx(2.228).epsilon(1e-3));
}

TEST_CASE("The result as JSON is complete and consistent") {
  Md1 md1;
  auto trace = md1_traffic(5.0, 2000)(1.0, 0);
  RunOptions options;
  options.slo = parse_slo("ttft.p90=1s");
  const ServiceResult result = serve(*trace, md1.config, md1.memory, md1.steps, options);
  const auto json = to_json(result, 3.0);
  for (const char* key : {"ttft_s", "tpot_s", "e2e_s"}) {
    for (const char* p : {"p50", "p90", "p99"}) CHECK(json[key].contains(p));
  }
  CHECK(json["requests"] == 2000);
  CHECK(json["unfinished"] == 0);
  // 3 dollars per chip-hour over the run, per million output tokens.
  CHECK(json["usd_per_mtok"].get<double>() ==
        Approx(3.0 * result.duration_s() / 3600.0 / 2000.0 * 1e6));
  CHECK(to_json(result, std::nullopt)["usd_per_mtok"].is_null());
  double tokens = 0.0, seconds = 0.0;
  for (const auto& rate : json["series"]["output_tokens_per_s"]) tokens += rate.get<double>();
  for (const auto& share : json["series"]["utilisation"]) seconds += share.get<double>();
  const double bin = json["series"]["bin_s"];
  CHECK(tokens * bin == Approx(2000.0));
  CHECK(seconds * bin == Approx(result.busy_s));
  const std::string csv = series_csv(result);
  CHECK(std::count(csv.begin(), csv.end(), '\n') ==
        static_cast<std::ptrdiff_t>(result.series.bins().size()) + 1);
}
