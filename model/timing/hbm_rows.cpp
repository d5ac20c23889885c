/// Which row command goes next, and what it changes.
#include <algorithm>

#include "timing/hbm_bits.h"
#include "timing/hbm_channel.h"

namespace athena::timing {

std::uint16_t HbmChannel::row_target(int b) const {
  std::uint16_t id = bank_[at(b)].list[mode_].head;
  if (row_hit_first_ || (open_ & bit(b)) == 0) return id;
  while (id != kNil && entries_[id].row == open_row_[at(b)]) id = entries_[id].next;
  return id;
}

Tick HbmChannel::row_slot(Tick t) {
  if (t < row_free_) return row_free_;
  const std::uint64_t busy = busy_[mode_] & ~active_;
  const std::uint64_t closed = busy & ~open_;
  const std::uint64_t wrong = busy & open_ & (row_hit_first_ ? ~head_hit_[mode_] : ~0ULL);
  if ((closed | wrong) == 0) return kNever;
  const auto& seqs = head_seq_[mode_];
  Choice best;
  Tick next = kNever;
  const bool edge = (t & edge_) == 0;
  for (int p = 0; p < pseudos_; ++p) {
    const Pseudo& pc = pseudo_[at(p)];
    if (const std::uint64_t acts = closed & pc.banks; acts != 0) {
      if (pc.act > t) {
        lower(next, pc.act);
      } else {
        pick_activate(acts, edge, t, best, next);
      }
    }
    std::uint64_t pres = wrong & pc.banks;
    if (pres == 0) continue;
    if (pc.pre > t) {
      lower(next, pc.pre);
      continue;
    }
    for (; pres != 0; pres &= pres - 1) {
      const int b = lowest(pres);
      if (pre_ready_[at(b)] > t) {
        lower(next, pre_ready_[at(b)]);
        continue;
      }
      std::uint32_t seq = seqs[at(b)];
      if (!row_hit_first_) {
        const std::uint16_t target = row_target(b);
        if (target == kNil) continue;
        seq = entries_[target].seq;
      }
      if (best.better(seq)) best = {b, seq, false};
    }
  }
  if (best.bank < 0) return next;
  if ((open_ & bit(best.bank)) != 0) {
    issue_precharge(best.bank, t);
  } else {
    issue_activate(best.bank, t);
  }
  return row_free_;
}

/// The oldest of these closed banks that may be activated at `t`; an ACT waits for a clock `edge`.
void HbmChannel::pick_activate(std::uint64_t banks, bool edge, Tick t, Choice& best,
                               Tick& next) const {
  const auto& seqs = head_seq_[mode_];
  for (; banks != 0; banks &= banks - 1) {
    const int b = lowest(banks);
    const Tick ready = std::max(act_ready_[at(b)], group_act_[group_of(b)]);
    if (ready > t) {
      lower(next, ready);
    } else if (!edge) {
      lower(next, t + 1);
    } else if (best.better(seqs[at(b)])) {
      best = {b, seqs[at(b)], false};
    }
  }
}

void HbmChannel::issue_activate(int b, Tick t) {
  Bank& bank = bank_[at(b)];
  Pseudo& pc = pseudo_[pseudo_of(b)];
  Tick& group_act = group_act_[group_of(b)];
  const std::uint16_t id = bank.list[mode_].head;
  const Entry& e = entries_[id];

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
  row_free_ = t + k_.act_bus;
  ++counts_.activates;
  log(t, HbmCommand::kActivate, b, e.row);

  // The access that asked for the row goes ahead of all row hits and gives up its queue place.
  const unsigned mode = mode_;
  bank.active = id;
  active_ |= bit(b);
  active_seq_[at(b)] = e.seq;
  --used_[mode];
  const Tick ready = clock_edge(bank.cas_ready[mode]);
  Opening& opening = opening_[mode];
  opening.ring[(opening.head + opening.count++) & (kMaxBanks - 1)] = {ready,
                                                                      static_cast<std::uint8_t>(b)};
  find_hit(b, mode, id);
  find_hit(b, mode ^ 1U, bank.list[mode ^ 1U].head);
  update_head(b, 0);
  update_head(b, 1);
  lower(column_wake_, ready);
}

void HbmChannel::close_bank(int b) {
  open_ &= ~bit(b);
  Bank& bank = bank_[at(b)];
  for (const std::size_t mode : {0U, 1U}) {
    bank.list[mode].hit = kNil;
    hits_[mode] &= ~bit(b);
    head_hit_[mode] &= ~bit(b);
  }
}

void HbmChannel::issue_precharge(int b, Tick t) {
  Pseudo& pc = pseudo_[pseudo_of(b)];
  bank_[at(b)].last_pre = pc.last_pre = t;
  raise(act_ready_[at(b)], t + k_.pre_act);
  pc.pre = t + k_.pre_pre;
  row_free_ = t + k_.pre_bus;
  ++counts_.precharges;
  log(t, HbmCommand::kPrecharge, b, open_row_[at(b)]);
  close_bank(b);
}

}  // namespace athena::timing
