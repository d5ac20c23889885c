/// Accesses that meet all channels alike: one transaction of all of them.
#include <algorithm>

#include "timing/hbm_bits.h"
#include "timing/hbm_fast.h"

namespace athena::timing {

/// From here on single accesses report how far ahead of everybody's work their channel is.
void HbmFast::begin_lockstep() {
  if (stamp_ != 0) return;
  stamp_ = 1;
  usual_bytes_ = 0;
  for (const hbm_fast::Pseudo& p : pseudo_) ahead_ = std::max(ahead_, p.data.end() << slot_shift_);
}

/// Takes over what lockstep work has left of a bank since it was last looked at.
void HbmFast::adopt_lockstep(std::uint32_t index, bool write) {
  hbm_fast::Bank& bank = bank_[index];
  const Super& s = super_[super_of(index)];
  if (s.stamp <= bank.stamp) return;
  bank.batch[0] = s.row == hbm_fast::kNoRow ? hbm_fast::kNoRow : hbm_fast::Bank::key(s.row, write);
  bank.act[0] = s.act;
  if (closed_page_) last_[index] = s.last;
  bank.act_ready = std::max(bank.act_ready, std::max(s.act + k_.rc, s.last + k_.to_act[0]));
  bank.stamp = s.stamp;
}

/// Refresh and write drain take bus time from every channel alike.
void HbmFast::advance_all(Tick arrival, std::uint64_t bytes, bool write) {
  const HbmTimingSet& t = spec_.timing;
  while (std::max(group_data_, arrival) >= group_refresh_) {
    group_data_ = std::max(group_data_, group_refresh_) + k_.refresh + k_.rcd[0];
    group_refresh_ += k_.refi;
    for (Super& s : super_) s.row = hbm_fast::kNoRow;
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
  if (group_writes_ < static_cast<double>(drain_) || group_reads_ <= 0.0) return;
  const auto drains = static_cast<Tick>(group_writes_ / static_cast<double>(drain_));
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
  begin_lockstep();
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
  counts_.row_conflicts += acts;
  counts_.row_hits += columns / 2 > acts ? columns / 2 - acts : 0;
  (write ? counts_.writes : counts_.reads) += columns;
  ++stamp_;
  return std::max(served, opened) + k_.latency[mode];
}

Tick HbmFast::access_bulk(Tick arrival, std::uint64_t address, std::uint64_t bytes, bool write) {
  const std::size_t mode = write ? 1 : 0;
  const std::uint64_t end = address + bytes;
  const HbmTimingSet& t = spec_.timing;
  const std::uint64_t banks_wide = static_cast<std::uint64_t>(spec_.channels()) *
                                   static_cast<std::uint64_t>(t.pseudo_channels * t.bank_groups);
  begin_lockstep();
  advance_all(arrival, bytes, write);
  Tick finish = 0;
  for (std::uint64_t at = address; at < end;) {
    const std::uint64_t stop = std::min(end, (at / super_row_ + 1) * super_row_);
    const std::uint64_t part = stop - at;
    const HbmPlace place = map_.place(at);
    Super& s = super_[super_of(place.bank)];
    const std::uint64_t columns = part / static_cast<std::uint64_t>(t.access_bytes);
    if (s.row != place.row) {
      const bool open = s.row != hbm_fast::kNoRow;
      const Tick ready = arrival + k_.tick + (open ? k_.pre_act : 0);
      s.act = std::max(ready, std::max(s.act + k_.rc, s.last + k_.to_act[0]));
      s.last = s.act;
      s.row = place.row;
      const std::uint64_t acts = std::min(banks_wide, std::max<std::uint64_t>(1, columns / 2));
      (open ? counts_.row_conflicts : counts_.row_misses) += acts;
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
  return finish + k_.latency[mode];
}

}  // namespace athena::timing
