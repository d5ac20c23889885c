#include "validate/noc_reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "timing/noc_traffic.h"
#include "validate/noc_table.h"

namespace athena::validate {
namespace {

using timing::NocLoad;
using timing::NocMeasurement;
using timing::NocSpec;
using timing::Topology;

/// Packets that a mean latency rests on: sampling noise then stays below one percent.
constexpr double kPackets = 30000;
constexpr std::int64_t kShortest = 20000;
constexpr std::int64_t kLongest = 400000;
constexpr std::int64_t kWarmup = 9000;  // three periods of 3000, as the reference runs
/// Below this share of saturation packets seldom meet.
constexpr double kLight = 0.03;

struct Case {
  const TableRow* row = nullptr;
  std::string id;
  std::string family;  ///< rows that share a saturation throughput
  bool held = false;
  bool stable = false;
  double rate = 0;
  double accepted = 0;
};

bool starts_with(const std::string& text, const std::string& head) {
  return text.rfind(head, 0) == 0;
}

std::string family_of(const TableRow& row, bool with_config) {
  std::string config = row.text("config");
  if (starts_with(config, "satur_")) config = config.substr(6);
  const std::string load = fmt::format("{}|{}|{}|{}", row.text("topology"), row.text("k"),
                                       row.text("traffic"), row.text("packet_flits"));
  return with_config ? config + "|" + load : load;
}

Case case_of(const TableRow& row) {
  Case c;
  c.row = &row;
  const std::string config = row.text("config");
  c.id = fmt::format("{} {} {}x{} {} {} flits at {}", config, row.text("topology"), row.text("k"),
                     row.text("k"), row.text("traffic"), row.text("packet_flits"),
                     row.text("inject_rate_flits"));
  c.family = family_of(row, true);
  c.held = config.find("holdpkt") != std::string::npos;
  c.rate = row.number("inject_rate_flits");
  c.accepted = row.number("accepted_rate_flits");
  // Overload runs report a latency of what happened to drain: no steady mean exists there.
  const bool overload = starts_with(config, "satur_") || c.accepted < 0.93 * c.rate;
  c.stable = row.has("pkt_latency") && !overload && row.text("stable") != "0";
  return c;
}

NocSpec spec_of(const TableRow& row, bool held) {
  NocSpec spec;
  const std::string topology = row.text("topology");
  if (topology == "torus") {
    spec.kind = config::NocKind::kTorus;
  } else if (topology != "mesh") {
    throw InputError(fmt::format("topology '{}' is none of mesh, torus", topology));
  }
  spec.rows = spec.cols = row.integer("k");
  spec.virtual_channels = row.integer("num_vcs");
  spec.buffer_flits = row.integer("vc_buf_flits");
  spec.link_cycles = static_cast<int>(row.number_or("link_latency", topology == "torus" ? 2 : 1));
  spec.credit_cycles = static_cast<int>(row.number_or("credit_delay", 1));
  spec.switching = held ? config::SwitchPolicy::kPacket : config::SwitchPolicy::kFlit;
  spec.flit_bytes = 1;
  spec.clock = Hertz(kFemtosecondsPerSecond);  // one femtosecond per cycle: times are cycles
  return spec;
}

/// Saturation throughput per family: the most that any run of it accepted while it was offered
/// more.
std::map<std::string, double> saturations(const std::vector<Case>& cases) {
  std::map<std::string, double> most;
  for (const Case& c : cases) {
    if (c.stable) continue;
    for (const std::string& key : {c.family, family_of(*c.row, false)})
      most[key] = std::max(most[key], c.accepted);
  }
  return most;
}

class Runner {
 public:
  explicit Runner(NocTier tier) : tier_(tier) {}

