#pragma once
/// What the TLM-2.0 socket of the HBM module costs: requests per second of CPU time through it.
#include <cstdint>

#include "timing/hbm_spec.h"

namespace athena::memory {

/// 64 B reads per second of CPU time, 256 in flight for each channel.
struct SocketSpeed {
  double sequential = 0.0;
  double random = 0.0;
};

/// Builds an initiator and an HbmModule of `spec` and sends `requests` of each kind. SystemC
/// elaborates once per process: no other module may have run before, none can be built after.
[[nodiscard]] SocketSpeed measure_socket(const timing::HbmSpec& spec, std::uint64_t requests);

}  // namespace athena::memory
