#include "cost/area.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "timing/energy.h"

namespace athena::cost {
namespace {

constexpr double kUm2PerMm2 = 1e6;
constexpr double kTransistorsPerBit = 6.0;
// Payload of one 112 Gb/s lane after coding and protocol.
constexpr double kLaneBytesPerSecond = 12.5e9;

std::string_view density_of(SramKind kind) {
  switch (kind) {
    case SramKind::kRaw:
      return "sram_raw";
    case SramKind::kMacro:
      return "sram_macro";
    case SramKind::kScratchpad:
      return "sram_scratchpad";
    case SramKind::kSystem:
      return "sram_system";
    case SramKind::kGpuCache:
      return "sram_gpu_cache";
  }
  throw InternalError("unknown SRAM kind.");
}

double megabits(Bytes bytes) {
  return static_cast<double>(bytes.value()) * 8.0 / kUm2PerMm2;
}

/// The larger figure: what is built if the facts say so, else what software sees.
Bytes built(Bytes fact, Bytes visible) {
  return fact.value() > 0 ? fact : visible;
}

}  // namespace

std::string cost_process(std::string_view process) {
  return timing::energies_for(process, "HBM2").process;
}

double AreaReport::total_mm2() const {
  double sum = 0.0;
  for (const AreaBlock& block : blocks) sum += block.mm2;
  return sum;
}

double AreaReport::of(std::string_view name) const {
  double sum = 0.0;
  for (const AreaBlock& block : blocks) {
    if (block.name == name || block.parent == name) sum += block.mm2;
  }
  return sum;
}

AreaModel::Term& AreaModel::add(std::string block, std::string parent, double count,
                                std::string_view constant, Scaling scaling) {
  Term term;
  term.block = std::move(block);
  term.parent = std::move(parent);
  term.count = std::max(count, 0.0);
  term.density = constants_->index(constant);
  term.scaling = scaling;
  terms_.push_back(std::move(term));
  return terms_.back();
}

void AreaModel::add_core(const config::ChipConfig& chip, const AreaFacts& facts, double cores) {
  const config::MatrixConfig& matrix = chip.core.matrix;
  const double macs = static_cast<double>(matrix.units) * matrix.rows * matrix.cols * matrix.depth;
  const bool floating = std::any_of(matrix.rate.begin(), matrix.rate.end(), [](const auto& rate) {
    return rate.first.find("int") == std::string::npos && rate.second > 0.0;
  });
  Term& units = add("matrix", "cores", cores * macs / kUm2PerMm2,
                    floating ? "mac_cells_bf16" : "mac_cells_int8", Scaling::kLogic);
  units.divisor = constants_->index("cell_utilisation");
  if (matrix.rate.size() >= 3) units.factor = constants_->index("multiformat_factor");
  add("vector", "cores", cores * chip.core.vector.lanes, "fp32_lane", Scaling::kLogic);
  add("fp64", "cores", cores * facts.fp64_lanes, "fp64_lane", Scaling::kLogic);
  add("registers", "cores", cores * megabits(chip.core.registers), "sram_register_file",
      Scaling::kSram);
  add("scratch", "cores", cores * megabits(built(facts.scratch_on_die, chip.core.scratch.size)),
      density_of(facts.scratch), Scaling::kSram);
  if (facts.schedulers_per_core > 0) {
    add("control", "cores", cores * facts.schedulers_per_core, "control_per_scheduler",
        Scaling::kLogic);
  } else {
    add("control", "cores", cores, "control_per_core", Scaling::kLogic);
    add("vector-control", "cores", cores * chip.core.vector.lanes, "control_per_lane",
        Scaling::kLogic);
  }
}

void AreaModel::add_network(const config::ChipConfig& chip, double cores) {
  const config::NocConfig& noc = chip.noc;
  if (noc.kind == config::NocKind::kCrossbar || noc.kind == config::NocKind::kHierarchical) {
    add("noc", "noc", cores, "crossbar_per_core", Scaling::kLogic);
    return;
  }
  // Five-port routers: input buffers per virtual channel and a 5 x 5 switch, in both directions.
  constexpr double kPorts = 5.0;
  const double routers = static_cast<double>(noc.rows) * noc.cols;
  const double flit_bits = noc.link_bytes_per_cycle * 8.0;
  add("noc-buffers", "noc",
      routers * kPorts * noc.virtual_channels * noc.buffer_flits * flit_bits / kUm2PerMm2,
      "router_buffer_bit", Scaling::kLogic);
  add("noc-switches", "noc", routers * kPorts * kPorts * flit_bits / kUm2PerMm2,
      "router_crosspoint_bit", Scaling::kLogic);
  // Cores of a cluster meet their router over a small crossbar of the same width.
  const double per_cluster = static_cast<double>(chip.cluster.cores) + 1.0;
  add("noc-local", "noc", chip.cluster.count * per_cluster * per_cluster * flit_bits / kUm2PerMm2,
      "router_crosspoint_bit", Scaling::kLogic);
}

void AreaModel::add_interfaces(const config::ChipConfig& chip, const AreaFacts& facts) {
  const bool hbm = chip.memory.timing.rfind("HBM", 0) == 0;
  const int dies = std::max(chip.technology.dies, 1);
  const double sites = facts.memory_sites > 0
                           ? facts.memory_sites
                           : (hbm ? static_cast<double>(chip.memory.stacks) / dies : 0.0);
  add("hbm-phy", "memory", sites, "hbm_phy", Scaling::kAnalog);
  add("hbm-controller", "memory", sites, "hbm_controller", Scaling::kLogic);

  const config::LinkConfig& links = chip.links;
  const double count = static_cast<double>(links.count) / dies;
  if (links.kind.rfind("nvlink", 0) == 0) {
    const bool fourth = links.kind.rfind("nvlink4", 0) == 0;
    add("link-phy", "links", count, fourth ? "phy_nvlink4" : "phy_nvlink3", Scaling::kAnalog);
  } else {
    const double lanes = std::ceil(links.bandwidth.value() / kLaneBytesPerSecond - 1e-9);
    add("link-phy", "links", count * lanes, "phy_serdes_lane", Scaling::kAnalog);
  }
  add("link-controller", "other", count, "link_controller", Scaling::kLogic);
  const int generation = std::clamp(chip.technology.pcie_generation, 3, 5);
  add("pcie", "other", chip.technology.pcie_lanes / dies,
      fmt::format("phy_pcie_lane_{}", generation), Scaling::kAnalog);
  add("other", "other", 1.0, "other_logic", Scaling::kLogic);
}

AreaModel::AreaModel(const config::ChipConfig& chip, const AreaFacts& facts,
                     const std::string& process, const Constants& constants)
    : constants_(&constants) {
  const std::string node = cost_process(process);
  if (node != "N7") {
    logic_ = constants.index("logic_area_" + node);
    sram_ = constants.index("sram_area_" + node);
    analog_ = constants.index("analog_area_" + node);
  }
  logic_density_ = constants.index("logic_density");
  const int dies = std::max(chip.technology.dies, 1);
  const double clusters = static_cast<double>(chip.cluster.count) / dies;
  const double cores =
      clusters * chip.cluster.cores + static_cast<double>(chip.cluster.spare_cores) / dies;
  add_core(chip, facts, cores);
  const double spare_share = cores / std::max(clusters * chip.cluster.cores, 1.0);
  add("cluster-scratch", "cluster-scratch",
      clusters * spare_share * megabits(chip.cluster.scratch.size),
      density_of(facts.cluster_scratch), Scaling::kSram);
  add("cache", "cache", megabits(built(facts.cache_on_die, chip.cache.size)) / dies,
      density_of(facts.cache), Scaling::kSram);
  if (dies == 1) {  // on several compute dies it lives in dies of its own
    add("memory-cache", "cache", megabits(chip.memory_cache.size), density_of(facts.memory_cache),
        Scaling::kSram);
  }
  add_network(chip, cores);
  add_interfaces(chip, facts);
  terms_.erase(std::remove_if(terms_.begin(), terms_.end(),
                              [](const Term& term) { return term.count <= 0.0; }),
               terms_.end());
  for (const std::size_t i : memory_terms()) sram_megabits_ += terms_[i].count;
  constants_ = nullptr;
}

TransistorSplit AreaModel::transistors(const Values& values) const {
  const double scale = logic_ == kNone ? 1.0 : values[logic_];
  TransistorSplit out;
  out.sram_billion = sram_megabits_ * kTransistorsPerBit / 1e3;
  out.logic_density = values[logic_density_] / scale;
  for (const Term& term : terms_) {
    if (term.scaling == Scaling::kLogic)
      out.logic_billion += term_mm2(term, values) * out.logic_density / 1e3;
  }
  return out;
}

double AreaModel::mm2_from_transistors(double billions, const Values& values) const {
  if (billions <= 0.0) return 0.0;
  const double scale = logic_ == kNone ? 1.0 : values[logic_];
  const double logic_mtr = billions * 1e3 - sram_megabits_ * kTransistorsPerBit;
  double area = std::max(logic_mtr, 0.0) / values[logic_density_] * scale;
  for (const Term& term : terms_) {
    if (term.scaling != Scaling::kLogic) area += term_mm2(term, values);
  }
  return area;
}

std::vector<std::size_t> AreaModel::terms_of(std::string_view name) const {
  std::vector<std::size_t> out;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < terms_.size(); ++i) {
    if (terms_[i].block == name || terms_[i].parent == name) out.push_back(i);
    names.push_back(terms_[i].block);
    names.push_back(terms_[i].parent);
  }
  if (!out.empty()) return out;
  throw InputError(
      fmt::format("the die has no area block '{}'.{}", name, did_you_mean(name, names)));
}

