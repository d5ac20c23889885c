#include "timing/energy.h"

#include <catch2/catch.hpp>

#include "base/error.h"
#include "config/config.h"
#include "gpu_fixture.h"

using namespace athena;
using namespace athena::timing;

TEST_CASE("SRAM energy per byte reproduces the published 7 nm arrays", "[energy]") {
  const EnergyTable table;
  // Jouppi et al., ISCA 2021: 64-bit accesses.
  CHECK(table.sram_j_per_byte(8_KiB) * 8 == Approx(7.5e-12).epsilon(0.05));
  CHECK(table.sram_j_per_byte(32_KiB) * 8 == Approx(8.5e-12).epsilon(0.05));
  CHECK(table.sram_j_per_byte(1_MiB) * 8 == Approx(14e-12).epsilon(0.05));
}

TEST_CASE("HBM2 costs what its parts add up to", "[energy]") {
  const EnergyTable table = energies_for("N7", "HBM2-2.0Gbps-8Gb");
  const double device = table.hbm_j_per_byte() / 8 - table.hbm_phy_pj_per_bit * 1e-12 +
                        table.hbm_activate_pj * 1e-12 / (kHbmRowBytes * 8);
  CHECK(device == Approx(3.92e-12).epsilon(0.05));  // O'Connor et al., MICRO 2017
}

TEST_CASE("systolic element agrees with the synthesised one", "[energy]") {
  // ASAP7 (0.7 V) after synthesis with simulated activity: 0.60 pJ (bf16) and 0.353 pJ (int8) per
  // cycle without wires and clock tree; a 7 nm table built from arithmetic must lie within a factor
  // of two of both.
  const EnergyTable table;
  const double bf16 = mac_energy_j(table, Dtype::kBf16, 128, 128, 1, false) * 1e12;
  const double int8 = mac_energy_j(table, Dtype::kInt8, 128, 128, 1, false) * 1e12;
  CHECK(bf16 / 0.60 < 2.0);
  CHECK(bf16 / 0.60 > 0.5);
  CHECK(int8 / 0.353 < 2.0);
  CHECK(int8 / 0.353 > 0.5);
}

TEST_CASE("energy grows with width and shrinks with depth and node", "[energy]") {
  const EnergyTable n7 = energies_for("N7");
  const auto mac = [](const EnergyTable& t, Dtype type, int depth) {
    return mac_energy_j(t, type, 16, 16, depth, false);
  };
  CHECK(mac(n7, Dtype::kInt8, 4) < mac(n7, Dtype::kBf16, 4));
  CHECK(mac(n7, Dtype::kFp8E4M3, 4) < mac(n7, Dtype::kBf16, 4));
  CHECK(mac(n7, Dtype::kBf16, 4) < mac(n7, Dtype::kFp16, 4));
  CHECK(mac(n7, Dtype::kFp16, 4) < mac(n7, Dtype::kFp32, 4));
  CHECK(mac(n7, Dtype::kBf16, 16) < mac(n7, Dtype::kBf16, 4));
  double previous = 0.0;
  for (const char* node : {"N3", "N4", "N5", "N6", "N7", "N12", "N16", "N28"}) {
    const double energy = mac(energies_for(node), Dtype::kBf16, 1);
    CHECK(energy > previous);
    previous = energy;
  }
}

TEST_CASE("energy is additive and proportional to the events", "[energy]") {
  const ChipEnergy chip = test::gpu_energy();
  EventCounts once = test::gemm_second();
  EventCounts twice = once;
  twice += once;
  CHECK(chip.energy(twice).core().value() == Approx(2 * chip.energy(once).core().value()));
  CHECK(chip.energy(twice).other().value() == Approx(2 * chip.energy(once).other().value()));
  CHECK(chip.energy(EventCounts{}).core().value() == 0.0);
  EventCounts zeros = once;
  zeros.data_toggle = 0.0;
  CHECK(chip.energy(zeros).matrix.value() == 0.0);
  CHECK(chip.energy(zeros).memory.value() == chip.energy(once).memory.value());
}

TEST_CASE("names of processes and memories are checked", "[energy]") {
  CHECK(energies_for("4N").process == "N4");
  CHECK(energies_for("12FFN").process == "N12");
  CHECK_THROWS_AS(energies_for("N55"), InputError);
  CHECK_THROWS_WITH(energies_for("N77"), Catch::Contains("Did you mean 'N7'"));
  CHECK_THROWS_AS(energies_for("N7", "optane"), InputError);
  CHECK(energies_for("N28", "DDR3-2133").hbm_j_per_byte() > energies_for("N28").hbm_j_per_byte());
}

TEST_CASE("a table survives being written and read", "[energy]") {
  const EnergyTable table = energies_for("N5", "HBM3");
  const config::Node written = config::dump(table);
  const auto back = config::bind<EnergyTable>(config::parse_text(config::to_yaml(written), "t"));
  CHECK(config::to_yaml(config::dump(back)) == config::to_yaml(written));
  CHECK(back.multiply_pj.at("bf16") == table.multiply_pj.at("bf16"));
  CHECK_THROWS_AS(config::bind<EnergyTable>(config::parse_text("leakage_w_per_mm2: -1", "t")),
                  InputError);
}
