#include "timing/hbm_fast.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "timing/hbm_bits.h"
#include "timing/hbm_ticks.h"

namespace athena::timing {
namespace {

/// Bytes below which the map's row, bank and SID bits do not change: one row in every bank group of
/// every channel. 0 when the map mixes them.
std::uint64_t lockstep_bytes(const HbmSpec& spec, const HbmMap& map) {
  std::uint64_t bytes = 1;
  for (const HbmMapSlice& slice : map.slices()) {
    const bool high = slice.field == HbmField::kBank || slice.field == HbmField::kStackId ||
                      slice.field == HbmField::kRow;
    if (high) break;
    bytes <<= slice.bits;
  }
  const HbmTimingSet& t = spec.timing;
  const bool odd = !std::has_single_bit(static_cast<unsigned>(spec.channels()));
  const std::uint64_t whole =
      static_cast<std::uint64_t>(t.pseudo_channels) * static_cast<std::uint64_t>(t.bank_groups) *
      static_cast<std::uint64_t>(t.columns) * static_cast<std::uint64_t>(t.access_bytes) *
      (odd ? 1 : static_cast<std::uint64_t>(spec.channels()));
  if (bytes != whole) return 0;
  return odd ? whole * static_cast<std::uint64_t>(spec.channels()) : whole;
}

HbmSpec checked(const HbmSpec& spec) {
  check(spec);
  return spec;
}

}  // namespace

HbmFast::HbmFast(const HbmSpec& spec) : spec_(checked(spec)), map_(spec) {
  const HbmTimingSet& t = spec.timing;
  const HbmTicks k(t);
  const auto fs = [](Tick ticks) { return ticks; };
  period_ = k.period.value();
  per_period_ = 1.0 / static_cast<double>(period_);
  slot_shift_ = log2_of(static_cast<int>(kPlace * k.burst));
  k_.tick = fs(k.per_clock);
  k_.burst = fs(k.burst);
  k_.ccd_l = fs(k.ccd_l);
  k_.ccd_r = t.stack_ids > 1 ? fs(k.ccd_r) : 0;
  k_.rcd[0] = fs(k.act_rd);
  k_.rcd[1] = fs(k.act_wr);
  k_.rc = fs(k.act_act);
  k_.latency[0] = fs(k.read_latency - k.burst);
  k_.latency[1] = fs(k.write_latency - k.burst);
  k_.to_act[0] = fs(k.rd_pre + k.pre_act);
  k_.to_act[1] = fs(k.wr_pre + k.pre_act);
  k_.act_bus = fs(k.act_bus);
  k_.pre_bus = fs(k.pre_bus);
  k_.pre_act = fs(k.pre_act + 1);
  k_.act_gap = std::max(fs(k.rrd_s), (fs(k.faw) + 3) / 4);
  k_.to_write = fs(k.rtw - k.ccd_s);
  k_.to_read = fs(k.wtr_s - k.ccd_s);
  k_.switch_both = fs(k.rtw - k.ccd_s) + fs(k.wtr_s - k.ccd_s);
  // The last row access, its precharge, the refresh; then the first row must open again.
  k_.refresh = spec.refresh == HbmRefresh::kAllBank ? fs(k.rd_pre + k.pre_ref + k.rfc)
                                                    : fs(k.rd_pre + k.pre_ref);
  k_.bank_refresh = fs(k.rfc_pb);
  k_.refi = spec.refresh == HbmRefresh::kAllBank ? fs(k.refi) : fs(k.refi_pb);

  banks_ = t.banks();
  group_shift_ = log2_of(t.banks_per_group);
  group_mask_ = t.stack_ids * t.bank_groups - 1;
  pseudo_shift_ = log2_of(t.banks_per_pseudo_channel());
  bank_low_mask_ = static_cast<std::uint32_t>(t.banks_per_group - 1);
  sid_shift_ = group_shift_ + log2_of(t.bank_groups);
  sid_mask_ = t.stack_ids - 1;
  for (const std::size_t mode : {0U, 1U}) {
    const auto places =
        static_cast<std::uint32_t>((mode == 0 ? spec.read_queue : spec.write_queue) / kPlace);
    look_[mode] = std::min<std::uint32_t>(places, kLook);
    rest_[mode] = places - look_[mode];
  }
  most_rest_ = std::max({rest_[0], rest_[1], 1U});
  access_shift_ = log2_of(t.access_bytes);
  across_mask_ = static_cast<std::uint32_t>(t.bank_groups - 1);
  drain_ = static_cast<std::int32_t>(spec.drain_high * spec.write_queue) + 1 -
           static_cast<std::int32_t>(spec.drain_low * spec.write_queue);
  closed_page_ = spec.page == HbmPagePolicy::kClosed;
  // Who takes what is legal, oldest first, closes a row before those that came later have used it.
  ways_ = spec.scheduler == HbmScheduler::kRowHitFirst ? kWays : 1;
  super_row_ = lockstep_bytes(spec, map_);
  const std::uint64_t interleave = static_cast<std::uint64_t>(spec.interleave.value());
  even_bytes_ = super_row_ == 0 ? 0
                                : static_cast<std::uint64_t>(spec.channels()) *
                                      std::max<std::uint64_t>(interleave, 2 * map_.run_bytes());
  ticks_per_byte_ = static_cast<double>(k_.burst) /
                    static_cast<double>(t.access_bytes * t.pseudo_channels * spec.channels());
  reset();
}

void HbmFast::reset() {
  const auto channels = static_cast<std::size_t>(spec_.channels());
  Channel fresh;
  for (const std::size_t mode : {0U, 1U}) {  // places that the queue does not have are never free
    for (std::size_t i = look_[mode]; i < kLook; ++i) fresh.queue[mode].front[i] = INT64_MAX;
  }
  fresh.next_refresh = spec_.refresh == HbmRefresh::kNone ? INT64_MAX : k_.refi;
  channels_.assign(channels, fresh);
  bank_.assign(channels * static_cast<std::size_t>(banks_), Bank{});
  ring_.assign(channels * 2 * most_rest_, 0);
  posted_.resize(channels);
  for (std::vector<Posted>& posted : posted_) {
    posted.clear();
    posted.reserve(static_cast<std::size_t>(drain_) + 1);
  }
  group_data_ = group_work_ = ahead_ = 0;
  group_refresh_ = fresh.next_refresh;
  group_writes_ = group_reads_ = group_carry_ = 0.0;
  super_ = {};
  stamp_ = 0;
  counts_ = {};
  waits_ = {};
  last_finish_ = idle_ = 0;
}

void HbmFast::sync(Channel& channel) {
  const Tick more = group_work_ - channel.seen;
  if (more == 0) return;
  for (Pseudo& p : channel.pseudo) {
    const Tick end = std::max((p.data.end() << slot_shift_) + more, group_data_);
    p.data.base = end >> slot_shift_;
    p.data.taken = 0;
  }
  channel.seen = group_work_;
  if (group_reads_ > 0.0) channel.reads = 1;
}

/// One refresh at `next_refresh`, or the last of several that passed while the channel idled.
void HbmFast::refresh(Channel& channel, std::size_t index, Tick now) {
  const bool all = spec_.refresh == HbmRefresh::kAllBank;
  const Tick missed = (now - channel.next_refresh) / k_.refi;
  if (missed > (all ? 0 : banks_)) {
    counts_.refreshes += all ? static_cast<std::uint64_t>(missed) * 2 : 0;
    counts_.bank_refreshes += all ? 0 : static_cast<std::uint64_t>(missed);
    channel.next_refresh += missed * k_.refi;
  }
  const Tick at = channel.next_refresh;
  channel.next_refresh += k_.refi;
  channel.row_bus = std::max(channel.row_bus, at) + k_.refresh;
  for (Pseudo& p : channel.pseudo) {
    if (all) {
      p.data.block(at >> slot_shift_, (k_.refresh + k_.rcd[0]) >> slot_shift_);
    } else {  // a short stop of the bus: slots before and after it stay usable
      for (Tick slots = k_.refresh >> slot_shift_; slots > 0; --slots) {
        (void)p.data.take(at >> slot_shift_);
      }
    }
    p.act = std::max(p.act, at) + k_.refresh;
    for (Tick& group : p.group) group = std::max(group, at) + k_.refresh;
    for (Tick& group : p.across) group = std::max(group, at) + k_.refresh;
  }
  Bank* banks = &bank_[index * static_cast<std::size_t>(banks_)];
  const std::uint64_t count = static_cast<std::uint64_t>(at / k_.refi);
  const int first = all ? 0 : static_cast<int>(count % static_cast<std::uint64_t>(banks_));
  const int last = all ? banks_ : first + 1;
  const Tick blocked = k_.refresh + (all ? 0 : k_.bank_refresh);
  for (int b = first; b < last; ++b) {
    Bank& bank = banks[b];
    for (Batch& batch : bank.batch) batch.row = kNoRow;
    bank.act_ready = std::max(bank.act_ready, at) + blocked;
    bank.stamp = stamp_;
  }
  if (all) {
    counts_.refreshes += static_cast<std::uint64_t>(spec_.timing.pseudo_channels);
  } else {
    ++counts_.bank_refreshes;
  }
  counts_.ticks[static_cast<std::size_t>(HbmLoss::kRefresh)] +=
      (k_.refresh + (all ? k_.rcd[0] : 0)) * spec_.timing.pseudo_channels;
}

/// Write drain in the order of arrival: when a batch of writes has gathered among reads the bus
/// turns round twice. For per-bank refresh, whose short stops a drain held together would not
/// absorb.
void HbmFast::turn(Channel& channel, std::int32_t count, bool write) {
  if (!write) {
    channel.reads = 1;
    return;
  }
  channel.writes += count;
  if (channel.writes < drain_) return;
  channel.writes -= drain_;
  if (channel.reads == 0) return;
  channel.reads = 0;
  for (Pseudo& p : channel.pseudo) {
    const Tick slots = (k_.switch_both + (Tick{1} << slot_shift_) / 2) >> slot_shift_;
    for (Tick n = 0; n < slots; ++n) (void)p.data.take(p.data.end());
  }
  counts_.ticks[static_cast<std::size_t>(HbmLoss::kTurnaround)] +=
      k_.switch_both * spec_.timing.pseudo_channels;
}

void HbmFast::open_row(Channel& channel, Pseudo& pseudo, Bank& bank, std::uint32_t row, Tick entry,
                       bool write) {
  const bool open = bank.batch[0].row != kNoRow && !closed_page_;
  ++counts_.activates;
  if (closed_page_) ++counts_.precharges;
  Tick ready = entry + k_.tick;
  Tick bus = k_.act_bus;
  if (open) {
    ++counts_.row_conflicts;
    ++counts_.precharges;
    ready += k_.pre_act;
    bus += k_.pre_bus;
  } else {
    ++counts_.row_misses;
  }
  const Tick possible = std::max(ready, bank.act_ready);
  const Tick on_bus = std::max(channel.row_bus, entry);
  channel.row_bus = on_bus + bus;
  const Tick allowed = std::max(pseudo.act, entry);
  pseudo.act = allowed + k_.act_gap;
  const Tick act = std::max(possible, std::max(on_bus, allowed));
  if (act > ready) {
    const HbmLoss cause = act == bank.act_ready ? HbmLoss::kBank
                          : act == on_bus       ? HbmLoss::kRowBus
                                                : HbmLoss::kFaw;
    waits_[static_cast<std::size_t>(cause)] += static_cast<double>(act - ready);
  }
  for (std::size_t w = kWays - 1; w > 0; --w) bank.batch[w] = bank.batch[w - 1];
  bank.batch[0] = {row, act, act, write};
  bank.act_ready = act + k_.rc;
}

Tick HbmFast::touch(std::uint32_t channel, std::uint32_t bank_index, std::uint32_t row,
                    std::int32_t count, bool write, Tick arrival) {
  Channel& c = channels_[channel];
  sync(c);
  const std::size_t mode = write ? 1 : 0;
  Pseudo& p = c.pseudo[bank_index >> pseudo_shift_];

  // Room in the controller's queue: the first of the places to become free, out of the next few.
  Queue& queue = c.queue[mode];
  std::size_t first = 0;
  for (std::size_t i = 1; i < kLook; ++i) first = queue.front[i] < queue.front[first] ? i : first;
  const Tick entry = std::max(arrival, queue.front[first]);

  // An all-bank refresh stops whatever the bus is to carry behind it; a per-bank one only delays.
  const bool whole = spec_.refresh != HbmRefresh::kPerBank;
  const Tick horizon = whole ? std::max(entry, p.data.end() << slot_shift_) : entry;
  while (horizon >= c.next_refresh) refresh(c, channel, horizon);

  (write ? counts_.writes : counts_.reads) += static_cast<std::uint64_t>(count);
  if (!whole) {
    turn(c, count, write);
  } else if (!write) {
    c.reads = 1;
  } else if (c.reads != 0) {
    return post_write(channel, {bank_index, row, count}, entry);
  }
  const Served served = serve(channel, bank_index, row, count, write, entry);
  if (rest_[mode] == 0) {
    queue.front[first] = served.leaves;
    return served.end;
  }
  Tick& oldest = ring_[(channel * 2 + mode) * most_rest_ + queue.at];
  queue.front[first] = oldest;
  oldest = served.leaves;
  queue.at = queue.at + 1 == rest_[mode] ? 0 : queue.at + 1;
  return served.end;
}

/// A write among reads waits in the write queue. When that is as full as a drain begins at, the bus
/// turns round, all of them go, row by row, and it turns back: meanwhile no read and no row for a
/// read is opened. Its own time is when the queue takes it.
Tick HbmFast::post_write(std::uint32_t channel, const Posted& write, Tick entry) {
  Channel& c = channels_[channel];
  std::vector<Posted>& posted = posted_[channel];
  posted.push_back(write);
  c.writes += write.count;
  if (c.writes >= drain_) drain(channel, entry);
  return std::max(entry, c.mode_floor) + k_.tick + k_.latency[1];
}

void HbmFast::drain(std::uint32_t channel, Tick now) {
  Channel& c = channels_[channel];
  std::vector<Posted>& posted = posted_[channel];
  Tick begin = now;
  for (Pseudo& p : c.pseudo) begin = std::max(begin, p.data.end() << slot_shift_);
  begin += k_.to_write;
  for (Pseudo& p : c.pseudo) p.data.block(begin >> slot_shift_, 0);
  // Row hits go together, as a row-hit-first scheduler takes them.
  for (std::size_t i = 0; i < posted.size(); ++i) {
    for (std::size_t j = i + 1, k = i + 1; j < posted.size(); ++j) {
      if (posted[j].bank == posted[i].bank && posted[j].row == posted[i].row) {
        std::swap(posted[j], posted[k++]);
      }
    }
  }
  for (const Posted& w : posted) (void)serve(channel, w.bank, w.row, w.count, true, begin);
  posted.clear();
  c.writes = 0;
  c.reads = 0;
  Tick end = begin;
  for (Pseudo& p : c.pseudo) end = std::max(end, p.data.end() << slot_shift_);
  end += k_.to_read;
  for (Pseudo& p : c.pseudo) p.data.block(end >> slot_shift_, 0);
  c.mode_floor = end - k_.to_read;  // rows of reads may be opened again from here on
  counts_.ticks[static_cast<std::size_t>(HbmLoss::kTurnaround)] +=
      k_.switch_both * spec_.timing.pseudo_channels;
}

/// Column accesses of one row that have a place in the queue since `entry`.
HbmFast::Served HbmFast::serve(std::uint32_t channel, std::uint32_t bank_index, std::uint32_t row,
                               std::int32_t count, bool write, Tick entry) {
  Channel& c = channels_[channel];
  const std::size_t mode = write ? 1 : 0;
  Pseudo& p = c.pseudo[bank_index >> pseudo_shift_];
  Bank& bank = bank_[channel * static_cast<std::uint32_t>(banks_) + bank_index];
  if (stamp_ != 0) {
    const std::uint32_t sid = (bank_index >> sid_shift_) & static_cast<std::uint32_t>(sid_mask_);
    const Super& s = super_[(sid << group_shift_) | (bank_index & bank_low_mask_)];
    if (s.stamp > bank.stamp) {
      bank.batch[0] = {s.row, s.act, s.last, write};
      bank.act_ready = std::max(bank.act_ready, std::max(s.act + k_.rc, s.last + k_.to_act[0]));
      bank.stamp = s.stamp;
    }
  }
  // The open row, or one that still waits in the queue when this access enters, takes it along.
  Batch* batch = &bank.batch[0];
  bool opened = false;
  if (batch->row == row && (!closed_page_ || entry <= batch->last)) {
    ++counts_.row_hits;
  } else {
    std::size_t way = 1;
    // Row hits may join until the precharge for the batch behind them goes out.
    while (way < ways_ && !(bank.batch[way].row == row && bank.batch[way].write == write &&
                            entry + k_.pre_act <= bank.batch[way - 1].act)) {
      ++way;
    }
    if (way < ways_) {
      ++counts_.row_hits;
      batch = &bank.batch[way];
      bank.act_ready += count * k_.burst;
    } else {
      open_row(c, p, bank, row, write ? entry : std::max(entry, c.mode_floor), write);
      opened = true;
    }
  }
  const std::uint32_t group = bank_index >> group_shift_;
  Tick& same = p.group[group & static_cast<std::uint32_t>(group_mask_)];
  Tick& across = p.across[group & across_mask_];
  const Tick floor = std::max(std::max(same, across), entry + k_.tick);
  same = std::max(same, entry) + count * k_.ccd_l;
  across = std::max(across, entry) + count * k_.ccd_r;
  const Tick ready = std::max(floor, batch->act + k_.rcd[mode]);
  p.data.move_to(entry >> slot_shift_);
  Tick slot = p.data.take(ready >> slot_shift_);
  for (std::int32_t more = count - kPlace; more > 0; more -= kPlace) slot = p.data.take(slot + 1);
  const Tick start =
      std::max(ready, (slot << slot_shift_) - std::max(0, count - kPlace) * k_.burst);
  const Tick end = std::max(start + count * k_.burst, ready + (count - 1) * k_.ccd_l + k_.burst);
  const Tick column = end - k_.burst;  // the last column command
  batch->last = std::max(batch->last, column);
  bank.act_ready = std::max(bank.act_ready, column + k_.to_act[mode]);
  ahead_ = std::max(ahead_, (p.data.end() << slot_shift_) - c.seen);

  // The access that opened the row left the queue with its ACT, the others with their column.
  return {end + k_.latency[mode], opened ? (batch->act + column) / 2 : column};
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
    const auto count = static_cast<std::int32_t>((stop - at) >> access_shift_);
    finish = std::max(finish, touch(place.channel, place.bank, place.row, count, write, arrival));
    at = stop;
  }
  return finish;
}

