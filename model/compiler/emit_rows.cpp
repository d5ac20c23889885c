#include <algorithm>

#include "base/error.h"
#include "compiler/emit.h"
#include "timing/vector_unit.h"

namespace athena::compiler {
namespace {

using mapping::RowOperand;
using mapping::RowsPlan;
using mapping::Step;
using program::Affine;
using program::Count;
using program::Engine;
using program::Var;
using program::Window;
using timing::VectorFn;

std::int64_t bytes(std::int64_t elements, Dtype type) {
  return elements * storage_bits(type) / 8;
}

Dtype type_of(const EmitContext& context, mapping::TensorId id) {
  return id < 0 ? Dtype::kFp32 : context.graph->tensor(id).dtype;
}

/// Grid: 0 row tile, 1 column chunk. Parameters: 1 rows.
Window window_of(const EmitContext& context, const RowsPlan& plan, const RowOperand& operand) {
  Window window;
  window.region = context.region(operand.tensor);
  window.row = plan.tile_rows * operand.per_row * Var::kCoord0;
  window.rows =
      Count(operand.per_row * plan.rows + (-plan.tile_rows * operand.per_row) * Var::kCoord0, 1, 0,
            plan.tile_rows * operand.per_row);
  if (operand.part_stride > 0) {  // parts of a row lie part_stride rows apart: one window each
    window.row = plan.tile_rows * Var::kCoord0 + operand.part_stride * Var::kLoop0;
    window.rows = Count(Affine(plan.rows) + (-plan.tile_rows) * Var::kCoord0, 1, 0, plan.tile_rows);
  }
  const std::int64_t chunk = ceil_div(operand.row_bytes, plan.chunks);
  window.col = Affine(operand.col_bytes) + chunk * Var::kCoord1;
  window.bytes = Count(Affine(operand.row_bytes) + (-chunk) * Var::kCoord1, 1, 0, chunk);
  if (operand.gather != mapping::kNoTensor) window.gather = context.region(operand.gather);
  return window;
}

class RowsEmitter {
 public:
  RowsEmitter(const EmitContext& context, const mapping::KernelPlan& kernel_plan)
      : context_(context),
        plan_(std::get<RowsPlan>(kernel_plan.plan)),
        builder_(kernel_plan.name) {}

  program::Kernel emit() {
    builder_.wait_kernel(Engine::kLoad0, 1);
    for (const RowOperand& operand : plan_.inputs) load(operand);
    for (const RowOperand& operand : plan_.outputs) declare_output(operand);
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      const RowOperand& operand = plan_.inputs[i];
      builder_.wait(Engine::kVector, builder_.full(inputs_[i]),
                    operand.part_stride > 0 ? operand.per_row : 1);
    }
    for (const int buffer : outputs_) builder_.wait(Engine::kVector, builder_.free(buffer));
    for (std::size_t i = 0; i < plan_.steps.size(); ++i) step(i);
    release();
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      builder_.store(window_of(context_, plan_, plan_.outputs[i]), outputs_[i]);
    }
    program::Part part;
    part.dims = {ceil_div(plan_.rows, plan_.tile_rows), plan_.chunks, 1, 1};
    part.params[1] = plan_.rows;
    builder_.kernel().parts = {part};
    return finish();
  }

  program::Kernel finish() {
    program::Kernel& kernel = builder_.kernel();
    kernel.flat = true;
    kernel.resident = plan_.resident;
    return builder_.finish();
  }

