#include "explore/search.h"

#include <catch2/catch.hpp>
#include <set>

#include "config/parse.h"
#include "explore/measure.h"
#include "unit/jobs/test_evaluator.h"

using namespace athena;
using namespace athena::explore;
using Catch::Contains;

namespace {

// Array size x tiles x SRAM x stacks x clock under area and power limits: the shape of the shipped
// study, on the test chip.
const std::string kChipSpace = R"(
fixed: {on: test-chip, model: m, fidelity: analytic, batch: 16}
axes:
  chip.array: [16, 24, 32, 48, 64, 96, 128]
  chip.tiles: {from: 16, to: 128, step: 16}
  chip.sram_mib: [1, 2, 4, 6, 8]
  chip.stacks: {from: 2, to: 8, step: 1}
  chip.clock: {from: 1 GHz, to: 2 GHz, step: 0.25 GHz}
scenarios:
  train: {phase: train}
  decode: {phase: decode}
objectives:
  - minimise: cost.manufacturing_usd
  - maximise: decode.tokens_per_s
  - minimise: train.time_s
constraints:
  - cost.area_mm2 <= 858 mm2
  - train.power_w <= 700 W
)";

/// Runs candidates in this process and remembers all that was asked for.
class Runner {
 public:
  explicit Runner(const Space& space)
      : space_(space), evaluator_(std::make_unique<jobs::testing::TestEvaluator>()) {}

  std::vector<Row> run(const std::vector<std::uint64_t>& indices) {
    std::vector<Row> rows;
    for (const std::uint64_t index : indices) {
      CHECK(seen_.insert(index).second);  // nobody asks twice
      const Candidate candidate = space_.candidate(index);
      CHECK(space_.allowed(candidate));
      Row row;
      row.index = static_cast<std::int64_t>(index);
      Results results;
      for (const auto& point : space_.points(candidate, "")) {
        results.push_back(evaluator_->evaluate(point));
      }
      measure(space_, &candidate, results, row);
      if (row.feasible()) feasible.push_back(minimised(space_, row));
      order.push_back(index);
      rows.push_back(std::move(row));
    }
    return rows;
  }

  std::vector<std::uint64_t> order;
  std::vector<Objectives> feasible;

 private:
  const Space& space_;
  std::set<std::uint64_t> seen_;
  std::unique_ptr<jobs::testing::TestEvaluator> evaluator_;
};

Space space_of(const std::string& text) {
  return space_from_node(config::parse_text(text, "space.yaml"));
}

Runner searched(const Space& space, const SearchOptions& options) {
  Runner runner(space);
  search(space, options, [&](const auto& indices) { return runner.run(indices); });
  return runner;
}

SearchOptions with(const std::string& optimizer, std::size_t budget, std::uint64_t seed = 1) {
  SearchOptions options;
  options.optimizer = optimizer;
  options.budget = budget;
  options.seed = seed;
  return options;
}

}  // namespace

TEST_CASE("every search keeps its budget, repeats itself, and obeys the conditions") {
  const Space space = space_of(R"(
fixed: {on: test-chip, model: m, fidelity: analytic}
axes:
  chip.array: {from: 8, to: 64, step: 8}
  chip.tiles: {from: 8, to: 64, step: 8}
  chip.stacks: [2, 4, 6, 8]
where: ["chip.array * chip.tiles <= 1024"]
objectives: [{minimise: time_s}]
)");
  for (const char* optimizer : {"random", "sobol", "cmaes"}) {
    INFO(optimizer);
    const Runner first = searched(space, with(optimizer, 60));
    CHECK(first.order.size() <= 60);
    CHECK(first.order.size() > 30);
    CHECK(first.order == searched(space, with(optimizer, 60)).order);
  }
  CHECK(searched(space, with("random", 60, 2)).order != searched(space, with("random", 60)).order);
  const Runner grid = searched(space, with("grid", 0));
  std::size_t allowed = 0;
  for (std::uint64_t i = 0; i < space.size(); ++i) {
    if (space.allowed(space.candidate(i))) ++allowed;
  }
  CHECK(grid.order.size() == allowed);
  CHECK(searched(space, with("random", 100000)).order.size() == allowed);
  CHECK_THROWS_WITH(searched(space, with("grid", 10)), Contains("budget"));
}

TEST_CASE("a single objective's optimum is found by CMA-ES in a fifth of the grid") {
  const Space space = space_of(R"(
fixed: {on: test-chip, model: m, fidelity: analytic, batch: 32, phase: train}
axes:
  chip.array: {from: 8, to: 128, step: 8}
  chip.tiles: {from: 8, to: 128, step: 8}
  chip.stacks: [2, 4, 6, 8]
objectives: [{minimise: time_s * cost.manufacturing_usd}]
)");
  const auto best = [](const Runner& runner) {
    double value = 1e300;
    for (const Objectives& design : runner.feasible) value = std::min(value, design[0]);
    return value;
  };
  const double exact = best(searched(space, with("grid", 0)));
  CHECK(best(searched(space, with("cmaes", 200))) <= 1.01 * exact);
}

TEST_CASE("NSGA-II covers 95 % of the exhaustive front's volume in a tenth of its evaluations") {
  const Space space = space_of(kChipSpace);
  const Runner all = searched(space, with("grid", 0));
  REQUIRE(all.order.size() == space.size());
  const ObjectiveBox box = bounding_box(all.feasible);
  const double exhaustive = hypervolume(all.feasible, box);
  for (const std::uint64_t seed : {1, 2, 3}) {
    const Runner some = searched(space, with("nsga2", space.size() / 10, seed));
    if (seed == 1) {
      CHECK(some.order == searched(space, with("nsga2", space.size() / 10, seed)).order);
    }
    CHECK(some.order.size() <= space.size() / 10);
    const double share = hypervolume(some.feasible, box) / exhaustive;
    INFO("seed " << seed << ": " << share);
    CHECK(share >= 0.95);
  }
}

TEST_CASE("searches without what they need are refused") {
  const Space none = space_of("axes: {batch: [1, 2]}");
  CHECK_THROWS_WITH(searched(none, with("nsga2", 0)), Contains("objective"));
  const Space two =
      space_of("axes: {batch: [1, 2]}\nobjectives: [{minimise: time_s}, {minimise: power_w}]");
  CHECK_THROWS_WITH(searched(two, with("cmaes", 0)), Contains("one objective"));
  const Space one = space_of("axes: {batch: [1, 2]}\nobjectives: [{minimise: time_s}]");
  CHECK_THROWS_WITH(searched(one, with("nsga2", 0)), Contains("several objectives"));
  CHECK_THROWS_WITH(searched(one, with("nsga", 0)), Contains("Did you mean 'nsga2'"));
  const Space closed = space_of("axes: {batch: [1, 2]}\nwhere: ['batch > 2']");
  for (const char* optimizer : {"grid", "random", "sobol"}) {
    CHECK_THROWS_WITH(searched(closed, with(optimizer, 0)), Contains("no candidate"));
  }
}