/// Refresh and write drain take bus time from every channel alike.
void HbmFast::advance_all(Tick arrival, std::uint64_t bytes, bool write) {
  const HbmTimingSet& t = spec_.timing;
  while (std::max(group_data_, arrival) >= group_refresh_) {
    group_data_ = std::max(group_data_, group_refresh_) + k_.refresh + k_.rcd[0];
    group_refresh_ += k_.refi;
    for (Super& s : super_) s.row = kNoRow;
    counts_.refreshes += static_cast<std::uint64_t>(t.pseudo_channels * spec_.channels());
    counts_.ticks[static_cast<std::size_t>(HbmLoss::kRefresh)] +=
        (k_.refresh + k_.rcd[0]) * t.pseudo_channels * spec_.channels();
  }
  const double per_channel =
      static_cast<double>(bytes) / static_cast<double>(spec_.channels() * t.access_bytes);
  if (!write) {
    group_reads_ += per_channel;
    return;
  }
  group_writes_ += per_channel;
  if (group_writes_ < drain_ || group_reads_ <= 0.0) return;
  const auto drains = static_cast<Tick>(group_writes_ / drain_);
  group_data_ += drains * k_.switch_both;
  group_work_ += drains * k_.switch_both;
  group_writes_ = 0.0;
  group_reads_ = 0.0;
  counts_.ticks[static_cast<std::size_t>(HbmLoss::kTurnaround)] +=
      drains * k_.switch_both * t.pseudo_channels * spec_.channels();
}

