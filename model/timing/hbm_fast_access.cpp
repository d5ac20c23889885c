/// Accesses on their own channel and bank: rows, buses, queue places, write drain.
#include <algorithm>
#include <utility>

#include "timing/hbm_bits.h"
#include "timing/hbm_fast.h"

namespace athena::timing {

using hbm_fast::Access;
using hbm_fast::Bank;
using hbm_fast::Channel;
using hbm_fast::later;
using hbm_fast::Pseudo;
using hbm_fast::Queue;

/// ACT of the row of `key`, for an access that may ask for it from `entry` on.
template <bool kUsual>
[[gnu::always_inline]] inline void HbmFast::open_row(Channel& channel, Pseudo& pseudo, Bank& bank,
                                                     std::uint32_t key, Tick entry) {
  const bool closed = !kUsual && closed_page_;
  Tick ready = entry + k_.tick;
  Tick bus = k_.act_bus;
  if (bank.closed() || closed) {
    ++counts_.row_misses;
    if (closed) ++counts_.precharges;
  } else {
    ++counts_.row_conflicts;
    ready += k_.pre_act;
    bus += k_.pre_bus;
  }
  const Tick possible = later(ready, bank.act_ready);
  const Tick on_bus = later(channel.row_bus, entry);
  channel.row_bus = on_bus + bus;
  const Tick wanted = later(possible, on_bus);
  const Tick slot = pseudo.acts.take(act_slot(wanted), act_slot(entry));
  const Tick act = later(wanted, slot * k_.act_gap);
  HbmLoss cause = act == on_bus ? HbmLoss::kRowBus : HbmLoss::kFaw;
  cause = act == bank.act_ready ? HbmLoss::kBank : cause;
  waits_[static_cast<std::size_t>(cause)] += act - ready;
  bank.open(key, act);
  bank.act_ready = act + k_.rc;
}

/// Column accesses of one row that have a place in the queue since `entry`.
template <bool kUsual, std::size_t kMode>
[[gnu::always_inline]] inline HbmFast::Served HbmFast::serve(Channel& c, const Access& access,
                                                             Tick entry) {
  const Tick count = kUsual ? Tick{hbm_fast::kPlace} : access.count;
  Pseudo& p = pseudo_[access.bank >> pseudo_shift_];
  Bank& bank = bank_[access.bank];
  if (!kUsual && stamp_ != 0) adopt_lockstep(access.bank, kMode != 0);
  // The open row, or one that still waits in the queue when this access enters, takes it along.
  const std::uint32_t key = Bank::key(access.row, kMode != 0);
  std::size_t way = 0;
  bool opened = false;
  if (bank.open_at(key) && (kUsual || !closed_page_ || entry <= last_[access.bank])) {
    ++counts_.row_hits;
  } else {
    way = kUsual || hits_first_ ? bank.waiting(key, entry, k_.pre_act) : hbm_fast::kWays;
    opened = way == hbm_fast::kWays;
    if (opened) {
      open_row<kUsual>(c, p, bank, key, kMode != 0 ? entry : later(entry, c.mode_floor));
      way = 0;
    } else {
      ++counts_.row_hits;
      bank.act_ready += count * k_.burst;
    }
  }
  const Tick act = bank.act[way];

  const std::uint32_t group = access.bank >> group_shift_;
  Tick& same = group_[group];
  Tick floor = later(same, entry + k_.tick);
  same = later(same, entry) + count * k_.ccd_l;
  if (k_.ccd_r != 0) {
    Tick& across =
        across_[((access.bank >> pseudo_shift_) << across_shift_) | (group & across_mask_)];
    floor = later(floor, across);
    across = later(across, entry) + count * k_.ccd_r;
  }
  const Tick ready = later(floor, act + k_.rcd[kMode]);
  hbm_fast::Slots& data = p.data;
  Tick slot = data.take(ready >> slot_shift_, entry >> slot_shift_);
  Tick start = slot << slot_shift_;
  if (!kUsual && count > hbm_fast::kPlace) {
    Tick more = count - hbm_fast::kPlace;
    start = -more * k_.burst;
    for (; more > 0; more -= hbm_fast::kPlace) slot = data.take(slot + 1, entry >> slot_shift_);
    start += slot << slot_shift_;
  }
  start = later(ready, start);
  // The last column command.
  const Tick column = later(start + (count - 1) * k_.burst, ready + (count - 1) * k_.ccd_l);
  if (!kUsual && closed_page_ && way == 0) {
    last_[access.bank] = later(opened ? act : last_[access.bank], column);
  }
  bank.act_ready = later(bank.act_ready, column + k_.to_act[kMode]);
  if (!kUsual && stamp_ != 0) ahead_ = later(ahead_, (data.end() << slot_shift_) - c.seen);

  // The access that opened the row left the queue with its ACT, the others with their column.
  return {column + k_.latency[kMode], opened ? (act + column) >> 1 : column};
}

template <bool kUsual, std::size_t kMode>
[[gnu::always_inline]] inline Tick HbmFast::touch(std::uint32_t channel, const Access& access,
                                                  Tick arrival) {
  Channel& c = channels_[channel];
  if (!kUsual && group_work_ != c.seen) sync(channel);

  const Tick count = kUsual ? Tick{hbm_fast::kPlace} : access.count;

  // Room in the controller's queue.
  Queue& queue = c.queue[kMode];
  const Tick free = queue.soonest();
  const Tick entry = later(arrival, free >> Queue::kLookBits);

  // An all-bank refresh stops whatever the bus is to carry behind it; a per-bank one only delays.
  const hbm_fast::Slots& data = pseudo_[access.bank >> pseudo_shift_].data;
  if (later(entry >> slot_shift_, data.base) >= c.quiet) [[unlikely]] {
    if (kUsual) return touch_any(channel, access.bank, access.row, count, kMode != 0, arrival);
    refresh_until(channel, whole_ ? later(entry, data.end() << slot_shift_) : entry);
  }

  if constexpr (kMode == 0) {
    counts_.reads += static_cast<std::uint64_t>(count);
    c.reads = true;
  } else {
    counts_.writes += static_cast<std::uint64_t>(count);
    if (!kUsual && !whole_) {
      turn(channel, count);
    } else if (c.reads) {
      return post_write(channel, access.bank, access.row, count, entry);
    }
  }
  const Served served = serve<kUsual, kMode>(c, access, entry);
  Tick leaves = served.leaves;
  if (kUsual || queue.begin != queue.end) {
    std::swap(ring_[queue.at], leaves);
    queue.at = queue.at + 1 == queue.end ? queue.begin : queue.at + 1;
  }
  queue.refill(static_cast<std::size_t>(free) % Queue::kLook, leaves);
  return served.end;
}

[[gnu::noinline]] Tick HbmFast::touch_any(std::uint32_t channel, std::uint32_t bank,
                                          std::uint32_t row, Tick count, bool write, Tick arrival) {
  const Access access{bank, row, count};
  return write ? touch<false, 1>(channel, access, arrival)
               : touch<false, 0>(channel, access, arrival);
}

/// A write among reads waits in the write queue. When that is as full as a drain begins at, the bus
/// turns round, all of them go, row by row, and it turns back: meanwhile no read and no row for a
/// read is opened. Its own time is when the queue takes it.
[[gnu::noinline]] Tick HbmFast::post_write(std::size_t channel, std::uint32_t bank,
                                           std::uint32_t row, Tick count, Tick entry) {
  Channel& c = channels_[channel];
  std::vector<Access>& posted = posted_[channel];
  posted.push_back({bank, row, count});
  c.writes += count;
  if (c.writes >= drain_) drain(channel, entry);
  return std::max(entry, c.mode_floor) + k_.tick + k_.latency[1] - k_.burst;
}

void HbmFast::drain(std::size_t channel, Tick now) {
  Channel& c = channels_[channel];
  std::vector<Access>& posted = posted_[channel];
  Tick begin = now;
  for (Pseudo& p : pseudos(channel)) begin = std::max(begin, p.data.end() << slot_shift_);
  begin += k_.to_write;
  for (Pseudo& p : pseudos(channel)) p.data.block(begin >> slot_shift_, 0);
  // Row hits go together, as a row-hit-first scheduler takes them.
  for (std::size_t i = 0; i < posted.size(); ++i) {
    for (std::size_t j = i + 1, k = i + 1; j < posted.size(); ++j) {
      if (posted[j].same_row(posted[i])) std::swap(posted[j], posted[k++]);
    }
  }
  for (const Access& w : posted) {
    if (usual_bytes_ != 0 && w.count == hbm_fast::kPlace) {
      (void)serve<true, 1>(c, w, begin);
    } else {
      (void)serve<false, 1>(c, w, begin);
    }
  }
  posted.clear();
  c.writes = 0;
  c.reads = false;
  Tick end = begin;
  for (Pseudo& p : pseudos(channel)) end = std::max(end, p.data.end() << slot_shift_);
  end += k_.to_read;
  for (Pseudo& p : pseudos(channel)) p.data.block(end >> slot_shift_, 0);
  c.mode_floor = end - k_.to_read;  // rows of reads may be opened again from here on
  counts_.ticks[static_cast<std::size_t>(HbmLoss::kTurnaround)] +=
      k_.switch_both * spec_.timing.pseudo_channels;
}

Time HbmFast::access(Time arrival, std::uint64_t address, Bytes bytes, bool write) {
  const Tick at = ticks_of(arrival);
  const auto size = static_cast<std::uint64_t>(bytes.value());
  if (size != usual_bytes_ || (address & (size - 1)) != 0 || address >= map_.capacity())
      [[unlikely]] {
    return finish(at, access_any(at, address, bytes, write));
  }
  const HbmPlace place = map_.place(address);
  const Access one{place.channel * banks_ + place.bank, place.row, hbm_fast::kPlace};
  return finish(
      at, write ? touch<true, 1>(place.channel, one, at) : touch<true, 0>(place.channel, one, at));
}

[[gnu::noinline]] Tick HbmFast::access_any(Tick arrival, std::uint64_t address, Bytes bytes,
                                           bool write) {
  map_.check_range(address, bytes);
  const auto size = static_cast<std::uint64_t>(bytes.value());
  const bool bulk = even_bytes_ != 0 && size >= even_bytes_ && whole_;
  return bulk ? access_bulk(arrival, address, size, write)
              : access_fine(arrival, address, size, write);
}

Tick HbmFast::access_fine(Tick arrival, std::uint64_t address, std::uint64_t bytes, bool write) {
  const std::uint64_t mask = (std::uint64_t{1} << access_shift_) - 1;
  const std::uint64_t run = map_.run_bytes() - 1;
  const std::uint64_t end = (address + bytes + mask) & ~mask;
  std::uint64_t at = address & ~mask;
  Tick finish = 0;
  while (at < end) {
    const std::uint64_t stop = std::min(end, (at | run) + 1);
    const HbmPlace place = map_.place(at);
    const auto count = static_cast<Tick>((stop - at) >> access_shift_);
    finish = later(finish, touch_any(place.channel, place.channel * banks_ + place.bank, place.row,
                                     count, write, arrival));
    at = stop;
  }
  return finish;
}

}  // namespace athena::timing
