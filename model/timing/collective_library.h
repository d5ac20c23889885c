#pragma once
/// The software that moves data between chips, as a description: which algorithms and protocols it
/// has and what each costs. Files in configs/stacks/collectives/. NVIDIA's constants are those that
/// NCCL publishes in src/graph/tuning.cc.
#include <map>
#include <string>
#include <vector>

#include "base/units.h"

namespace athena::config {
class StructSchema;
}

namespace athena::timing {

/// One way to hand data from chip to chip. LL: 8-byte stores that carry 4 bytes of data and a flag.
/// LL128: 128-byte lines with 8 bytes of flag. Simple: bulk slices, a flag per slice.
struct ProtocolTerms {
  Seconds base_ring{0.0};  ///< once per call, ring, direct and halving-doubling
  Seconds base_tree{0.0};  ///< once per call, tree
  Seconds step_ring{0.0};  ///< per step between chips of a domain
  Seconds step_tree{0.0};
  Seconds network_ring{0.0};  ///< per step between domains
  Seconds network_tree{0.0};
  double efficiency = 1.0;  ///< data bytes per payload byte
  int slices = 1;           ///< synchronisations per step and chunk
  Bytes chunk{0};           ///< largest chunk of one channel in one step; 0 = unlimited
  /// Bus bandwidth limit per link generation (FabricConfig::link); absent = none.
  std::map<std::string, BytesPerSecond> limit;
};

struct CollectiveLibrary {
  std::string name;
  std::string description;
  std::map<std::string, ProtocolTerms> protocols{{"simple", ProtocolTerms{}}};
  /// Of: ring, tree, halving_doubling, direct, hierarchical, in_switch.
  std::vector<std::string> algorithms{"ring"};
  int channels = 1;                 ///< parallel rings or trees, each with chunks of its own
  bool steps_include_link = false;  ///< step terms contain the hardware latency of the link
  Seconds in_switch_base{0.0};      ///< once per call of an in-switch reduction
  double in_switch_efficiency = 1.0;
  Seconds point_to_point{0.0};  ///< base of a send and receive pair
  /// Cores of the chip that a collective occupies while it moves data: a library of kernels takes
  /// them from what computes beside it; DMA engines take none.
  int cores = 0;
  /// Times that a byte on the wire crosses the memory of a chip: read by its sender, written by its
  /// receiver, and where a kernel adds it up, read again with the local term and written once more.
  double memory_touches = 2.0;
  /// How much later than the first the last rank arrives when separate host processes launch the
  /// call; 0 inside a captured graph or a static program. Added only where a caller asks.
  Seconds rank_skew{0.0};
};

[[nodiscard]] const config::StructSchema& schema_of(const CollectiveLibrary*);

/// The library of that name (configs/stacks/collectives/) or path. Throws InputError.
[[nodiscard]] CollectiveLibrary load_collective_library(const std::string& name,
                                                        const std::vector<std::string>& sets = {});

}  // namespace athena::timing