/// Data bus time on every channel; returns when the buses have passed it.
Tick HbmFast::serve_all(Tick arrival, std::uint64_t bytes, Tick& demand) {
  group_carry_ += static_cast<double>(bytes) * ticks_per_byte_;
  demand = static_cast<Tick>(group_carry_);
  group_carry_ -= static_cast<double>(demand);
  group_data_ = std::max(group_data_, arrival) + demand;
  group_work_ += demand;
  return std::max(group_data_, ahead_ + group_work_);
}

Tick HbmFast::access_spread(Tick arrival, std::uint64_t bytes, bool write) {
  const std::size_t mode = write ? 1 : 0;
  const HbmTimingSet& t = spec_.timing;
  advance_all(arrival, bytes, write);
  Tick demand = 0;
  const Tick served = serve_all(arrival, bytes, demand);
  // One row in every pseudo-channel that it meets, opened while others transfer.
  const Tick opened = arrival + k_.tick + k_.pre_act + k_.rcd[mode] + demand;
  const std::uint64_t columns =
      std::max<std::uint64_t>(1, bytes / static_cast<std::uint64_t>(t.access_bytes));
  const std::uint64_t acts =
      std::min<std::uint64_t>((columns + 1) / 2, static_cast<std::uint64_t>(spec_.channels()) *
                                                     static_cast<std::uint64_t>(t.pseudo_channels));
  counts_.activates += acts;
  counts_.precharges += acts;
  counts_.row_conflicts += acts;
  counts_.row_hits += columns / 2 > acts ? columns / 2 - acts : 0;
  (write ? counts_.writes : counts_.reads) += columns;
  ++stamp_;
  return std::max(served, opened) + k_.burst + k_.latency[mode];
}