 protected:
  void load(const RowOperand& operand) {
    const std::int64_t pitch = ceil_div(operand.row_bytes, plan_.chunks);
    const int buffer =
        builder_.buffer("in" + std::to_string(inputs_.size()), plan_.tile_rows * operand.per_row,
                        pitch, plan_.stages, type_of(context_, operand.tensor));
    inputs_.push_back(buffer);
    builder_.wait(Engine::kLoad0, builder_.free(buffer));
    if (operand.part_stride > 0) {
      // Each part fills its own rows of the buffer; the last arrival makes it full.
      for (std::int64_t part = 0; part < operand.per_row; ++part) {
        Window window = window_of(context_, plan_, operand);
        window.row = plan_.tile_rows * Var::kCoord0 + Affine(operand.part_stride * part);
        program::Instruction i;
        i.op = program::Opcode::kLoad;
        i.window = window;
        i.a = {buffer, part + 1 == operand.per_row, part * plan_.tile_rows * pitch};
        i.semaphore = builder_.full(buffer);
        builder_.add(Engine::kLoad0, i);
      }
      return;
    }
    program::Instruction i;
    i.op = program::Opcode::kLoad;
    i.window = window_of(context_, plan_, operand);
    i.a = {buffer, true, 0};
    i.semaphore = builder_.full(buffer);
    builder_.add(Engine::kLoad0, i);
  }

  void declare_output(const RowOperand& operand) {
    outputs_.push_back(builder_.buffer(
        "out" + std::to_string(outputs_.size()), plan_.tile_rows * operand.per_row,
        ceil_div(operand.row_bytes, plan_.chunks), 1, type_of(context_, operand.tensor)));
  }

  /// The buffer that holds a step's second operand: another input, or a row vector of its own.
  int operand_buffer(mapping::TensorId id) {
    if (id == mapping::kNoTensor) return -1;
    for (std::size_t i = 0; i < plan_.inputs.size(); ++i) {
      if (plan_.inputs[i].tensor == id) return inputs_[i];
    }
    const workload::Tensor& tensor = context_.graph->tensor(id);
    const std::int64_t width = bytes(tensor.dims.elements(), tensor.dtype);
    const int buffer = builder_.buffer(tensor.name, 1, width, 1, tensor.dtype);
    Window window;
    window.region = context_.region(id);
    window.rows = Count(1);
    window.bytes = Count(width);
    builder_.load(Engine::kLoad1, window, buffer);
    builder_.wait(Engine::kVector, builder_.full(buffer));
    vectors_.push_back(buffer);
    return buffer;
  }

  void step(std::size_t index) {
    const Step& s = plan_.steps[index];
    const bool last = index + 1 == plan_.steps.size();
    const bool each = plan_.steps.size() == outputs_.size();
    const int source = index == 0 ? (inputs_.empty() ? -1 : inputs_[0]) : current_;
    const int target = each ? outputs_[index] : (last && !outputs_.empty() ? outputs_[0] : source);
    const int second = operand_buffer(s.operand);
    const int third = operand_buffer(s.operand2);
    const Count rows(Affine(plan_.rows) + (-plan_.tile_rows) * Var::kCoord0, 1, 0, plan_.tile_rows);
    program::Instruction& i =
        builder_.vector(s.fn, source, second, target, rows, Count(ceil_div(s.cols, plan_.chunks)));
    i.k = Count(s.extra);
    i.d = {third, false, 0};
    i.scalar = s.scalar;
    if (s.fn == VectorFn::kAttentionCombine) i.row_factor = plan_.head_width;
    current_ = target;
  }

  void release() {
    for (const int buffer : inputs_) builder_.advance(Engine::kVector, buffer);
    for (const int buffer : inputs_) builder_.set(Engine::kVector, builder_.free(buffer));
    for (const int buffer : vectors_) {
      builder_.advance(Engine::kVector, buffer);
      builder_.set(Engine::kVector, builder_.free(buffer));
    }
    for (const int buffer : outputs_) builder_.advance(Engine::kVector, buffer);
    for (const int buffer : outputs_) builder_.set(Engine::kVector, builder_.full(buffer));
  }

  const EmitContext& context_;
  const RowsPlan& plan_;
  KernelBuilder builder_;
  std::vector<int> inputs_, outputs_, vectors_;
  int current_ = -1;
};

