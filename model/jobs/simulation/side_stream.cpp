#include "jobs/simulation/side_stream.h"

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "base/error.h"

namespace athena::jobs {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

/// One kernel of a block, once per repetition.
struct Slot {
  double seconds = 0;
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
      slot.seconds = step.kernels[at++].seconds / static_cast<double>(plan.repeat);
      if (const auto* collective = std::get_if<mapping::CollectivePlan>(&kernel.plan)) {
        slot.collective = &collective->shape;
        slot.lane = lane_of(collective->shape, machine);
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
          now_ += slot.seconds;
          compute_ += slot.seconds;
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
    free = std::max(free, now_) + slot.seconds;
    return free;
  }
  void issue_ahead(const Row& row, std::vector<double>& done) {
    for (std::size_t k = 0; k < row.slots.size(); ++k) {
      if (row.slots[k].async() && row.slots[k].read_here) done[k] = transfer(row.slots[k]);
    }
  }

  double now_ = 0, compute_ = 0, pending_ = 0;
  std::array<double, 2> free_{};
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
  Streams streams;
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
