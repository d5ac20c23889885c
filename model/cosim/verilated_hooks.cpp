/// What happens when an assertion in the RTL fails: a contradiction with its place, not an abort.
/// (verilated.cpp is built with VL_USER_STOP, see scripts/cmake/AthenaVerilator.cmake.)
#if ATHENA_HAVE_RTL
#include <fmt/format.h>
#include <verilated.h>

#include <filesystem>

#include "base/error.h"
#include "cosim/cosim.h"
#include "cosim/verilated_block.h"

namespace athena::cosim {
void use_verilated_hooks() {}
bool gathers_coverage() {
  return VM_COVERAGE != 0;
}
}  // namespace athena::cosim

void vl_stop(const char* filename, int line, const char*) {
  throw athena::Contradiction(fmt::format("an assertion of the RTL failed: {}:{}",
                                          std::filesystem::path(filename).filename().string(),
                                          line));
}
#else
#include "cosim/cosim.h"

namespace athena::cosim {
bool gathers_coverage() {
  return false;
}
}  // namespace athena::cosim
#endif
