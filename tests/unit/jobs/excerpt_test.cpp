#include "jobs/excerpt.h"

#include <catch2/catch.hpp>

using namespace athena::jobs;
using Json = nlohmann::ordered_json;

TEST_CASE("an excerpt holds what was asked for, where it was, and nothing else") {
  const Json result = Json::parse(
      R"({"time_s": 2, "bound": {"hbm": 0.5, "compute": 0.25}, "cost": {"area": {"nominal": 7}}})");
  const Json excerpt = excerpt_of(result, {{"bound.hbm"}, {"cost.area"}});
  CHECK(excerpt == Json::parse(R"({"bound": {"hbm": 0.5}, "cost": {"area": {"nominal": 7}}})"));
  CHECK(*find_path(excerpt, "cost.area.nominal") == 7);
}

TEST_CASE("the first path that exists counts; a result that lacks a value comes whole") {
  const Json result = Json::parse(R"({"time_s": 2, "energy_j": 3})");
  CHECK(excerpt_of(result, {{"decode.time_s", "time_s"}}) == Json::parse(R"({"time_s": 2})"));
  CHECK(excerpt_of(result, {{"energie_j"}}) == result);
  CHECK(find_path(result, "time_s.of.nothing") == nullptr);
}
