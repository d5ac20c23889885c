#include "chip/cached_path.h"

#include <fmt/format.h>

#include <algorithm>

namespace athena::chip {

using compute::Request;
using timing::Bound;
using timing::Moment;

namespace {
constexpr std::uint32_t kDeliver = 0;
constexpr std::uint32_t kComplete = 1;
}  // namespace

CachedPath::CachedPath(const config::ChipConfig& chip, sim::Dispatcher& dispatcher,
                       MemoryPort& memory)
    : chip_(chip),
      dispatcher_(dispatcher),
      memory_(memory),
      cache_(chip.cache.size.value() / std::max(1, chip.cache.partitions)) {}

Time CachedPath::fabric_cycles(double count) const {
  return periods(count, Hertz(chip_.fabric_clock().value() * ratio_));
}

void CachedPath::reset() {
  cache_.reset();
  slices_.reset();
}

void CachedPath::submit(Request* request) {
  if (request->write) write(request);
  if (!request->write) read(request);
}

void CachedPath::write_back(const CellCache::Outcome& outcome, Request* request, Time at) {
  if (outcome.evicted_dirty == 0) return;
  request->run->stats.memory_written += static_cast<double>(outcome.evicted_dirty);
  memory_.access(at,
                 {static_cast<std::uint64_t>(outcome.evicted_address), Bytes(outcome.evicted_dirty),
                  1, Bytes(0), true},
                 *this, nullptr);
}

void CachedPath::read(Request* request) {
  const Time begun = request->moment.at;
  const Time arrival = begun + fabric_cycles(chip_.cache.hit_latency_cycles) / 2;
  const CellCache::Outcome& outcome = cache_.access(
      request->instruction->window.region, request->region->repeats > 1 ? request->run->repeat : 0,
      *request->region, {request->row, request->rows, request->column, request->row_bytes}, false);
  compute::KernelStats& stats = request->run->stats;
  stats.cache_hits += static_cast<double>(outcome.hit);
  stats.cache_misses += static_cast<double>(outcome.missed);
  stats.memory_read += static_cast<double>(outcome.missed);
  request->moment =
      request->moment.after(fabric_cycles(chip_.cache.hit_latency_cycles), Bound::kL2);
  if (outcome.missed > 0) {
    const std::int64_t copy =
        request->region->address +
        (request->region->repeats > 1 ? request->run->repeat : 0) * request->region->repeat_stride;
    const auto address = static_cast<std::uint64_t>(
        copy + outcome.missing_row * request->region->pitch + outcome.missing_column);
    memory_.access(
        arrival,
        {address, Bytes(outcome.missing_row_bytes),
         ceil_div(outcome.missed, outcome.missing_row_bytes), Bytes(request->region->pitch), false},
        *this, request);
  } else {
    dispatcher_.post(request->moment.at, *this, kDeliver, request);
  }
  write_back(outcome, request, begun);
}

/// What was missing is there (a read), or a line that was driven out is (nobody waits for it).
void CachedPath::memory_done(void* item, Time done, std::int64_t bytes, bool write) {
  if (timeline_ != nullptr) note_memory(*timeline_, chip_, done, bytes, write);
  if (item == nullptr) return;
  auto* request = static_cast<Request*>(item);
  request->moment = request->moment.until(done + to_time(chip_.memory.latency), Bound::kHbm);
  dispatcher_.post(request->moment.at, *this, kDeliver, request);
}

void CachedPath::write(Request* request) {
  const CellCache::Outcome& outcome = cache_.access(
      request->instruction->window.region, request->region->repeats > 1 ? request->run->repeat : 0,
      *request->region, {request->row, request->rows, request->column, request->row_bytes}, true);
  write_back(outcome, request, request->moment.at);
  deliver(request);
}

void CachedPath::deliver(Request* request) {
  const double bytes = static_cast<double>(request->bytes);
  request->run->stats.counts.cache_bytes += bytes;
  request->run->stats.counts.scratch_bytes += bytes;
  // Slices and port pass the same bytes side by side: the transfer ends with the later of the two.
  const Time across = fabric_cycles(bytes / chip_.cache.bytes_per_cycle);
  const Moment begun = request->moment;
  const Moment slices = slices_.serve(begun, across, Bound::kL2);
  if (timeline_ != nullptr)
    timeline_->flow(timing::Flow::kCache, slices_.start(), slices.at, bytes);
  const Time through = fabric_cycles(bytes / chip_.cache.core_bytes_per_cycle);
  timing::Server& port = request->core->port(request->write);
  Moment from = slices;
  from.at -= across;
  from.path.add(Bound::kL2, Time(-across.value()));
  const Moment arrived = port.serve(from, through, Bound::kL2);
  request->moment = timing::later(arrived, slices);
  request->lead_bound = Bound::kL2;
  request->lead = Time(through.value() * (request->pieces - 1) / request->pieces);
  const Time first = std::max(dispatcher_.now(), request->moment.at - request->lead);
  request->lead = request->moment.at - first;
  if (request->core->takes_early(*request)) {
    request->core->complete(request);
    return;
  }
  dispatcher_.post(first, *this, kComplete, request);
}

void CachedPath::wake(std::uint32_t tag, void* item) {
  auto* request = static_cast<Request*>(item);
  if (tag == kDeliver) deliver(request);
  if (tag == kComplete) request->core->complete(request);
}

}  // namespace athena::chip
