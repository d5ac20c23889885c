#include "jobs/simulation/side_stream.h"

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "analytic/rates.h"
#include "base/error.h"

namespace athena::jobs {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

/// One kernel of a block, once per repetition.
struct Slot {
  double seconds = 0;
  double clocked = 0;  ///< share of a kernel's time that its cores bound
  double memory = 0;   ///< ... that memory bounds; of a collective: share of the memory's rate
  const workload::CollectiveShape* collective = nullptr;
  std::size_t lane = 0;         ///< 0: links of the domain, 1: network between domains
  std::vector<std::size_t> of;  ///< asynchronous slots of this block whose result it reads
  bool read_here = false;       ///< asynchronous: a later slot of the block reads it
  [[nodiscard]] bool async() const { return collective != nullptr && collective->async; }
};

struct Row {
  std::int64_t repeat = 1;
  std::vector<Slot> slots;
};

std::size_t lane_of(const workload::CollectiveShape& shape, const Machine& machine) {
  if (!machine.system) return 0;
  const std::int64_t span = static_cast<std::int64_t>(shape.size - 1) * shape.stride;
  return span >= machine.system->domain_chips() ? 1 : 0;
}

bool reads(const workload::Block& block, const mapping::KernelPlan& reader,
           const mapping::KernelPlan& writer) {
  for (const int w : writer.ops) {
    for (const workload::TensorId id : block.ops[static_cast<std::size_t>(w)].outputs) {
      for (const int r : reader.ops) {
        const auto& inputs = block.ops[static_cast<std::size_t>(r)].inputs;
        if (std::find(inputs.begin(), inputs.end(), id) != inputs.end()) return true;
      }
    }
  }
  return false;
}

/// Payload that a rank puts on its links.
double wire_bytes(const workload::CollectiveShape& shape) {
  const auto n = static_cast<double>(std::max(1, shape.size));
  const auto bytes = static_cast<double>(shape.bytes);
  switch (shape.kind) {
    case workload::CollectiveKind::kAllReduce:
      return 2.0 * (n - 1.0) / n * bytes;
    case workload::CollectiveKind::kAllGather:
    case workload::CollectiveKind::kReduceScatter:
    case workload::CollectiveKind::kAllToAll:
      return (n - 1.0) / n * bytes;
    default:
      return bytes;
  }
}

/// Share of the memory's rate that a collective takes while it runs.
double memory_share(const workload::CollectiveShape& shape, double seconds,
                    const Machine& machine) {
  if (seconds <= 0) return 0;
  const double rate = machine.library.memory_touches * wire_bytes(shape) / seconds;
  constexpr double kMost = 0.9;  // assumed: arbitration leaves the kernels a tenth
  return std::min(kMost, rate / analytic::rates_of(machine.chip).memory_stream);
}

/// What bounds a kernel, as shares of its time.
void read_bounds(Slot& slot, const timing::PathShares& path) {
  const auto all = static_cast<double>(path.total().value());
  if (all <= 0) return;
  const auto of = [&](timing::Bound bound) {
    return static_cast<double>(path.of(bound).value()) / all;
  };
  // A cache is asked by cores: with fewer of them, fewer requests are under way.
  slot.clocked = of(timing::Bound::kCompute) + of(timing::Bound::kVector) + of(timing::Bound::kL2) +
                 of(timing::Bound::kPower);
  slot.memory = of(timing::Bound::kHbm);
}

std::vector<Row> rows_of(const compiler::Compiled& compiled, const Machine& machine,
                         const StepResult& step) {
  std::vector<Row> rows;
  std::size_t at = 0;
  for (std::size_t b = 0; b < compiled.mapping.blocks.size(); ++b) {
    const mapping::BlockPlan& plan = compiled.mapping.blocks[b];
    const workload::Block& block = compiled.graph.blocks[b];
    Row row;
    row.repeat = plan.repeat;
    for (const mapping::KernelPlan& kernel : plan.kernels) {
      if (at >= step.kernels.size() || step.kernels[at].name != kernel.name) {
        throw InternalError("the kernels of a step are not those that were compiled.");
      }
      Slot slot;
      read_bounds(slot, step.kernels[at].path);
      slot.seconds = step.kernels[at++].seconds / static_cast<double>(plan.repeat);
      if (const auto* collective = std::get_if<mapping::CollectivePlan>(&kernel.plan)) {
        slot.collective = &collective->shape;
        slot.lane = lane_of(collective->shape, machine);
        slot.memory = memory_share(collective->shape, slot.seconds, machine);
      }
      for (std::size_t k = 0; k < row.slots.size(); ++k) {
        if (!row.slots[k].async() || !reads(block, kernel, plan.kernels[k])) continue;
        slot.of.push_back(k);
        row.slots[k].read_here = true;
      }
      row.slots.push_back(std::move(slot));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

/// Compute in program order, collectives on their lanes.
class Streams {
 public:
  explicit Streams(double cores_taken) : cores_taken_(cores_taken) {}
  void run(const Row& row) {
    std::vector<double> done(row.slots.size(), kNever), next(row.slots.size(), kNever);
    issue_ahead(row, next);
    for (std::int64_t r = 0; r < row.repeat; ++r) {
      done.swap(next);
      if (r + 1 < row.repeat) issue_ahead(row, next);
      for (std::size_t k = 0; k < row.slots.size(); ++k) {
        const Slot& slot = row.slots[k];
        if (slot.async()) {
          if (!slot.read_here) pending_ = std::max(pending_, transfer(slot));
          continue;
        }
        for (const std::size_t source : slot.of) now_ = std::max(now_, done[source]);
        if (slot.collective != nullptr) {
          now_ = transfer(slot);
        } else {
          compute(slot);
        }
      }
    }
  }
  /// Nothing may be under way when the graph ends.
  void drain() { now_ = std::max(now_, pending_); }
  [[nodiscard]] double now() const { return now_; }
  [[nodiscard]] double compute() const { return compute_; }

 private:
  double transfer(const Slot& slot) {
    double& free = free_[slot.lane];
    const double begin = std::max(free, now_);
    free = begin + slot.seconds;
    transfers_.push_back({begin, free, slot.memory});
    return free;
  }

  /// A kernel runs slower while transfers take cores and memory from it.
  void compute(const Slot& slot) {
    const double begin = now_;
    double left = slot.seconds;
    std::erase_if(transfers_, [&](const Busy& t) { return t.end <= now_; });
    while (left > 0) {
      double until = kNever, memory = 0;
      bool any = false;
      for (const Busy& t : transfers_) {
        if (t.end <= now_) continue;
        if (t.begin > now_) {
          until = std::min(until, t.begin);
          continue;
        }
        any = true;
        until = std::min(until, t.end);
        memory = std::min(0.9, memory + t.memory);
      }
      const double slow = any ? 1.0 + slot.clocked * (1.0 / (1.0 - cores_taken_) - 1.0) +
                                    slot.memory * (1.0 / (1.0 - memory) - 1.0)
                              : 1.0;
      const double span = std::min(until - now_, left * slow);
      left -= span / slow;
      if (span <= 0 || left <= 1e-12 * slot.seconds) left = 0;
      now_ += span;
    }
    compute_ += now_ - begin;
  }
  void issue_ahead(const Row& row, std::vector<double>& done) {
    for (std::size_t k = 0; k < row.slots.size(); ++k) {
      if (row.slots[k].async() && row.slots[k].read_here) done[k] = transfer(row.slots[k]);
    }
  }

  /// A transfer under way or to come.
  struct Busy {
    double begin = 0, end = 0;
    double memory = 0;  ///< share of the memory's rate
  };
  double now_ = 0, compute_ = 0, pending_ = 0;
  double cores_taken_ = 0;  ///< share of the chip's cores, while transfers run
  std::array<double, 2> free_{};
  std::vector<Busy> transfers_;
};

}  // namespace

Communication overlap(const compiler::Compiled& compiled, const Machine& machine,
                      StepResult& step) {
  const std::vector<Row> rows = rows_of(compiled, machine, step);
  Communication result;
  double serial = 0, host = 0;
  for (const Row& row : rows) {
    for (const Slot& slot : row.slots) {
      const double seconds = slot.seconds * static_cast<double>(row.repeat);
      serial += seconds;
      if (slot.collective != nullptr) result.total += seconds;
      if (!machine.stack.graph_capture && slot.collective == nullptr) {
        host += machine.stack.host_per_kernel.value() * static_cast<double>(row.repeat);
      }
    }
  }
  // assumed: at most half of the cores, whatever a small chip runs.
  Streams streams(std::min(
      0.5, static_cast<double>(machine.library.cores) / std::max(1, machine.chip.cores())));
  for (const Row& row : rows) streams.run(row);
  streams.drain();
  result.exposed = streams.now() - streams.compute();
  // A host that is slower than the chip sets the pace with or without a side stream.
  const double least = step.seconds >= host ? host : step.seconds;
  const double hidden = step.seconds - std::max(step.seconds - (serial - streams.now()), least);
  if (hidden <= 0) return result;
  step.path.add(timing::Bound::kLink, to_time(Seconds(-hidden)));
  step.energy_j -= machine.chip.power.idle.value() * hidden;
  step.seconds -= hidden;
  step.power_w = step.energy_j / step.seconds;
  return result;
}

}  // namespace athena::jobs
