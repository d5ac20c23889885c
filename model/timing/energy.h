#pragma once
/// What an event costs in energy: arithmetic by format, memories by size, wires by length, HBM by
/// command, links by bit, and what flows without any event (leakage, clock tree).
///
/// All on-die energies hold at `reference_voltage` for random data; the governor scales them with
/// the square of the supply. The values are those of the process and of published circuits, so one
/// table serves every chip of a node; nothing here is fitted to a chip or to an operator.
#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/units.h"
#include "config/chip.h"

namespace athena::config {
class StructSchema;
}

namespace athena::timing {

/// Energies of one process node. The defaults are N7; energies_for() scales them to other nodes.
/// Keys name their unit: pj = picojoule, fj = femtojoule.
struct EnergyTable {
  std::string process = "N7";
  double reference_voltage = 0.75;  ///< V at which the on-die energies below hold

  /// Multiplier by format. int8, bf16, fp16, fp32: Jouppi et al., ISCA 2021, table 2 (7 nm).
  /// Others by the square of the significand's width: tf32 as fp16 (11 bits), fp8 e4m3 4 bits,
  /// e5m2 3 bits of bf16's 8; mx8 as int8; int4 a quarter of int8.
  std::map<std::string, double> multiply_pj{
      {"fp32", 1.31},     {"tf32", 0.34}, {"fp16", 0.34}, {"bf16", 0.21},  {"fp8", 0.06},
      {"fp8-e5m2", 0.04}, {"mx8", 0.07},  {"int8", 0.07}, {"int4", 0.018}, {"int32", 1.48}};
  /// Adder inside a dot-product tree by format of the products; same source (fp8, tf32: assumed,
  /// interpolated by width).
  std::map<std::string, double> add_pj{
      {"fp32", 0.38},     {"tf32", 0.16}, {"fp16", 0.16}, {"bf16", 0.11}, {"fp8", 0.06},
      {"fp8-e5m2", 0.06}, {"mx8", 0.03},  {"int8", 0.03}, {"int4", 0.02}, {"int32", 0.03}};
  double accumulate_fp32_pj = 0.38;   ///< fp32 add; same source
  double accumulate_int32_pj = 0.03;  ///< int32 add; same source
  /// Pipeline register, one bit, one cycle with its local clock pin. Assumed: ASAP7 flip-flops of
  /// our synthesised processing elements lie between 2 and 4.5 fJ.
  double pipeline_bit_fj = 2.5;
  /// Register file of a multithreaded core with operand collector. Assumed: twice the 0.12 pJ/B
  /// that CACTI 7 gives for an 8 KB, 64-bit array at 22 nm, because of 16 banks and their crossbar.
  double register_file_pj_per_byte = 0.25;
  double vector_control_pj = 0.5;    ///< fetch, decode, scoreboard per lane; assumed (30 pJ / 64)
  double special_function_pj = 4.0;  ///< exp, rsqrt, ...: table + two fp32 FMAs, assumed
  double convert_pj = 0.4;           ///< format conversion; about an fp32 add
  /// SRAM access energy per byte = fixed + slope * sqrt(KiB): Jouppi et al., ISCA 2021: 7.5, 8.5,
  /// 14 pJ per 8 bytes at 8 KB, 32 KB, 1 MB (the law reproduces all three within 4 %).
  double sram_fixed_pj_per_byte = 0.88;
  double sram_pj_per_byte_root_kib = 0.027;
  double cache_tag_factor = 1.1;     ///< tags and replacement on top of the data array; assumed
  double wire_pj_per_bit_mm = 0.08;  ///< repeated global wire, 0.05-0.12; assumed for 7 nm
  double router_pj_per_bit = 0.05;   ///< buffer write and read, crossbar; assumed (0.4 pJ/B SRAM)

  /// O'Connor et al., MICRO 2017 (HBM2, 3.92 pJ/bit in all): 909 pJ per row activation, 2.24 pJ/bit
  /// from the row buffer to the edge, 0.30 pJ/bit of I/O.
  double hbm_activate_pj = 909.0;
  double hbm_column_pj_per_bit = 2.24;
  double hbm_io_pj_per_bit = 0.30;
  double hbm_phy_pj_per_bit = 0.75;  ///< PHY and controller on our die; assumed (0.5-1)
  /// Chip-to-chip links by kind (matched by prefix): both PHYs of one bit. "serdes" serves the
  /// rest.
  std::map<std::string, double> link_pj_per_bit{{"nvlink", 8.0},  ///< NVLink class 6-11
                                                {"serdes", 5.5},  ///< 112G long reach, 4.5-8
                                                {"pcie", 6.0},
                                                {"ucie", 1.0}};

  double leakage_w_per_mm2 = 0.04;  ///< at reference voltage, 65 C; assumed: 5-10 % of TDP density
  double leakage_exponent = 3.0;  ///< leakage power ~ V^3: V times the exponential of DIBL; assumed
  /// Clock network incl. the clock pins that it always drives. Assumed: 490,000 flip-flops per mm2
  /// of N7 logic (15 % of 91 MTr/mm2 at 28 transistors) times 1.5 fF, of which local gating leaves
  /// about a tenth switching, plus as much wire and buffers.
  double clock_pf_per_mm2 = 75.0;
  double clock_gated_share = 0.5;     ///< part of it that stops while a core waits; assumed
  double delivery_efficiency = 0.90;  ///< board regulators: caps are set at the board's input