Tick HbmFast::access_bulk(Tick arrival, std::uint64_t address, std::uint64_t bytes, bool write) {
  const std::size_t mode = write ? 1 : 0;
  const std::uint64_t end = address + bytes;
  const HbmTimingSet& t = spec_.timing;
  const std::uint64_t banks_wide = static_cast<std::uint64_t>(spec_.channels()) *
                                   static_cast<std::uint64_t>(t.pseudo_channels * t.bank_groups);
  advance_all(arrival, bytes, write);
  Tick finish = 0;
  for (std::uint64_t at = address; at < end;) {
    const std::uint64_t stop = std::min(end, (at / super_row_ + 1) * super_row_);
    const std::uint64_t part = stop - at;
    const HbmPlace place = map_.place(at);
    const std::uint32_t sid = (place.bank >> sid_shift_) & static_cast<std::uint32_t>(sid_mask_);
    Super& s = super_[(sid << group_shift_) | (place.bank & bank_low_mask_)];
    const std::uint64_t columns = part / static_cast<std::uint64_t>(t.access_bytes);
    if (s.row != place.row) {
      const bool open = s.row != kNoRow;
      const Tick ready = arrival + k_.tick + (open ? k_.pre_act : 0);
      s.act = std::max(ready, std::max(s.act + k_.rc, s.last + k_.to_act[0]));
      s.last = s.act;
      s.row = place.row;
      const std::uint64_t acts = std::min(banks_wide, std::max<std::uint64_t>(1, columns / 2));
      counts_.activates += acts;
      (open ? counts_.row_conflicts : counts_.row_misses) += acts;
      if (open) counts_.precharges += acts;
      counts_.row_hits += columns / 2 > acts ? columns / 2 - acts : 0;
    } else {
      counts_.row_hits += columns / 2;
    }
    Tick demand = 0;
    const Tick served = serve_all(arrival, part, demand);
    const Tick bus_end =
        std::max(served, std::max(arrival + k_.tick, s.act + k_.rcd[mode]) + demand);
    s.last = std::max(s.last, bus_end - k_.burst);
    s.stamp = ++stamp_;
    finish = bus_end;
    (write ? counts_.writes : counts_.reads) += columns;
    at = stop;
  }
  return finish + k_.burst + k_.latency[mode];
}

