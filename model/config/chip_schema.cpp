/// The tables of config/chip.h: key, unit, range and documentation of everything that a chip's file
/// may say.
#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "config/chip.h"
#include "config/schema.h"

namespace athena::config {

// Words of the enums and tables of the parts, found by the codecs through their arguments.
std::vector<std::pair<Binding, std::string>> enum_names(const Binding*);
std::vector<std::pair<Dataflow, std::string>> enum_names(const Dataflow*);
std::vector<std::pair<NocKind, std::string>> enum_names(const NocKind*);
std::vector<std::pair<SwitchPolicy, std::string>> enum_names(const SwitchPolicy*);
std::vector<std::pair<NocRouting, std::string>> enum_names(const NocRouting*);
const StructSchema& schema_of(const ClockConfig*);
const StructSchema& schema_of(const MatrixConfig*);
const StructSchema& schema_of(const VectorConfig*);
const StructSchema& schema_of(const ScratchConfig*);
const StructSchema& schema_of(const DmaConfig*);
const StructSchema& schema_of(const CoreConfig*);
const StructSchema& schema_of(const ClusterConfig*);
const StructSchema& schema_of(const CacheConfig*);
const StructSchema& schema_of(const MemoryConfig*);
const StructSchema& schema_of(const NocConfig*);
const StructSchema& schema_of(const LinkConfig*);
const StructSchema& schema_of(const LaunchConfig*);
const StructSchema& schema_of(const PowerConfig*);
const StructSchema& schema_of(const TechnologyConfig*);

std::vector<std::pair<Binding, std::string>> enum_names(const Binding*) {
  return {{Binding::kStatic, "static"}, {Binding::kWorkQueue, "work_queue"}};
}

std::vector<std::pair<Dataflow, std::string>> enum_names(const Dataflow*) {
  return {{Dataflow::kWeightStationary, "weight_stationary"},
          {Dataflow::kInputStationary, "input_stationary"},
          {Dataflow::kOutputStationary, "output_stationary"}};
}

std::vector<std::pair<NocKind, std::string>> enum_names(const NocKind*) {
  return {{NocKind::kMesh, "mesh"},
          {NocKind::kTorus, "torus"},
          {NocKind::kCrossbar, "crossbar"},
          {NocKind::kHierarchical, "hierarchical"}};
}

std::vector<std::pair<NocRouting, std::string>> enum_names(const NocRouting*) {
  return {{NocRouting::kDimensionOrder, "dimension_order"}, {NocRouting::kO1Turn, "o1turn"}};
}
std::vector<std::pair<SwitchPolicy, std::string>> enum_names(const SwitchPolicy*) {
  return {{SwitchPolicy::kPacket, "packet"}, {SwitchPolicy::kFlit, "flit"}};
}

std::vector<std::pair<MemoryRefresh, std::string>> enum_names(const MemoryRefresh*) {
  return {{MemoryRefresh::kAllBank, "all_bank"},
          {MemoryRefresh::kPerBank, "per_bank"},
          {MemoryRefresh::kNone, "none"}};
}

std::vector<std::pair<PagePolicy, std::string>> enum_names(const PagePolicy*) {
  return {{PagePolicy::kOpen, "open"}, {PagePolicy::kClosed, "closed"}};
}

std::vector<std::pair<MemoryScheduler, std::string>> enum_names(const MemoryScheduler*) {
  return {{MemoryScheduler::kRowHitFirst, "row_hit_first"},
          {MemoryScheduler::kFirstReady, "first_ready"}};
}

std::vector<std::pair<Backend, std::string>> enum_names(const Backend*) {
  return {{Backend::kModel, "model"}, {Backend::kRtl, "rtl"}, {Backend::kLockstep, "lockstep"}};
}

const StructSchema& schema_of(const ClockConfig*) {
  static const StructSchema schema =
      SchemaBuilder<ClockConfig>("clock",
                                 "Clocks at full speed; the power governor may lower `core`.")
          .field("core", &ClockConfig::core, "matrix and vector units, scratchpads",
                 range(Hertz(1e6), Hertz(1e10)))
          .field("fabric", &ClockConfig::fabric,
                 "on-chip network and hardware cache; 0 Hz = as core", range(Hertz(0), Hertz(1e10)))
          .build();
  return schema;
}

namespace {

std::string broken_matrix_rule(const MatrixConfig& matrix) {
  for (const auto& [format, factor] : matrix.rate) {
    if (!dtype_from_name(format))
      return fmt::format("rate: there is no number format '{}'.{}", format,
                         did_you_mean(format, dtype_words()));
    if (factor <= 0.0) return fmt::format("rate.{}: must be above 0.", format);
  }
  return "";
}

}  // namespace

const StructSchema& schema_of(const MatrixConfig*) {
  static const StructSchema schema =
      SchemaBuilder<MatrixConfig>(
          "matrix",
          "The matrix units of one core: rows x cols results per unit, depth "
          "products each, per cycle.")
          .field("units", &MatrixConfig::units, "matrix units of one core", range(0, 64))
          .field("rows", &MatrixConfig::rows, "results along M (systolic: rows of the array)",
                 range(1, 1024))
          .field("cols", &MatrixConfig::cols, "results along N (systolic: columns of the array)",
                 range(1, 1024))
          .field(
              "depth", &MatrixConfig::depth,
              "products summed per result and cycle; 1 = systolic array, above = dot-product unit",
              range(1, 256))
          .field("dataflow", &MatrixConfig::dataflow, "which operand stays in the array")
          .field("double_buffered_weights", &MatrixConfig::double_buffered_weights,
                 "the next weights load while the present ones compute")
          .field("hop_registers", &MatrixConfig::hop_registers,
                 "pipeline registers per partial-sum hop", range(1, 8))
          .field("accumulate_latency", &MatrixConfig::accumulate_latency,
                 "further cycles from the last hop to the result", range(0, 256))
          .field("issue_cycles", &MatrixConfig::issue_cycles,
                 "cycles between two matrix instructions of a core", range(0, 256))
          .field(
              "rate", &MatrixConfig::rate,
              "products per cycle relative to bf16, per format; an absent format cannot run here",
              range(0, 64))
          .field("operand_bytes_per_cycle", &MatrixConfig::operand_bytes_per_cycle,
                 "operand bytes per cycle delivered to all units of a core; 0 = never limits",
                 range(0, 65536))
          .check(broken_matrix_rule)
          .build();
  return schema;
}

const StructSchema& schema_of(const VectorConfig*) {
  static const StructSchema schema =
      SchemaBuilder<VectorConfig>(
          "vector", "The vector unit of one core; rates are results per cycle of the core.")
          .field("lanes", &VectorConfig::lanes, "fp32 add, multiply, fused multiply-add",
                 range(1, 65536))
          .field("packed_16bit", &VectorConfig::packed_16bit,
                 "factor on lanes for packed 16-bit arithmetic", range(0.25, 8))
          .field("special", &VectorConfig::special, "exp, log, rsqrt, reciprocal, tanh", positive())
          .field("convert", &VectorConfig::convert, "format conversions", positive())
          .field("latency_cycles", &VectorConfig::latency_cycles,
                 "start-up of one vector instruction, cycles", range(0, 10000))
          .field("reduce_latency", &VectorConfig::reduce_latency,
                 "one cross-lane reduction (row sum, row maximum), cycles", range(0, 10000))
          .build();
  return schema;
}

const StructSchema& schema_of(const ScratchConfig*) {
  static const StructSchema schema =
      SchemaBuilder<ScratchConfig>("scratch", "A software-addressed memory with its ports.")
          .field("size", &ScratchConfig::size, "capacity; 0 B = there is none", not_negative())
          .field("read_bytes_per_cycle", &ScratchConfig::read_bytes_per_cycle, "read ports",
                 positive())
          .field("write_bytes_per_cycle", &ScratchConfig::write_bytes_per_cycle, "write ports",
                 positive())
          .field("banks", &ScratchConfig::banks, "independently addressed banks", range(1, 1024))
          .field("latency_cycles", &ScratchConfig::latency_cycles, "access latency, cycles",
                 range(0, 10000))
          .build();
  return schema;
}

const StructSchema& schema_of(const DmaConfig*) {
  static const StructSchema schema =
      SchemaBuilder<DmaConfig>("dma", "Engines that move data between memories.")
          .field("engines", &DmaConfig::engines, "engines of one core (or cluster)", range(1, 256))
          .field("bytes_per_cycle", &DmaConfig::bytes_per_cycle, "of one engine", positive())
          .field("outstanding", &DmaConfig::outstanding,
                 "bytes in flight per core: the window of unanswered requests", at_least(Bytes(64)))
          .field("setup_cycles", &DmaConfig::setup_cycles,
                 "from descriptor to first request, cycles", range(0, 10000))
          .build();
  return schema;
}

const StructSchema& schema_of(const CoreConfig*) {
  static const StructSchema schema =
      SchemaBuilder<CoreConfig>("core", "One processing core: a tile, a streaming multiprocessor.")
          .field("matrix", &CoreConfig::matrix, "matrix units")
          .field("vector", &CoreConfig::vector, "vector unit")
          .field("scratch", &CoreConfig::scratch, "scratchpad (L1, shared memory)")
          .field("registers", &CoreConfig::registers,
                 "register file that holds accumulators; 0 B = they live in the scratchpad",
                 not_negative())
          .field("max_items", &CoreConfig::max_items,
                 "work items resident at once (occupancy limit)", range(1, 64))
          .field("max_item_registers", &CoreConfig::max_item_registers,
                 "registers one work item may use; 0 B = all", not_negative())
          .field("shares_units", &CoreConfig::shares_units,
                 "vector and matrix work of resident items overlap")
          .field("dma", &CoreConfig::dma, "data movers of the core")
          .build();
  return schema;
}

const StructSchema& schema_of(const ClusterConfig*) {
  static const StructSchema schema =
      SchemaBuilder<ClusterConfig>("cluster", "A group of cores that share a port of the network.")
          .field("count", &ClusterConfig::count, "clusters in use", range(1, 4096))
          .field("cores", &ClusterConfig::cores, "cores of one cluster", range(1, 256))
          .field("spare_cores", &ClusterConfig::spare_cores,
                 "cores on the die beyond those in use (harvest)", range(0, 4096))
          .field("scratch", &ClusterConfig::scratch, "scratchpad that the cluster's cores share")
          .field("dma", &ClusterConfig::dma, "data movers of the cluster")
          .build();
  return schema;
}

namespace {

std::string broken_cache_rule(const CacheConfig& cache) {
  if (cache.size.value() == 0) return "";
  if (cache.bytes_per_cycle <= 0) return "a cache needs bytes_per_cycle above 0.";
  if (cache.size.value() % (cache.line.value() * cache.partitions) != 0)
    return "size must be a whole number of lines in each partition.";
  return "";
}

}  // namespace

const StructSchema& schema_of(const CacheConfig*) {
  static const StructSchema schema =
      SchemaBuilder<CacheConfig>("cache", "A hardware-managed cache in front of memory.")
          .field("size", &CacheConfig::size, "capacity; 0 B = there is none", not_negative())
          .field("partitions", &CacheConfig::partitions,
                 "data read from a far partition is kept in the near one too", range(1, 64))
          .field("line", &CacheConfig::line, "bytes of one line", range(Bytes(16), Bytes(4096)))
          .field("bytes_per_cycle", &CacheConfig::bytes_per_cycle, "all slices together, hits",
                 not_negative())
          .field("core_bytes_per_cycle", &CacheConfig::core_bytes_per_cycle, "one core's port",
                 positive())
          .field("hit_latency_cycles", &CacheConfig::hit_latency_cycles,
                 "load to use on a hit, cycles", range(0, 100000))
          .field("miss_latency_cycles", &CacheConfig::miss_latency_cycles,
                 "load to use on a miss in an idle memory, cycles", range(0, 100000))
          .field("write_back", &CacheConfig::write_back, "writes stay until they are evicted")
          .check(broken_cache_rule)
          .build();
  return schema;
}

namespace {

std::string broken_memory_rule(const MemoryConfig& memory) {
  const std::int64_t bytes = memory.interleave.value();
  if ((bytes & (bytes - 1)) != 0) {
    return fmt::format("interleave must be a power of two, not {} B.", bytes);
  }
  if (memory.drain_low >= memory.drain_high) {
    return fmt::format("drain_low = {} must lie below drain_high = {}.", memory.drain_low,
                       memory.drain_high);
  }
  return "";
}

}  // namespace

const StructSchema& schema_of(const MemoryConfig*) {
  static const StructSchema schema =
      SchemaBuilder<MemoryConfig>("memory", "Memory behind the network.")
          .field("timing", &MemoryConfig::timing,
                 "timing set: a file of configs/memory/ or STANDARD-RATEGbps-derived")
          .field("gbps_per_pin", &MemoryConfig::gbps_per_pin,
                 "data rate of one pin, Gb/s; 0 = as the timing set", range(0, 32))
          .field("stacks", &MemoryConfig::stacks, "memory stacks", range(1, 64))
          .field("channels_per_stack", &MemoryConfig::channels_per_stack, "channels of one stack",
                 range(1, 64))
          .field("capacity", &MemoryConfig::capacity, "all stacks, usable", positive())
          .field("peak", &MemoryConfig::peak,
                 "published peak; checked against the parts; 0 B/s = not checked", not_negative())
          .field("interleave", &MemoryConfig::interleave,
                 "consecutive bytes on one channel, a power of two", range(Bytes(32), Bytes(4096)))
          .field("hash", &MemoryConfig::hash, "XOR hashing of bank and channel bits")
          .field(
              "map", &MemoryConfig::map,
              "address fields as `name bits`, least significant first: offset, column, "
              "pseudo_channel, channel, bank_group, bank, stack_id, row (without bits: all rows); "
              "channel left out: at interleave; stack_id left out: below row; empty: all of it so")
          .field("refresh", &MemoryConfig::refresh, "how rows are refreshed")
          .field("page_policy", &MemoryConfig::page_policy, "what happens to a row behind its use")
          .field("scheduler", &MemoryConfig::scheduler, "which request is preferred")
          .field("read_queue", &MemoryConfig::read_queue,
                 "column accesses that wait in one channel's controller, which looks at the 64 "
                 "oldest requests of them",
                 range(4, 1024))
          .field("write_queue", &MemoryConfig::write_queue, "the same for writes", range(4, 1024))
          .field("drain_high", &MemoryConfig::drain_high,
                 "share of the write queue at which writes are drained", range(0.0, 0.99))
          .field("drain_low", &MemoryConfig::drain_low, "share at which draining ends",
                 range(0.0, 0.99))
          .field("latency", &MemoryConfig::latency,
                 "from the network's edge to the controller and back, no queueing",
                 range(Seconds(0), Seconds(1e-3)))
          .check(broken_memory_rule)
          .build();
  return schema;
}

namespace {

std::string broken_noc_rule(const NocConfig& noc) {
  const int routers = noc.rows * noc.cols;
  for (const int port : noc.memory_ports) {
    if (port < 0 || port >= routers)
      return fmt::format("memory_ports: there is no router {} in {} x {} (0 to {}).", port,
                         noc.rows, noc.cols, routers - 1);
  }
  for (const NocDeadLink& dead : noc.dead_links) {
    for (const int router : {dead.from, dead.to}) {
      if (router >= routers)
        return fmt::format("dead_links: there is no router {} in {} x {} (0 to {}).", router,
                           noc.rows, noc.cols, routers - 1);
    }
  }
  if (noc.virtual_channels % noc.message_classes != 0)
    return fmt::format("virtual_channels: {} cannot be divided among {} message classes.",
                       noc.virtual_channels, noc.message_classes);
  if (noc.routing == NocRouting::kO1Turn && noc.kind != NocKind::kMesh)
    return "routing: o1turn is defined for a mesh.";
  return "";
}

}  // namespace

const StructSchema& schema_of(const NocDeadLink*);
const StructSchema& schema_of(const NocDeadLink*) {
  static const StructSchema schema =
      SchemaBuilder<NocDeadLink>("dead_link", "A broken wire between routers, both directions.")
          .field("from", &NocDeadLink::from, "router, row-major from 0", range(0, 1 << 16))
          .field("to", &NocDeadLink::to, "its neighbour", range(0, 1 << 16))
          .build();
  return schema;
}

const StructSchema& schema_of(const NocConfig*) {
  static const StructSchema schema =
      SchemaBuilder<NocConfig>("noc", "The on-chip network between clusters and memory.")
          .field("kind", &NocConfig::kind, "topology")
          .field("rows", &NocConfig::rows, "routers, north to south", range(1, 256))
          .field("cols", &NocConfig::cols, "routers, west to east", range(1, 256))
          .field("link_bytes_per_cycle", &NocConfig::link_bytes_per_cycle,
                 "one link, one direction", positive())
          .field("router_cycles", &NocConfig::router_cycles, "pipeline of one router, cycles",
                 range(0, 64))
          .field("link_cycles", &NocConfig::link_cycles, "one link, cycles", range(0, 64))
          .field("virtual_channels", &NocConfig::virtual_channels, "per input port", range(1, 32))
          .field("buffer_flits", &NocConfig::buffer_flits, "per virtual channel", range(1, 1024))
          .field("switching", &NocConfig::switching, "what the switch arbitrates")
          .field("routing", &NocConfig::routing, "order in which dimensions are crossed")
          .field("message_classes", &NocConfig::message_classes,
                 "2: requests and replies on virtual channels of their own", range(1, 2))
          .field("dead_links", &NocConfig::dead_links, "broken wires, both directions")
          .field("reroute", &NocConfig::reroute,
                 "traffic goes round dead links (up*/down*); false: pairs that need one are listed")
          .field("multicast", &NocConfig::multicast, "one read may answer several clusters")
          .field("memory_ports", &NocConfig::memory_ports,
                 "routers (row-major) at which memory channels enter; empty = spread over the edge "
                 "columns")
          .check(broken_noc_rule)
          .build();
  return schema;
}

const StructSchema& schema_of(const LinkConfig*) {
  static const StructSchema schema =
      SchemaBuilder<LinkConfig>("links", "Chip-to-chip links of one chip.")
          .field("kind", &LinkConfig::kind, "name of the technology; none = no links")
          .field("count", &LinkConfig::count, "links of the chip", range(0, 256))
          .field("bandwidth", &LinkConfig::bandwidth, "one link, one direction", not_negative())
          .field("latency", &LinkConfig::latency, "one hop, first byte",
                 range(Seconds(0), Seconds(1e-3)))
          .check([](const LinkConfig& links) {
            return links.count > 0 && links.bandwidth.value() <= 0
                       ? std::string("links need a bandwidth above 0 B/s.")
                       : std::string();
          })
          .build();
  return schema;
}

const StructSchema& schema_of(const LaunchConfig*) {
  static const StructSchema schema =
      SchemaBuilder<LaunchConfig>(
          "launch", "What starting and ending a kernel costs on the device, without the host.")
          .field("start", &LaunchConfig::start,
                 "command fetch and decode until the first item may start",
                 range(Seconds(0), Seconds(1e-3)))
          .field("drain", &LaunchConfig::drain, "last item done until dependants may start",
                 range(Seconds(0), Seconds(1e-3)))
          .field("items_per_cycle", &LaunchConfig::items_per_cycle,
                 "hand-out rate of the work distributor", positive())
          .field("item_start", &LaunchConfig::item_start,
                 "an item's prologue on a core before its first load",
                 range(Seconds(0), Seconds(1e-3)))
          .field("barrier", &LaunchConfig::barrier, "all cores synchronise inside a kernel",
                 range(Seconds(0), Seconds(1e-3)))
          .build();
  return schema;
}

const StructSchema& schema_of(const PowerConfig*) {
  static const StructSchema schema =
      SchemaBuilder<PowerConfig>("power", "Power, its limit, and the voltage curve of the clock.")
          .field("cap", &PowerConfig::cap, "board limit that the governor keeps", positive())
          .field("idle", &PowerConfig::idle, "powered, clocks gated", not_negative())
          .field("min_clock", &PowerConfig::min_clock, "lowest core clock of the governor",
                 positive())
          .field("voltage_at_max", &PowerConfig::voltage_at_max, "supply at clock.core, volt",
                 unit("V"), range(0.3, 2.0))
          .field("voltage_min", &PowerConfig::voltage_min, "lowest supply, volt", unit("V"),
                 range(0.3, 2.0))
          .field("voltage_min_clock", &PowerConfig::voltage_min_clock,
                 "highest clock that runs at the lowest supply", positive())
          .check([](const PowerConfig& power) {
            return power.voltage_min > power.voltage_at_max
                       ? std::string("voltage_min must not be above voltage_at_max.")
                       : std::string();
          })
          .build();
  return schema;
}

const StructSchema& schema_of(const TechnologyConfig*) {
  static const StructSchema schema =
      SchemaBuilder<TechnologyConfig>("technology",
                                      "Published facts about the silicon, for cost and checks.")
          .field("process", &TechnologyConfig::process, "process node: N7, N5, ...")
          .field("die_area", &TechnologyConfig::die_area,
                 "published; 0 mm^2 = computed from the parts", not_negative())
          .field("transistors_billion", &TechnologyConfig::transistors_billion,
                 "published, in billions; 0 = unknown", not_negative())
          .field("dies", &TechnologyConfig::dies, "compute dies in the package", range(1, 64))
          .field("year", &TechnologyConfig::year, "first shipped", range(1990, 2100))
          .field("pcie_lanes", &TechnologyConfig::pcie_lanes, "host interface", range(0, 64))
          .field("pcie_generation", &TechnologyConfig::pcie_generation, "host interface",
                 range(1, 8))
          .build();
  return schema;
}

namespace {

std::string broken_chip_rule(const ChipConfig& chip) {
  const bool addressed = chip.core.scratch.size.value() > 0;
  if (!addressed && chip.cache.size.value() == 0)
    return "a chip needs core.scratch.size or cache.size above 0 B; nothing could hold operands.";
  if (chip.power.voltage_min_clock > chip.clock.core)
    return "power.voltage_min_clock must not be above clock.core.";
  return "";
}

}  // namespace

const StructSchema& schema_of(const ChipConfig*) {
  static const StructSchema schema =
      SchemaBuilder<ChipConfig>("chip",
                                "An accelerator: clusters of cores, memories, network, links.")
          .field("name", &ChipConfig::name, "name in reports and on the command line", required())
          .field("description", &ChipConfig::description, "one line for people")
          .field("aliases", &ChipConfig::aliases, "further names on the command line")
          .field("binding", &ChipConfig::binding,
                 "who places work items on cores: the compiler or the hardware")
          .field("clock", &ChipConfig::clock, "clocks at full speed")
          .field("cluster", &ChipConfig::cluster, "groups of cores")
          .field("core", &ChipConfig::core, "one core")
          .field("cache", &ChipConfig::cache, "hardware cache nearest the cores")
          .field("memory_cache", &ChipConfig::memory_cache, "hardware cache beside memory")
          .field("memory", &ChipConfig::memory, "memory stacks")
          .field("noc", &ChipConfig::noc, "on-chip network")
          .field("links", &ChipConfig::links, "chip-to-chip links")
          .field("launch", &ChipConfig::launch, "device side of a kernel launch")
          .field("power", &ChipConfig::power, "power and its limit")
          .field("technology", &ChipConfig::technology, "the silicon")
          .field("backend", &ChipConfig::backend,
                 "body of a block that has RTL: systolic_array, vector_softmax, dma_engine, "
                 "noc_router, hbm_scheduler; absent = model")
          .field("default_stack", &ChipConfig::default_stack,
                 "software stack when none is asked for: a file of configs/stacks/")
          .field("default_system", &ChipConfig::default_system,
                 "node for multi-chip runs: a file of configs/systems/")
          .check(broken_chip_rule)
          .build();
  return schema;
}

}  // namespace athena::config