/// Rotation of queries and keys and the write of new keys and values, together or alone. One row is
/// loaded whole, rotated in place, and leaves to up to three places.
/// Grid: 0 row tile, 1 sequence. Parameters as in attention.
class SequenceEmitter : RowsEmitter {
 public:
  SequenceEmitter(const EmitContext& context, const mapping::KernelPlan& kernel_plan,
                  const std::vector<const workload::Op*>& ops)
      : RowsEmitter(context, kernel_plan) {
    for (const workload::Op* op : ops) {
      if (op->kind == workload::OpKind::kRope) rope_ = op;
      if (op->kind == workload::OpKind::kKvWrite) write_ = op;
    }
  }

  program::Kernel emit() {
    return rope_ == nullptr && write_ == nullptr ? emit_lookup() : emit_rotation();
  }

 private:
  /// Rows of a table at the tokens' positions.
  program::Kernel emit_lookup() {
    const RowOperand& table = plan_.inputs.front();
    const RowOperand& rows = plan_.outputs.front();
    const Dtype type = type_of(context_, table.tensor);
    const int in = builder_.buffer("in", plan_.tile_rows, table.row_bytes, plan_.stages, type);
    const int out =
        builder_.buffer("out", plan_.tile_rows, rows.row_bytes, 1, type_of(context_, rows.tensor));
    builder_.load(Engine::kLoad0, sequence_window(table.tensor, position(), 0, table.row_bytes),
                  in);
    builder_.wait(Engine::kVector, builder_.full(in));
    builder_.wait(Engine::kVector, builder_.free(out));
    program::Instruction& copy = builder_.vector(VectorFn::kConvert, in, -1, out, tile_count(),
                                                 Count(table.row_bytes * 8 / storage_bits(type)));
    copy.a.release = true;
    copy.c.release = true;
    builder_.set(Engine::kVector, builder_.free(in));
    builder_.set(Engine::kVector, builder_.full(out));
    builder_.store(sequence_window(rows.tensor, rows_in(), 0, rows.row_bytes), out);
    builder_.kernel().parts = parts();
    return finish();
  }

  program::Kernel emit_rotation() {
    const RowOperand& row = plan_.inputs.front();
    const Dtype type = type_of(context_, row.tensor);
    const int buffer = builder_.buffer("rows", plan_.tile_rows, row.row_bytes, plan_.stages, type);
    builder_.wait_kernel(Engine::kLoad0, 1);
    builder_.load(Engine::kLoad0,
                  sequence_window(row.tensor, rows_in(), row.col_bytes, row.row_bytes), buffer);
    builder_.wait(Engine::kVector, builder_.full(buffer));
    rotate(buffer);
    const int out = builder_.buffer("rotated", plan_.tile_rows, row.row_bytes, 1, type);
    // The rotated rows stay where they are; `rotated` is the same storage seen by the store engine.
    builder_.wait(Engine::kVector, builder_.free(out));
    program::Instruction& copy = builder_.vector(VectorFn::kConvert, buffer, -1, out, tile_count(),
                                                 Count(row.row_bytes * 8 / storage_bits(type)));
    copy.a.release = true;
    copy.c.release = true;
    builder_.set(Engine::kVector, builder_.free(buffer));
    builder_.set(Engine::kVector, builder_.full(out));
    builder_.wait(Engine::kStore, builder_.full(out));
    stores(out, row, type);
    builder_.kernel().parts = parts();
    return finish();
  }

  [[nodiscard]] static Affine rows_in() {
    return 1 * Var::kParam0 + product(1, Var::kCoord1, Var::kParam1);
  }
  [[nodiscard]] Count tile_count() const {
    return Count(1 * Var::kParam1 + (-plan_.tile_rows) * Var::kCoord0, 1, 0, plan_.tile_rows);
  }
  [[nodiscard]] static Affine position() {
    return 1 * Var::kParam2 + 1 * Var::kLaunch0 + (-1) * Var::kParam1;
  }
  [[nodiscard]] Window sequence_window(mapping::TensorId id, const Affine& first,
                                       std::int64_t column, std::int64_t width) const {
    Window window;
    window.region = context_.region(id);
    window.row = first + plan_.tile_rows * Var::kCoord0;
    window.col = Affine(column);
    window.rows = tile_count();
    window.bytes = Count(width);
    return window;
  }

