#include "serving/result_json.h"

#include <fmt/format.h>

namespace athena::serving {
namespace {

using Json = nlohmann::ordered_json;

Json latency(const Percentiles& p) {
  return {{"p50", p.p50}, {"p90", p.p90}, {"p99", p.p99}, {"mean", p.mean}, {"max", p.max}};
}

Json slo_json(const ServiceResult& r) {
  Json list = Json::array();
  for (const SloOutcome& o : r.slo) {
    list.push_back({{"slo", o.term.text},
                    {"limit_s", o.term.limit.value()},
                    {"reached_s", o.reached_s},
                    {"met", o.met}});
  }
  return list;
}

Json refusals_json(const ServiceResult& r) {
  Json list = Json::array();
  for (const Refusal& x : r.refusals) {
    list.push_back(
        {{"id", x.id}, {"input_tokens", x.input_tokens}, {"output_tokens", x.output_tokens}});
  }
  return list;
}

double per(double amount, double of) {
  return of > 0.0 ? amount / of : 0.0;
}

/// One bin as rates and means; the order is that of the CSV's columns.
struct Row {
  double time_s, arrivals_per_s, finished_per_s, prompt_tokens_per_s, output_tokens_per_s,
      utilisation, batch, in_system, kv_share, power_w;
};

template <class Visit>
void each_row(const ServiceResult& r, Visit visit) {
  const double width = r.series.bin_width();
  for (std::size_t i = 0; i < r.series.bins().size(); ++i) {
    const SeriesBin& b = r.series.bins()[i];
    const double idle_s = std::max(0.0, width * r.replicas - b.busy_s);
    const double idle_power =
        per(r.idle_energy.value(), r.duration_s() * r.replicas - r.busy_s);  // of one replica
    visit(Row{static_cast<double>(i) * width, b.arrivals / width, b.finished / width,
              b.prompt_tokens / width, b.output_tokens / width, b.busy_s / (width * r.replicas),
              per(b.sequence_s, b.busy_s), b.in_system_s / width, per(b.kv_share_s, b.busy_s),
              (b.energy_j + idle_power * idle_s) / width});
  }
}

Json series_json(const ServiceResult& r) {
  Json out = {{"bin_s", r.series.bin_width()}};
  each_row(r, [&](const Row& row) {
    out["arrivals_per_s"].push_back(row.arrivals_per_s);
    out["finished_per_s"].push_back(row.finished_per_s);
    out["prompt_tokens_per_s"].push_back(row.prompt_tokens_per_s);
    out["output_tokens_per_s"].push_back(row.output_tokens_per_s);
    out["utilisation"].push_back(row.utilisation);
    out["batch"].push_back(row.batch);
    out["in_system"].push_back(row.in_system);
    out["kv_share"].push_back(row.kv_share);
    out["power_w"].push_back(row.power_w);
  });
  return out;
}

}  // namespace

Json to_json(const ServiceResult& r, std::optional<double> usd_per_chip_hour) {
  Json out;
  out["requests"] = r.requests;
  out["completed"] = r.completed;
  out["unfinished"] = r.unfinished;
  out["rejected"] = r.rejected;
  out["truncated"] = r.truncated;
  out["overlong_limit_tokens"] = r.overlong_limit;
  out["overlong"] = refusals_json(r);
  out["duration_s"] = r.duration_s();
  out["ttft_s"] = latency(r.ttft);
  out["tpot_s"] = latency(r.tpot);
  out["e2e_s"] = latency(r.e2e);
  out["slo"] = slo_json(r);
  out["slo_met"] = r.slo.empty() ? Json(nullptr) : Json(r.slo_met());
  out["requests_per_s"] = r.requests_per_s();
  out["goodput_per_s"] = r.slo.empty() ? Json(nullptr) : Json(r.goodput_per_s());
  out["input_tokens"] = r.input_tokens;
  out["output_tokens"] = r.output_tokens;
  out["prefill_tokens_computed"] = r.prefill_tokens;
  out["output_tokens_per_s"] = r.output_tokens_per_s();
  out["output_tokens_per_s_per_chip"] = r.output_tokens_per_s() / r.chips;
  out["replicas"] = r.replicas;
  out["chips"] = r.chips;
  out["steps"] = r.steps;
  out["utilisation"] = r.utilisation();
  out["mean_batch"] = per(r.batch_s, r.busy_s);
  out["mean_in_system"] = per(r.in_system_s, r.duration_s());
  out["preemptions"] = r.preemptions;
  out["swaps"] = r.swaps;
  out["kv"] = {{"pages", r.kv_pages}, {"peak_share", r.peak_kv_share}};
  out["prefix"] = {{"blocks", r.blocks_looked_up},
                   {"blocks_found", r.blocks_found},
                   {"hit_rate", r.hit_rate()},
                   {"tokens_reused", r.reused_tokens},
                   {"pages_evicted", r.pages_evicted}};
  out["kv_transfer_s"] = r.transfer_s;
  out["energy_j"] = r.energy().value();
  out["energy_per_token_j"] = r.joules_per_token();
  out["mean_power_w"] = per(r.energy().value(), r.duration_s());
  out["usd_per_chip_hour"] = usd_per_chip_hour ? Json(*usd_per_chip_hour) : Json(nullptr);
  out["usd_per_mtok"] =
      usd_per_chip_hour ? Json(r.usd_per_mtok(*usd_per_chip_hour)) : Json(nullptr);
  out["series"] = series_json(r);
  return out;
}

std::string series_csv(const ServiceResult& r) {
  std::string out =
      "time_s,arrivals_per_s,finished_per_s,prompt_tokens_per_s,output_tokens_per_s,utilisation,"
      "batch,in_system,kv_share,power_w\n";
  each_row(r, [&](const Row& x) {
    out += fmt::format("{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g}\n",
                       x.time_s, x.arrivals_per_s, x.finished_per_s, x.prompt_tokens_per_s,
                       x.output_tokens_per_s, x.utilisation, x.batch, x.in_system, x.kv_share,
                       x.power_w);
  });
  return out;
}

}  // namespace athena::serving
