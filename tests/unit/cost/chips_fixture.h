#pragma once
/// Chips and products of the cost tests, from the known dies.
#include "cost/report.h"
#include "known_dies.h"

namespace athena::cost::test {

inline CostSubject a100() {
  CostSubject subject;
  subject.chip = ga100().chip;
  subject.chip.name = "a100-sxm-80gb";
  subject.chip.cluster.count = 108;
  subject.chip.cluster.spare_cores = 20;
  subject.chip.clock.core = Hertz(1.41e9);
  subject.chip.memory.timing = "HBM2E-3.2Gbps-derived";
  subject.chip.memory.stacks = 5;
  subject.chip.memory.capacity = Bytes(static_cast<std::int64_t>(80) << 30);
  subject.chip.technology.die_area = SquareMm(826);
  subject.product = load_product(subject.chip);
  return subject;
}

inline CostSubject h100() {
  CostSubject subject;
  subject.chip = gh100().chip;
  subject.chip.name = "h100-sxm";
  subject.chip.cluster.count = 132;
  subject.chip.cluster.spare_cores = 12;
  subject.chip.clock.core = Hertz(1.83e9);
  subject.chip.memory.timing = "HBM3-5.2Gbps-derived";
  subject.chip.memory.stacks = 5;
  subject.chip.memory.capacity = Bytes(static_cast<std::int64_t>(80) << 30);
  subject.chip.power.cap = Watts(700);
  subject.chip.technology.die_area = SquareMm(814);
  subject.product = load_product(subject.chip);
  return subject;
}

inline CostSubject athena_chip() {
  CostSubject subject;
  subject.chip = maia100(SramKind::kScratchpad).chip;
  subject.chip.name = "athena";
  subject.chip.clock.core = Hertz(1.53e9);
  subject.chip.memory.timing = "HBM2E-3.6Gbps-derived";
  subject.chip.memory.stacks = 4;
  subject.chip.memory.capacity = Bytes(64'000'000'000);
  subject.chip.power.cap = Watts(500);
  subject.chip.technology.die_area = SquareMm(820);
  subject.product = load_product(subject.chip);
  return subject;
}

}  // namespace athena::cost::test
