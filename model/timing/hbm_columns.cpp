/// Which column command goes next, and what it changes.
#include <algorithm>

#include "timing/hbm_bits.h"
#include "timing/hbm_channel.h"

namespace athena::timing {

void HbmChannel::pick_column(std::uint64_t banks, unsigned mode, bool active, Tick t, Choice& best,
                             Tick& next) const {
  const std::int64_t now = (t >> clock_shift_) - calendar_.base();
  for (int p = 0; p < pseudos_; ++p) {
    const Pseudo& pc = pseudo_[at(p)];
    std::uint64_t mask = banks & pc.banks;
    if (mask == 0) continue;
    if (pc.cas[mode] > t) {
      lower(next, pc.cas[mode]);
      continue;
    }
    std::uint64_t free = 0;
    std::size_t known = SIZE_MAX;
    while (mask != 0) {
      const int first = lowest(mask);
      const std::size_t group = group_of(first);
      std::uint64_t members = mask & (group_banks_ << (static_cast<int>(group) << group_shift_));
      mask &= ~members;
      if (group_cas_[mode][group] > t) {
        lower(next, group_cas_[mode][group]);
        continue;
      }
      if (const std::size_t sid = sid_of(first); sid != known) {
        free = calendar_.free_slots(at(p), sid, mode == 0) >> now;
        known = sid;
      }
      if ((free & 1) == 0) {
        const int wait = free == 0 ? 64 : lowest(free);
        lower(next, t + (static_cast<Tick>(wait) << clock_shift_));
        continue;
      }
      for (; members != 0; members &= members - 1) {
        const int b = lowest(members);
        if (!active && bank_[at(b)].cas_ready[mode] > t) {
          lower(next, bank_[at(b)].cas_ready[mode]);
          continue;
        }
        const std::uint32_t seq = active ? active_seq_[at(b)] : hit_seq_[mode][at(b)];
        if (best.better(seq)) best = {b, seq, active};
      }
    }
  }
}

/// The usual case, cheaply: the oldest row hit can go now (true), or no pseudo-channel with row
/// hits has a free slot (true, nothing chosen, `next` lowered). Otherwise false.
bool HbmChannel::oldest_hit(std::uint64_t banks, Tick t, Choice& best, Tick& next) const {
  const std::int64_t now = (t >> clock_shift_) - calendar_.base();
  std::uint64_t open = 0;  // banks of pseudo-channels that may have the bus now
  for (int p = 0; p < pseudos_; ++p) {
    const Pseudo& pc = pseudo_[at(p)];
    if ((banks & pc.banks) == 0) continue;
    if (pc.cas[mode_] > t) {
      lower(next, pc.cas[mode_]);
      continue;
    }
    const std::uint64_t free = calendar_.free_slots(at(p), 0, true) >> now;
    if ((free & 1) != 0) {
      open |= banks & pc.banks;
    } else {
      lower(next, t + (static_cast<Tick>(free == 0 ? 64 : lowest(free)) << clock_shift_));
    }
  }
  if (open == 0) return true;
  const std::uint32_t* const seqs = hit_seq_[mode_].data();
  int oldest = lowest(open);
  for (std::uint64_t rest = open & (open - 1); rest != 0; rest &= rest - 1) {
    const int b = lowest(rest);
    oldest = static_cast<std::int32_t>(seqs[b] - seqs[oldest]) < 0 ? b : oldest;
  }
  if (group_cas_[mode_][group_of(oldest)] > t || bank_[at(oldest)].cas_ready[mode_] > t) {
    return false;
  }
  best = {oldest, seqs[oldest], false};
  return true;
}

Tick HbmChannel::column_slot(Tick t) {
  if ((t & edge_) != 0) return clock_edge(t);
  calendar_.move_to(t >> clock_shift_);
  Tick next = kNever;
  Choice best;
  if (active_ != 0) {
    for (unsigned mode = 0; mode < 2; ++mode) {
      Opening& opening = opening_[mode];
      while (opening.count > 0 && opening.ring[opening.head].tick <= t) {
        opened_[mode] |= bit(opening.ring[opening.head].bank);
        opening.head = (opening.head + 1) & (kMaxBanks - 1);
        --opening.count;
      }
      if (opening.count > 0) lower(next, opening.ring[opening.head].tick);
      if (opened_[mode] != 0) pick_column(opened_[mode], mode, true, t, best, next);
    }
  }
  if (best.bank < 0 && refresh_count_ == 0) {
    const std::uint64_t banks = hits_[mode_] & ~active_;
    if (banks != 0 && (sid_mask_ != 0 || !oldest_hit(banks, t, best, next))) {
      pick_column(banks, mode_, false, t, best, next);
    }
  }
  if (best.bank < 0) return next == kNever ? kNever : clock_edge(next);
  issue_column(best, t);
  return t + k_.col_bus;
}

/// How many of an entry's accesses may be booked at once without taking a slot that somebody with a
/// better claim would have: a row just opened in the same bank group, an older row hit there, a
/// refresh, the other direction, or (tCCDR does not fit into the gaps that tCCDL leaves) anything
/// of another SID.
int HbmChannel::bookable(int b, const Entry& e, bool active) const {
  const std::size_t group = group_of(b);
  const std::uint64_t others =
      (group_banks_ << (static_cast<int>(group) << group_shift_)) & ~bit(b);
  const unsigned mode = e.write ? 1U : 0U;
  if (refresh_count_ > 0) return 1;
  Tick opens = kNever;  // when the next row just opened may be read
  for (std::uint64_t mask = active_ & others; mask != 0; mask &= mask - 1) {
    lower(opens, bank_[at(lowest(mask))].cas_ready[mode]);
  }
  if (opens <= now_) return 1;
  // Shortly before the bus turns round: what is not issued by then stays behind.
  constexpr int kNear = 6;
  if (mode_ == 0 ? used_[1] > high_ - kNear : used_[1] <= low_ + kNear) return 1;
  if (active) {
    for (std::uint64_t mask = hits_[mode] & others; mask != 0; mask &= mask - 1) {
      if (static_cast<std::int32_t>(hit_seq_[mode][at(lowest(mask))] - e.seq) < 0) return 1;
    }
  }
  if (sid_mask_ != 0) {
    const int sid_banks = 1 << sid_shift_;
    const std::uint64_t same = (bit(sid_banks) - 1) << (b & ~(sid_banks - 1));
    if (((active_ | hits_[mode]) & pseudo_[pseudo_of(b)].banks & ~same) != 0) return 1;
  }
  const int most = std::min<int>(e.left, kBooked);
  if (opens == kNever) return most;
  return static_cast<int>(std::min<Tick>(most, 1 + (opens - now_ - 1) / k_.ccd_l));
}

/// Books the slots of `count` accesses from `t` on; returns the tick of the last. `held`: the first
/// still has a place in the queue; the others always do.
Tick HbmChannel::book(int b, unsigned mode, int count, bool held, Tick t, int& booked) {
  const std::size_t p = pseudo_of(b);
  const std::size_t sid = sid_of(b);
  const std::int64_t base = calendar_.base();
  const std::int64_t first = (t >> clock_shift_) - base;
  std::uint64_t mask = bit(static_cast<int>(first));
  std::int64_t last = first;
  booked = 1;
  if (count > 1) {
    // Never denser than tCCDL in one bank group, and around what others have booked. A refresh that
    // becomes due keeps row hits back. What this access books itself lies tCCDL away.
    const std::uint64_t free = calendar_.free_slots(p, sid, mode == 0);
    const int step = static_cast<int>(k_.ccd_l >> clock_shift_);
    const std::int64_t due = (next_refresh_ + edge_) >> clock_shift_;
    for (; booked < count; ++booked) {
      const std::uint64_t rest = last + step > 63 ? 0 : free >> (last + step);
      if (rest == 0) break;
      const std::int64_t slot = last + step + lowest(rest);
      if (slot + base >= due) break;
      last = slot;
      mask |= bit(static_cast<int>(slot));
    }
  }
  calendar_.book(p, sid, mode, mask, held ? mask : mask & (mask - 1));
  Pseudo& pc = pseudo_[p];
  for (std::uint64_t rest = mask; rest != 0; rest &= rest - 1) {
    account_data(pc, (lowest(rest) + base) << clock_shift_);
  }
  if (log_ != nullptr) {
    for (std::uint64_t rest = mask; rest != 0; rest &= rest - 1) {
      write_log((lowest(rest) + base) << clock_shift_,
                mode == 0 ? HbmCommand::kRead : HbmCommand::kWrite, b, open_row_[at(b)]);
    }
  }
  return (last + base) << clock_shift_;
}

void HbmChannel::issue_column(const Choice& choice, Tick t) {
  const int b = choice.bank;
  Bank& bank = bank_[at(b)];
  const std::size_t p = pseudo_of(b);
  Pseudo& pc = pseudo_[p];
  unsigned mode = mode_;
  std::uint16_t id = kNil;
  if (choice.active) {
    id = bank.active;
    mode = entries_[id].write ? 1U : 0U;
    bank.active = kNil;
    active_ &= ~bit(b);
    opened_[mode] &= ~bit(b);
  } else {
    id = bank.list[mode].hit;
  }
  Entry& e = entries_[id];
  account_first(b, mode, choice.active, t);
  const int wanted = e.left == 1 ? 1 : bookable(b, e, choice.active);
  int count = 0;
  // An access that opened its row gave up its place with the ACT.
  const Tick last = book(b, mode, wanted, !choice.active, t, count);
  next_release_ = calendar_.next_release() << clock_shift_;

  const std::size_t group = group_of(b);
  group_cas_[mode][group] = last + k_.ccd_l;
  if (mode == 0) {
    raise(pc.cas[1], last + k_.rtw);
    raise(pre_ready_[at(b)], last + k_.rd_pre);
    counts_.reads += static_cast<std::uint64_t>(count);
  } else {
    raise(pc.cas[0], last + k_.wtr_s);
    raise(group_cas_[0][group], last + k_.wtr_l);
    raise(pre_ready_[at(b)], last + k_.wr_pre);
    counts_.writes += static_cast<std::uint64_t>(count);
  }
  e.left = static_cast<std::uint16_t>(e.left - count);
  if (e.column != HbmPiece::kScattered) e.column = static_cast<std::uint16_t>(e.column + count);
  const bool finished = e.left == 0;
  if (finished) finish(id, b, last);
  if (finished || choice.active) row_changed(b, t);
}

/// The last access of an entry is booked, at tick `last`.
void HbmChannel::finish(std::uint16_t id, int b, Tick last) {
  Bank& bank = bank_[at(b)];
  const Entry& e = entries_[id];
  const unsigned mode = e.write ? 1U : 0U;
  const std::uint16_t next = e.next;
  unlink(bank, id);
  if (bank.list[mode].hit == id) find_hit(b, mode, next);
  update_head(b, mode);
  done_.push_back({last + (mode == 0 ? k_.read_latency : k_.write_latency), e.accept, e.arrival,
                   e.tag, e.write});
  free_.push_back(id);
  --waiting_;
  --pseudo_[pseudo_of(b)].pending;
  if (closed_page_ && ((hits_[0] | hits_[1] | active_) & bit(b)) == 0) {
    auto_precharge(b, mode, last);
  }
}

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
  close_bank(b);
}

}  // namespace athena::timing
