#include "compute/core.h"

#include <algorithm>

#include "base/error.h"
#include "timing/matrix_unit.h"
#include "timing/vector_unit.h"

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

constexpr std::size_t index_of(Var var) {
  return static_cast<std::size_t>(var);
}
constexpr std::uint32_t tag_of(std::uint32_t context, std::size_t engine) {
  return context * 8 + static_cast<std::uint32_t>(engine);
}

double window_rate(const config::ChipConfig& chip) {
  const double bytes = static_cast<double>(chip.core.dma.outstanding.value());
  if (bytes <= 0) return 0.0;
  const bool cached = chip.cache.size.value() > 0;
  const double round_trip = cached ? chip.cache.hit_latency_cycles / chip.fabric_clock().value()
                                   : chip.memory.latency.value() + 2e-7;
  return round_trip / bytes;
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

// --------------------------------------------------------------------------------- streams

void Core::wake(std::uint32_t tag, void* item) {
  if (item != nullptr) {
    memory_.submit(static_cast<Request*>(item));
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

// ------------------------------------------------------------------------------ operations

void Core::multiply(Context& ctx, std::uint32_t context, std::size_t engine, Stream& stream,
                    const Instruction& instruction) {
  InstructionCache& cache = (*ctx.run->cache[engine])[stream.pc];
  const std::int64_t m = instruction.m.at(stream.env);
  const std::int64_t n = instruction.n.at(stream.env);
  const std::int64_t k = instruction.k.at(stream.env);
  if (cache.m != m || cache.n != n || cache.k != k) {
    const timing::MatmulCycles product =
        matrix_engine_ != nullptr
            ? matrix_engine_->cycles(instruction.dtype, m, n, k)
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
        rows > 0 && cols > 0
            ? cycles(timing::vector_cycles(chip_.core.vector, instruction.fn, rows, cols, extra))
                  .value()
            : 0;
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

// -------------------------------------------------------------------------------- transfers

exec::Shadow::Actor Core::actor(const Context& ctx, std::uint32_t context,
                                const Instruction& instruction) const {
  return {{index_, static_cast<int>(context), ctx.run->repeat},
          ctx.run->index,
          ctx.run->kernel,
          &instruction};
}

void Core::watch(const Context& ctx, Request* request) {
  const program::Window& window = request->instruction->window;
  const program::Region& region = *request->region;
  exec::Shadow::Target target{
      window.region,   ctx.run->repeat % std::max<std::int64_t>(1, region.repeats),
      request->row,    request->rows,
      request->column, request->row_bytes};
  if (window.gather >= 0) {  // rows named by data: any of them
    target.row = 0;
    target.rows = region.rows;
  }
  request->ticket = shadow_->begin(actor(ctx, request->context, *request->instruction),
                                   request->slot, target, request->moment.at);
}

Request* Core::acquire() {
  if (free_.empty()) {
    pool_.push_back(std::make_unique<Request>());
    free_.push_back(pool_.back().get());
  }
  Request* request = free_.back();
  free_.pop_back();
  return request;
}

void Core::release(Request* request) {
  request->receivers.clear();
  free_.push_back(request);
}

bool Core::transfer(Context& ctx, std::uint32_t context, std::size_t engine, Stream& stream,
                    const Instruction& instruction) {
  if (window_.free().at > dispatcher_.now()) {
    // The window of unanswered requests is full: go on when an answer has made room.
    stream.now = stream.now.until(window_.free().at, Bound::kHbm);
    dispatcher_.post(stream.now.at, *this, tag_of(context, engine));
    return false;
  }
  const program::Window& window = instruction.window;
  Request* request = acquire();
  request->run = ctx.run;
  request->region = &ctx.run->regions[window.region];
  request->write = instruction.op == Opcode::kStore;
  request->core = this;
  request->context = context;
  request->semaphore = instruction.semaphore;
  request->instruction = &instruction;
  request->env = stream.env;
  request->pieces = fused(stream);
  request->row = window.row.at(stream.env);
  request->column = window.col.at(stream.env);
  request->rows = window.rows.at(stream.env);
  request->row_bytes = window.bytes.at(stream.env);
  request->bytes = request->rows * request->row_bytes;
  request->lead = Time(0);
  request->broadcast = false;
  if (request->pieces > 1) {
    // Fused iterations cover neighbouring windows: take their union.
    Env last = stream.env;
    const Frame& frame = stream.frames[static_cast<std::size_t>(stream.depth - 1)];
    last[index_of(frame.var)] += request->pieces - 1;
    const std::int64_t end_row = window.row.at(last) + window.rows.at(last);
    const std::int64_t end_column = window.col.at(last) + window.bytes.at(last);
    request->bytes =
        request->bytes * (request->pieces - 1) + window.rows.at(last) * window.bytes.at(last);
    request->rows = std::max(request->rows, end_row - request->row);
    request->row_bytes = std::max(request->row_bytes, end_column - request->column);
  }
  request->address = request->region->address +
                     ctx.run->repeat % std::max<std::int64_t>(1, request->region->repeats) *
                         request->region->repeat_stride +
                     request->row * request->region->pitch + request->column;
  bool released = false;
  request->slot = take_slots(ctx, stream, instruction, released)[0];
  ++ctx.outstanding;
  ++stream.pc;
  if (!request->write)
    stream.now = stream.now.after(cycles(chip_.core.dma.setup_cycles), Bound::kNoc);
  request->moment = stream.now;
  request->sent = stream.now.at;
  if (shadow_ != nullptr) watch(ctx, request);
  if (instruction.multicast != program::Multicast::kNone && stream.items != nullptr) {
    broadcast(ctx, stream, engine, instruction, request);
    return true;
  }
  if (request->bytes <= 0) {
    complete(request);
    return true;
  }
  const Time held =
      to_time(Seconds(window_seconds_per_byte_ * static_cast<double>(request->bytes)));
  window_.serve(stream.now, held, Bound::kHbm);
  if (request->moment.at > dispatcher_.now()) {
    dispatcher_.post(request->moment.at, *this, 0, request);
  } else {
    memory_.submit(request);
  }
  return true;
}

void Core::broadcast(Context& ctx, Stream& stream, std::size_t engine,
                     const Instruction& instruction, Request* request) {
  const int members = stream.items->members(instruction.multicast);
  const program::Kernel& kernel = *ctx.run->kernel;
  const std::int64_t group = instruction.multicast == program::Multicast::kRow
                                 ? stream.items->place().row
                                 : stream.items->place().column;
  const auto place = static_cast<std::uint64_t>(&instruction - kernel.streams[engine].data());
  std::uint64_t key = place * kEngines + engine;
  key = key * 4096 + static_cast<std::uint64_t>(group);
  key = key * (1U << 20) + static_cast<std::uint64_t>(stream.items->round());
  key = key * (1U << 14) + static_cast<std::uint64_t>(stream.env[index_of(Var::kLoop0)]);
  Rendezvous& meeting = ctx.run->rendezvous[key];
  meeting.latest = timing::later(meeting.latest, request->moment);
  meeting.members.emplace_back(this, request);
  if (++meeting.arrived < members) return;
  // All receivers have room: one of them, in turn, pays for the request.
  const auto turn =
      static_cast<std::size_t>(stream.env[index_of(Var::kLoop0)]) % meeting.members.size();
  auto* leader = static_cast<Request*>(meeting.members[turn].second);
  leader->moment = meeting.latest;
  leader->broadcast = true;
  for (const auto& [core, pending] : meeting.members)
    leader->receivers.push_back(static_cast<Request*>(pending));
  ctx.run->rendezvous.erase(key);
  const Time held = to_time(Seconds(window_seconds_per_byte_ * static_cast<double>(leader->bytes)));
  leader->core->window_.serve(leader->moment, held, Bound::kHbm);
  if (leader->moment.at > dispatcher_.now()) {
    dispatcher_.post(leader->moment.at, *this, 0, leader);
  } else {
    memory_.submit(leader);
  }
}

void Core::complete(Request* request) {
  Context& ctx = contexts_[request->context];
  Moment first = request->moment;
  if (request->lead.value() > 0) {
    first.at -= request->lead;
    first.path.add(request->lead_bound, Time(-request->lead.value()));
  }
  if (shadow_ != nullptr) shadow_->end(request->ticket, request->moment.at);
  if (meaning_ != nullptr) {
    meaning_->apply({index_, static_cast<int>(request->context), ctx.run->repeat}, *ctx.run->kernel,
                    *request->instruction, request->env, {request->slot, 0, 0, 0});
  }
  if (timeline_ != nullptr) {
    timeline_->span(request->write ? timing::Lane::kStore : timing::Lane::kLoad, index_,
                    ctx.run->index, request->sent, request->moment.at);
  }
  --ctx.outstanding;
  if (request->write) ctx.last = timing::later(ctx.last, request->moment);
  const bool nested = !ready_.empty();
  signal(ctx, request->context, request->semaphore, {first, request->moment, request->pieces});
  const std::uint32_t context = request->context;
  release(request);
  if (ctx.outstanding == 0) check_finished(context);
  if (!nested) drain();
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
