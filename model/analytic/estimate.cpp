#include "analytic/estimate.h"

#include <algorithm>
#include <cmath>

#include "timing/matrix_unit.h"
#include "timing/vector_unit.h"

namespace athena::analytic {
namespace {

using mapping::AttentionPlan;
using mapping::CollectivePlan;
using mapping::GemmPlan;
using mapping::RowsPlan;
using timing::Bound;

double bytes_of(Dtype type) {
  return storage_bits(type) / 8.0;
}
double ceil_ratio(double a, double b) {
  return std::ceil(a / b - 1e-9);
}

Time femto(double seconds) {
  return to_time(Seconds(std::max(0.0, seconds)));
}

/// Fixed cost around the items of any kernel.
double launch_seconds(const config::ChipConfig& chip, double items) {
  const config::LaunchConfig& launch = chip.launch;
  const double hand_out = chip.binding == config::Binding::kWorkQueue
                              ? std::min(items, static_cast<double>(chip.cores())) /
                                    launch.items_per_cycle / chip.clock.core.value()
                              : 0.0;
  if (chip.binding == config::Binding::kStatic) return launch.barrier.value();
  return launch.start.value() + launch.drain.value() + hand_out;
}

/// Items per core of the busiest core when items of equal size fill `slots` at a time.
struct Waves {
  double full = 0;  ///< waves in which every slot is taken
  double last = 0;  ///< items of the busiest core in the last, partial wave
};
Waves waves_of(double items, double cores, double resident) {
  Waves waves;
  waves.full = std::floor(items / (cores * resident));
  waves.last = ceil_ratio(items - waves.full * cores * resident, cores);
  return waves;
}

struct Traffic {
  double memory = 0;  ///< bytes from memory
  double cache = 0;   ///< bytes through cache slices or network
};

void count_vector(timing::EventCounts& counts, timing::VectorFn fn, double elements) {
  const timing::VectorWork work = timing::work_of(fn);
  counts.vector_ops += elements * work.lane;
  counts.special_ops += elements * work.special;
  counts.convert_ops += elements * work.convert;
}

// ------------------------------------------------------------------------------------- gemm

/// Row tiles over all groups, and the rows that they really hold.
double row_tiles(const workload::GemmShape& shape, std::int64_t tile) {
  if (shape.group_rows.empty()) {
    return static_cast<double>(ceil_div(shape.m, tile)) * static_cast<double>(shape.groups);
  }
  double tiles = 0;
  for (const workload::GroupRows& group : shape.group_rows) {
    tiles += static_cast<double>(ceil_div(group.rows, tile) * group.count);
  }
  return tiles;
}

/// Bytes that a work-queue grid reads from memory through the cache: each wave of items shares the
/// row and column panels that it touches; panels that survive in the cache are not read again.
double cached_operand_bytes(const GemmPlan& plan, const config::ChipConfig& chip, double tiles_m,
                            double tiles_n) {
  const workload::GemmShape& shape = plan.shape;
  const double k = static_cast<double>(shape.k);
  const double panel_a = static_cast<double>(plan.tile_m) * k * bytes_of(shape.a);
  const double panel_b =
      static_cast<double>(plan.tile_n) * k * bytes_of(shape.b) * (plan.gated ? 2 : 1);
  const double all_a = tiles_m * panel_a;
  const double all_b =
      tiles_n * panel_b * static_cast<double>(std::max<std::int64_t>(1, shape.b_groups));
  const double cache = static_cast<double>(chip.cache.size.value()) / chip.cache.partitions;
  const double group = std::min(static_cast<double>(plan.group), tiles_m);
  // Items that run side by side walk through K together: what one has fetched the others meet in
  // the cache. A wave therefore reads the panels that it touches once, unless an operand stays
  // resident.
  const double wave = static_cast<double>(chip.cores() * plan.resident);
  const double columns = std::clamp(wave / group, 1.0, tiles_n);
  const double passes_a = all_a < 0.5 * cache ? 1.0 : ceil_ratio(tiles_n, columns);
  const double passes_b =
      all_b < 0.5 * cache ? 1.0 : ceil_ratio(tiles_m, std::max(group, wave / tiles_n));
  if (shape.groups > 1) return all_a + all_b;
  return all_a * passes_a + all_b * passes_b;
}

Estimate estimate_gemm(const GemmPlan& plan, const config::ChipConfig& chip, const Rates& rates,
                       const Residency& residency) {
  const workload::GemmShape& shape = plan.shape;
  Estimate e;
  const double tiles_m = row_tiles(shape, plan.tile_m);
  const double tiles_n = static_cast<double>(ceil_div(shape.n, plan.tile_n));
  const double splits = static_cast<double>(plan.split_k);
  const double items = tiles_m * tiles_n * splits;
  const double depth = static_cast<double>(ceil_div(shape.k, plan.split_k));
  const double steps = ceil_ratio(depth, static_cast<double>(plan.tile_k));
  const double halves = plan.gated ? 2.0 : 1.0;
  const bool queue = chip.binding == config::Binding::kWorkQueue;
  const std::int64_t tile_m = queue ? plan.tile_m : std::min(plan.tile_m, shape.m);
  const std::int64_t tile_n = queue ? plan.tile_n : std::min(plan.tile_n, shape.n);
  const timing::MatmulCycles product =
      timing::matmul_cycles(chip.core.matrix, shape.compute(), tile_m, tile_n,
                            std::min<std::int64_t>(plan.tile_k, shape.k));
  const double item_compute = steps * halves * product.occupied / rates.core_clock;
  const double step_bytes =
      static_cast<double>(plan.tile_k) * (static_cast<double>(tile_m) * bytes_of(shape.a) +
                                          halves * static_cast<double>(tile_n) * bytes_of(shape.b));
  const double item_load = steps * step_bytes / rates.core_port;
  const double epilogue =
      (step_cycles(chip, plan.epilogue, tile_m, tile_n) +
       timing::vector_cycles(chip.core.vector, timing::VectorFn::kConvert, tile_m, tile_n)) /
      rates.core_clock;
  const double out_bytes = splits > 1 ? 4.0 : bytes_of(shape.c);
  const double item_store =
      static_cast<double>(tile_m) * static_cast<double>(tile_n) * out_bytes / rates.core_port;

  const double resident = static_cast<double>(plan.resident);
  double per_core = 0;
  if (queue) {
    const Waves waves = waves_of(items, rates.cores, resident);
    per_core = waves.full * resident + waves.last;
    // With one item a core, its prologue and epilogue are exposed; several hide each other's.
    const double exposed = waves.full + (waves.last > 0 ? 1.0 : 0.0);
    const double around =
        chip.launch.item_start.value() + rates.cache_latency_s + epilogue + item_store;
    e.fill = exposed * around / (resident > 1 && waves.full > 0 ? resident : 1.0) +
             (rates.memory_latency_s - rates.cache_latency_s);  // the first tiles come from memory
  } else {
    const double rows_here =
        ceil_ratio(tiles_m / static_cast<double>(std::max<std::int64_t>(1, shape.groups)),
                   static_cast<double>(plan.core_rows));
    const double cols_here = ceil_ratio(tiles_n, static_cast<double>(plan.core_cols));
    per_core = shape.group_rows.empty()
                   ? rows_here * cols_here * splits * static_cast<double>(shape.groups)
                   : ceil_ratio(tiles_m, static_cast<double>(plan.core_rows)) * cols_here * splits;
    e.fill = rates.memory_latency_s + epilogue + item_store + product.latency / rates.core_clock;
  }
  e.compute = per_core * item_compute;
  e.vector = queue ? 0.0 : std::max(0.0, per_core * epilogue - e.compute);
  e.port = per_core * item_load;
  e.launch = launch_seconds(chip, items);

  const double k = static_cast<double>(shape.k);
  const double n = static_cast<double>(shape.n);
  const double m = static_cast<double>(shape.total_rows());
  const double a_once = m * k * bytes_of(shape.a);
  const double b_once = n * halves * k * bytes_of(shape.b) *
                        (shape.group_rows.empty() ? static_cast<double>(shape.b_groups)
                                                  : static_cast<double>(shape.active_groups()));
  const double c_once = m * n * (splits > 1 ? 4.0 * splits : bytes_of(shape.c));
  double read = 0;
  if (queue) {
    const double reread =
        std::max(1.0, cached_operand_bytes(plan, chip, tiles_m, tiles_n) / (a_once + b_once));
    const double share_a = reread > 1.05 ? 1.0 : residency.memory_share(plan.a, chip);
    const double share_b = reread > 1.05 ? 1.0 : residency.memory_share(plan.b, chip);
    read = reread * (a_once * share_a + b_once * share_b);
    e.counts.cache_bytes = items * (steps * step_bytes) + c_once;
    // Two neighbours that may receive one answer share the wider of their operands.
    const double shared = chip.noc.multicast && items > rates.cores
                              ? static_cast<double>(std::max(plan.tile_m, plan.tile_n)) /
                                    (2.0 * static_cast<double>(plan.tile_m + plan.tile_n))
                              : 0.0;
    e.cache = (items * steps * step_bytes * (1.0 - shared) + c_once) / rates.cache;
  } else {
    const double a_passes =
        plan.multicast ? ceil_ratio(tiles_n, static_cast<double>(plan.core_cols)) : tiles_n;
    const double b_passes =
        plan.multicast ? std::max(1.0, ceil_ratio(tiles_m / static_cast<double>(shape.groups),
                                                  static_cast<double>(plan.core_rows)))
                       : std::max(1.0, tiles_m / static_cast<double>(shape.groups));
    const double a_bytes = a_once * a_passes;
    const double b_bytes = b_once * b_passes;
    read = a_bytes * residency.memory_share(plan.a, chip) +
           b_bytes * residency.memory_share(plan.b, chip);
    e.counts.noc_bytes = a_bytes + b_bytes + c_once;
    e.network = e.counts.noc_bytes / rates.network;
  }
  e.memory_read = read;
  e.memory_written = c_once * residency.memory_share(plan.c, chip);
  e.memory = e.memory_read / std::min(rates.memory_tile, rates.memory_stream) +
             e.memory_written / rates.memory_stream;
  if (queue) {
    const Waves waves = waves_of(items, rates.cores, resident);
    const double share = 1.0 - waves.full * resident * rates.cores / items;
    if (waves.full > 0 && share > 0) {
      e.tail = {waves.last * item_compute, waves.last * item_load, e.cache * share,
                e.memory * share};
    }
  }
  e.counts.mac(shape.compute()) = m * n * halves * k;
  e.counts.memory_bytes = e.memory_read + e.memory_written;
  e.counts.scratch_bytes = items * steps *
                           (step_bytes + timing::operand_bytes(shape.compute(), tile_m, tile_n) *
                                             halves * static_cast<double>(plan.tile_k));
  for (const mapping::Step& step : plan.epilogue) count_vector(e.counts, step.fn, m * n);
  e.counts.convert_ops += m * n;
  return e;
}

// -------------------------------------------------------------------------------- attention

struct AttentionWork {
  double items = 0;
  double blocks = 0;      ///< key blocks over all items
  double blocks_max = 0;  ///< of the longest item
  double blocks_min = 1e30;
};

AttentionWork attention_work(const AttentionPlan& plan) {
  const workload::AttentionShape& shape = plan.shape;
  const double head_items =
      static_cast<double>(ceil_div<std::int64_t>(shape.heads, plan.heads_per_item));
  AttentionWork work;
  for (const workload::Sequences& entry : shape.batch) {
    const double sequences = static_cast<double>(entry.count) * head_items;
    const std::int64_t q_tiles = ceil_div(entry.q_len, plan.tile_q);
    for (std::int64_t tile = 0; tile < q_tiles; ++tile) {
      const std::int64_t last = std::min(entry.q_len, (tile + 1) * plan.tile_q);
      std::int64_t keys = shape.causal ? entry.kv_len - entry.q_len + last : entry.kv_len;
      if (shape.window > 0) keys = std::min(keys, shape.window + plan.tile_q);
      const double blocks =
          static_cast<double>(ceil_div(ceil_div(keys, plan.splits), plan.tile_kv));
      work.blocks += blocks * sequences * static_cast<double>(plan.splits);
      work.blocks_max = std::max(work.blocks_max, blocks);
      work.blocks_min = std::min(work.blocks_min, blocks);
    }
    work.items += static_cast<double>(q_tiles) * sequences * static_cast<double>(plan.splits);
  }
  return work;
}

/// Cycles in which the thread groups of an item add their partial outputs of a block through the
/// scratchpad: each writes its own sums in fp32, and all are read back.
double partial_sum_cycles(const config::ChipConfig& chip, const AttentionPlan& plan,
                          std::int64_t rows) {
  if (!plan.split_keys || chip.binding != config::Binding::kWorkQueue) return 0.0;
  constexpr double kGroups = 4.0;      // warps of an item (FlashAttention-2, section 3.3)
  constexpr double kGroupKeys = 32.0;  // of 128 keys at a time, as that generation did
  const double rounds = ceil_ratio(static_cast<double>(plan.tile_kv), kGroups * kGroupKeys);
  const double bytes = rounds * kGroups * static_cast<double>(rows * plan.shape.v_dim) * 4.0;
  const double outputs = plan.backward ? 2.0 : 1.0;  // backward: gradients of keys and of values
  return outputs * bytes *
         (1.0 / chip.core.scratch.write_bytes_per_cycle +
          1.0 / chip.core.scratch.read_bytes_per_cycle);
}

Estimate estimate_attention(const AttentionPlan& plan, const config::ChipConfig& chip,
                            const Rates& rates, const Residency& residency) {
  const workload::AttentionShape& shape = plan.shape;
  const AttentionWork work = attention_work(plan);
  const std::int64_t rows = plan.tile_q * plan.heads_per_item;
  const double matrix =
      attention_block_matrix_cycles(chip, plan, rows, plan.tile_kv) / rates.core_clock;
  const double vector =
      attention_block_vector_cycles(chip, plan, rows, plan.tile_kv) / rates.core_clock;
  const double dims = static_cast<double>(shape.qk_dim + (shape.shared_latent ? 0 : shape.v_dim));
  const double block_bytes = static_cast<double>(plan.tile_kv) * dims * bytes_of(plan.dtype);

  Estimate e;
  const double resident = static_cast<double>(plan.resident);
  const Waves waves = waves_of(work.items, rates.cores, resident);
  // Items of one length fill the cores in waves. Of different lengths, a work queue evens them out
  // but for the end: the last one handed out ends half an item after the mean; a static split
  // evens them out by interleaving.
  const bool queue = chip.binding == config::Binding::kWorkQueue;
  const double mean_blocks = work.blocks / rates.cores + (queue ? 0.5 * work.blocks_max : 0.0);
  const double per_core_blocks =
      work.blocks_min == work.blocks_max
          ? (waves.full * resident + waves.last) * work.blocks_max
          : std::max(mean_blocks,
                     work.blocks_max * std::max(1.0, waves.full == 0 ? waves.last : 0.0));
  e.compute = per_core_blocks * matrix;
  // Inside an item the softmax waits for the scores and the second product for the softmax. Items
  // that share the core fill the gap, unless all of them are at their softmax.
  const double at_softmax = vector / (vector + matrix);
  e.vector = plan.overlapped
                 ? std::max(0.0, per_core_blocks * vector - e.compute)
                 : std::max(per_core_blocks * vector * std::pow(at_softmax, resident - 1.0),
                            per_core_blocks * vector - e.compute);
  e.vector += per_core_blocks * partial_sum_cycles(chip, plan, rows) / rates.core_clock;
  e.port = per_core_blocks * block_bytes / rates.core_port;
  const double finish =
      timing::vector_cycles(chip.core.vector, timing::VectorFn::kSoftmaxFinish, rows, shape.v_dim) /
      rates.core_clock;
  e.launch = launch_seconds(chip, work.items);
  // Each item loads its queries before its first product; items that share the core hide each
  // other's.
  const double prologue = chip.launch.item_start.value() +
                          std::max(rates.cache_latency_s, rates.memory_latency_s) + finish +
                          matrix + vector;
  e.fill = queue ? prologue * std::max(1.0, waves.full + (waves.last > 0 ? 1.0 : 0.0)) /
                       (waves.full > 0 ? resident : 1.0)
                 : prologue;

  const double queries = static_cast<double>(shape.queries());
  const double heads = static_cast<double>(shape.heads);
  const double q_bytes = queries * heads * static_cast<double>(shape.qk_dim) * bytes_of(plan.dtype);
  const double out_bytes =
      queries * heads * static_cast<double>(shape.v_dim) *
      (plan.splits > 1 ? 4.0 * static_cast<double>(plan.splits) : bytes_of(plan.dtype));
  const double kv_bytes =
      static_cast<double>(shape.keys()) * shape.kv_heads * dims * bytes_of(plan.dtype);
  const double moved = work.blocks * block_bytes;
  const double kv_share =
      plan.cached ? residency.memory_share(plan.k, chip) : residency.memory_share(plan.qkv, chip);
  const double act_share = residency.memory_share(plan.qkv, chip);
  const bool cached_chip = rates.cache > 0;
  const double kv_memory = (cached_chip ? kv_bytes : moved) * kv_share;
  e.memory_read = kv_memory + q_bytes * act_share;
  e.memory_written = out_bytes * residency.memory_share(plan.out, chip);
  e.memory = (e.memory_read + e.memory_written) / rates.memory_stream;
  if (cached_chip) {
    e.counts.cache_bytes = moved + q_bytes + out_bytes;
    e.cache = e.counts.cache_bytes / rates.cache;
  } else {
    e.counts.noc_bytes = moved + q_bytes + out_bytes;
    e.network = e.counts.noc_bytes / rates.network;
  }
  const double products = plan.backward ? 2.5 : 1.0;
  const double macs =
      static_cast<double>(shape.pairs()) * heads * (shape.qk_dim + shape.v_dim) * products;
  if (plan.matrix) e.counts.mac(plan.dtype) = macs;
  if (!plan.matrix) e.counts.vector_ops += macs;
  count_vector(e.counts, timing::VectorFn::kSoftmaxOnline,
               static_cast<double>(shape.pairs()) * heads);
  e.counts.scratch_bytes = moved * 2.0;
  e.counts.memory_bytes = e.memory_read + e.memory_written;
  return e;
}

// ------------------------------------------------------------------------------------- rows

Estimate estimate_rows(const RowsPlan& plan, const config::ChipConfig& chip, const Rates& rates,
                       const Residency& residency) {
  Estimate e;
  const double rows = static_cast<double>(plan.rows);
  const double items = ceil_ratio(rows, static_cast<double>(plan.tile_rows));
  const double per_core = ceil_ratio(items, rates.cores);
  double item_bytes = 0;
  double memory = 0;
  double moved = 0;
  const auto add = [&](const mapping::RowOperand& operand, bool write) {
    const double bytes = static_cast<double>(operand.row_bytes * operand.per_row);
    item_bytes += bytes * static_cast<double>(plan.tile_rows);
    moved += bytes * rows;
    const double share = residency.memory_share(operand.tensor, chip);
    memory += bytes * rows * share;
    (write ? e.memory_written : e.memory_read) += bytes * rows * share;
  };
  for (const mapping::RowOperand& operand : plan.inputs) add(operand, false);
  for (const mapping::RowOperand& operand : plan.outputs) add(operand, true);
  const double vector = step_cycles(chip, plan.steps, plan.tile_rows, 0) / rates.core_clock;
  e.vector = per_core * vector;
  const double in_flight =
      rates.core_window / std::max(rates.memory_latency_s, rates.cache_latency_s);
  e.port = per_core * item_bytes / std::min(rates.core_port, in_flight);
  e.memory = memory / rates.memory_stream;
  if (rates.cache > 0) {
    e.counts.cache_bytes = moved;
    e.cache = moved / rates.cache;
  } else {
    e.counts.noc_bytes = moved;
    e.network = moved / rates.network;
  }
  e.launch = launch_seconds(chip, items);
  e.fill = std::max(rates.memory_latency_s, rates.cache_latency_s) +
           chip.launch.item_start.value() + vector;
  e.counts.memory_bytes = memory;
  e.counts.scratch_bytes = moved;
  for (const mapping::Step& step : plan.steps) {
    count_vector(e.counts, step.fn, rows * static_cast<double>(step.cols * step.extra));
  }
  return e;
}

}  // namespace

/// Stages that work on a stream behind each other, buffered by several stages of tiles: the slowest
/// sets the time.
double Estimate::Stages::longest() const {
  return std::max({0.0, core, port, cache, memory, network});
}

std::array<Estimate::Stages, 2> Estimate::stages(double ratio) const {
  const double fabric = fabric_follows ? ratio : 1.0;
  const Stages last{tail.compute / ratio, tail.port / fabric, tail.cache / fabric, tail.memory,
                    0.0};
  const Stages all{(compute + vector) / ratio, port / fabric, cache / fabric, memory,
                   network / fabric};
  return {Stages{all.core - last.core, all.port - last.port, all.cache - last.cache,
                 all.memory - last.memory, all.network},
          last};
}

double Estimate::seconds(double ratio) const {
  double total = launch + fill + link;
  for (const Stages& wave : stages(ratio)) total += wave.longest();
  return total;
}

double Estimate::score() const {
  constexpr double kCollision =
      0.05;  // assumed: the order of near-tie losses of a burst-level simulation
  const double core = compute + vector;
  const double longest = std::max({core, port, cache, memory, network});
  return seconds() + kCollision * (core + port + cache + memory + network - longest);
}

timing::PathShares Estimate::shares(double ratio) const {
  timing::PathShares shares;
  shares.add(Bound::kLaunch, femto(launch + fill));
  shares.add(Bound::kLink, femto(link));
  const double fabric = fabric_follows ? ratio : 1.0;
  const double vector_share = compute + vector > 0 ? vector / (compute + vector) : 0.0;
  for (const Stages& wave : stages(ratio)) {
    const double longest = wave.longest();
    if (longest <= 0.0) continue;
    if (longest == wave.core) {
      const double nominal = longest * ratio;
      shares.add(Bound::kCompute, femto(nominal * (1.0 - vector_share)));
      shares.add(Bound::kVector, femto(nominal * vector_share));
      shares.add(Bound::kPower, femto(longest - nominal));
    } else if (longest == wave.memory) {
      shares.add(Bound::kHbm, femto(longest));
    } else {
      shares.add(longest == wave.cache ? Bound::kL2 : Bound::kNoc, femto(longest * fabric));
      shares.add(Bound::kPower, femto(longest * (1.0 - fabric)));
    }
  }
  return shares;
}

bool Residency::shared(mapping::TensorId id) const {
  return placement != nullptr && id >= 0 &&
         (*placement)[static_cast<std::size_t>(id)] == mapping::Space::kShared;
}

double Residency::memory_share(mapping::TensorId id, const config::ChipConfig& chip) const {
  if (id == mapping::kNoTensor || graph == nullptr) return 1.0;
  if (shared(id)) return 0.0;
  const double cache = static_cast<double>(chip.cache.size.value());
  if (cache <= 0) return 1.0;
  const workload::Tensor& tensor = graph->tensor(id);
  const double usable = cache / chip.cache.partitions;
  // A weight or cache line is met again after a whole step; an activation right after it was made.
  const bool again_soon =
      tensor.role == workload::Role::kActivation || tensor.role == workload::Role::kSaved;
  const double distance = again_soon ? 2.0 * static_cast<double>(tensor.bytes) : working_set;
  if (distance <= usable) return 0.0;
  if (distance >= 2.0 * usable) return 1.0;
  return distance / usable - 1.0;
}

double step_cycles(const config::ChipConfig& chip, const std::vector<mapping::Step>& steps,
                   std::int64_t rows, std::int64_t cols) {
  double cycles = 0;
  for (const mapping::Step& step : steps) {
    const std::int64_t width = step.cols > 0 && cols == 0 ? step.cols : cols;
    cycles += timing::vector_cycles(chip.core.vector, step.fn, rows, width, step.extra);
  }
  return cycles;
}

double scalar_seconds(const config::ChipConfig& chip, const mapping::RowsPlan& plan) {
  // A block of threads walks through a row, one element a thread and step. A step waits for its
  // load and then issues its instructions; blocks this large do not share a core, so nothing hides
  // the wait. Counted from the usual loops, in cycles of a thread's lane: load, conversions, index
  // arithmetic, comparison, branch and store (12 instructions, half of them on the integer lanes
  // beside), and per special function the library's range reduction and corrections around it.
  constexpr double kThreads = 1024.0;
  constexpr double kElement = 6.0;
  constexpr double kSpecial = 13.0;
  double cycles = 0;
  for (const mapping::Step& step : plan.steps) {
    const timing::VectorWork work = timing::work_of(step.fn);
    if (work.special + work.reductions <= 0) continue;
    const double width = static_cast<double>(step.cols);
    const double threads = std::min(kThreads, width);
    const double issue = threads / chip.core.vector.lanes * (kElement + kSpecial * work.special);
    const double wait = chip.cache.size.value() > 0 ? chip.cache.hit_latency_cycles
                                                    : chip.core.scratch.latency_cycles;
    // Statistics first, then the results: a row is read twice when it is reduced.
    const double passes = work.reductions > 0 ? 2.0 : 1.0;
    cycles = std::max(cycles, passes * std::ceil(width / threads) * (wait + issue));
  }
  const double rows = std::max(1.0, static_cast<double>(plan.rows) / chip.cores());
  return rows * cycles / chip.clock.core.value();
}

double attention_block_matrix_cycles(const config::ChipConfig& chip, const AttentionPlan& plan,
                                     std::int64_t rows, std::int64_t keys) {
  if (!plan.matrix) return 0.0;
  const config::MatrixConfig& unit = chip.core.matrix;
  const double scores =
      timing::matmul_cycles(unit, plan.dtype, rows, keys, plan.shape.qk_dim).occupied;
  const double values =
      timing::matmul_cycles(unit, plan.dtype, rows, plan.shape.v_dim, keys).occupied;
  // Backward recomputes the scores, then makes dV, dP, dQ and dK.
  return plan.backward ? 3.0 * scores + 2.0 * values : scores + values;
}

double attention_block_vector_cycles(const config::ChipConfig& chip, const AttentionPlan& plan,
                                     std::int64_t rows, std::int64_t keys) {
  const config::VectorConfig& unit = chip.core.vector;
  double cycles = timing::vector_cycles(unit, timing::VectorFn::kSoftmaxOnline, rows, keys) +
                  timing::vector_cycles(unit, timing::VectorFn::kScale, rows, plan.shape.v_dim);
  if (plan.backward)
    cycles += timing::vector_cycles(unit, timing::VectorFn::kSoftmaxBackward, rows, keys);
  if (!plan.matrix) {
    cycles += timing::vector_cycles(unit, timing::VectorFn::kDotProducts, rows, keys,
                                    plan.shape.qk_dim + plan.shape.v_dim);
  }
  return cycles;
}

Estimate estimate(const mapping::Plan& plan, const config::ChipConfig& chip, const Rates& rates,
                  const Residency& residency) {
  const auto on_chip = [&chip](Estimate e) {
    e.fabric_follows = chip.clock.fabric.value() <= 0;
    return e;
  };
  if (const auto* gemm = std::get_if<GemmPlan>(&plan))
    return on_chip(estimate_gemm(*gemm, chip, rates, residency));
  if (const auto* attention = std::get_if<AttentionPlan>(&plan))
    return on_chip(estimate_attention(*attention, chip, rates, residency));
  if (const auto* rows = std::get_if<RowsPlan>(&plan))
    return on_chip(estimate_rows(*rows, chip, rates, residency));
  Estimate collective;  // the fabric prices it: see compiler/collectives
  collective.counts.link_bytes = static_cast<double>(std::get<CollectivePlan>(plan).shape.bytes);
  return collective;
}

}  // namespace athena::analytic
