#include "timing/hbm_queued.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "timing/hbm_bits.h"

namespace athena::timing {
namespace {

HbmSpec checked(const HbmSpec& spec) {
  check(spec);
  return spec;
}

}  // namespace

HbmQueued::HbmQueued(const HbmSpec& spec)
    : spec_(checked(spec)),
      ticks_(spec.timing),
      map_(spec),
      access_shift_(log2_of(spec.timing.access_bytes)),
      per_period_(1.0 / static_cast<double>(ticks_.period.value())),
      lookahead_(ticks_.time(std::min(ticks_.read_latency, ticks_.write_latency))),
      channels_(static_cast<std::size_t>(spec.channels()), HbmChannel(spec)),
      newest_(channels_.size() * static_cast<std::size_t>(spec.timing.banks())) {}

void HbmQueued::reset() {
  for (HbmChannel& channel : channels_) channel.reset();
  slots_.clear();
  free_slot_ = kNone;
  completions_.clear();
  outstanding_ = requests_ = 0;
}

void HbmQueued::grow_slots() {
  const auto first = static_cast<std::uint32_t>(slots_.size());
  const std::uint32_t more = std::max<std::uint32_t>(64, first);
  slots_.resize(std::size_t{first} + more);
  last_.resize(slots_.size());
  for (std::uint32_t i = 0; i < more; ++i) {
    slots_[first + i].pieces = i + 1 < more ? first + i + 1 : kNone;
  }
  free_slot_ = first;
}

void HbmQueued::submit_any(const HbmRequest& request) {
  if (request.bytes.value() < 1 || request.rows < 1) {
    throw InputError(fmt::format("HBM request of {} rows of {} bytes: expected at least one each",
                                 request.rows, request.bytes.value()));
  }
  const auto pitch = static_cast<std::uint64_t>(request.pitch.value());
  map_.check_range(request.address, request.bytes);
  if (request.rows > 1) {
    const auto last = static_cast<std::uint64_t>(request.rows - 1);
    map_.check_range(request.address + last * pitch, request.bytes);
  }
  const std::uint32_t id = acquire();
  HbmPiece piece;
  piece.arrival = tick_after(request.arrival);
  piece.tag = id;
  piece.write = request.write;
  const auto bytes = static_cast<std::uint64_t>(request.bytes.value());
  std::uint32_t pieces = 0;
  std::uint64_t address = request.address;
  for (std::int64_t row = 0; row < request.rows; ++row, address += pitch) {
    pieces += submit_segment(piece, address, bytes);
  }
  slots_[id] = {request.tag, request.arrival, pieces, request.write, true};
  last_[id] = {request.arrival, request.arrival};
}

/// Hands a segment to the channels; returns the number of pieces.
std::uint32_t HbmQueued::submit_segment(HbmPiece& piece, std::uint64_t address,
                                        std::uint64_t bytes) {
  const auto access = static_cast<std::uint64_t>(spec_.timing.access_bytes);
  const std::uint64_t begin = address & ~(access - 1);
  const std::uint64_t end = (address + bytes + access - 1) & ~(access - 1);
  if ((begin | (map_.run_bytes() - 1)) + 1 < end) return gather(piece, begin, end);
  const HbmPlace place = map_.place(begin);  // one run: nothing to gather
  piece.row = place.row;
  piece.bank = static_cast<std::uint8_t>(place.bank);
  piece.bursts = static_cast<std::uint16_t>((end - begin) >> access_shift_);
  piece.column = static_cast<std::uint16_t>(place.column);
  channels_[place.channel].submit(piece);
  return 1;
}

/// Splits a segment by bank: the runs that one row of one bank gets become one piece.
std::uint32_t HbmQueued::gather(HbmPiece& piece, std::uint64_t begin, std::uint64_t end) {
  const std::uint64_t run = map_.run_bytes();
  const auto banks = static_cast<std::uint32_t>(spec_.timing.banks());
  gathered_.clear();
  ++stamp_;
  for (std::uint64_t at = begin; at < end;) {
    const std::uint64_t stop = std::min(end, (at | (run - 1)) + 1);
    const auto bursts = static_cast<std::uint16_t>((stop - at) >> access_shift_);
    const HbmPlace place = map_.place(at);
    at = stop;
    Newest& last = newest_[place.channel * banks + place.bank];
    if (last.stamp == stamp_) {
      Gathered& open = gathered_[last.index];
      if (open.piece.row == place.row && open.piece.bursts + bursts <= kMost) {
        if (open.piece.column + open.piece.bursts != static_cast<int>(place.column)) {
          open.piece.column = HbmPiece::kScattered;
        }
        open.piece.bursts = static_cast<std::uint16_t>(open.piece.bursts + bursts);
        continue;
      }
    }
    piece.row = place.row;
    piece.bank = static_cast<std::uint8_t>(place.bank);
    piece.bursts = bursts;
    piece.column = static_cast<std::uint16_t>(place.column);
    last = {stamp_, static_cast<std::uint32_t>(gathered_.size())};
    gathered_.push_back({piece, place.channel});
  }
  for (const Gathered& one : gathered_) channels_[one.channel].submit(one.piece);
  return static_cast<std::uint32_t>(gathered_.size());
}

void HbmQueued::collect(HbmChannel& channel) {
  for (const HbmDone& done : channel.done()) {
    Slot& slot = slots_[done.tag];
    Time finish = ticks_.time(done.finish);
    Time accept = ticks_.time(done.accept);
    if (slot.several) {
      Last& last = last_[done.tag];
      finish = last.finish = std::max(last.finish, finish);
      accept = last.accept = std::max(last.accept, accept);
      if (--slot.pieces > 0) continue;
    }
    HbmCompletion& completion = completions_.emplace_back();
    completion.tag = slot.tag;
    completion.finish = finish;
    completion.accept = accept;
    completion.arrival = slot.arrival;
    completion.write = slot.write;
    slot.pieces = free_slot_;
    free_slot_ = done.tag;
    --outstanding_;
  }
  channel.done().clear();
}

void HbmQueued::advance(Time now) {
  const Tick until = now.value() / ticks_.period.value();
  for (HbmChannel& channel : channels_) {
    // An idle channel's refreshes are caught up when the next piece arrives.
    if (!channel.pending_work()) continue;
    channel.advance(until);
    if (!channel.done().empty()) collect(channel);
  }
}

Time HbmQueued::next_event() const {
  Tick next = HbmChannel::kNever;
  for (const HbmChannel& channel : channels_) next = std::min(next, channel.next_event());
  return next == HbmChannel::kNever ? kNever : ticks_.time(next);
}

HbmCounters HbmQueued::counters(int channel, Time now) const {
  return channels_[static_cast<std::size_t>(channel)].counters(now.value() / ticks_.period.value());
}

HbmCounters HbmQueued::counters(Time now) const {
  HbmCounters sum;
  for (int c = 0; c < channels(); ++c) sum += counters(c, now);
  sum.requests = requests_;
  return sum;
}

HbmEnergy HbmQueued::energy(Time now) const {
  return energy_of(spec_.timing, counters(now), to_seconds(now), channels());
}

void HbmQueued::record(int channel, std::vector<HbmIssued>* log) {
  channels_[static_cast<std::size_t>(channel)].record(log);
}

}  // namespace athena::timing
