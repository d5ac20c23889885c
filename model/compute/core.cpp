#include "compute/core.h"

#include <algorithm>

#include "base/error.h"
#include "compute/core_tags.h"

namespace athena::compute {

using program::Engine;
using program::Env;
using program::Instruction;
using program::kEngines;
using program::Opcode;
using program::Var;
using timing::Bound;
using timing::Moment;

namespace {

/// Seconds that a byte holds its place in the window of unanswered requests: the round trip to the
/// cache, or over the network (mean distance of a grid: a third of its sides) to memory.
double window_rate(const config::ChipConfig& chip) {
  const double bytes = static_cast<double>(chip.core.dma.outstanding.value());
  if (bytes <= 0) return 0.0;
  const double fabric = chip.fabric_clock().value();
  if (chip.cache.size.value() > 0) return chip.cache.hit_latency_cycles / fabric / bytes;
  const double hops = std::max(1.0, (chip.noc.rows + chip.noc.cols) / 3.0);
  const double way = hops * (chip.noc.router_cycles + chip.noc.link_cycles) / fabric;
  return (chip.memory.latency.value() + 2.0 * way) / bytes;
}

}  // namespace

void Core::Semaphore::push(const Unit& unit) {
  if (count == ring.size()) {
    std::rotate(ring.begin(), ring.begin() + static_cast<std::ptrdiff_t>(head), ring.end());
    head = 0;
    ring.resize(std::max<std::size_t>(4, ring.size() * 2));
  }
  ring[(head + count) % ring.size()] = unit;
  ++count;
}

Core::Unit Core::Semaphore::pop() {
  const Unit unit = ring[head];
  head = (head + 1) % ring.size();
  --count;
  return unit;
}

Core::Core(const sc_core::sc_module_name& name, const config::ChipConfig& chip, int index,
           sim::Dispatcher& dispatcher, MemoryPath& memory, Board& board)
    : sc_module(name),
      chip_(chip),
      index_(index),
      queue_(chip.binding == config::Binding::kWorkQueue),
      dispatcher_(dispatcher),
      memory_(memory),
      board_(board),
      window_seconds_per_byte_(window_rate(chip)) {
  contexts_.resize(queue_ ? static_cast<std::size_t>(std::max(1, chip.core.max_items)) : 2);
}

Time Core::cycles(double count) const {
  return periods(count, Hertz(chip_.clock.core.value() * ratio_));
}

void Core::reset() {
  for (Context& context : contexts_) context = Context();
  for (timing::Server* server : {&matrix_, &vector_, &port_in_, &port_out_, &window_})
    server->reset();
  ready_.clear();
  next_kernel_ = 0;
}

// ------------------------------------------------------------------------- kernels and items

void Core::open(std::uint32_t context, KernelRun& run, const Moment& when) {
  Context& ctx = contexts_[context];
  ctx.run = &run;
  ctx.items = 0;
  ctx.outstanding = 0;
  ctx.reported = false;
  ctx.last = when;
  const program::Kernel& kernel = *run.kernel;
  ctx.semaphores.resize(std::max(ctx.semaphores.size(), kernel.semaphores.size()));
  for (std::size_t i = 0; i < kernel.semaphores.size(); ++i) {
    Semaphore& semaphore = ctx.semaphores[i];
    semaphore.head = semaphore.count = 0;
    semaphore.waiter = -1;
    for (std::int64_t unit = 0; unit < kernel.semaphores[i].initial; ++unit)
      semaphore.push({when, when, 1});
  }
  for (std::size_t e = 0; e < kEngines; ++e) {
    Stream& stream = ctx.streams[e];
    stream.active = false;
    stream.finished = false;
    stream.placed = false;
    stream.pc = 0;
    stream.depth = 0;
    stream.pending = nullptr;
    stream.sent = stream.arrived = 0;
    stream.latency = Time(0);
    stream.tail = Moment();
    stream.pieces = 1;
    stream.cursor.assign(kernel.buffers.size(), 0);
    stream.env.fill(0);
    stream.env[index_of(Var::kOne)] = 1;
    stream.env[index_of(Var::kRepeat)] = run.repeat;
    stream.env[index_of(Var::kLaunch0)] = run.launch[0];
    stream.env[index_of(Var::kLaunch1)] = run.launch[1];
  }
}

void Core::start_program() {
  open_next();
  drain();
}

void Core::open_next() {
  // A kernel without items for this core may end before the one ahead of it: look again after each.
  while (contexts_[static_cast<std::size_t>(next_kernel_ % 2)].reported) {
    if (!open_static(next_kernel_)) return;
    ++next_kernel_;
  }
}

bool Core::open_static(int kernel_index) {
  KernelRun* run = board_.kernel(kernel_index);
  if (run == nullptr) return false;
  const auto context = static_cast<std::uint32_t>(kernel_index % 2);
  Moment when = contexts_[context].last;
  when = timing::later(when, run->start);
  open(context, *run, when);
  const Context& previous = contexts_[1 - context];
  for (std::size_t e = 0; e < kEngines; ++e) {
    contexts_[context].streams[e].items =
        std::make_unique<StaticItems>(*run->kernel, index_, chip_.cores(), chip_.cluster.cores);
    const bool engine_free =
        previous.run == nullptr || previous.run->index > run->index || previous.streams[e].finished;
    if (engine_free) activate(context, e, later(when, previous.streams[e].now));
  }
  return true;
}

void Core::activate(std::uint32_t context, std::size_t engine, const Moment& when) {
  Stream& stream = contexts_[context].streams[engine];
  stream.active = true;
  stream.now = when;
  ready_.push_back(tag_of(context, engine));
}

void Core::start_item(KernelRun& run, std::int64_t item, std::uint32_t context,
                      const Moment& when) {
  open(context, run, when);
  Context& ctx = contexts_[context];
  const ItemPlace place = queue_item(*run.kernel, item);
  for (std::size_t e = 0; e < kEngines; ++e) {
    place_item(ctx, ctx.streams[e], place);
    ctx.streams[e].active = true;
    ctx.streams[e].now = when;
  }
  ctx.items = 1;
  // All five begin when the item does.
  for (std::size_t e = 0; e < kEngines; ++e) dispatcher_.post(when.at, *this, tag_of(context, e));
}

void Core::place_item(Context& ctx, Stream& stream, const ItemPlace& place) {
  const program::Part& part = ctx.run->kernel->parts[static_cast<std::size_t>(place.part)];
  for (std::size_t i = 0; i < 4; ++i) stream.env[index_of(Var::kCoord0) + i] = place.coord[i];
  for (std::size_t i = 0; i < part.params.size(); ++i)
    stream.env[index_of(Var::kParam0) + i] = part.params[i];
  stream.pc = 0;
  stream.depth = 0;
}

bool Core::next_item(Context& ctx, std::size_t engine, Stream& stream) {
  if (stream.items == nullptr) return false;
  ItemPlace place;
  if (!stream.items->next(place)) return false;
  if (engine == static_cast<std::size_t>(Engine::kStore)) ++ctx.items;
  place_item(ctx, stream, place);
  return true;
}

void Core::end_stream(std::uint32_t context, std::size_t engine) {
  Context& ctx = contexts_[context];
  Stream& stream = ctx.streams[engine];
  stream.finished = true;
  stream.active = false;
  ctx.last = timing::later(ctx.last, stream.now);
  if (!queue_) {
    const std::uint32_t next = 1 - context;
    Context& other = contexts_[next];
    if (other.run != nullptr && other.run->index > ctx.run->index &&
        !other.streams[engine].finished && !other.streams[engine].active) {
      activate(next, engine, later(stream.now, other.last));
    }
  }
  check_finished(context);
}

void Core::check_finished(std::uint32_t context) {
  Context& ctx = contexts_[context];
  if (ctx.run == nullptr || ctx.outstanding > 0) return;
  for (const Stream& stream : ctx.streams) {
    if (!stream.finished) return;
  }
  KernelRun& run = *ctx.run;
  if (queue_) {
    ctx.run = nullptr;
    board_.finished(run, 1, ctx.last, *this, context);
    return;
  }
  if (ctx.reported) return;
  ctx.reported = true;
  board_.finished(run, ctx.items, ctx.last, *this, context);
  open_next();
}

// ------------------------------------------------------------------------------- streams

void Core::wake(std::uint32_t tag, void* item) {
  if (item != nullptr) {
    hand_over(static_cast<Request*>(item));
    return;
  }
  ready_.push_back(tag);
  drain();
}

void Core::resume(std::uint32_t tag) {
  dispatcher_.post(dispatcher_.now(), *this, tag);
}

void Core::drain() {
  for (std::size_t i = 0; i < ready_.size(); ++i) {
    const std::uint32_t tag = ready_[i];
    run_stream(tag / 8, tag % 8);
  }
  ready_.clear();
}

void Core::run_stream(std::uint32_t context, std::size_t engine) {
  Context& ctx = contexts_[context];
  Stream& stream = ctx.streams[engine];
  if (!stream.active || stream.finished) return;
  if (stream.pending != nullptr) finish_operation(ctx, context, stream);
  const std::vector<Instruction>& code = ctx.run->kernel->streams[engine];
  if (stream.items != nullptr && stream.pc == 0 && stream.depth == 0 && !stream.placed) {
    if (!next_item(ctx, engine, stream)) {
      end_stream(context, engine);
      return;
    }
    stream.placed = true;
  }
  while (true) {
    if (stream.pc == code.size()) {
      if (!next_item(ctx, engine, stream)) {
        end_stream(context, engine);
        return;
      }
      if (code.empty()) continue;
    }
    if (!step(context, engine, stream, code[stream.pc])) return;
  }
}

bool Core::step(std::uint32_t context, std::size_t engine, Stream& stream,
                const Instruction& instruction) {
  Context& ctx = contexts_[context];
  switch (instruction.op) {
    case Opcode::kWait:
      return wait(ctx, context, engine, stream, instruction);
    case Opcode::kWaitKernel:
      return wait_kernel(ctx, context, engine, stream, instruction);
    case Opcode::kSet:
      signal(ctx, context, instruction.semaphore, {stream.now, stream.now, 1});
      ++stream.pc;
      return true;
    case Opcode::kAdvance: {
      auto& cursor = stream.cursor[static_cast<std::size_t>(instruction.a.buffer)];
      ++cursor;
      ++stream.pc;
      if (stream.latency.value() == 0) return true;
      stream.now = stream.now.after(stream.latency, Bound::kCompute);
      stream.latency = Time(0);
      dispatcher_.post(stream.now.at, *this, tag_of(context, engine));
      return false;
    }
    case Opcode::kLoop:
      begin_loop(ctx, engine, stream, instruction);
      return true;
    case Opcode::kEnd:
      end_loop(stream);
      return true;
    case Opcode::kLoad:
    case Opcode::kStore:
      return transfer(ctx, context, engine, stream, instruction);
    case Opcode::kMatmul:
      multiply(ctx, context, engine, stream, instruction);
      return false;
    case Opcode::kVector:
      compute_vector(ctx, context, engine, stream, instruction);
      return false;
  }
  return false;
}

bool Core::wait(Context& ctx, std::uint32_t, std::size_t engine, Stream& stream,
                const Instruction& instruction) {
  Semaphore& semaphore = ctx.semaphores[static_cast<std::size_t>(instruction.semaphore)];
  if (semaphore.count < static_cast<std::size_t>(instruction.count)) {
    semaphore.waiter = static_cast<int>(engine);
    semaphore.need = instruction.count;
    return false;
  }
  for (std::int64_t unit = 0; unit < instruction.count; ++unit) {
    const Unit taken = semaphore.pop();
    stream.now = timing::later(stream.now, taken.first);
    if (taken.pieces > 1 && taken.last.at > stream.tail.at) {
      stream.tail = taken.last;
      stream.pieces = taken.pieces;
    }
  }
  ++stream.pc;
  return true;
}

bool Core::wait_kernel(Context& ctx, std::uint32_t context, std::size_t engine, Stream& stream,
                       const Instruction& instruction) {
  KernelRun* before = board_.before(*ctx.run, instruction.count);
  if (before != nullptr && !before->done) {
    before->waiting.emplace_back(this, tag_of(context, engine));
    return false;
  }
  if (before != nullptr) stream.now = timing::later(stream.now, before->end);
  ++stream.pc;
  return true;
}

void Core::signal(Context& ctx, std::uint32_t context, int index, const Unit& unit) {
  if (index < 0) return;
  Semaphore& semaphore = ctx.semaphores[static_cast<std::size_t>(index)];
  semaphore.push(unit);
  if (semaphore.waiter < 0 || semaphore.count < static_cast<std::size_t>(semaphore.need)) return;
  const auto engine = static_cast<std::size_t>(semaphore.waiter);
  semaphore.waiter = -1;
  ready_.push_back(tag_of(context, engine));
}

void Core::begin_loop(Context& ctx, std::size_t engine, Stream& stream,
                      const Instruction& instruction) {
  const std::int64_t count = instruction.m.at(stream.env);
  const std::vector<InstructionCache>& cache = *ctx.run->cache[engine];
  if (count <= 0) {
    stream.pc = static_cast<std::size_t>(cache[stream.pc].match) + 1;
    return;
  }
  Frame& frame = stream.frames[static_cast<std::size_t>(stream.depth++)];
  frame = {stream.pc + 1, count, 0, instruction.fuse, instruction.loop};
  stream.env[index_of(frame.var)] = 0;
  ++stream.pc;
}

void Core::end_loop(Stream& stream) {
  Frame& frame = stream.frames[static_cast<std::size_t>(stream.depth - 1)];
  frame.at += std::min(frame.fuse, frame.count - frame.at);
  if (frame.at < frame.count) {
    stream.env[index_of(frame.var)] = frame.at;
    stream.pc = frame.begin;
    return;
  }
  stream.env[index_of(frame.var)] = 0;
  --stream.depth;
  ++stream.pc;
}

std::string Core::blocked() const {
  std::string text;
  for (const Context& ctx : contexts_) {
    if (ctx.run == nullptr) continue;
    for (std::size_t e = 0; e < kEngines; ++e) {
      const Stream& stream = ctx.streams[e];
      if (stream.finished || !stream.active) continue;
      const auto& code = ctx.run->kernel->streams[e];
      if (stream.pc >= code.size()) continue;
      const Instruction& instruction = code[stream.pc];
      std::string what = "an operation";
      if (instruction.op == Opcode::kWait) {
        what = "semaphore '" +
               ctx.run->kernel->semaphores[static_cast<std::size_t>(instruction.semaphore)].name +
               "'";
      } else if (instruction.op == Opcode::kWaitKernel) {
        what = "an earlier kernel";
      }
      text += (text.empty() ? "" : "; ") + ("core " + std::to_string(index_)) + " " +
              std::string(program::name(static_cast<Engine>(e))) + " of kernel '" +
              ctx.run->kernel->name + "' waits for " + what;
    }
  }
  return text;
}

}  // namespace athena::compute
