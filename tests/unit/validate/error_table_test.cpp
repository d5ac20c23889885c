#include "validate/error_table.h"

#include <catch2/catch.hpp>

using namespace athena::validate;

TEST_CASE("statistics of signed relative errors") {
  const ErrorStats stats = error_stats({{100.0, 110.0}, {200.0, 180.0}, {50.0, 51.0}});
  CHECK(stats.n == 3);
  CHECK(stats.mape == Approx((0.10 + 0.10 + 0.02) / 3.0));
  CHECK(stats.bias == Approx((0.10 - 0.10 + 0.02) / 3.0));
  CHECK(stats.max_ape == Approx(0.10));
  CHECK(stats.median_ape == Approx(0.10));
  CHECK(stats.spearman == Approx(1.0));
}

TEST_CASE("a perfect model has no error, whatever the scale") {
  const double scale = GENERATE(1e-12, 1.0, 1e15);
  const ErrorStats stats =
      error_stats({{scale, scale}, {2.0 * scale, 2.0 * scale}, {3.0 * scale, 3.0 * scale}});
  CHECK(stats.mape == 0.0);
  CHECK(stats.max_ape == 0.0);
  CHECK(stats.spearman == Approx(1.0));
}

TEST_CASE("rank correlation sees order only, ties share their rank") {
  CHECK(error_stats({{1, 10}, {2, 100}, {3, 1000}}).spearman == Approx(1.0));
  CHECK(error_stats({{1, 3}, {2, 2}, {3, 1}}).spearman == Approx(-1.0));
  CHECK(error_stats({{1, 5}, {2, 5}}).spearman == 0.0);
  CHECK(error_stats({{1, 7}}).spearman == 1.0);
  CHECK(error_stats({{1, 1}, {1, 1}, {2, 3}}).spearman == Approx(1.0));
}

TEST_CASE("figures are summarised per group in order of appearance; zero is a listed skip") {
  std::vector<Figure> figures;
  figures.push_back({"a", 10.0, 11.0, {{"op", "gemm"}, {"source", "x"}}, "", true});
  figures.push_back({"b", 10.0, 8.0, {{"op", "add"}, {"source", "x"}}, "", false});
  figures.push_back({"c", 0.0, 8.0, {{"op", "add"}}, "", true});
  const ErrorTable table = summarise("t", figures, {{7, "d", "unknown chip"}});
  CHECK(table.overall.n == 1);
  CHECK(table.overall.bias == Approx(0.1));
  REQUIRE(table.groups.size() == 3);
  CHECK(table.groups[0].key == "gemm");
  CHECK(table.groups[1].key == "x");
  CHECK(table.groups[1].stats.n == 2);
  CHECK(table.groups[2].stats.bias == Approx(-0.2));
  REQUIRE(table.skipped.size() == 2);

  const auto json = to_json(table);
  CHECK(json["overall"]["n"] == 1);
  CHECK(json["groups"][0]["by"] == "op");
  CHECK(json["worst"][0]["id"] == "b");
  CHECK(json["skipped"][0]["line"] == 7);
  CHECK(to_text(table).find("unknown chip") != std::string::npos);
}
