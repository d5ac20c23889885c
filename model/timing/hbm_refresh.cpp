/// The parts of a channel that are seldom at work: refresh, accounting, recording.
#include <algorithm>
#include <bit>

#include "timing/hbm_bits.h"
#include "timing/hbm_channel.h"
#include "timing/hbm_rows.h"

namespace athena::timing {
void HbmChannel::timers(Tick t) {
  while (next_refresh_ <= t) {
    if (spec_.refresh == HbmRefresh::kAllBank) {
      for (int p = 0; p < pseudos_; ++p) {
        refresh_queue_[(refresh_head_ + refresh_count_++) & 63] = static_cast<std::uint8_t>(p);
      }
      next_refresh_ += k_.refi;
    } else {
      refresh_queue_[(refresh_head_ + refresh_count_++) & 63] =
          static_cast<std::uint8_t>(refresh_bank_);
      refresh_bank_ = (refresh_bank_ + 1) % banks_;
      next_refresh_ += k_.refi_pb;
    }
    for (Pseudo& pc : pseudo_) {
      if (pc.refresh_to <= t) pc.refresh_from = t;
    }
    lower(row_wake_, std::max(row_free_, t));
  }
  if (series_.next() <= t) series_.add(t, counts_);
  timer_ = std::min(next_refresh_, series_.next());
}

Tick HbmChannel::refresh_slot(Tick t) {
  if (t < row_free_) return row_free_;
  const bool all = spec_.refresh == HbmRefresh::kAllBank;
  const int target = refresh_queue_[refresh_head_ & 63];
  Pseudo& pc = all ? pseudo_[at(target)] : pseudo_[pseudo_of(target)];
  const std::uint64_t banks = all ? pc.banks : bit(target);
  if ((active_ & banks) != 0) return kNever;  // issue_column wakes the row slot again
  if ((open_ & banks) != 0) {
    Tick ready = pc.pre;
    // Banks that precharge themselves right now count as well: they still need their tRAS.
    for (std::uint64_t mask = banks; mask != 0; mask &= mask - 1) {
      raise(ready, pre_ready_[at(lowest(mask))]);
    }
    if (ready > t) return ready;
    if (all) {
      precharge_all(pc, t);
    } else {
      issue_precharge(target, t);
    }
    return row_free_;
  }
  const Bank& bank = bank_[at(target)];
  const Tick ready = clock_edge(
      all ? std::max(pc.refresh_done, std::max(pc.last_pre + k_.pre_ref, pc.last_act + k_.act_ref))
          : std::max(std::max(bank.last_pre + k_.pre_ref, bank.last_act + k_.act_ref),
                     std::max(pc.last_act + k_.act_refpb, act_ready_[at(target)])));
  if (const Tick start = clock_edge(std::max(ready, t)); start > t) return start;
  issue_refresh(target, t);
  return row_free_;
}

void HbmChannel::precharge_all(Pseudo& pc, Tick t) {
  for (std::uint64_t mask = pc.banks; mask != 0; mask &= mask - 1) {
    raise(act_ready_[at(lowest(mask))], t + k_.pre_act);
    bank_[at(lowest(mask))].last_pre = t;
  }
  for (std::uint64_t mask = open_ & pc.banks; mask != 0; mask &= mask - 1) {
    close_bank(lowest(mask), t);
  }
  pc.last_pre = t;
  pc.pre = t + k_.pre_pre;
  row_free_ = t + k_.pre_bus;
  ++counts_.precharges;
  log(t, HbmCommand::kPrechargeAll, pc.first_bank, 0);
}

void HbmChannel::issue_refresh(int target, Tick t) {
  const bool all = spec_.refresh == HbmRefresh::kAllBank;
  Pseudo& pc = all ? pseudo_[at(target)] : pseudo_[pseudo_of(target)];
  const Tick busy = all ? k_.rfc : k_.rfc_pb;
  for (std::uint64_t mask = all ? pc.banks : bit(target); mask != 0; mask &= mask - 1) {
    raise(act_ready_[at(lowest(mask))], t + busy);
  }
  if (all) {
    pc.refresh_done = t + busy;
    ++counts_.refreshes;
  } else {
    raise(pc.act, t + k_.rrefd);
    ++counts_.bank_refreshes;
  }
  // Until the first row can be read again the pseudo-channel's idle data bus is refresh's doing.
  raise(pc.refresh_to, t + (all ? busy : k_.rrefd) + k_.act_rd + k_.per_clock);
  row_free_ = t + k_.pre_bus;
  log(t, all ? HbmCommand::kRefresh : HbmCommand::kRefreshBank, all ? pc.first_bank : target, 0);
  refresh_head_ = (refresh_head_ + 1) & 63;
  --refresh_count_;
  if (refresh_count_ > 0) return;
  lower(column_wake_, t + 1);
  activate_wake_ = {t, t};
  precharge_wake_ = t;
}

/// The device closes the row itself behind its last access.
void HbmChannel::auto_precharge(int b, unsigned mode, Tick t) {
  Bank& bank = bank_[at(b)];
  const Tick start = std::max(pre_ready_[at(b)], t + (mode == 0 ? k_.rd_pre : k_.wr_pre));
  bank.last_pre = start;
  raise(pseudo_[pseudo_of(b)].last_pre, start);
  raise(act_ready_[at(b)], start + k_.pre_act);
  ++counts_.precharges;
  if (log_ != nullptr) {
    for (auto entry = log_->rbegin(); entry != log_->rend(); ++entry) {
      if (entry->tick != t || entry->bank != b) continue;
      entry->auto_precharge = true;
      break;
    }
  }
  close_bank(b, t);
}

// ---- accounting ---------------------------------------------------------------------------------

/// Why the data bus stood still until this first access of a booking.
void HbmChannel::account_gap(int b, unsigned mode, bool active, Tick t) {
  Pseudo& pc = pseudo_[pseudo_of(b)];
  Tick gap = t - pc.data_end;
  const auto add = [&](HbmLoss loss, Tick ticks) {
    counts_.ticks[static_cast<std::size_t>(loss)] += ticks;
  };
  const Tick idle = std::clamp<Tick>(pc.busy_since - pc.data_end, 0, gap);
  add(HbmLoss::kIdle, idle);
  gap -= idle;
  const Tick overlap = std::clamp<Tick>(
      std::min(t, pc.refresh_to) - std::max(pc.data_end + idle, pc.refresh_from), 0, gap);
  add(HbmLoss::kRefresh, overlap);
  gap -= overlap;
  if (gap > 0) {
    add(pc.cas[mode] >= t ? HbmLoss::kTurnaround
        : active          ? bank_[at(b)].act_cause
                          : HbmLoss::kColumn,
        gap);
  }
  pc.data_end = t;
}

HbmCounters HbmChannel::counters(Tick now) const {
  HbmCounters counts = counts_;
  counts.span = 0;
  for (int p = 0; p < pseudos_; ++p) {
    const Pseudo& pc = pseudo_[at(p)];
    const Tick end = std::max(now, pc.data_end);
    counts.span += end;
    const HbmLoss tail = pc.pending > 0 ? HbmLoss::kBank : HbmLoss::kIdle;
    counts.ticks[static_cast<std::size_t>(tail)] += end - pc.data_end;
  }
  const auto access = static_cast<std::uint64_t>(spec_.timing.access_bytes);
  counts.read_bytes = (counts.reads + counts.forwarded) * access;
  counts.write_bytes = counts.writes * access;
  return counts;
}

void HbmChannel::write_log(Tick t, HbmCommand command, int b, std::uint32_t row) {
  const HbmIssued issued{t, command, static_cast<std::uint8_t>(b), false, row};
  auto place = log_->end();
  while (place != log_->begin() && std::prev(place)->tick > t) --place;
  log_->insert(place, issued);
}

void HbmSeries::add(Tick now, const HbmCounters& counts) {
  samples_.push_back({now, counts.reads, counts.writes, counts.row_hits, counts.row_misses,
                      counts.row_conflicts, counts.ticks});
  if (samples_.size() == kSamples) {
    for (std::size_t i = 0; i < kSamples / 2; ++i) samples_[i] = samples_[2 * i + 1];
    samples_.resize(kSamples / 2);
    interval_ *= 2;
  }
  next_ = (now / interval_ + 1) * interval_;
}

}  // namespace athena::timing
