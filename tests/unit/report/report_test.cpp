#include "report/report.h"

#include <regex>

#include "base/error.h"
#include "fixture.h"
#include "report/columns.h"

namespace athena::report {
namespace {

using testing::Folder;
using testing::Json;

/// The document that a page carries.
Json data_of(const std::string& html) {
  const std::string open = "<script type=\"application/json\" id=\"data\">";
  const std::size_t from = html.find(open) + open.size();
  return Json::parse(html.substr(from, html.find("</script>", from) - from));
}

TEST_CASE("a page carries its result whole, whatever the texts hold") {
  const Folder folder("whole");
  Json run = testing::run("chip-x", 1.0);
  run["model"] = "</script><script>alert(1)</script><!-- \xff";
  folder.put("result.json", run.dump(-1, ' ', false, Json::error_handler_t::replace));
  const Json document = collect(folder.path());
  const std::string html = to_html(document, "");
  CHECK(html.find("alert(1)</script>") == std::string::npos);
  CHECK(data_of(html).at("run") == document.at("run"));
}

TEST_CASE("a page names nothing outside itself") {
  const Folder folder("offline");
  testing::put_run(folder, testing::run("chip-x", 1.0), Json{{"model", "tiny"}});
  const std::string html = to_html(collect(folder.path()), "");
  CHECK_FALSE(std::regex_search(html, std::regex("(src|href)=\"(https?:)?//")));
  CHECK(html.find("default-src 'none'") != std::string::npos);
  CHECK(html.find("@import") == std::string::npos);
}

TEST_CASE("the chips that ship bring roofs and cost") {
  const Folder folder("chips");
  Json run = testing::run("athena", 1.0);
  run["vs"] = testing::run("a100-sxm-80gb", 2.0);
  folder.put("result.json", run.dump());
  const Json document = collect(folder.path());
  CHECK(document.at("chips").at("athena").at("memory_bytes_per_s").get<double>() > 1e12);
  CHECK(document.at("cost").at("vs").at("chip") == "a100-sxm-80gb");
  CHECK(document.at("cost").at("area").at("blocks").size() > 3);
}

TEST_CASE("timelines and the nearest validation travel with the page") {
  const Folder folder("beside");
  const std::filesystem::path inner = folder.path() / "one";
  folder.put("one/result.json", testing::run("chip-x", 1.0).dump());
  CHECK_FALSE(collect(inner).contains("validation"));
  CHECK_FALSE(collect(inner).contains("timeline"));
  folder.put("validate.json", R"({"overall": {"n": 1, "mape": 0.2}})");
  CHECK(collect(inner).at("validation").at("overall").at("mape").get<double>() == 0.2);
  folder.put("one/validate.json", R"({"overall": {"n": 2, "mape": 0.1}})");
  CHECK(collect(inner).at("validation").at("overall").at("mape").get<double>() == 0.1);
  folder.put("one/timeline.json", R"({"run": {"phases": []}})");
  CHECK(collect(inner).at("timeline").at("run").at("phases").empty());
}

TEST_CASE("an empty folder and a strange file are refused with what was expected") {
  const Folder folder("empty");
  CHECK_THROWS_WITH(collect(folder.path()), Catch::Contains("expected result.json"));
  CHECK_THROWS_AS(collect(folder.path() / "none"), InputError);
  folder.put("result.json", "{\"a\": 1}");
  CHECK_THROWS_WITH(collect(folder.path()), Catch::Contains("has no 'model'"));
  folder.put("result.json", "{");
  CHECK_THROWS_WITH(collect(folder.path()), Catch::Contains("not JSON"));
}

TEST_CASE("columns of a CSV keep every value, or every n-th row") {
  const Folder folder("csv");
  folder.put("t.csv", "id,name,value\n0,\"a,\"\"b\",1.5\n1,c,\n2,d,3\n");
  const Json all = csv_columns(folder.path() / "t.csv", 10);
  CHECK(all.at("rows") == 3);
  CHECK(all.at("columns").at("name") == Json({"a,\"b", "c", "d"}));
  CHECK(all.at("columns").at("value") == Json({1.5, nullptr, 3.0}));
  const Json some = csv_columns(folder.path() / "t.csv", 2);
  CHECK(some.at("step") == 2);
  CHECK(some.at("columns").at("id") == Json({0.0, 2.0}));
  folder.put("t.csv", "a,b\n1\n");
  CHECK_THROWS_WITH(csv_columns(folder.path() / "t.csv", 2),
                    Catch::Contains("t.csv:2") && Catch::Contains("expected 2"));
}

TEST_CASE("a sweep's columns say what its rows said") {
  Json sweep{{"name", "s"}};
  sweep["columns"] = Json::array({{{"name", "cost"}}});
  sweep["rows"] = Json::array({{{"tier", "analytic"},
                                {"candidate", "0"},
                                {"settings", {{"x", "8"}, {"y", "a"}}},
                                {"columns", {{"cost", 1.23456789}}},
                                {"feasible", true},
                                {"front", true}},
                               {{"tier", "analytic"},
                                {"candidate", "1"},
                                {"settings", {{"x", "16"}, {"y", "a"}}},
                                {"columns", Json::object()},
                                {"feasible", false},
                                {"front", false},
                                {"reason", "no room"}}});
  const Json table = sweep_columns(sweep).at("table");
  const Json& x = table.at("settings").at("x");
  CHECK(x.at("texts")[x.at("index")[1].get<std::size_t>()] == "16");
  CHECK(table.at("columns").at("cost") == Json({1.23457, nullptr}));
  CHECK(table.at("front") == Json({1, 0}));
  CHECK(table.at("reasons").at("index") == Json({-1, 0}));
}

}  // namespace
}  // namespace athena::report