Time HbmFast::access(Time arrival, std::uint64_t address, Bytes bytes, bool write) {
  map_.check_range(address, bytes);
  const auto size = static_cast<std::uint64_t>(bytes.value());
  const bool bulk =
      even_bytes_ != 0 && size >= even_bytes_ && spec_.refresh != HbmRefresh::kPerBank;
  const Tick at = ticks_of(arrival);
  return finish(
      at, bulk ? access_bulk(at, address, size, write) : access_fine(at, address, size, write));
}

Time HbmFast::spread(Time arrival, std::uint64_t address, Bytes bytes, bool write) {
  if (super_row_ == 0 || spec_.refresh == HbmRefresh::kPerBank)
    return access(arrival, address, bytes, write);
  map_.check_range(address, bytes);
  const Tick at = ticks_of(arrival);
  return finish(at, access_spread(at, static_cast<std::uint64_t>(bytes.value()), write));
}

Time HbmFast::finish(Tick arrival, Tick end) {
  ++counts_.requests;
  if (arrival > last_finish_) idle_ += arrival - last_finish_;
  last_finish_ = std::max(last_finish_, end);
  return Time(end * period_);
}

Time HbmFast::access_2d(Time arrival, std::uint64_t address, Bytes row_bytes, std::int64_t rows,
                        Bytes pitch, bool write) {
  if (row_bytes == pitch) return access(arrival, address, row_bytes * rows, write);
  Time finish = arrival;
  for (std::int64_t i = 0; i < rows; ++i) {
    finish = std::max(finish, access(arrival, address, row_bytes, write));
    address += static_cast<std::uint64_t>(pitch.value());
  }
  return finish;
}

