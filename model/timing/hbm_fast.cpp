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
  period_ = k.period.value();
  per_period_ = 1.0 / static_cast<double>(period_);
  slot_shift_ = log2_of(static_cast<int>(hbm_fast::kPlace * k.burst));
  k_.tick = k.per_clock;
  k_.burst = k.burst;
  k_.ccd_l = k.ccd_l;
  k_.ccd_r = t.stack_ids > 1 ? k.ccd_r : 0;
  k_.rcd[0] = k.act_rd;
  k_.rcd[1] = k.act_wr;
  k_.rc = k.act_act;
  k_.latency[0] = k.read_latency;
  k_.latency[1] = k.write_latency;
  k_.to_act[0] = k.rd_pre + k.pre_act;
  k_.to_act[1] = k.wr_pre + k.pre_act;
  k_.act_bus = k.act_bus;
  k_.pre_bus = k.pre_bus;
  k_.pre_act = k.pre_act + 1;
  k_.act_gap = std::max(k.rrd_s, (k.faw + 3) / 4);
  k_.act_slot = UINT64_MAX / static_cast<std::uint64_t>(k_.act_gap) + 1;
  k_.to_write = k.rtw - k.ccd_s;
  k_.to_read = k.wtr_s - k.ccd_s;
  k_.switch_both = k_.to_write + k_.to_read;
  // The last row access, its precharge, the refresh; then the first row must open again.
  k_.refresh = k.rd_pre + k.pre_ref + (spec.refresh == HbmRefresh::kAllBank ? k.rfc : 0);
  k_.bank_refresh = k.rfc_pb;
  k_.refi = spec.refresh == HbmRefresh::kAllBank ? k.refi : k.refi_pb;

  banks_ = static_cast<std::uint32_t>(t.banks());
  group_shift_ = log2_of(t.banks_per_group);
  pseudo_shift_ = log2_of(t.banks_per_pseudo_channel());
  bank_low_mask_ = static_cast<std::uint32_t>(t.banks_per_group - 1);
  sid_shift_ = group_shift_ + log2_of(t.bank_groups);
  sid_mask_ = static_cast<std::uint32_t>(t.stack_ids - 1);
  across_shift_ = log2_of(t.bank_groups);
  across_mask_ = static_cast<std::uint32_t>(t.bank_groups - 1);
  for (const std::size_t mode : {0U, 1U}) {
    const auto places = static_cast<std::uint32_t>(
        (mode == 0 ? spec.read_queue : spec.write_queue) / hbm_fast::kPlace);
    look_[mode] = std::clamp<std::uint32_t>(places / 2, 1, hbm_fast::Queue::kLook);
    rest_[mode] = places - look_[mode];
  }
  access_shift_ = log2_of(t.access_bytes);
  drain_ = static_cast<Tick>(spec.drain_high * spec.write_queue) + 1 -
           static_cast<Tick>(spec.drain_low * spec.write_queue);
  whole_ = spec.refresh != HbmRefresh::kPerBank;
  closed_page_ = spec.page == HbmPagePolicy::kClosed;
  // Who takes what is legal, oldest first, closes a row before those that came later have used it.
  hits_first_ = spec.scheduler == HbmScheduler::kRowHitFirst;
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
  hbm_fast::Channel fresh;
  for (const std::size_t mode : {0U, 1U}) {
    fresh.queue[mode].front.fill(hbm_fast::Queue::kNever);
    fresh.queue[mode].first.fill(hbm_fast::Queue::kNever);
    for (std::size_t i = 0; i < look_[mode]; ++i) fresh.queue[mode].refill(i, 0);
  }
  fresh.next_refresh = spec_.refresh == HbmRefresh::kNone ? INT64_MAX : k_.refi;
  fresh.quiet = (fresh.next_refresh >> slot_shift_) - hbm_fast::Slots::kSlots;
  channels_.assign(channels, fresh);
  std::uint32_t places = 0;
  for (hbm_fast::Channel& channel : channels_) {
    for (const std::size_t mode : {0U, 1U}) {
      hbm_fast::Queue& queue = channel.queue[mode];
      queue.at = queue.begin = places;
      queue.end = places += rest_[mode];
    }
  }
  ring_.assign(places, 0);
  bank_.assign(channels * banks_, hbm_fast::Bank{});
  pseudo_.assign(bank_.size() >> pseudo_shift_, hbm_fast::Pseudo{});
  group_.assign(bank_.size() >> group_shift_, 0);
  across_.assign(pseudo_.size() << across_shift_, 0);
  if (closed_page_) last_.assign(bank_.size(), 0);
  posted_.resize(channels);
  for (std::vector<hbm_fast::Access>& posted : posted_) {
    posted.clear();
    posted.reserve(static_cast<std::size_t>(drain_) + 1);
  }
  group_data_ = group_work_ = ahead_ = 0;
  group_refresh_ = fresh.next_refresh;
  group_writes_ = group_reads_ = group_carry_ = 0.0;
  super_ = {};
  stamp_ = 0;
  const bool usual = whole_ && !closed_page_ && hits_first_ && std::min(rest_[0], rest_[1]) > 0;
  usual_bytes_ = static_cast<std::uint64_t>(hbm_fast::kPlace) << access_shift_;
  if (!usual || usual_bytes_ > map_.run_bytes()) usual_bytes_ = 0;
  counts_ = {};
  waits_ = {};
  last_finish_ = idle_ = 0;
}

std::span<hbm_fast::Pseudo> HbmFast::pseudos(std::size_t channel) {
  const std::size_t count = pseudo_.size() / channels_.size();
  return {&pseudo_[channel * count], count};
}

void HbmFast::sync(std::size_t channel) {
  hbm_fast::Channel& c = channels_[channel];
  const Tick more = group_work_ - c.seen;
  for (hbm_fast::Pseudo& p : pseudos(channel)) {
    const Tick end = std::max((p.data.end() << slot_shift_) + more, group_data_);
    p.data.base = end >> slot_shift_;
    p.data.taken = 0;
  }
  c.seen = group_work_;
  if (group_reads_ > 0.0) c.reads = true;
}

Time HbmFast::spread(Time arrival, std::uint64_t address, Bytes bytes, bool write) {
  if (super_row_ == 0 || spec_.refresh == HbmRefresh::kPerBank)
    return access(arrival, address, bytes, write);
  map_.check_range(address, bytes);
  const Tick at = ticks_of(arrival);
  return finish(at, access_spread(at, static_cast<std::uint64_t>(bytes.value()), write));
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
  c.activates = c.row_misses + c.row_conflicts;
  c.precharges += c.row_conflicts;
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
  for (const Tick w : waits_) waits += static_cast<double>(w);
  slot(HbmLoss::kIdle) = idle;
  if (waits > 0.0 && left > 0) {
    const std::int64_t total = left;
    for (const HbmLoss loss : {HbmLoss::kFaw, HbmLoss::kRowBus, HbmLoss::kBank}) {
      const double share = static_cast<double>(waits_[static_cast<std::size_t>(loss)]) / waits;
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
