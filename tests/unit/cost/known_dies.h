#pragma once
/// Dies whose area was published, described by the counts that their makers published. They live in
/// the tests, so that a change of a shipped chip file cannot move the check.
#include "config/chip.h"
#include "cost/area.h"

namespace athena::cost::test {

struct KnownDie {
  config::ChipConfig chip;
  AreaFacts facts;
  double published_mm2 = 0.0;
};

inline config::ChipConfig gpu_chip(int cores, int tensor_units, int depth, double lanes) {
  config::ChipConfig chip;
  chip.cluster.count = cores;
  chip.cluster.cores = 1;
  chip.core.matrix = {.units = tensor_units, .rows = 8, .cols = 4, .depth = depth};
  chip.core.matrix.rate = {{"bf16", 1.0}, {"fp16", 1.0}, {"tf32", 0.5}, {"int8", 2.0}};
  chip.core.vector.lanes = lanes;
  chip.core.registers = Bytes(256 << 10);
  chip.noc.kind = config::NocKind::kCrossbar;
  chip.technology.pcie_lanes = 16;
  return chip;
}

/// 128 SMs x 4 tensor cores of 8x4x8, 48 MB of L2, 6 HBM sites, 12 NVLink3 (NVIDIA A100
/// whitepaper).
inline KnownDie ga100() {
  KnownDie die{gpu_chip(128, 4, 8, 64), {}, 826.0};
  die.chip.cache.size = Bytes(48 << 20);
  die.chip.links = {.kind = "nvlink3", .count = 12, .bandwidth = BytesPerSecond(25e9)};
  die.chip.technology.process = "N7";
  die.chip.technology.transistors_billion = 54.2;
  die.facts = {.scratch_on_die = Bytes(192 << 10),
               .memory_sites = 6,
               .schedulers_per_core = 4,
               .fp64_lanes = 64};
  return die;
}

/// 144 SMs x 4 tensor cores of 8x4x16, 60 MB of L2, 6 HBM sites, 18 NVLink4 (NVIDIA H100
/// whitepaper).
inline KnownDie gh100() {
  KnownDie die{gpu_chip(144, 4, 16, 128), {}, 814.0};
  die.chip.cache.size = Bytes(60 << 20);
  die.chip.links = {.kind = "nvlink4", .count = 18, .bandwidth = BytesPerSecond(25e9)};
  die.chip.technology.process = "4N";
  die.chip.technology.pcie_generation = 5;
  die.chip.technology.transistors_billion = 80;
  die.facts = {.scratch_on_die = Bytes(256 << 10),
               .memory_sites = 6,
               .schedulers_per_core = 4,
               .fp64_lanes = 128};
  return die;
}

/// 112 compute units x 4 matrix cores of 4x4x8, 512 KB of vector registers each, 8 MB of L2, 4 HBM
/// sites, 8 Infinity Fabric links of 16 lanes at 25 Gb/s (AMD CDNA2 whitepaper; one compute die).
inline KnownDie mi250_gcd() {
  KnownDie die{gpu_chip(112, 4, 8, 128), {}, 724.0};
  die.chip.core.matrix.cols = 4;
  die.chip.core.matrix.rows = 4;
  die.chip.core.registers = Bytes(512 << 10);
  die.chip.cache.size = Bytes(8 << 20);
  die.chip.links = {.kind = "infinity-fabric", .count = 8, .bandwidth = BytesPerSecond(50e9)};
  die.chip.technology.process = "N6";
  die.chip.technology.transistors_billion = 29.1;
  die.facts = {.scratch_on_die = Bytes(80 << 10),
               .memory_sites = 4,
               .schedulers_per_core = 4,
               .fp64_lanes = 128};
  return die;
}

/// One core with 4 systolic arrays of 128x128, 128 MiB of CMEM and 16 MiB of VMEM, 2048 vector
/// lanes, 2 HBM stacks, 2 links (Jouppi et al., ISCA 2021).
inline KnownDie tpu_v4i(SramKind sram) {
  KnownDie die{{}, {}, 400.0};
  die.chip.cluster.count = 1;
  die.chip.cluster.cores = 1;
  die.chip.cluster.scratch.size = Bytes(128 << 20);
  die.chip.core.matrix = {.units = 4, .rows = 128, .cols = 128, .depth = 1};
  die.chip.core.matrix.rate = {{"bf16", 1.0}, {"int8", 1.0}};
  die.chip.core.vector.lanes = 2048;
  die.chip.core.scratch.size = Bytes(16 << 20);
  die.chip.noc.kind = config::NocKind::kMesh;
  die.chip.noc.rows = 1;
  die.chip.noc.cols = 4;
  die.chip.links = {.kind = "ici", .count = 2, .bandwidth = BytesPerSecond(50e9)};
  die.chip.technology.process = "N7";
  die.chip.technology.pcie_generation = 3;
  die.chip.technology.transistors_billion = 16;
  die.facts = {.memory_sites = 2, .scratch = sram, .cluster_scratch = sram};
  return die;
}

/// 64 tiles with a 16x16x16 unit, about 500 MB of SRAM, 4 HBM2E sites, 12 x 400 GbE (Hot Chips
/// 2024).
inline KnownDie maia100(SramKind sram) {
  KnownDie die{{}, {}, 820.0};
  die.chip.cluster.count = 16;
  die.chip.cluster.cores = 4;
  die.chip.cluster.scratch.size = Bytes(18 << 20);
  die.chip.core.matrix = {.units = 1, .rows = 16, .cols = 16, .depth = 16};
  die.chip.core.matrix.rate = {{"bf16", 1.0}, {"mx8", 2.0}, {"int8", 2.0}};
  die.chip.core.vector.lanes = 128;
  die.chip.core.scratch.size = Bytes(3 << 20);
  die.chip.noc.kind = config::NocKind::kMesh;
  die.chip.noc.link_bytes_per_cycle = 256;
  die.chip.links = {.kind = "ethernet-400g", .count = 12, .bandwidth = BytesPerSecond(50e9)};
  die.chip.technology.process = "N5";
  die.chip.technology.pcie_generation = 5;
  die.chip.technology.pcie_lanes = 8;
  die.chip.technology.transistors_billion = 105;
  die.facts = {.memory_sites = 4, .scratch = sram, .cluster_scratch = sram};
  return die;
}

}  // namespace athena::cost::test
