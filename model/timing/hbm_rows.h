#pragma once
/// Which row command goes next, and what it changes. Part of the channel's inner loop: included by
/// hbm_channel.cpp, so that it is compiled into that loop.
#include <algorithm>

#include "timing/hbm_bits.h"
#include "timing/hbm_channel.h"

namespace athena::timing {

/// The place of the oldest piece of a closed bank that can be activated at `t`, or kNone. Sets when
/// to look again.
[[gnu::always_inline]] inline int HbmChannel::pick_activate(int p, Tick t) {
  const HbmQueue& queue = queue_[mode_];
  std::uint64_t wanting = queue.activate & of_pseudo(queue, p);
  Tick& wake = activate_wake_[at(p)];
  const Tick limit = pseudo_[at(p)].act;
  wake = kNever;
  if (wanting == 0) return kNone;
  if (limit > t || (t & edge_) != 0) {  // an ACT waits for a clock edge
    wake = std::max(limit, t + 1);
    return kNone;
  }
  for (; wanting != 0; wanting &= wanting - 1) {
    const int place = lowest(wanting);
    const int b = queue[place].bank;
    const Tick ready = std::max(act_ready_[at(b)], group_act_[group_of(b)]);
    if (ready <= t) {
      wake = t;
      return place;
    }
    lower(wake, ready);
  }
  return kNone;
}

/// The place of the oldest piece that finds its bank open with a wrong row that can be precharged
/// at `t`, or kNone. Sets when to look again.
[[gnu::always_inline]] inline int HbmChannel::pick_precharge(Tick t) {
  const HbmQueue& queue = queue_[mode_];
  std::uint64_t wanting = queue.precharge;
  std::uint64_t ready = 0;
  Tick wake = kNever;
  for (int p = 0; p < pseudos_; ++p) {
    if (pseudo_[at(p)].pre <= t) continue;
    if ((wanting & of_pseudo(queue, p)) != 0) lower(wake, pseudo_[at(p)].pre);
    wanting &= ~of_pseudo(queue, p);
  }
  for (; wanting != 0; wanting &= wanting - 1) {
    const int place = lowest(wanting);
    const Tick rested = pre_ready_[queue[place].bank];
    const Tick late = all_ones(rested > t);
    wake = std::min(wake, select(late, rested, kNever));
    ready |= bit(place) & ~static_cast<std::uint64_t>(late);
  }
  // Somebody else may be ready too.
  precharge_wake_ = (ready & (ready - 1)) != 0 ? t : wake;
  return ready == 0 ? kNone : lowest(ready);
}

[[gnu::always_inline]] inline Tick HbmChannel::row_slot(Tick t) {
  if (t < row_free_) return row_free_;
  int act = kNone;
  for (int p = 0; p < pseudos_; ++p) {
    if (activate_wake_[at(p)] <= t) act = std::min(act, pick_activate(p, t));
  }
  const int pre = precharge_wake_ <= t ? pick_precharge(t) : kNone;
  if (act < pre) {
    if (pre != kNone) precharge_wake_ = t;  // who is not chosen is looked at again
    issue_activate(act, t);
  } else if (pre != kNone) {
    issue_precharge(queue_[mode_][pre].bank, t);
  }
  const Tick act_wake = std::min(activate_wake_[0], activate_wake_[1]);
  return std::max(row_free_, std::min(act_wake, precharge_wake_));
}

[[gnu::always_inline]] inline void HbmChannel::issue_activate(int place, Tick t) {
  const unsigned mode = mode_;
  HbmQueue& queue = queue_[mode];
  Entry& e = queue[place];
  const int b = e.bank;
  Bank& bank = bank_[at(b)];
  Pseudo& pc = pseudo_[pseudo_of(b)];
  Tick& group_act = group_act_[group_of(b)];

  const Tick limit = std::max(pc.act_limit, group_act);
  if (e.accept + 1 >= t) {
    bank.act_cause = HbmLoss::kBank;  // just arrived: what it waits for is tRCD
  } else if (std::max(limit, act_ready_[at(b)]) < t) {
    bank.act_cause = HbmLoss::kRowBus;
  } else {
    bank.act_cause = limit >= act_ready_[at(b)] ? HbmLoss::kFaw : HbmLoss::kBank;
  }

  open_ |= bit(b);
  open_row_[at(b)] = e.row;
  bank.cas_ready = {t + k_.act_rd, t + k_.act_wr};
  bank.last_act = pc.last_act = t;
  raise(pre_ready_[at(b)], t + k_.act_pre);
  raise(act_ready_[at(b)], t + k_.act_act);
  raise(group_act, t + k_.rrd_l);
  pc.acts[pc.acts_at] = t;
  pc.acts_at = (pc.acts_at + 1) & 3;
  pc.act_limit = std::max(t + k_.rrd_s, pc.acts[pc.acts_at] + k_.faw);
  raise(pc.act, pc.act_limit);
  activate_wake_[pseudo_of(b)] = pc.act;
  row_free_ = t + k_.act_bus;
  ++counts_.activates;
  log(t, HbmCommand::kActivate, b, e.row);

  // The access that asked for the row goes ahead of all row hits and gives up its queue place.
  active_ |= bit(b);
  active_seq_[at(b)] = e.seq;
  bank.mode = static_cast<std::uint8_t>(mode);
  --used_[mode];
  places_changed_ = true;
  const Tick ready = clock_edge(bank.cas_ready[mode]);
  Opening& opening = opening_[mode];
  const unsigned end = (opening.head + opening.count++) & (kMaxBanks - 1);
  opening.tick[end] = ready;
  opening.bank[end] = static_cast<std::uint8_t>(b);
  lower(column_wake_, ready);
  raise(opened_late_[mode ^ 1U], bank.cas_ready[mode ^ 1U]);
  bank.in_queue = e.left > 1;
  if (bank.in_queue) {
    queue.activate &= ~bit(place);
  } else {
    bank.alone = e;
    queue.remove(place);
    if (behind_[mode].count > 0) let_in(mode, t);
  }
  HbmQueue& other = queue_[mode ^ 1U];
  other.activate &= ~other.of_bank(b);
}

inline void HbmChannel::close_bank(int b, Tick t) {
  open_ &= ~bit(b);
  for (const unsigned mode : {0U, 1U}) {
    if (queue_[mode].empty()) continue;
    queue_[mode].drop_hits(b);
    settle(b, mode, t);
  }
}

inline void HbmChannel::issue_precharge(int b, Tick t) {
  Pseudo& pc = pseudo_[pseudo_of(b)];
  bank_[at(b)].last_pre = pc.last_pre = t;
  raise(act_ready_[at(b)], t + k_.pre_act);
  pc.pre = t + k_.pre_pre;
  row_free_ = t + k_.pre_bus;
  ++counts_.precharges;
  log(t, HbmCommand::kPrecharge, b, open_row_[at(b)]);
  close_bank(b, t);
}

/// Finds anew who asks for a row command of this bank, after a change of its row or of its pieces.
[[gnu::always_inline]] inline void HbmChannel::settle(int b, unsigned mode, Tick t) {
  HbmQueue& queue = queue_[mode];
  if (queue.empty()) return;
  const std::uint64_t here = queue.of_bank(b);
  const bool open = (open_ & bit(b)) != 0;
  if (open && (here & ~queue.hits()) == 0) return;  // nobody ever asked for another row
  queue.activate &= ~here;
  queue.precharge &= ~here;
  if (here == 0 || (active_ & bit(b)) != 0) return;
  const std::size_t p = pseudo_of(b);
  if (!open) {
    queue.activate |= here & -here;
    const Tick ready = std::max(act_ready_[at(b)], t);
    lower(activate_wake_[p], ready);
    lower(row_wake_, std::max(ready, row_free_));
    return;
  }
  // With row hits first a bank's oldest piece decides, otherwise the oldest that wants another row.
  const std::uint64_t asking = row_hit_first_ ? here & -here & ~queue.hits() : here & ~queue.hits();
  if (asking == 0) return;
  queue.precharge |= asking & -asking;
  const Tick ready = std::max(pre_ready_[at(b)], t);
  lower(precharge_wake_, ready);
  lower(row_wake_, std::max(ready, row_free_));
}

}  // namespace athena::timing