  void rotate(int buffer) {
    if (rope_ == nullptr) return;
    const workload::RopeShape& shape = rope_->rope();
    const std::int64_t rotated =
        static_cast<std::int64_t>(shape.heads + shape.kv_heads) * shape.dim;
    program::Instruction& i =
        builder_.vector(VectorFn::kRope, buffer, -1, buffer, tile_count(), Count(rotated));
    i.position = position() + plan_.tile_rows * Var::kCoord0;
    i.limit = Affine(shape.dim);
    i.row_factor = plan_.head_width;
  }
  void stores(int out, const RowOperand& row, Dtype type) {
    std::vector<std::pair<Window, std::int64_t>> list;
    const std::int64_t cache_bytes = write_ != nullptr ? bytes(write_->kv_write().width, type) : 0;
    if (rope_ != nullptr) {
      const std::int64_t keep = write_ != nullptr ? row.row_bytes - cache_bytes / 2 : row.row_bytes;
      list.emplace_back(
          sequence_window(row.tensor, rows_in(), row.col_bytes, std::min(keep, row.row_bytes)), 0);
    }
    if (write_ != nullptr) {
      const Affine first = 1 * Var::kParam3 + product(1, Var::kCoord1, Var::kParam4) + position();
      std::int64_t column = std::max<std::int64_t>(0, row.row_bytes - cache_bytes);
      for (const mapping::TensorId cache : write_->outputs) {
        const workload::Tensor& tensor = context_.graph->tensor(cache);
        const std::int64_t width = bytes(tensor.dims.elements() / tensor.dims[0], tensor.dtype);
        list.emplace_back(sequence_window(cache, first, 0, width), column);
        column += width;
      }
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
      program::Instruction store;
      store.op = program::Opcode::kStore;
      store.window = list[i].first;
      const bool last = i + 1 == list.size();
      store.a = {out, last, list[i].second};
      store.semaphore = last ? builder_.free(out) : -1;
      builder_.add(Engine::kStore, store);
    }
  }

  [[nodiscard]] std::vector<program::Part> parts() const {
    std::vector<program::Part> parts;
    const std::vector<std::int64_t>& capacity = context_.graph->kv_capacity;
    std::int64_t row = 0;
    std::int64_t key = 0;
    for (std::size_t i = 0; i < plan_.batch.size(); ++i) {
      const workload::Sequences& entry = plan_.batch[i];
      const std::int64_t slots = i < capacity.size() ? capacity[i] : entry.kv_len;
      program::Part part;
      part.dims = {ceil_div(entry.q_len, plan_.tile_rows), entry.count, 1, 1};
      part.params = {row, entry.q_len, entry.kv_len, key, slots, 0};
      parts.push_back(part);
      row += entry.q_len * entry.count;
      key += slots * entry.count;
    }
    return parts;
  }

  const workload::Op* rope_ = nullptr;
  const workload::Op* write_ = nullptr;
};

}  // namespace

program::Kernel emit_rows(const EmitContext& context, const mapping::KernelPlan& plan,
                          const std::vector<const workload::Op*>& ops) {
  if (!std::get<RowsPlan>(plan.plan).batch.empty())
    return SequenceEmitter(context, plan, ops).emit();
  return RowsEmitter(context, plan).emit();
}

program::Kernel emit_collective(const EmitContext& context, const mapping::KernelPlan& plan) {
  const auto& collective = std::get<mapping::CollectivePlan>(plan.plan);
  program::Kernel kernel;
  kernel.name = plan.name;
  kernel.transfer.kind = std::string(workload::name(collective.shape.kind));
  kernel.transfer.bytes = collective.shape.bytes;
  kernel.transfer.ranks = collective.shape.size;
  kernel.transfer.stride = collective.shape.stride;
  kernel.transfer.region = context.region(collective.tensor);
  return kernel;
}

}  // namespace athena::compiler
