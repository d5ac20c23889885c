#include "config/schema.h"
#include "timing/energy.h"

namespace athena::timing {

const config::StructSchema& schema_of(const EnergyTable*) {
  using config::fraction;
  using config::not_negative;
  using config::positive;
  using config::range;
  using T = EnergyTable;
  static const config::StructSchema kSchema =
      config::SchemaBuilder<T>("energies", "Energy per event of one process node.")
          .field("process", &T::process, "node that the table describes")
          .field("reference_voltage", &T::reference_voltage, "V at which on-die energies hold",
                 range(0.3, 1.5))
          .field("multiply_pj", &T::multiply_pj, "pJ per multiply, by format", not_negative())
          .field("add_pj", &T::add_pj, "pJ per add in a dot-product tree, by format",
                 not_negative())
          .field("accumulate_fp32_pj", &T::accumulate_fp32_pj, "pJ per fp32 accumulate",
                 not_negative())
          .field("accumulate_int32_pj", &T::accumulate_int32_pj, "pJ per int32 accumulate",
                 not_negative())
          .field("pipeline_bit_fj", &T::pipeline_bit_fj, "fJ per register bit and cycle",
                 not_negative())
          .field("register_file_pj_per_byte", &T::register_file_pj_per_byte,
                 "pJ per byte of register file with operand collector", not_negative())
          .field("vector_control_pj", &T::vector_control_pj, "pJ of control per vector lane result",
                 not_negative())
          .field("special_function_pj", &T::special_function_pj, "pJ per exp, rsqrt, ...",
                 not_negative())
          .field("convert_pj", &T::convert_pj, "pJ per format conversion", not_negative())
          .field("sram_fixed_pj_per_byte", &T::sram_fixed_pj_per_byte,
                 "pJ per byte of SRAM, part without size", not_negative())
          .field("sram_pj_per_byte_root_kib", &T::sram_pj_per_byte_root_kib,
                 "pJ per byte of SRAM per square root of its KiB", not_negative())
          .field("cache_tag_factor", &T::cache_tag_factor,
                 "cache access relative to its data array", range(1.0, 3.0))
          .field("wire_pj_per_bit_mm", &T::wire_pj_per_bit_mm, "pJ per bit and mm of global wire",
                 not_negative())
          .field("router_pj_per_bit", &T::router_pj_per_bit, "pJ per bit through one router",
                 not_negative())
          .field("hbm_activate_pj", &T::hbm_activate_pj, "pJ per row activation", not_negative())
          .field("hbm_column_pj_per_bit", &T::hbm_column_pj_per_bit,
                 "pJ per bit from the row buffer to the device's edge", not_negative())
          .field("hbm_io_pj_per_bit", &T::hbm_io_pj_per_bit, "pJ per bit of memory I/O",
                 not_negative())
          .field("hbm_phy_pj_per_bit", &T::hbm_phy_pj_per_bit,
                 "pJ per bit of PHY and controller on the die", not_negative())
          .field("link_pj_per_bit", &T::link_pj_per_bit, "pJ per bit of a link, by kind",
                 not_negative())
          .field("leakage_w_per_mm2", &T::leakage_w_per_mm2, "leakage at reference voltage, W/mm2",
                 not_negative())
          .field("leakage_exponent", &T::leakage_exponent, "power of the voltage in leakage",
                 range(1.0, 6.0))
          .field("clock_pf_per_mm2", &T::clock_pf_per_mm2, "switched clock capacitance, pF/mm2",
                 not_negative())
          .field("clock_gated_share", &T::clock_gated_share,
                 "part of the clock network that stops while a core waits", fraction())
          .field("delivery_efficiency", &T::delivery_efficiency,
                 "efficiency of the board's regulators", range(0.5, 1.0))
          .check([](const T& table) {
            return table.link_pj_per_bit.count("serdes") > 0
                       ? std::string()
                       : std::string(
                             "link_pj_per_bit must have an entry 'serdes', which serves "
                             "every kind without one of its own.");
          })
          .build();
  return kSchema;
}

}  // namespace athena::timing
