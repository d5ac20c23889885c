#include <cmath>

#include "cost/report.h"

namespace athena::cost {
namespace {

using Json = nlohmann::ordered_json;

/// JSON has no infinity: null stands for "never".
Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

Json to_json(const Distribution& d) {
  return {{"p5", number(d.p5)},
          {"p50", number(d.p50)},
          {"p95", number(d.p95)},
          {"nominal", number(d.nominal)}};
}

Json to_json(const std::vector<TornadoBar>& bars) {
  Json out = Json::array();
  for (const TornadoBar& bar : bars) {
    out.push_back({{"constant", bar.constant},
                   {"low", bar.at_low},
                   {"high", bar.at_high},
                   {"result_low", number(bar.result_low)},
                   {"result_high", number(bar.result_high)}});
  }
  return out;
}

Json to_json(const AreaReport& area) {
  Json blocks = Json::array();
  for (const AreaBlock& block : area.blocks) {
    blocks.push_back({{"name", block.name}, {"parent", block.parent}, {"mm2", block.mm2}});
  }
  Json cells = Json::array();
  for (const TreemapCell& cell : treemap(area)) {
    cells.push_back({{"name", cell.name},
                     {"parent", cell.parent},
                     {"mm2", cell.mm2},
                     {"x_mm", cell.x},
                     {"y_mm", cell.y},
                     {"width_mm", cell.width},
                     {"height_mm", cell.height}});
  }
  return {{"total_mm2", area.total_mm2()}, {"blocks", blocks}, {"treemap", cells}};
}

Json evidence_json(const AreaEvidence& e) {
  Json kinds = Json::object();
  for (const auto& [name, mm2] : e.by_sram) kinds[name] = mm2;
  return {{"described_mm2", e.described_mm2},
          {"missing_mm2", e.published_mm2 > 0.0 ? e.missing_mm2() : 0.0},
          {"transistors_billion", e.published_billion},
          {"sram_billion", e.sram_billion},
          {"logic_billion", e.logic_billion},
          {"by_scratchpad_mm2", kinds},
          {"explained", explain(e)}};
}

Json package_json(const CostSample& s) {
  return {{"dies_usd", s.dies},
          {"memory_usd", s.memory},
          {"interposer_usd", s.interposer},
          {"substrate_usd", s.substrate},
          {"bonding_loss_usd", s.bonding_loss},
          {"test_usd", s.test},
          {"module_usd", s.module}};
}

Json power_json(const PowerSummary& p) {
  return {{"cap_w", p.cap.value()},
          {"idle_w", p.idle.value()},
          {"leakage_w", p.leakage.value()},
          {"clock_tree_w", p.clock_tree.value()},
          {"matrix_peak_w", p.matrix_peak.value()},
          {"memory_peak_w", p.memory_peak.value()},
          {"mac_pj", p.mac_pj},
          {"cap_pj_per_flop", p.cap_pj_per_flop}};
}

Json to_json(const ChipReport& r) {
  Json out;
  out["chip"] = r.chip;
  out["volume"] = r.volume;
  out["manufacturing_usd"] = to_json(r.manufacturing);
  out["with_nre_usd"] = to_json(r.with_nre);
  out["purchase_usd"] = to_json(r.purchase);
  out["purchase_basis"] = r.purchase_basis;
  out["area_mm2"] = r.nominal.area_mm2;
  out["yield"] = r.nominal.yield;
  out["dies_per_wafer"] = r.dies.front().dies_per_wafer;
  Json dies = Json::array();
  for (const DieLine& die : r.dies) {
    dies.push_back({{"name", die.name},
                    {"process", die.process},
                    {"count", die.count},
                    {"width_mm", die.size.width_mm},
                    {"height_mm", die.size.height_mm},
                    {"area_mm2", die.size.area_mm2()},
                    {"dies_per_wafer", die.dies_per_wafer},
                    {"yield_perfect", die.yield_perfect},
                    {"yield", die.yield},
                    {"usd", die.usd_each}});
  }
  out["dies"] = dies;
  out["package"] = package_json(r.nominal);
  out["interposers_per_wafer"] = r.interposers_per_wafer;
  out["nre_usd"] = r.nominal.nre_total;
  out["nre_per_chip_usd"] = r.nominal.nre_per_chip;
  out["area"] = to_json(r.area);
  out["area"]["published_mm2"] = r.published_mm2;
  out["area"]["from_transistors_mm2"] = r.transistors_mm2;
  out["area"]["evidence"] = evidence_json(r.evidence);
  out["power"] = power_json(r.power);
  out["ownership"] = {{"usd_per_chip_hour", to_json(r.usd_per_hour)},
                      {"server_usd_per_hour", r.hour.server},
                      {"network_usd_per_hour", r.hour.network},
                      {"maintenance_usd_per_hour", r.hour.maintenance},
                      {"power_usd_per_hour", r.hour.power},
                      {"server_usd", r.server_usd},
                      {"server_rated_w", r.server_rated_w}};
  out["carbon"] = {{"embodied_kg", r.carbon.embodied()},
                   {"dies_kg", r.carbon.dies},
                   {"memory_kg", r.carbon.memory},
                   {"package_kg", r.carbon.package},
                   {"use_kg_per_year", r.carbon.use_per_year}};
  out["tornado"] = {{"manufacturing_usd", to_json(r.tornado_manufacturing)},
                    {"with_nre_usd", to_json(r.tornado_with_nre)}};
  out["findings"] = r.findings;
  return out;
}

}  // namespace

nlohmann::ordered_json to_json(const CostReport& report) {
  Json out = to_json(report.chip);
  if (!report.other) return out;
  out["vs"] = to_json(*report.other);
  const ComparisonReport& c = *report.comparison;
  Json statements = Json::array();
  for (const Statement& statement : c.statements) {
    statements.push_back({{"claim", statement.text}, {"probability", statement.probability}});
  }
  out["ratio"] = {{"manufacturing", to_json(c.manufacturing_ratio)},
                  {"with_nre", to_json(c.with_nre_ratio)},
                  {"with_nre_to_purchase", to_json(c.against_purchase)},
                  {"break_even_volume", to_json(c.break_even_volume)},
                  {"claims", statements},
                  {"tornado", to_json(c.tornado)}};
  return out;
}

}  // namespace athena::cost
