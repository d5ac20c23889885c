#include "sim/kernel.h"

#include <systemc>

namespace athena::sim {

void prepare_kernel() {
  static bool done = false;
  if (done) return;
  done = true;
  sc_core::sc_set_time_resolution(1, sc_core::SC_FS);
  sc_core::sc_report_handler::set_actions(sc_core::SC_INFO, sc_core::SC_DO_NOTHING);
}

void run_kernel() {
  sc_core::sc_start();
}

}  // namespace athena::sim