  [[nodiscard]] NocMeasurement run(const Case& c, double rate, bool saturated) {
    const NocSpec spec = spec_of(*c.row, c.held);
    const Topology topology(spec);
    NocLoad load;
    load.pattern = timing::parse_pattern(c.row->text("traffic"));
    load.packet_flits = c.row->integer("packet_flits");
    load.rate = rate;
    load.warmup = kWarmup;
    const double wanted = kPackets * load.packet_flits / (rate * topology.terminals());
    load.measure = std::clamp(static_cast<std::int64_t>(wanted), kShortest, kLongest);
    if (saturated) load.patience = 0;
    const bool flits = tier_ == NocTier::kDetailed || (tier_ == NocTier::kAuto && !c.held);
    explanation_ = flits ? "flit by flit" : "packet hops";
    return flits ? timing::measure_flits(topology, load)
                 : timing::measure_transactions(topology, load);
  }
  [[nodiscard]] const std::string& explanation() const { return explanation_; }

 private:
  NocTier tier_;
  std::string explanation_;
};

std::vector<std::pair<std::string, std::string>> groups_of(const Case& c,
                                                           const std::string& quantity) {
  const std::string policy = c.held ? "packet_held" : "flit_interleaved";
  const bool saturated = quantity == "saturation";
  return {{"quantity", quantity},
          {"pattern", c.row->text("traffic") + (saturated ? " saturation" : " latency")},
          {"switch", policy + " " + quantity},
          {"topology", c.row->text("topology") + " " + quantity},
          {"config", c.row->text("config")}};
}

/// Cycles that one more router on the way costs a packet.
double cycles_per_router(const NocSpec& spec) {
  return spec.router_cycles + spec.link_cycles;
}

/// Half a unit of the last digit that a number was printed with.
double rounding(const std::string& printed) {
  const std::size_t point = printed.find('.');
  const std::size_t digits = point == std::string::npos ? 0 : printed.size() - point - 1;
  return 0.5 * std::pow(10.0, -static_cast<double>(digits));
}

/// What rows say about a network in which no packet waits.
///
/// A row whose traffic never shares a link has no waiting at any rate but at its source, so its
/// network latency is the closed form at the mean distance of the packets that the row happened to
/// draw. Other rows hold queueing, however light the load: they are met by simulating it.
class ZeroLoad {
 public:
  /// Adds the row's figure if it has one.
  void add(const Case& c, std::vector<Figure>& figures) {
    const TableRow& row = *c.row;
    if (c.held || !row.has("hops_incl_src")) return;
    const bool network = row.has("net_latency");
    const int flits = row.integer("packet_flits");
    if (!network && flits > 1) return;  // holds the waiting at the source
    const NocSpec spec = spec_of(row, c.held);
    const Topology topology(spec);
    const timing::NocPattern pattern = timing::parse_pattern(row.text("traffic"));
    const timing::NocZeroLoad mean = timing::zero_load(topology, pattern, flits);
    if (!mean.unshared) return;
    const std::string column = network ? "net_latency" : "pkt_latency";
    const double step = cycles_per_router(spec);
    const double measured = row.number(column);
    const double model = mean.latency + step * (row.number("hops_incl_src") - mean.routers);
    const double digits =
        rounding(row.text(column)) + step * rounding(row.text("hops_incl_src")) + 1e-9;
    ++rows_;
    exact_ += std::abs(model - measured) <= digits ? 1 : 0;
    figures.push_back({c.id + " (zero load)",
                       measured,
                       model,
                       {{"quantity", "zero_load"}},
                       "closed form at the row's mean distance",
                       false});
  }

  /// A row of light load: the closed form, the same by flits, and where the rest comes from.
  void light(const Case& c, double simulated) {
    const NocSpec spec = spec_of(*c.row, c.held);
    const Topology topology(spec);
    const timing::NocPattern pattern = timing::parse_pattern(c.row->text("traffic"));
    const int flits = c.row->integer("packet_flits");
    const timing::NocZeroLoad mean = timing::zero_load(topology, pattern, flits);
    const double distance = c.row->number_or("hops_incl_src", mean.routers);
    lines_.push_back(fmt::format("{:<54} {:>8.3f} {:>12.3f} {:>15.3f} {:>14.3f} {:>9.3f}", c.id,
                                 mean.latency, timing::zero_load_by_flits(topology, pattern, flits),
                                 mean.latency + cycles_per_router(spec) * (distance - mean.routers),
                                 simulated, c.row->number("pkt_latency")));
  }