HbmCounters HbmFast::counters(Time now) const {
  HbmCounters c = counts_;
  const HbmTimingSet& t = spec_.timing;
  const auto access = static_cast<std::uint64_t>(t.access_bytes);
  c.read_bytes = c.reads * access;
  c.write_bytes = c.writes * access;
  const Tick end = std::max(now.value() / period_, last_finish_);
  const std::int64_t buses = t.pseudo_channels * spec_.channels();
  c.span = end * buses;
  auto& ticks = c.ticks;
  const auto slot = [&](HbmLoss loss) -> std::int64_t& {
    return ticks[static_cast<std::size_t>(loss)];
  };
  slot(HbmLoss::kData) = static_cast<std::int64_t>(c.reads + c.writes) * k_.burst;
  // Time with nothing outstanding is idle; refresh inside it costs nobody anything.
  const std::int64_t idle = (idle_ + std::max<Tick>(0, end - last_finish_)) * buses;
  std::int64_t left = c.span - slot(HbmLoss::kData) - slot(HbmLoss::kTurnaround) - idle;
  slot(HbmLoss::kRefresh) =
      std::clamp<std::int64_t>(slot(HbmLoss::kRefresh), 0, std::max<std::int64_t>(left, 0));
  left -= slot(HbmLoss::kRefresh);
  // What is left is shared out by how long accesses waited for each server; without any such wait
  // it is imbalance between channels: idle buses.
  double waits = 0.0;
  for (const double w : waits_) waits += w;
  slot(HbmLoss::kIdle) = idle;
  if (waits > 0.0 && left > 0) {
    const std::int64_t total = left;
    for (const HbmLoss loss : {HbmLoss::kFaw, HbmLoss::kRowBus, HbmLoss::kBank}) {
      const double share = waits_[static_cast<std::size_t>(loss)] / waits;
      const auto part = static_cast<std::int64_t>(share * static_cast<double>(total));
      slot(loss) = part;
      left -= part;
    }
  }
  slot(HbmLoss::kIdle) += left;
  return c;
}

HbmEnergy HbmFast::energy(Time now) const {
  return energy_of(spec_.timing, counters(now), to_seconds(now), spec_.channels());
}

}  // namespace athena::timing
