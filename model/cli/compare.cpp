/// athena compare: two results of the same work, as ratios.
#include "report/compare.h"

#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/command.h"
#include "cli/output.h"

namespace athena::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string number(const Json& value, const std::string& unit) {
  if (value.is_null()) return "-";
  if (unit.empty()) return fmt::format("{:.4g}", value.get<double>());
  if (unit == "s" || unit == "J" || unit == "W") return si(value.get<double>(), unit);
  return fmt::format("{:.4g} {}", value.get<double>(), unit);
}

std::string ratio(const Json& value) {
  return value.is_null() ? "-" : fmt::format("{:.3f}", value.get<double>());
}

std::string screen(const Json& result) {
  const std::string first = result.at("first").at("folder").get<std::string>();
  const std::string second = result.at("second").at("folder").get<std::string>();
  std::string text = result.at("workload").at("model").get<std::string>() + "\n";
  for (const char* side : {"first", "second"}) {
    const Json& one = result.at(side);
    text += fmt::format("  {}: {} ({}), config {}\n", one.at("folder").get<std::string>(),
                        one.at("chip").get<std::string>(), one.at("fidelity").get<std::string>(),
                        one.at("config_hash").get<std::string>());
  }
  Table table({"quantity", first, second, "ratio"});
  for (const Json& row : result.at("ratios")) {
    const std::string unit = row.at("unit").get<std::string>();
    table.row({row.at("quantity").get<std::string>(), number(row.at("first"), unit),
               number(row.at("second"), unit), ratio(row.at("ratio"))});
  }
  text += "\n" + table.text();
  if (result.at("kernels").empty()) return text;
  Table kernels({"phase", "kernel", first, second, "ratio"});
  for (const Json& row : result.at("kernels")) {
    kernels.row({row.at("phase").get<std::string>(), row.at("kernel").get<std::string>(),
                 number(row.at("first_s"), "s"), number(row.at("second_s"), "s"),
                 ratio(row.at("ratio"))});
  }
  return text + "\n" + kernels.text();
}

}  // namespace

void add_compare_command(CLI::App& app, Session& session) {
  auto folders = std::make_shared<std::pair<std::string, std::string>>();
  CLI::App* command = app.add_subcommand(
      "compare", "Two results of the same workload as ratios; refuses where the work differs");
  command->add_option("first", folders->first, "folder that `athena run --out` wrote")->required();
  command->add_option("second", folders->second, "the folder to compare it with")->required();
  command->footer("athena compare out/before out/after");
  run_with(*command, session, [folders, &session] {
    const Json result = report::compare(folders->first, folders->second);
    session.print(screen(result));
    session.print_json(result);
  });
}

}  // namespace athena::cli
