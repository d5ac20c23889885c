/// The matrix and vector instructions of a core: how long they take, and what they release.
#include <algorithm>

#include "compute/core.h"
#include "compute/core_tags.h"
#include "timing/matrix_unit.h"
#include "timing/vector_unit.h"

namespace athena::compute {

using program::Env;
using program::Instruction;
using timing::Bound;
using timing::Moment;

std::int64_t Core::fused(const Stream& stream) const {
  if (stream.depth == 0) return 1;
  const Frame& frame = stream.frames[static_cast<std::size_t>(stream.depth - 1)];
  return std::min(frame.fuse, frame.count - frame.at);
}

exec::Slots Core::take_slots(Context& ctx, Stream& stream, const Instruction& instruction,
                             bool& released) {
  exec::Slots slots{};
  const std::array<const program::Operand*, 4> operands{&instruction.a, &instruction.b,
                                                        &instruction.c, &instruction.d};
  released = false;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const int buffer = operands[i]->buffer;
    if (buffer < 0) continue;
    auto& cursor = stream.cursor[static_cast<std::size_t>(buffer)];
    slots[i] = cursor % ctx.run->kernel->buffers[static_cast<std::size_t>(buffer)].stages;
  }
  for (const program::Operand* operand : operands) {
    if (operand->buffer < 0 || !operand->release) continue;
    ++stream.cursor[static_cast<std::size_t>(operand->buffer)];
    released = released || operand == &instruction.c;
  }
  return slots;
}

void Core::multiply(Context& ctx, std::uint32_t context, std::size_t engine, Stream& stream,
                    const Instruction& instruction) {
  InstructionCache& cache = (*ctx.run->cache[engine])[stream.pc];
  const std::int64_t m = instruction.m.at(stream.env);
  const std::int64_t n = instruction.n.at(stream.env);
  const std::int64_t k = instruction.k.at(stream.env);
  if (cache.m != m || cache.n != n || cache.k != k) {
    const timing::MatmulCycles product =
        bodies_.matrix != nullptr
            ? bodies_.matrix->cycles(instruction.dtype, m, n, k)
            : timing::matmul_cycles(chip_.core.matrix, instruction.dtype, m, n, k);
    cache.m = m;
    cache.n = n;
    cache.k = k;
    cache.occupied = cycles(product.occupied).value();
    cache.latency = cycles(product.latency).value();
    cache.operand_bytes = timing::operand_bytes(instruction.dtype, m, n);
  }
  const std::int64_t repeats = fused(stream);
  // The last of the fused iterations may be short; it is priced as a whole one of the same stream.
  const Time busy(cache.occupied * repeats);
  Moment done = matrix_.serve(stream.now, busy, Bound::kCompute);
  if (stream.tail.at.value() > 0) {
    // The last piece of the operands arrives later than the first: its own product follows it.
    const Moment after_last = stream.tail.after(
        Time(busy.value() / std::max<std::int64_t>(1, stream.pieces)), Bound::kCompute);
    if (after_last.at > done.at) {
      done = after_last;
      matrix_.extend(done);
    }
    stream.tail = Moment();
    stream.pieces = 1;
  }
  if (timeline_ != nullptr) {
    timeline_->work(timing::Lane::kMatrix, index_, ctx.run->index, matrix_.start(), done.at, busy);
  }
  bool released = false;
  stream.pending = &instruction;
  stream.pending_slots = take_slots(ctx, stream, instruction, released);
  stream.latency = Time(cache.latency);
  if (released) {
    done = done.after(stream.latency, Bound::kCompute);
    stream.latency = Time(0);
  }
  if (shadow_ != nullptr) {
    shadow_->compute(actor(ctx, context, instruction), stream.pending_slots, matrix_.start(),
                     done.at);
  }
  const double macs =
      static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k * repeats);
  ctx.run->stats.counts.mac(instruction.dtype) += macs;
  ctx.run->stats.counts.scratch_bytes += cache.operand_bytes * static_cast<double>(k * repeats);
  ctx.run->stats.matrix_busy += to_seconds(busy).value();
  stream.now = done;
  ++stream.pc;
  dispatcher_.post(done.at, *this, tag_of(context, engine));
}

double Core::vector_cycles(timing::VectorFn fn, std::int64_t rows, std::int64_t cols,
                           std::int64_t extra) const {
  const bool softmax = fn == timing::VectorFn::kSoftmax || fn == timing::VectorFn::kSoftmaxOnline;
  if (softmax && bodies_.softmax != nullptr) return bodies_.softmax->cycles(rows, cols);
  return timing::vector_cycles(chip_.core.vector, fn, rows, cols, extra);
}

void Core::compute_vector(Context& ctx, std::uint32_t context, std::size_t engine, Stream& stream,
                          const Instruction& instruction) {
  InstructionCache& cache = (*ctx.run->cache[engine])[stream.pc];
  const std::int64_t rows = instruction.m.at(stream.env);
  const std::int64_t cols = instruction.n.at(stream.env);
  const std::int64_t extra = instruction.k.at(stream.env);
  if (cache.m != rows || cache.n != cols || cache.k != extra) {
    cache.m = rows;
    cache.n = cols;
    cache.k = extra;
    cache.occupied =
        rows > 0 && cols > 0 ? cycles(vector_cycles(instruction.fn, rows, cols, extra)).value() : 0;
  }
  const Time busy(cache.occupied);
  stream.now = vector_.serve(stream.now, busy, Bound::kVector);
  if (timeline_ != nullptr) {
    timeline_->work(timing::Lane::kVector, index_, ctx.run->index, vector_.start(), stream.now.at,
                    busy);
  }
  bool released = false;
  stream.pending = &instruction;
  stream.pending_slots = take_slots(ctx, stream, instruction, released);
  if (shadow_ != nullptr) {
    shadow_->compute(actor(ctx, context, instruction), stream.pending_slots, vector_.start(),
                     stream.now.at);
  }
  const timing::VectorWork work = timing::work_of(instruction.fn);
  const double elements =
      static_cast<double>(rows) * static_cast<double>(cols) * static_cast<double>(extra);
  timing::EventCounts& counts = ctx.run->stats.counts;
  counts.vector_ops += elements * work.lane;
  counts.special_ops += elements * work.special;
  counts.convert_ops += elements * work.convert;
  ctx.run->stats.vector_busy += to_seconds(busy).value();
  ++stream.pc;
  dispatcher_.post(stream.now.at, *this, tag_of(context, engine));
}

void Core::finish_operation(Context& ctx, std::uint32_t context, Stream& stream) {
  if (meaning_ != nullptr) {
    meaning_->apply({index_, static_cast<int>(context), ctx.run->repeat}, *ctx.run->kernel,
                    *stream.pending, stream.env, stream.pending_slots);
  }
  stream.pending = nullptr;
}

}  // namespace athena::compute
