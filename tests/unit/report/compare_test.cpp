#include "report/compare.h"

#include "base/error.h"
#include "fixture.h"

namespace athena::report {
namespace {

using testing::Folder;
using testing::Json;

const Json kPoint{{"on", "a"}, {"model", "tiny"}, {"phase", "prefill"}, {"batch", 8}};

double ratio(const Json& result, const std::string& quantity) {
  for (const Json& row : result.at("ratios")) {
    if (row.at("quantity") == quantity) return row.at("ratio").get<double>();
  }
  FAIL("no ratio of " << quantity);
  return 0;
}

TEST_CASE("ratios are first over second and turn over with the order") {
  const Folder a("ratio_a");
  const Folder b("ratio_b");
  testing::put_run(a, testing::run("one", 2.0), kPoint);
  testing::put_run(b, testing::run("two", 0.5), kPoint);
  const Json ab = compare(a.path(), b.path());
  const Json ba = compare(b.path(), a.path());
  CHECK(ratio(ab, "time_s") == Approx(4.0));
  CHECK(ratio(ab, "tokens_per_s") == Approx(0.25));
  for (const char* quantity : {"time_s", "tokens_per_s", "energy_j", "mfu"})
    CHECK(ratio(ab, quantity) * ratio(ba, quantity) == Approx(1.0));
  REQUIRE(ab.at("kernels").size() == 3);
  for (const Json& row : ab.at("kernels")) CHECK(row.at("ratio").get<double>() == Approx(4.0));
}

TEST_CASE("the machine may differ, the work may not") {
  const Folder a("work_a");
  const Folder b("work_b");
  testing::put_run(a, testing::run("one", 1.0), kPoint);
  Json other = kPoint;
  other["on"] = "b";
  other["sets"] = {"memory.stacks=5"};
  testing::put_run(b, testing::run("one", 1.0), other);
  CHECK(ratio(compare(a.path(), b.path()), "time_s") == 1.0);
  other["batch"] = 16;
  other["output"] = 32;
  testing::put_run(b, testing::run("one", 1.0), other);
  CHECK_THROWS_WITH(compare(a.path(), b.path()), Catch::Contains("batch (8 and 16)") &&
                                                     Catch::Contains("output (not given and 32)"));
  Json model = testing::run("one", 1.0);
  model["model"] = "large";
  testing::put_run(b, model, kPoint);
  CHECK_THROWS_AS(compare(a.path(), b.path()), InputError);
}

TEST_CASE("a folder without a result is refused with the file that is missing") {
  const Folder a("missing_a");
  CHECK_THROWS_WITH(compare(a.path(), a.path()), Catch::Contains("result.json is missing"));
}

}  // namespace
}  // namespace athena::report