double AreaModel::mm2_of(const std::vector<std::size_t>& terms, const Values& values) const {
  double sum = 0.0;
  for (const std::size_t i : terms) sum += term_mm2(terms_[i], values);
  return sum;
}

std::vector<std::size_t> AreaModel::memory_terms() const {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < terms_.size(); ++i) {
    if (terms_[i].scaling == Scaling::kSram) out.push_back(i);
  }
  return out;
}

double AreaModel::term_mm2(const Term& term, const Values& values) const {
  double area = term.count * values[term.density];
  if (term.divisor != kNone) area /= values[term.divisor];
  if (term.factor != kNone) area *= values[term.factor];
  const std::size_t scale = term.scaling == Scaling::kLogic  ? logic_
                            : term.scaling == Scaling::kSram ? sram_
                                                             : analog_;
  return scale == kNone ? area : area * values[scale];
}

AreaReport AreaModel::evaluate(const Values& values) const {
  AreaReport report;
  for (const Term& term : terms_) {
    report.blocks.push_back({term.block, term.parent, term_mm2(term, values)});
  }
  return report;
}

double AreaModel::total_mm2(const Values& values) const {
  double sum = 0.0;
  for (const Term& term : terms_) sum += term_mm2(term, values);
  return sum;
}

std::vector<std::size_t> AreaModel::used() const {
  std::vector<std::size_t> out;
  for (const Term& term : terms_) {
    for (const std::size_t position : {term.density, term.divisor, term.factor}) {
      if (position != kNone) out.push_back(position);
    }
  }
  for (const std::size_t position : {logic_, sram_, analog_}) {
    if (position != kNone) out.push_back(position);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace athena::cost
