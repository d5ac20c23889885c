#include "program/program.h"

namespace athena::program {

std::string_view name(Engine engine) {
  static constexpr std::array<std::string_view, kEngines> kNames{"load0", "load1", "matrix",
                                                                 "vector", "store"};
  return kNames[static_cast<std::size_t>(engine)];
}

double Program::flops() const {
  double total = 0;
  for (const Block& block : blocks) {
    for (const Kernel& kernel : block.kernels)
      total += kernel.flops * static_cast<double>(block.repeat);
  }
  return total;
}

std::size_t Program::kernel_count() const {
  std::size_t total = 0;
  for (const Block& block : blocks)
    total += block.kernels.size() * static_cast<std::size_t>(block.repeat);
  return total;
}

}  // namespace athena::program
