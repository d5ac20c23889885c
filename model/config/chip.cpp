#include "config/chip.h"

namespace athena::config {

double ChipConfig::macs_per_cycle(Dtype type) const {
  const auto found = core.matrix.rate.find(std::string(athena::name(type)));
  if (found == core.matrix.rate.end()) return 0.0;
  return found->second * core.matrix.units * core.matrix.rows * core.matrix.cols *
         core.matrix.depth;
}

double ChipConfig::peak_flops(Dtype type) const {
  return 2.0 * macs_per_cycle(type) * cores() * clock.core.value();
}

}  // namespace athena::config
