#pragma once
/// What a chip is, as the user writes it in configs/chips/*.yaml. Nothing here knows a product: a
/// scratchpad accelerator and a GPU are the same parts with other numbers. The schema tables beside
/// this file hold each key's unit, range and documentation.
///
/// chip = clusters x cores; a core has matrix units, a vector unit, a scratchpad (shared memory),
/// registers (if accumulators live there) and DMA engines; a cluster may have a scratchpad that its
/// cores share; the chip may have a hardware cache; memory stands behind the on-chip network.
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/dtype.h"
#include "base/units.h"
#include "config/memory_controller.h"

namespace athena::config {

class StructSchema;

/// Who places work items on cores: the compiler (static) or the hardware as cores fall free.
enum class Binding { kStatic, kWorkQueue };
/// What a matrix unit keeps while the other operands stream through.
enum class Dataflow { kWeightStationary, kInputStationary, kOutputStationary };
/// Wires between clusters, memory and links.
enum class NocKind { kMesh, kTorus, kCrossbar, kHierarchical };
/// What the switch arbitrates: whole packets (wormhole lock) or single flits.
enum class SwitchPolicy { kPacket, kFlit };
/// Order in which a packet crosses the dimensions of a grid: x then y, or x-y and y-x in turn, each
/// order on half of the virtual channels (O1TURN).
enum class NocRouting { kDimensionOrder, kO1Turn };
/// What stands in a block's place: its model, its RTL, or both side by side, compared at every
/// cycle.
enum class Backend { kModel, kRtl, kLockstep };

/// Clocks at full speed; the power governor may lower `core`.
struct ClockConfig {
  Hertz core{1e9};    ///< matrix and vector units, scratchpads
  Hertz fabric{0.0};  ///< on-chip network and hardware cache; 0 = as `core`
};

/// The matrix units of one core. One unit makes rows x cols results, `depth` products each, per
/// cycle: depth 1 is a systolic array, more is a dot-product unit (tensor core).
struct MatrixConfig {
  int units = 1;
  int rows = 128;
  int cols = 128;
  int depth = 1;
  Dataflow dataflow = Dataflow::kWeightStationary;
  bool double_buffered_weights = true;  ///< the next weights load while the present ones compute
  int hop_registers = 1;                ///< pipeline registers per partial-sum hop
  int accumulate_latency = 0;           ///< further cycles from the last hop to the result
  int issue_cycles = 0;                 ///< cycles between two matrix instructions of a core
  /// Products per cycle relative to bf16 per format ("fp8": 2); a format that is absent cannot run
  /// here.
  std::map<std::string, double> rate{{"bf16", 1.0}};
  /// Operand bytes per cycle that the core's scratchpad or registers deliver to all units; 0 =
  /// never limits.
  double operand_bytes_per_cycle = 0.0;
};

/// The vector unit of one core. Rates are results per cycle of the whole core.
struct VectorConfig {
  double lanes = 64;          ///< fp32 add, multiply, fused multiply-add
  double packed_16bit = 1.0;  ///< factor on `lanes` for packed 16-bit arithmetic
  double special = 16;        ///< exp, log, rsqrt, reciprocal, tanh
  double convert = 16;        ///< format conversions
  int latency_cycles = 10;    ///< start-up of one vector instruction
  int reduce_latency = 30;    ///< cycles of one cross-lane reduction (row sum, row maximum)
};

/// A software-addressed memory with its ports.
struct ScratchConfig {
  Bytes size{0};
  double read_bytes_per_cycle = 128;
  double write_bytes_per_cycle = 128;
  int banks = 32;
  int latency_cycles = 20;
};

/// Engines that move data between memories.
struct DmaConfig {
  int engines = 1;
  double bytes_per_cycle = 128;  ///< of one engine
  Bytes outstanding{256 << 10};  ///< bytes in flight per core: the window of unanswered requests
  int setup_cycles = 16;         ///< from descriptor to first request
};

/// One processing core: a tile, a streaming multiprocessor, a tensor core with its sequencer.
struct CoreConfig {
  MatrixConfig matrix;
  VectorConfig vector;
  ScratchConfig scratch;
  Bytes registers{0};  ///< register file that holds accumulators; 0 = they live in `scratch`
  int max_items = 1;   ///< work items resident at once (occupancy limit)
  Bytes max_item_registers{
      0};  ///< registers one work item may use (threads x registers per thread); 0 = all
  bool shares_units = true;  ///< vector and matrix work of resident items overlap
  DmaConfig dma;
};

/// A group of cores, optionally with a scratchpad of its own.
struct ClusterConfig {
  int count = 1;
  int cores = 1;
  int spare_cores = 0;  ///< cores present on the die beyond count x cores (harvest)
  ScratchConfig scratch{
      .size = Bytes(0), .read_bytes_per_cycle = 512, .write_bytes_per_cycle = 512};
  DmaConfig dma;
};

/// A hardware-managed cache in front of memory. size 0 = there is none.
struct CacheConfig {
  Bytes size{0};
  int partitions = 1;  ///< data read from a far partition is kept in the near one too
  Bytes line{128};
  double bytes_per_cycle = 0;        ///< all slices together, hits
  double core_bytes_per_cycle = 64;  ///< one core's port
  int hit_latency_cycles = 200;      ///< load to use
  int miss_latency_cycles = 400;
  bool write_back = true;
};

/// Memory behind the network. Timing sets are files of configs/memory/.
struct MemoryConfig {
  std::string timing = "HBM2E-3.2Gbps-derived";
  double gbps_per_pin = 0;  ///< 0 = as the timing set
  int stacks = 4;
  int channels_per_stack = 8;
  Bytes capacity{static_cast<std::int64_t>(64) << 30};  ///< all stacks, usable
  BytesPerSecond peak{0};  ///< published peak; checked against the parts
  Bytes interleave{256};   ///< consecutive bytes on one channel
  bool hash = true;        ///< XOR hashing of bank and channel bits
  /// Fields of the address as "name bits", least significant first; empty = built from
  /// `interleave`.
  std::vector<std::string> map;
  MemoryRefresh refresh = MemoryRefresh::kAllBank;
  PagePolicy page_policy = PagePolicy::kOpen;
  MemoryScheduler scheduler = MemoryScheduler::kRowHitFirst;
  int read_queue = 64;  ///< column accesses that wait in one channel's controller
  int write_queue = 64;
  double drain_high = 0.8;  ///< writes are drained when their queue is fuller than this ...
  double drain_low = 0.2;   ///< ... until it is emptier than this
  Seconds latency{100e-9};  ///< from the network's edge to the controller and back, no queueing
};

/// A broken wire between two neighbouring routers, both directions.
struct NocDeadLink {
  int from = 0;  ///< router, row-major
  int to = 0;
};

/// The on-chip network between clusters (or cores) and memory.
struct NocConfig {
  NocKind kind = NocKind::kMesh;
  int rows = 4;
  int cols = 4;
  double link_bytes_per_cycle = 128;
  int router_cycles = 3;
  int link_cycles = 1;
  int virtual_channels = 4;
  int buffer_flits = 16;
  SwitchPolicy switching = SwitchPolicy::kPacket;
  NocRouting routing = NocRouting::kDimensionOrder;
  int message_classes = 1;  ///< requests and replies apart (2), or on the same channels (1)
  std::vector<NocDeadLink> dead_links;
  bool reroute = true;  ///< traffic goes round dead links; else pairs that need one are refused
  bool multicast = true;
  /// Routers (row-major) at which memory channels enter, in channel order; empty = spread over the
  /// edge columns.
  std::vector<int> memory_ports;
};

/// Chip-to-chip links of one chip; who is wired to whom is the system's business.
struct LinkConfig {
  std::string kind = "none";
  int count = 0;
  BytesPerSecond bandwidth{0};  ///< one link, one direction
  Seconds latency{500e-9};
};

/// What starting and ending a kernel costs on the device, apart from the host's software.
struct LaunchConfig {
  Seconds start{1e-6};  ///< command fetch and decode until the first item may start
  Seconds drain{5e-7};  ///< last item done until dependants may start (write-back, signalling)
  double items_per_cycle = 1;  ///< hand-out rate of the work distributor
  Seconds item_start{1e-7};    ///< an item's prologue on a core before its first load
  Seconds barrier{5e-7};       ///< all cores synchronise inside a kernel
};

/// Power and its limit. Energies per event come from the process node.
struct PowerConfig {
  Watts cap{400};
  Watts idle{80};  ///< powered, clocks gated
  Hertz min_clock{2.1e8};
  double voltage_at_max = 1.0;   ///< V at clock.core
  double voltage_min = 0.7;      ///< V floor
  Hertz voltage_min_clock{8e8};  ///< highest clock that runs at the floor
};

/// Published facts about the silicon, used by cost and area and as checks.
struct TechnologyConfig {
  std::string process = "N7";
  SquareMm die_area{0};  ///< published; 0 = computed from the parts
  double transistors_billion = 0;
  int dies = 1;  ///< compute dies in the package
  int year = 2020;
  double pcie_lanes = 16;
  int pcie_generation = 4;
};

struct ChipConfig {
  std::string name;
  std::string description;
  std::vector<std::string> aliases;
  Binding binding = Binding::kStatic;
  ClockConfig clock;
  ClusterConfig cluster;
  CoreConfig core;
  CacheConfig cache;         ///< nearest the cores (GPU L2); size 0 on scratchpad chips
  CacheConfig memory_cache;  ///< behind it, beside memory (Infinity Cache); size 0 = none
  MemoryConfig memory;
  NocConfig noc;
  LinkConfig links;
  LaunchConfig launch;
  PowerConfig power;
  TechnologyConfig technology;
  /// Block of rtl/ -> its body; a block that is absent is its model. `athena run --rtl` overrides
  /// it.
  std::map<std::string, Backend> backend;
  std::string default_stack = "bare";  ///< file of configs/stacks/ when --stack is not given
  std::string default_system;          ///< file of configs/systems/ for --tp and friends

  [[nodiscard]] int cores() const { return cluster.count * cluster.cores; }
  [[nodiscard]] Hertz fabric_clock() const {
    return clock.fabric.value() > 0 ? clock.fabric : clock.core;
  }
  /// Multiply-accumulates per core and cycle in `type`; 0 when the matrix units cannot run it.
  [[nodiscard]] double macs_per_cycle(Dtype type) const;
  /// 2 x MACs x cores x clock.
  [[nodiscard]] double peak_flops(Dtype type) const;
};

/// Spelling of the names of an enumeration in documents and on the command line.
[[nodiscard]] std::vector<std::pair<Backend, std::string>> enum_names(const Backend*);

/// The table that loads and documents a chip; see config/schema.h.
[[nodiscard]] const StructSchema& schema_of(const ChipConfig*);

}  // namespace athena::config
