#include "validate/systolic_reference.h"

#include <fmt/format.h>

#include <map>

#include "base/error.h"
#include "base/text.h"
#include "timing/systolic.h"
#include "validate/noc_table.h"

namespace athena::validate {
namespace {

timing::Dataflow dataflow_of(const std::string& text, const std::filesystem::path& file, int line) {
  static const std::map<std::string, timing::Dataflow> kNames = {
      {"ws", timing::Dataflow::kWeightStationary},
      {"is", timing::Dataflow::kInputStationary},
      {"os", timing::Dataflow::kOutputStationary}};
  const auto found = kNames.find(text);
  if (found != kNames.end()) return found->second;
  throw InputError({file.string(), line, 0},
                   fmt::format("dataflow '{}' is none of ws, is, os", text));
}

}  // namespace

ErrorTable validate_systolic(const std::filesystem::path& file) {
  const auto rows = read_table(
      file, {"array_rows", "array_cols", "dataflow", "M", "N", "K", "reported_total_cycles"});
  std::vector<Figure> figures;
  std::vector<Skipped> skipped;
  for (const TableRow& row : rows) {
    timing::SystolicConfig config;
    config.timing = timing::scale_sim_timing();
    config.geometry = {row.integer("array_rows"), row.integer("array_cols"), 1};
    config.dataflow = dataflow_of(row.text("dataflow"), file, row.line());
    const timing::GemmShape shape{static_cast<std::int64_t>(row.number("M")),
                                  static_cast<std::int64_t>(row.number("N")),
                                  static_cast<std::int64_t>(row.number("K"))};
    const std::string array = fmt::format("{}x{}", config.geometry.rows, config.geometry.cols);
    const std::string id =
        fmt::format("{} {} {}x{}x{}", array, row.text("dataflow"), shape.m, shape.n, shape.k);
    const auto reported = row.maybe("reported_total_cycles");
    const auto computed = row.maybe("compute_cycles");
    if (!reported && !computed) {
      skipped.push_back({row.line(), id, "not simulated: no reported cycles"});
      continue;
    }
    const auto cycles = timing::gemm_cycles(config, shape);
    Figure figure;
    figure.id = id;
    figure.measured = reported ? *reported + 1.0 : *computed;
    figure.model = static_cast<double>(cycles.total.value());
    figure.groups = {{"dataflow", row.text("dataflow")}, {"array", array}};
    if (row.has("source")) figure.groups.emplace_back("source", row.text("source"));
    figure.explanation = fmt::format("{} folds of {} cycles, utilisation {:.1f} %", cycles.folds,
                                     cycles.period.value(), cycles.utilization * 100.0);
    figures.push_back(std::move(figure));
  }
  return summarise("systolic array against SCALE-Sim", std::move(figures), std::move(skipped));
}

}  // namespace athena::validate
