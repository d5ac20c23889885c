#pragma once
/// A GPU with the A100's published geometry, power limits and voltages, for the energy tests. (The
/// shipped chip file is checked by the system tests; these must not change when it does.)
#include "config/chip.h"
#include "timing/power_governor.h"

namespace athena::timing::test {

inline constexpr double kDieMm2 = 826.0;
inline constexpr double kPeakMacs = 156e12;  // 312 TFLOP/s dense BF16

inline config::ChipConfig gpu(double cap_w = 400.0) {
  config::ChipConfig chip;
  chip.clock.core = Hertz(1.41e9);
  chip.cluster.count = 108;
  chip.core.matrix = {.units = 4, .rows = 8, .cols = 4, .depth = 8};
  chip.core.matrix.rate = {{"bf16", 1.0}, {"fp16", 1.0}, {"int8", 2.0}};
  chip.core.registers = Bytes(256 << 10);
  chip.core.scratch.size = Bytes(164 << 10);
  chip.cache.size = Bytes(40 << 20);
  chip.cache.partitions = 2;
  chip.links.kind = "nvlink3";
  // 712.5 mV at 1080 MHz is what the card itself reports; 0.88 V at 1410 MHz is assumed (the
  // process's nominal 0.75 V plus the overdrive that its top bin needs).
  chip.power = {.cap = Watts(cap_w),
                .idle = Watts(55.0),
                .min_clock = Hertz(2.1e8),
                .voltage_at_max = 0.88,
                .voltage_min = 0.7125,
                .voltage_min_clock = Hertz(1.08e9)};
  return chip;
}

inline ChipEnergy gpu_energy() {
  return {gpu(), energies_for("N7", "HBM2E"), SquareMm(kDieMm2)};
}
inline PowerModel gpu_power(double cap_w = 400.0) {
  return power_model(gpu(cap_w), energies_for("N7", "HBM2E"), SquareMm(kDieMm2));
}

/// A large GEMM for one second: 128 x 256 tiles from the cache, 64 x 64 warp tiles from shared
/// memory, 0.8 TB/s from HBM. `issue`: share of peak at which tensor cores issue (295 of 312
/// TFLOP/s measured on zeros, where power does not bind).
inline constexpr double kIssue = 295.0 / 312.0;
inline EventCounts gemm_second(double toggle = 1.0, double issue = kIssue) {
  EventCounts counts;
  const double macs = kPeakMacs * issue;
  const double tile_bytes = macs * (128 + 256) * 2.0 / (128.0 * 256.0);
  counts.mac(Dtype::kBf16) = macs;
  counts.cache_bytes = tile_bytes;
  counts.noc_bytes = tile_bytes;
  counts.scratch_bytes = tile_bytes + macs * (64 + 64) * 2.0 / (64.0 * 64.0);
  counts.memory_bytes = 0.8e12 * issue;
  counts.data_toggle = toggle;
  return counts;
}
inline Activity gemm(double toggle = 1.0) {
  return activity_of(gpu_energy(), gemm_second(toggle), Seconds(1), 1.0, 1.0);
}

}  // namespace athena::timing::test
