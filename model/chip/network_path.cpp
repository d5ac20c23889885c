#include "chip/network_path.h"

#include <algorithm>

namespace athena::chip {

using compute::Request;
using timing::Bound;
using timing::Moment;

namespace {
constexpr std::uint32_t kEnter = 1U << 30;
constexpr std::uint32_t kComplete = 1U << 31;
}  // namespace

NetworkPath::NetworkPath(const config::ChipConfig& chip, sim::Dispatcher& dispatcher,
                         MemoryPort& memory, Bytes chunk)
    : chip_(chip),
      dispatcher_(dispatcher),
      memory_(memory),
      topology_(timing::noc_spec(chip)),
      terminals_(timing::noc_terminals(chip)),
      chunk_(chunk.value()) {
  links_.resize(static_cast<std::size_t>(topology_.link_count()));
  link_bytes_.resize(links_.size(), 0.0);
  shared_.resize(static_cast<std::size_t>(chip.cluster.count));
}

void NetworkPath::reset() {
  for (timing::Server& link : links_) link.reset();
  for (timing::Server& port : shared_) port.reset();
  std::fill(link_bytes_.begin(), link_bytes_.end(), 0.0);
}

Time NetworkPath::fabric_cycles(double count) const {
  return periods(count, Hertz(chip_.fabric_clock().value() * ratio_));
}

NetworkPath::Chunk* NetworkPath::acquire() {
  if (free_.empty()) {
    pool_.push_back(std::make_unique<Chunk>());
    free_.push_back(pool_.back().get());
  }
  Chunk* chunk = free_.back();
  free_.pop_back();
  return chunk;
}

/// Chunks are spread over the memory channels' routers (or the clusters) as addresses interleave.
int NetworkPath::terminal_of(std::uint64_t address, mapping::Space space) const {
  const std::uint64_t unit =
      address / static_cast<std::uint64_t>(std::max<std::int64_t>(chunk_, 1));
  // A multiplicative hash: equal strides must not meet one port.
  const std::uint64_t spread = (unit * 0x9E3779B97F4A7C15ULL) >> 33;
  if (space == mapping::Space::kShared) {
    return static_cast<int>(spread % static_cast<std::uint64_t>(chip_.cluster.count)) *
           chip_.cluster.cores;
  }
  return terminals_.first_memory +
         static_cast<int>(spread % static_cast<std::uint64_t>(terminals_.memory_channels));
}

void NetworkPath::submit(Request* request) {
  request->open = 0;
  const std::int64_t chunks = std::max<std::int64_t>(1, ceil_div(request->bytes, chunk_));
  request->open = static_cast<int>(chunks);
  for (Request* receiver : request->receivers) receiver->open = static_cast<int>(chunks);
  for (std::int64_t i = 0; i < chunks; ++i) {
    start(request, i * chunk_, std::min(chunk_, request->bytes - i * chunk_));
  }
}

Moment NetworkPath::fetch(Request* request, Chunk& chunk) {
  const Moment& from = request->moment;
  if (request->region->space == mapping::Space::kShared) {
    const auto cluster = static_cast<std::size_t>(
        terminal_of(chunk.address, mapping::Space::kShared) / chip_.cluster.cores);
    const double rate = request->write ? chip_.cluster.scratch.write_bytes_per_cycle
                                       : chip_.cluster.scratch.read_bytes_per_cycle;
    const Moment served = shared_[cluster].serve(
        from,
        periods(static_cast<double>(chunk.bytes) / rate, Hertz(chip_.clock.core.value() * ratio_)),
        Bound::kL2);
    if (timeline_ != nullptr) {
      timeline_->flow(timing::Flow::kCache, shared_[cluster].start(), served.at,
                      static_cast<double>(chunk.bytes));
    }
    return served;
  }
  const program::Region& region = *request->region;
  const Time arrival = from.at + to_time(chip_.memory.latency) / 2;
  Time done{0};
  if (region.tiled || region.pitch == request->row_bytes || request->rows <= 1) {
    done = memory_.access(arrival, chunk.address, Bytes(chunk.bytes), 1, Bytes(chunk.bytes),
                          request->write);
  } else {
    const std::int64_t rows =
        std::max<std::int64_t>(1, chunk.bytes / std::max<std::int64_t>(1, request->row_bytes));
    done = memory_.access(arrival, chunk.address, Bytes(std::min(request->row_bytes, chunk.bytes)),
                          rows, Bytes(region.pitch), request->write);
  }
  (request->write ? request->run->stats.memory_written : request->run->stats.memory_read) +=
      static_cast<double>(chunk.bytes);
  if (timeline_ != nullptr) note_memory(*timeline_, chip_, done, chunk.bytes, request->write);
  return from.until(done + to_time(chip_.memory.latency) / 2, Bound::kHbm);
}

void NetworkPath::start(Request* request, std::int64_t offset, std::int64_t bytes) {
  Chunk* chunk = acquire();
  chunk->request = request;
  chunk->run = request->run;
  chunk->receivers.clear();
  chunk->bytes = bytes;
  chunk->branches.clear();
  chunk->tree.clear();
  chunk->open = 0;
  const std::int64_t row = request->row_bytes > 0 ? offset / request->row_bytes : 0;
  const std::int64_t inside =
      request->rows <= 1 ? offset : offset % std::max<std::int64_t>(1, request->row_bytes);
  chunk->address =
      static_cast<std::uint64_t>(request->address + row * request->region->pitch + inside);
  const int far = terminal_of(chunk->address, request->region->space);
  const int near = request->core->index();
  chunk->source = far;
  if (request->write) {
    int parent = -1;
    for (const timing::LinkId link : topology_.path(near, far)) {
      chunk->tree.push_back({link, parent});
      ++parent;
    }
    enter(chunk, request->moment);
    return;
  }
  if (request->broadcast) {
    std::vector<int> destinations;
    destinations.reserve(request->receivers.size());
    for (const Request* receiver : request->receivers)
      destinations.push_back(receiver->core->index());
    chunk->tree = topology_.multicast_tree(far, destinations);
    chunk->receivers = request->receivers;
  } else {
    int parent = -1;
    for (const timing::LinkId link : topology_.path(far, near)) {
      chunk->tree.push_back({link, parent});
      ++parent;
    }
  }
  const Moment ready = fetch(request, *chunk);
  chunk->branches.push_back({ready, -1});
  dispatcher_.post(ready.at, *this, kEnter, chunk);
}

void NetworkPath::enter(Chunk* chunk, const Moment& head) {
  chunk->branches.clear();
  for (std::size_t i = 0; i < chunk->tree.size() && chunk->tree[i].parent < 0; ++i) {
    chunk->branches.push_back({head, static_cast<int>(i)});
    ++chunk->open;
  }
  // A receiver at the very terminal where the data comes from has no way to go.
  for (Request* receiver : chunk->receivers) {
    if (receiver->core->index() == chunk->source) deliver(receiver, head, chunk->bytes);
  }
  const auto count = static_cast<std::uint32_t>(chunk->branches.size());
  if (count == 0) finish(chunk);
  for (std::uint32_t i = 0; i < count; ++i) hop(chunk, i);
}

void NetworkPath::hop(Chunk* chunk, std::uint32_t index) {
  const Branch branch = chunk->branches[index];
  const timing::LinkId link = chunk->tree[static_cast<std::size_t>(branch.node)].link;
  const timing::NocLink& wire = topology_.link(link);
  timing::Server& server = links_[static_cast<std::size_t>(link)];
  const Time busy =
      fabric_cycles(static_cast<double>(chunk->bytes) / chip_.noc.link_bytes_per_cycle);
  const Moment tail = server.serve(branch.head, busy, Bound::kNoc);
  link_bytes_[static_cast<std::size_t>(link)] += static_cast<double>(chunk->bytes);
  if (timeline_ != nullptr && wire.kind == timing::NocLink::Kind::kNetwork) {
    timeline_->flow(timing::Flow::kNetwork, server.start(), tail.at,
                    static_cast<double>(chunk->bytes));
  }
  chunk->run->stats.counts.noc_byte_hops += static_cast<double>(chunk->bytes);
  const Time latency = fabric_cycles(chip_.noc.router_cycles + wire.cycles);
  if (wire.kind == timing::NocLink::Kind::kEject) {
    arrive(chunk, tail.after(latency, Bound::kNoc), wire.terminal);
    --chunk->open;
    if (chunk->open == 0) finish(chunk);
    return;
  }
  Moment head = tail;  // the head left `busy` earlier
  head.at -= busy;
  head.path.add(Bound::kNoc, Time(-busy.value()));
  head = head.after(latency, Bound::kNoc);
  bool first = true;
  for (std::size_t i = static_cast<std::size_t>(branch.node) + 1; i < chunk->tree.size(); ++i) {
    if (chunk->tree[i].parent != branch.node) continue;
    std::uint32_t next = index;
    if (!first) {
      next = static_cast<std::uint32_t>(chunk->branches.size());
      chunk->branches.push_back({});
      ++chunk->open;
    }
    first = false;
    chunk->branches[next] = {head, static_cast<int>(i)};
    // The last wire belongs to one terminal alone: nobody else can come in between.
    const bool last_wire =
        topology_.link(chunk->tree[i].link).kind == timing::NocLink::Kind::kEject;
    if (!last_wire) dispatcher_.post(head.at, *this, next, chunk);
    if (last_wire) ejections_.push_back(next);
  }
  while (!ejections_.empty()) {
    const std::uint32_t next = ejections_.back();
    ejections_.pop_back();
    hop(chunk, next);
  }
}

void NetworkPath::arrive(Chunk* chunk, const Moment& tail, int terminal) {
  if (!chunk->receivers.empty()) {
    for (Request* receiver : chunk->receivers) {
      if (receiver->core->index() == terminal) deliver(receiver, tail, chunk->bytes);
    }
    return;
  }
  Request* request = chunk->request;
  if (request->write) {
    Moment done = tail;
    const Moment sent = request->moment;
    request->moment = tail;
    done = fetch(request, *chunk);
    request->moment = sent;
    deliver(request, done, chunk->bytes);
    return;
  }
  deliver(request, tail, chunk->bytes);
}

void NetworkPath::deliver(Request* request, const Moment& tail, std::int64_t bytes) {
  timing::Server& port = request->core->port(request->write);
  const double rate = chip_.core.dma.bytes_per_cycle * chip_.core.dma.engines;
  const Time busy =
      periods(static_cast<double>(bytes) / rate, Hertz(chip_.clock.core.value() * ratio_));
  // The port fills while the network delivers: its work began `busy` before the tail, if it was
  // free.
  Moment begun = tail;
  const Time overlap = std::min(busy, tail.path.of(Bound::kNoc));
  begun.at -= overlap;
  begun.path.add(Bound::kNoc, Time(-overlap.value()));
  request->arrived = timing::later(request->arrived, port.serve(begun, busy, Bound::kNoc));
  request->run->stats.counts.scratch_bytes += static_cast<double>(bytes);
  if (--request->open > 0) return;
  request->moment = request->arrived;
  request->arrived = Moment();
  dispatcher_.post(request->moment.at, *this, kComplete, request);
}

void NetworkPath::finish(Chunk* chunk) {
  free_.push_back(chunk);
}

void NetworkPath::wake(std::uint32_t tag, void* item) {
  if (tag == kComplete) {
    auto* request = static_cast<Request*>(item);
    request->core->complete(request);
    return;
  }
  auto* chunk = static_cast<Chunk*>(item);
  if (tag == kEnter) {
    const Moment head = chunk->branches.front().head;
    enter(chunk, head);
    return;
  }
  hop(chunk, tag);
}

}  // namespace athena::chip
