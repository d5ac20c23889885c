#include "chip/dma_engines.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/error.h"

namespace athena::chip {
namespace {

using compute::Request;
using timing::Bound;

/// Largest count of a descriptor: rtl/dma_engine/dma_engine_pkg.sv, CountBits.
constexpr std::int64_t kMostCount = 4095;
/// Semaphores of the engine.
constexpr std::uint32_t kSemaphores = 16;

}  // namespace

DmaEngines::DmaEngines(const config::ChipConfig& chip, double clock_ratio,
                       sim::Dispatcher& dispatcher, compute::MemoryPath& memory,
                       exec::Meaning* meaning, timing::ClockedBodies& bodies)
    : chip_(chip),
      clock_(chip.clock.core.value() * clock_ratio),
      dispatcher_(dispatcher),
      memory_(memory),
      meaning_(meaning),
      params_(bodies.dma_params),
      use_(bodies.dma_use),
      beat_bytes_(bodies.dma_params.data_bits / 8),
      ports_(timing::dma_ports(bodies.dma_params)),
      engines_(static_cast<std::size_t>(kPerCore * chip.cores())) {
  const auto in = [&](const char* name) { return ports_.input(name).word; };
  const auto out = [&](const char* name) { return ports_.output(name).word; };
  at_ = {in("desc_valid"),       in("desc_src"),    in("desc_dst"),    in("desc_src_stride1"),
         in("desc_dst_stride1"), in("desc_count0"), in("desc_count1"), in("desc_count2"),
         in("desc_sem"),         in("ar_ready"),    in("r_valid"),     in("r_last"),
         in("r_data"),           in("aw_ready"),    in("w_ready"),     in("b_valid"),
         in("sem_ready"),        out("desc_ready"), out("ar_valid"),   out("ar_addr"),
         out("ar_len"),          out("r_ready"),    out("aw_valid"),   out("aw_addr"),
         out("aw_len"),          out("w_valid"),    out("w_last"),     out("w_data"),
         out("b_ready"),         out("sem_valid"),  out("sem_id")};
  for (std::size_t i = 0; i < engines_.size(); ++i) {
    Engine& engine = engines_[i];
    constexpr std::array kNames = {"load0", "load1", "store"};
    const std::size_t stream = i % kNames.size();
    engine.core = static_cast<int>(i / kNames.size());
    engine.store = stream == 2;
    engine.body = bodies.dma(fmt::format("core {} {}", engine.core, kNames[stream]));
    engine.body->reset();
    engine.in.resize(static_cast<std::size_t>(ports_.input_words()));
    engine.out.resize(static_cast<std::size_t>(ports_.output_words()));
  }
}

Time DmaEngines::time_of(std::int64_t cycle) const {
  return periods(static_cast<double>(cycle), clock_);
}

DmaEngines::Engine& DmaEngines::engine_of(const Request& request) {
  const bool second = request.engine == static_cast<std::uint32_t>(program::Engine::kLoad1);
  const int stream = request.write ? 2 : second ? 1 : 0;
  return engines_[static_cast<std::size_t>(kPerCore * request.core->index() + stream)];
}

void DmaEngines::submit(Request* request) {
  if (request->broadcast) {
    throw InputError(
        "the program multicasts operands, which rtl/dma_engine does not receive; compile it with "
        "--set noc.multicast=false.");
  }
  Engine& engine = engine_of(*request);
  const std::int64_t now = std::max(
      cycle_, static_cast<std::int64_t>(
                  std::ceil(to_seconds(dispatcher_.now()).value() * clock_.value() - 1e-6)));
  engine.transfers.push_back(std::make_unique<Transfer>());
  Transfer& transfer = *engine.transfers.back();
  transfer.request = request;
  transfer.entered = now;
  transfer.latest = request->moment;
  describe(engine, transfer);
  if (armed_) return;
  armed_ = true;
  cycle_ = now;
  while (time_of(cycle_) < dispatcher_.now()) ++cycle_;  // rounding of the clock
  dispatcher_.post(time_of(cycle_), *this, 0);
}

/// Windows without gaps are one long row; fused iterations that overlap are moved as many bytes.
void DmaEngines::describe(Engine& engine, Transfer& transfer) {
  const Request& r = *transfer.request;
  transfer.dense = r.rows <= 1 || r.region->tiled || r.region->pitch == r.row_bytes ||
                   r.rows * r.row_bytes != r.bytes;
  const std::int64_t rows = transfer.dense ? 1 : r.rows;
  transfer.row_bytes = transfer.dense ? r.bytes : r.row_bytes;
  transfer.row_beats = ceil_div(transfer.row_bytes, beat_bytes_);
  lay_out(transfer, rows);
  // Counts end at 4095: longer rows are cut into pieces that follow each other.
  const bool whole = transfer.row_beats <= kMostCount;
  for (std::int64_t row = 0; row < rows;) {
    const std::int64_t take = whole ? std::min(rows - row, kMostCount) : 1;
    for (std::int64_t beat = 0; beat < transfer.row_beats; beat += kMostCount) {
      Descriptor d;
      d.transfer = &transfer;
      d.first = row * transfer.row_beats + beat;
      const auto stride = static_cast<std::uint32_t>(transfer.row_beats);
      d.words.source = d.words.destination = static_cast<std::uint32_t>(d.first);
      d.words.source_strides[0] = d.words.destination_strides[0] = stride;
      d.words.counts[0] =
          static_cast<std::uint32_t>(std::min(kMostCount, transfer.row_beats - beat));
      d.words.counts[1] = static_cast<std::uint32_t>(take);
      d.words.semaphore = engine.semaphore++ % kSemaphores;
      engine.waiting.push_back(d);
      ++transfer.descriptors;
    }
    row += take;
  }
}

/// The beats at the source: a functional run's bytes, else a pattern that tells every word from the
/// others.
void DmaEngines::lay_out(Transfer& transfer, std::int64_t rows) {
  const Request& r = *transfer.request;
  const std::int64_t size = rows * transfer.row_beats * beat_bytes_;
  transfer.source.assign(static_cast<std::size_t>(size), 0);
  transfer.out.assign(static_cast<std::size_t>(size), 0);
  if (meaning_ == nullptr) {
    for (std::int64_t i = 0; i < size; i += 4) {
      const auto word = static_cast<std::uint32_t>(r.address + i) * 2654435761U;
      std::memcpy(transfer.source.data() + i, &word, sizeof(word));
    }
    return;
  }
  const exec::Place place{r.core->index(), static_cast<int>(r.context), r.run->repeat};
  transfer.moved = meaning_->fetch(place, *r.run->kernel, *r.instruction, r.env, {r.slot, 0, 0, 0});
  exec::Moved& m = transfer.moved;
  const std::int64_t pieces = transfer.dense ? 1 : m.rows;
  const std::int64_t piece = transfer.dense ? m.rows * m.row_bytes : m.row_bytes;
  for (std::int64_t row = 0; row < pieces; ++row) {
    std::copy_n(m.bytes.begin() + row * piece, piece,
                transfer.source.begin() + row * transfer.row_beats * beat_bytes_);
  }
}

void DmaEngines::wake(std::uint32_t, void*) {
  bool busy = false;
  for (Engine& engine : engines_) {
    if (engine.transfers.empty()) continue;
    cycle(engine);
    busy = busy || !engine.transfers.empty();
  }
  ++cycle_;
  armed_ = busy;
  if (busy) dispatcher_.post(time_of(cycle_), *this, 0);
}

void DmaEngines::cycle(Engine& engine) {
  drive(engine);
  engine.body->cycle(engine.in.data(), engine.out.data());
  ++use_.cycles;
  observe(engine);
}

void DmaEngines::drive(Engine& engine) {
  for (const int ready : {at_.ar_ready, at_.aw_ready, at_.w_ready, at_.sem_ready})
    put(engine, ready, 1);
  put(engine, at_.desc_valid, !engine.waiting.empty());
  if (!engine.waiting.empty()) {
    const timing::DmaDescriptor& d = engine.waiting.front().words;
    put(engine, at_.desc_src, d.source);
    put(engine, at_.desc_dst, d.destination);
    put(engine, at_.desc_src_stride1, d.source_strides[0]);
    put(engine, at_.desc_dst_stride1, d.destination_strides[0]);
    put(engine, at_.desc_count0, d.counts[0]);
    put(engine, at_.desc_count1, d.counts[1]);
    put(engine, at_.desc_count2, d.counts[2]);
    put(engine, at_.desc_sem, d.semaphore);
  }
  const Time now = time_of(cycle_);
  const auto ready = [now](const std::deque<std::unique_ptr<Part>>& parts) {
    return !parts.empty() && parts.front()->back && parts.front()->from <= now;
  };
  const bool answer = ready(engine.reads);
  put(engine, at_.r_valid, answer);
  if (answer) {
    const Part& part = *engine.reads.front();
    put(engine, at_.r_last, part.done + 1 == part.beats);
    std::memcpy(engine.in.data() + at_.r_data,
                part.transfer->source.data() + (part.first + part.done) * beat_bytes_,
                static_cast<std::size_t>(beat_bytes_));
  }
  put(engine, at_.b_valid, ready(engine.unacknowledged));
}

void DmaEngines::observe(Engine& engine) {
  if (engine.in[static_cast<std::size_t>(at_.desc_valid)] != 0 &&
      get(engine, at_.desc_ready) != 0) {
    const Descriptor taken = engine.waiting.front();
    engine.waiting.pop_front();
    engine.reading.push_back(taken);
    engine.writing.push_back(taken);
    engine.unsignalled.push_back(taken);
  }
  if (engine.in[static_cast<std::size_t>(at_.r_valid)] != 0 && get(engine, at_.r_ready) != 0) {
    Part& part = *engine.reads.front();
    if (++part.done == part.beats) engine.reads.pop_front();
  }
  if (engine.in[static_cast<std::size_t>(at_.b_valid)] != 0 && get(engine, at_.b_ready) != 0)
    engine.unacknowledged.pop_front();
  if (get(engine, at_.ar_valid) != 0) take_read(engine);
  if (get(engine, at_.aw_valid) != 0) take_write(engine);
  if (get(engine, at_.w_valid) != 0) take_beat(engine);
  if (get(engine, at_.sem_valid) != 0) signal(engine);
}

/// The next burst of the descriptors in order; the engine must name the beats that come next.
std::unique_ptr<DmaEngines::Part> DmaEngines::next_part(std::deque<Descriptor>& from,
                                                        std::int64_t& beats, std::uint32_t address,
                                                        std::uint32_t length, bool source) {
  if (from.empty()) throw Contradiction("dma_engine: a burst that no descriptor asks for");
  const Descriptor& d = from.front();
  const std::int64_t row = beats / d.words.counts[0];
  const std::int64_t column = beats % d.words.counts[0];
  const std::int64_t expected = d.first + row * d.transfer->row_beats + column;
  if (expected != static_cast<std::int64_t>(address) ||
      column + length > static_cast<std::int64_t>(d.words.counts[0])) {
    throw Contradiction(
        fmt::format("dma_engine: {} {} beats at {} where the descriptor goes on at {}",
                    source ? "reads" : "writes", length, address, expected));
  }
  auto part = std::make_unique<Part>();
  part->transfer = d.transfer;
  part->first = expected;
  part->beats = length;
  beats += length;
  if (beats == static_cast<std::int64_t>(d.words.beats())) {
    beats = 0;
    from.pop_front();
  }
  return part;
}

void DmaEngines::take_read(Engine& engine) {
  auto part = next_part(engine.reading, engine.read_beats, get(engine, at_.ar_addr),
                        get(engine, at_.ar_len), true);
  Part& read = *part;
  engine.reads.push_back(std::move(part));
  if (!engine.store) {
    ask(engine, read);
    return;
  }
  read.back = true;
  read.from = time_of(cycle_ + chip_.core.scratch.latency_cycles);
}

void DmaEngines::take_write(Engine& engine) {
  engine.writes.push_back(next_part(engine.writing, engine.write_beats, get(engine, at_.aw_addr),
                                    get(engine, at_.aw_len), false));
}

/// Data of a burst whose address was seen before or is seen with its first beat.
void DmaEngines::take_beat(Engine& engine) {
  if (engine.writes.empty()) throw Contradiction("dma_engine: data of a burst without an address");
  Part& part = *engine.writes.front();
  Transfer& transfer = *part.transfer;
  const std::int64_t beat = part.first + part.done;
  std::memcpy(transfer.out.data() + beat * beat_bytes_, engine.out.data() + at_.w_data,
              static_cast<std::size_t>(beat_bytes_));
  ++transfer.beats_written;
  ++use_.pieces;
  const bool last = ++part.done == part.beats;
  if (last != (get(engine, at_.w_last) != 0))
    throw Contradiction("dma_engine: the end of a burst is not where its length says");
  if (!last) return;
  engine.unacknowledged.push_back(std::move(engine.writes.front()));
  engine.writes.pop_front();
  Part& written = *engine.unacknowledged.back();
  if (engine.store) {
    ask(engine, written);
    return;
  }
  // The scratchpad takes a beat a cycle; its latency is that of its readers.
  written.back = true;
  written.from = time_of(cycle_ + 1);
}

/// A burst on the side of the memories: a request of its own.
void DmaEngines::ask(Engine& engine, Part& part) {
  const Transfer& transfer = *part.transfer;
  const Request& whole = *transfer.request;
  const std::int64_t row = part.first / transfer.row_beats;
  const std::int64_t offset = part.first % transfer.row_beats * beat_bytes_;
  Request& request = part.request;
  request = Request();
  request.run = whole.run;
  request.region = whole.region;
  request.rows = 1;
  request.bytes = request.row_bytes =
      std::min(part.beats * beat_bytes_, transfer.row_bytes - offset);
  request.address = whole.address + row * whole.region->pitch + offset;
  request.write = engine.store;
  request.core = whole.core;
  request.context = whole.context;
  request.instruction = whole.instruction;
  request.engine = whole.engine;
  request.owner = this;
  request.moment = whole.moment.until(time_of(cycle_), Bound::kNoc);
  request.sent = request.moment.at;
  memory_.submit(&request);
}

void DmaEngines::arrived(Request* request) {
  // The part that holds the request: among the few under way in its core's engine.
  Engine& engine = engine_of(*request);
  for (auto& part : request->write ? engine.unacknowledged : engine.reads) {
    if (&part->request != request) continue;
    part->back = true;
    part->from = request->moment.at;
    part->transfer->latest = timing::later(part->transfer->latest, request->moment);
    return;
  }
  throw InternalError("a burst came back that no engine waits for");
}

/// The definition of a copy.
void DmaEngines::check(const Engine& engine, const Transfer& transfer) const {
  const auto beats = static_cast<std::int64_t>(transfer.out.size()) / beat_bytes_;
  if (transfer.beats_written != beats) {
    throw Contradiction(
        fmt::format("dma_engine of core {}: {} of {} beats were written when the "
                    "transfer was signalled",
                    engine.core, transfer.beats_written, beats));
  }
  const auto [wrote, read] =
      std::mismatch(transfer.out.begin(), transfer.out.end(), transfer.source.begin());
  if (wrote == transfer.out.end()) return;
  const std::int64_t at = wrote - transfer.out.begin();
  throw Contradiction(fmt::format(
      "dma_engine of core {}: byte {} of beat {} was written as {:02x}, its source is {:02x}",
      engine.core, at % beat_bytes_, at / beat_bytes_, *wrote, *read));
}

void DmaEngines::signal(Engine& engine) {
  if (engine.unsignalled.empty() ||
      engine.unsignalled.front().words.semaphore != get(engine, at_.sem_id)) {
    throw Contradiction("dma_engine: a semaphore was signalled out of order");
  }
  Transfer& transfer = *engine.unsignalled.front().transfer;
  engine.unsignalled.pop_front();
  if (--transfer.descriptors > 0) return;
  check(engine, transfer);
  ++use_.transactions;
  use_.latency += cycle_ - transfer.entered;
  const std::unique_ptr<Transfer> done = std::move(engine.transfers.front());
  engine.transfers.pop_front();
  Request* request = done->request;
  request->moment = done->latest.until(time_of(cycle_), Bound::kNoc);
  if (meaning_ != nullptr) {  // what the engine wrote, not what was read, is what arrives
    exec::Moved& m = done->moved;
    const std::int64_t pieces = done->dense ? 1 : m.rows;
    const std::int64_t piece = done->dense ? m.rows * m.row_bytes : m.row_bytes;
    for (std::int64_t row = 0; row < pieces; ++row) {
      std::copy_n(done->out.begin() + row * done->row_beats * beat_bytes_, piece,
                  m.bytes.begin() + row * piece);
    }
    request->moved = &m;
  }
  request->core->complete(request);
}

}  // namespace athena::chip