  /// Energy of one byte read or written in an array of that size, J.
  [[nodiscard]] double sram_j_per_byte(Bytes size) const;
  /// Energy of one HBM byte without its activation, J.
  [[nodiscard]] double hbm_j_per_byte() const;
  /// Energy of one byte over a link of `kind` ("nvlink3"; empty and "none" count as "serdes"), J.
  [[nodiscard]] double link_j_per_byte(std::string_view kind) const;
};

/// Keys, units and ranges, so that a table can be written to a file, read back and changed.
[[nodiscard]] const config::StructSchema& schema_of(const EnergyTable*);

/// The table for a process ("N7", "N6", "N5", "N4", "N3", "N12", "N16", "N28", and the vendors'
/// names "4N", "12FFN", "16FF+") and a memory standard ("HBM2", "HBM2E", "HBM3", "GDDR6", "DDR4",
/// ..., or the name of a timing set that begins so). Throws InputError for a node without data.
[[nodiscard]] EnergyTable energies_for(std::string_view process, std::string_view memory = "HBM2E");
/// The process names that energies_for() knows.
[[nodiscard]] std::vector<std::string> known_processes();

inline constexpr std::size_t kDtypeCount = static_cast<std::size_t>(Dtype::kInt32) + 1;

/// What happened, counted over a whole chip. Every count may be fractional (closed forms).
struct EventCounts {
  std::array<double, kDtypeCount> macs{};  ///< multiply-accumulates on matrix units, by Dtype
  double vector_ops = 0;                   ///< fp32-lane results of vector units
  double special_ops = 0;                  ///< exp, rsqrt, ...
  double convert_ops = 0;
  double scratch_bytes = 0;          ///< read + written in core scratchpads
  double cluster_scratch_bytes = 0;  ///< read + written in cluster scratchpads
  double cache_bytes = 0;            ///< read + written in the hardware cache
  double memory_cache_bytes = 0;     ///< and in the cache beside memory
  double noc_bytes = 0;      ///< bytes that crossed the chip's network, at its mean distance
  double noc_byte_hops = 0;  ///< bytes x hops where hops are counted (count one or the other)
  double memory_bytes = 0;   ///< read + written at the HBM pins
  double activates = 0;      ///< row activations; 0 = one per kHbmRowBytes of memory_bytes
  double link_bytes = 0;     ///< sent on chip-to-chip links
  double data_toggle = 1.0;  ///< switching relative to random data (0 = all zeros)

  double& mac(Dtype type) { return macs[static_cast<std::size_t>(type)]; }
  EventCounts& operator+=(const EventCounts& other);
  /// Adds all counts of `other` times a factor; the switching stays.
  void add(const EventCounts& other, double factor);
};

/// Bytes fetched per activation when nobody counts them: O'Connor's average of 1.21 pJ/bit against
/// 909 pJ per activation.
inline constexpr double kHbmRowBytes = 909.0 / 1.21 / 8.0;

/// Where the energy went. The first five are on the core's rail, at the table's reference voltage.
struct EnergyBreakdown {
  Joules matrix{0};
  Joules vector{0};
  Joules scratch{0};
  Joules cache{0};
  Joules noc{0};
  Joules memory{0};  ///< HBM and its PHY: rails of their own
  Joules link{0};    ///< likewise
  [[nodiscard]] Joules core() const { return matrix + vector + scratch + cache + noc; }
  [[nodiscard]] Joules other() const { return memory + link; }
};

/// The energies of one chip: the table applied to its geometry. Cheap to copy, pure.
class ChipEnergy {
 public:
  /// `die_area`: of one compute die; sets wire lengths.
  ChipEnergy(const config::ChipConfig& chip, const EnergyTable& table, SquareMm die_area);

  /// Energy of the counted events at reference voltage.
  [[nodiscard]] EnergyBreakdown energy(const EventCounts& counts) const;
  /// One multiply-accumulate with its share of operand delivery, J.
  [[nodiscard]] double mac_j(Dtype type) const { return mac_j_[static_cast<std::size_t>(type)]; }
  /// One byte across the network at its mean distance, J.
  [[nodiscard]] double noc_j_per_byte() const { return noc_j_per_byte_; }
  [[nodiscard]] const EnergyTable& table() const { return table_; }

 private:
  EnergyTable table_;
  std::array<double, kDtypeCount> mac_j_{};
  double vector_j_ = 0;
  double special_j_ = 0;
  double convert_j_ = 0;
  double scratch_j_per_byte_ = 0;
  double cluster_j_per_byte_ = 0;
  double cache_j_per_byte_ = 0;
  double memory_cache_j_per_byte_ = 0;
  double noc_j_per_byte_ = 0;
  double hop_j_per_byte_ = 0;
  double memory_j_per_byte_ = 0;
  double activate_j_ = 0;
  double link_j_per_byte_ = 0;
};

/// Energy of one multiply-accumulate, J, in a unit of `rows` x `cols` results and `depth` products:
/// depth 1 is a systolic element (full accumulate, operands pass through registers), depth > 1 a
/// dot-product tree that rounds once per result. `from_register_file`: operands and accumulators
/// come from a register file each instruction (GPU) instead of streaming from the array's edge.
[[nodiscard]] double mac_energy_j(const EnergyTable& table, Dtype type, int rows, int cols,
                                  int depth, bool from_register_file);

}  // namespace athena::timing