  [[nodiscard]] std::vector<std::string> notes() const {
    std::vector<std::string> notes;
    if (rows_ > 0) {
      notes.push_back(
          fmt::format("zero load: {} of {} rows whose packets share no link equal the closed form "
                      "at their mean distance, to the digits that they print",
                      exact_, rows_));
    }
    if (lines_.empty()) return notes;
    notes.push_back(fmt::format("{:<54} {:>8} {:>12} {:>15} {:>14} {:>9}",
                                "mean packet latency, cycles", "no load", "flit by flit",
                                "at its distance", "with its queue", "reference"));
    notes.insert(notes.end(), lines_.begin(), lines_.end());
    return notes;
  }

 private:
  int rows_ = 0, exact_ = 0;
  std::vector<std::string> lines_;
};

}  // namespace

NocTier parse_noc_tier(const std::string& text) {
  if (text == "auto") return NocTier::kAuto;
  if (text == "transaction") return NocTier::kTransaction;
  if (text == "detailed") return NocTier::kDetailed;
  throw InputError(fmt::format("--fidelity: '{}' is none of auto, transaction, detailed.{}", text,
                               did_you_mean(text, {"auto", "transaction", "detailed"})));
}

ErrorTable validate_noc(const std::filesystem::path& file, NocTier tier,
                        const std::function<void(double, const std::string&)>& progress) {
  const auto rows =
      read_table(file, {"config", "topology", "k", "traffic", "packet_flits", "num_vcs",
                        "vc_buf_flits", "inject_rate_flits", "accepted_rate_flits", "pkt_latency"});
  std::vector<Case> cases;
  cases.reserve(rows.size());
  for (const TableRow& row : rows) cases.push_back(case_of(row));
  const auto most = saturations(cases);
  std::vector<Figure> figures;
  std::vector<Skipped> skipped;
  Runner runner(tier);
  ZeroLoad zero;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Case& c = cases[i];
    const TableRow& row = *c.row;
    if (progress) progress(static_cast<double>(i) / static_cast<double>(cases.size()), c.id);
    try {
      if (!c.stable) {
        const NocMeasurement m = runner.run(c, c.rate, true);
        figures.push_back(
            {c.id, c.accepted, m.accepted, groups_of(c, "saturation"), runner.explanation(), true});
        continue;
      }
      // The reference's own random sample offered `accepted`, not the nominal rate: below
      // saturation what goes in comes out.
      const NocMeasurement m = runner.run(c, c.accepted, false);
      auto limit = most.find(c.family);
      if (limit == most.end()) limit = most.find(family_of(*c.row, false));
      const double saturation =
          limit != most.end() ? limit->second : row.number_or("bound_flits", 1.0);
      const double share = c.rate / saturation;
      const double measured = row.number("pkt_latency");
      const std::string quantity = share < 0.6   ? "latency_below_60"
                                   : share < 0.8 ? "latency_60_to_80"
                                                 : "latency_above_80";
      // .. and its packets went as far as they went.
      const double latency =
          m.latency + cycles_per_router(spec_of(row, c.held)) *
                          (row.number_or("hops_incl_src", m.routers) - m.routers);
      figures.push_back(
          {c.id, measured, latency, groups_of(c, quantity), runner.explanation(), share < 0.8});
      zero.add(c, figures);
      if (share >= kLight) continue;
      figures.push_back(
          {c.id, measured, latency, {{"quantity", "light_load"}}, runner.explanation(), false});
      zero.light(c, latency);
    } catch (const InputError& e) {
      skipped.push_back({c.row->line(), c.id, e.what()});
    }
  }
  if (figures.empty() && !rows.empty() && !skipped.empty())
    throw InputError(Location{file.string(), skipped.front().line, 0},
                     "no row can be evaluated; the first says: " + skipped.front().reason);
  ErrorTable table = summarise("network against " + file.filename().string(), std::move(figures),
                               std::move(skipped));
  table.notes = zero.notes();
  return table;
}

}  // namespace athena::validate
