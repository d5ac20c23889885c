#include "timing/energy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"

namespace athena::timing {
namespace {

constexpr double kPico = 1e-12;

/// What a node changes relative to N7 at its own reference voltage.
struct NodeScale {
  std::string_view process;
  double voltage;  ///< reference supply, V
  double logic;    ///< energy of arithmetic, registers, control
  double sram;     ///< energy of SRAM accesses (bitcells shrink less than logic)
  double wire;     ///< energy per bit and mm (capacitance per mm hardly changes)
  double leakage;  ///< per mm^2
  double clock;    ///< clock capacitance per mm^2: logic energy x density
};

/// Logic: vendor's iso-speed power claims: N5 -30 % against N7 (range -20..-35 %), N4 a further
/// -9 %, N3 -27 % against N5, N6 as N7; N7 -60 % against 16FF+, 12FFN -10 % against 16FF+, 16FF+
/// -50 % against 28 nm. SRAM and wire: half of that step in log terms for SRAM, supply squared for
/// wires. Leakage and clock per area follow density (N5 1.6 x N7, 16FF+ 0.36 x). SRAM, wire,
/// leakage, clock: assumed.
constexpr std::array kNodes{
    NodeScale{"N7", 0.75, 1.0, 1.0, 1.0, 1.0, 1.0},
    NodeScale{"N6", 0.75, 0.97, 1.0, 1.0, 1.05, 1.05},
    NodeScale{"N5", 0.75, 0.70, 0.84, 1.0, 1.2, 1.12},
    NodeScale{"N4", 0.75, 0.64, 0.82, 1.0, 1.2, 1.09},
    NodeScale{"N3", 0.70, 0.51, 0.75, 0.87, 1.3, 1.2},
    NodeScale{"N12", 0.80, 2.25, 1.5, 1.14, 0.6, 0.9},
    NodeScale{"N16", 0.80, 2.5, 1.58, 1.14, 0.6, 0.9},
    NodeScale{"N28", 0.90, 5.0, 2.6, 1.44, 0.4, 0.8},
};

struct Alias {
  std::string_view name;
  std::string_view process;
};
constexpr std::array kAliases{Alias{"4N", "N4"},     Alias{"4NP", "N4"},   Alias{"N5P", "N5"},
                              Alias{"12FFN", "N12"}, Alias{"12FF", "N12"}, Alias{"16FF+", "N16"},
                              Alias{"16FFC", "N16"}, Alias{"16FF", "N16"}, Alias{"N7P", "N7"},
                              Alias{"28HPM", "N28"}, Alias{"28nm", "N28"}};

/// Relative to HBM2. HBM3 runs its arrays at 1.1 V instead of 1.2 V and its I/O at 0.4 V (JESD238
/// against JESD235). Package-to-package memories: arrays with longer wires (x 2) at their supply,
/// and terminated I/O over the board: 6 pJ/bit (GDDR6, DDR4), 12 pJ/bit (DDR3), 3 pJ/bit
/// (LPDDR4/5), after O'Connor et al., MICRO 2017, and vendors' power calculators.
struct MemoryScale {
  std::string_view standard;
  double core;
  double io;
};
constexpr std::array kMemories{
    MemoryScale{"HBM3E", 0.84, 0.5}, MemoryScale{"HBM3", 0.84, 0.5}, MemoryScale{"HBM2E", 1.0, 1.0},
    MemoryScale{"HBM2", 1.0, 1.0},   MemoryScale{"HBM", 1.17, 1.0},  MemoryScale{"GDDR", 2.5, 20.0},
    MemoryScale{"LPDDR", 1.7, 10.0}, MemoryScale{"DDR3", 3.1, 40.0}, MemoryScale{"DDR", 2.0, 20.0}};

const NodeScale& node_scale(std::string_view process) {
  std::string_view canonical = process;
  for (const Alias& alias : kAliases) {
    if (alias.name == process) canonical = alias.process;
  }
  for (const NodeScale& node : kNodes) {
    if (node.process == canonical) return node;
  }
  throw InputError(fmt::format("no energies for process '{}'; known: {}.{}", process,
                               join(known_processes(), ", "),
                               did_you_mean(process, known_processes())));
}

const MemoryScale& memory_scale(std::string_view memory) {
  for (const MemoryScale& scale : kMemories) {
    if (memory.substr(0, scale.standard.size()) == scale.standard) return scale;
  }
  throw InputError(fmt::format(
      "no energies for memory '{}'; expected a name that begins with HBM, HBM2, HBM2E, HBM3, "
      "HBM3E, GDDR, LPDDR or DDR.",
      memory));
}

double pj_of(const std::map<std::string, double>& table, Dtype type) {
  const auto found = table.find(std::string(name(type)));
  if (found == table.end()) {
    throw InputError(fmt::format("the energy table has no entry for format '{}'.", name(type)));
  }
  return found->second;
}

double bytes_of(Dtype type) {
  return storage_bits(type) / 8.0;
}

bool integer(Dtype type) {
  return type == Dtype::kInt8 || type == Dtype::kInt4 || type == Dtype::kInt32 ||
         type == Dtype::kMx8;
}

double side_mm(SquareMm area) {
  return std::sqrt(std::max(area.value(), 0.0));
}

}  // namespace

double EnergyTable::sram_j_per_byte(Bytes size) const {
  const double kib = static_cast<double>(size.value()) / 1024.0;
  return (sram_fixed_pj_per_byte + sram_pj_per_byte_root_kib * std::sqrt(kib)) * kPico;
}

double EnergyTable::hbm_j_per_byte() const {
  return 8.0 * (hbm_column_pj_per_bit + hbm_io_pj_per_bit + hbm_phy_pj_per_bit) * kPico;
}

double EnergyTable::link_j_per_byte(std::string_view kind) const {
  double pj = link_pj_per_bit.at("serdes");
  for (const auto& [prefix, value] : link_pj_per_bit) {
    if (kind.substr(0, prefix.size()) == prefix) pj = value;
  }
  return 8.0 * pj * kPico;
}

std::vector<std::string> known_processes() {
  std::vector<std::string> names;
  names.reserve(std::size(kNodes) + std::size(kAliases));
  for (const NodeScale& node : kNodes) names.emplace_back(node.process);
  for (const Alias& alias : kAliases) names.emplace_back(alias.name);
  return names;
}

EnergyTable energies_for(std::string_view process, std::string_view memory) {
  const NodeScale& node = node_scale(process);
  const MemoryScale& dram = memory_scale(memory);
  EnergyTable table;
  table.process = std::string(node.process);
  table.reference_voltage = node.voltage;
  for (auto& [format, pj] : table.multiply_pj) pj *= node.logic;
  for (auto& [format, pj] : table.add_pj) pj *= node.logic;
  for (double* pj :
       {&table.accumulate_fp32_pj, &table.accumulate_int32_pj, &table.pipeline_bit_fj,
        &table.register_file_pj_per_byte, &table.vector_control_pj, &table.special_function_pj,
        &table.convert_pj, &table.router_pj_per_bit, &table.hbm_phy_pj_per_bit}) {
    *pj *= node.logic;
  }
  table.sram_fixed_pj_per_byte *= node.sram;
  table.sram_pj_per_byte_root_kib *= node.sram;
  table.wire_pj_per_bit_mm *= node.wire;
  table.leakage_w_per_mm2 *= node.leakage;
  table.clock_pf_per_mm2 *= node.clock;
  table.hbm_activate_pj *= dram.core;
  table.hbm_column_pj_per_bit *= dram.core;
  table.hbm_io_pj_per_bit *= dram.io;
  return table;
}

void EventCounts::add(const EventCounts& other, double factor) {
  for (std::size_t i = 0; i < macs.size(); ++i) macs[i] += factor * other.macs[i];
  vector_ops += factor * other.vector_ops;
  special_ops += factor * other.special_ops;
  convert_ops += factor * other.convert_ops;
  scratch_bytes += factor * other.scratch_bytes;
  cluster_scratch_bytes += factor * other.cluster_scratch_bytes;
  cache_bytes += factor * other.cache_bytes;
  memory_cache_bytes += factor * other.memory_cache_bytes;
  noc_bytes += factor * other.noc_bytes;
  noc_byte_hops += factor * other.noc_byte_hops;
  memory_bytes += factor * other.memory_bytes;
  activates += factor * other.activates;
  link_bytes += factor * other.link_bytes;
}

EventCounts& EventCounts::operator+=(const EventCounts& other) {
  add(other, 1.0);
  return *this;
}

double mac_energy_j(const EnergyTable& table, Dtype type, int rows, int cols, int depth,
                    bool from_register_file) {
  // An instruction chains two passes of the unit before its accumulators go back to the registers
  // (m16n8k16 on units of depth 8).
  constexpr double kPassesPerInstruction = 2.0;
  constexpr int kStages = 2;  // operand and product registers of a pipelined multiplier
  const double accumulate = integer(type) ? table.accumulate_int32_pj : table.accumulate_fp32_pj;
  const double bit_pj = table.pipeline_bit_fj * 1e-3;
  double pj = pj_of(table.multiply_pj, type);
  if (depth <= 1) {
    // The stationary operand rests; the streamed one and the partial sum move one element on.
    pj += accumulate + (storage_bits(type) + 32) * bit_pj;
  } else {
    pj +=
        pj_of(table.add_pj, type) + accumulate / depth + kStages * 2 * storage_bits(type) * bit_pj;
  }
  if (from_register_file) {
    const double operands = bytes_of(type) * (1.0 / rows + 1.0 / cols);
    const double accumulators = 2.0 * 4.0 / (depth * kPassesPerInstruction);
    pj += (operands + accumulators) * table.register_file_pj_per_byte;
  }
  return pj * kPico;
}

ChipEnergy::ChipEnergy(const config::ChipConfig& chip, const EnergyTable& table, SquareMm die_area)
    : table_(table) {
  const auto& matrix = chip.core.matrix;
  const bool registers = chip.core.registers.value() > 0;
  for (const auto& [format, rate] : matrix.rate) {
    const auto type = dtype_from_name(format);
    if (!type || rate <= 0.0) continue;
    mac_j_[static_cast<std::size_t>(*type)] =
        mac_energy_j(table, *type, matrix.rows, matrix.cols, matrix.depth, registers);
  }
  // Three operands read and one result written, four bytes each.
  const double operands = 16.0 * table.register_file_pj_per_byte + table.vector_control_pj;
  vector_j_ =
      (pj_of(table.multiply_pj, Dtype::kFp32) + table.accumulate_fp32_pj + operands) * kPico;
  special_j_ = (table.special_function_pj + operands) * kPico;
  convert_j_ = (table.convert_pj + operands / 2.0) * kPico;

  scratch_j_per_byte_ = table.sram_j_per_byte(chip.core.scratch.size);
  cluster_j_per_byte_ = table.sram_j_per_byte(chip.cluster.scratch.size);
  // A cache is banked in slices of at most 1 MiB; the way to the slice is the network's.
  const Bytes slice = std::min(chip.cache.size, Bytes(1 << 20));
  cache_j_per_byte_ = table.sram_j_per_byte(slice) * table.cache_tag_factor;
  const Bytes far_slice = std::min(chip.memory_cache.size, Bytes(1 << 20));
  memory_cache_j_per_byte_ = table.sram_j_per_byte(far_slice) * table.cache_tag_factor;

  // Two points of a square of side s lie 2s/3 apart (Manhattan mean); a mesh hop is one pitch.
  const double side = side_mm(die_area);
  const double router = 8.0 * table.router_pj_per_bit;
  const double wire = 8.0 * table.wire_pj_per_bit_mm;
  noc_j_per_byte_ = (wire * side * 2.0 / 3.0 + 2.0 * router) * kPico;
  hop_j_per_byte_ = (wire * side / std::max(chip.noc.cols, 1) + router) * kPico;
  memory_j_per_byte_ = table.hbm_j_per_byte();
  activate_j_ = table.hbm_activate_pj * kPico;
  link_j_per_byte_ = table.link_j_per_byte(chip.links.kind);
}

EnergyBreakdown ChipEnergy::energy(const EventCounts& counts) const {
  EnergyBreakdown out;
  double matrix = 0.0;
  for (std::size_t i = 0; i < mac_j_.size(); ++i) matrix += counts.macs[i] * mac_j_[i];
  const double activates =
      counts.activates > 0.0 ? counts.activates : counts.memory_bytes / kHbmRowBytes;
  const double toggle = counts.data_toggle;
  out.matrix = Joules(matrix * toggle);
  out.vector = Joules(toggle * (counts.vector_ops * vector_j_ + counts.special_ops * special_j_ +
                                counts.convert_ops * convert_j_));
  out.scratch = Joules(toggle * (counts.scratch_bytes * scratch_j_per_byte_ +
                                 counts.cluster_scratch_bytes * cluster_j_per_byte_));
  out.cache = Joules(toggle * (counts.cache_bytes * cache_j_per_byte_ +
                               counts.memory_cache_bytes * memory_cache_j_per_byte_));
  out.noc = Joules(toggle *
                   (counts.noc_bytes * noc_j_per_byte_ + counts.noc_byte_hops * hop_j_per_byte_));
  out.memory = Joules(counts.memory_bytes * memory_j_per_byte_ + activates * activate_j_);
  out.link = Joules(counts.link_bytes * link_j_per_byte_);
  return out;
}

}  // namespace athena::timing
