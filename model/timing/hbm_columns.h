#pragma once
/// Which column command goes next, and what it changes. Part of the channel's inner loop: included
/// by hbm_channel.cpp alone, so that it is compiled into that loop.
#include <algorithm>

#include "timing/hbm_bits.h"
#include "timing/hbm_channel.h"

namespace athena::timing {

/// The bank of the oldest piece whose row was opened for it and that can go now, or -1. Where none
/// can, `next` is lowered to when one could.
[[gnu::always_inline]] inline int HbmChannel::pick_opened(Tick t, Tick& next) {
  int best = -1;
  for (unsigned mode = 0; mode < 2; ++mode) {
    Opening& opening = opening_[mode];
    while (opening.count > 0 && opening.tick[opening.head] <= t) {
      opened_[mode] |= bit(opening.bank[opening.head]);
      opening.head = (opening.head + 1) & (kMaxBanks - 1);
      --opening.count;
    }
    if (opening.count > 0) lower(next, opening.tick[opening.head]);
    if (opened_[mode] == 0) continue;
    std::uint32_t groups = 0;
    std::uint64_t banks = 0;
    for (std::uint64_t mask = opened_[mode]; mask != 0; mask &= mask - 1) {
      const int b = lowest(mask);
      if (const Tick opens = bank_[at(b)].cas_ready[mode]; opens > t) {
        lower(next, clock_edge(opens));  // seen by a look ahead of time
        continue;
      }
      banks |= bit(b);
      groups |= std::uint32_t{1} << group_of(b);
    }
    if (banks == 0) continue;
    const std::uint32_t ready = ready_groups(groups, mode, t);
    for (; banks != 0; banks &= banks - 1) {
      const int b = lowest(banks);
      if (((ready >> group_of(b)) & 1) == 0) continue;
      if (best < 0 || older(active_seq_[at(b)], active_seq_[at(best)])) best = b;
    }
    if (best < 0) lower(next, next_slot(groups, mode, t + k_.col_bus));
  }
  return best;
}

/// Of these groups those that may get a command of this direction at `t`.
[[gnu::always_inline]] inline std::uint32_t HbmChannel::ready_groups(std::uint32_t groups,
                                                                     unsigned mode, Tick t) const {
  groups &= slots_.allowed(t >> clock_shift_);
  if (t >= turned_[mode]) return groups;
  std::uint32_t ready = 0;
  for (; groups != 0; groups &= groups - 1) {
    const int group = lowest(groups);
    if (turned(group, mode) <= t) ready |= std::uint32_t{1} << group;
  }
  return ready;
}

/// When the last turnaround that holds up this group ends.
inline Tick HbmChannel::turned(int group, unsigned mode) const {
  const Tick floor = pseudo_[pseudo_of(group << group_shift_)].cas[mode];
  return mode == 0 ? std::max(floor, group_read_[at(group)]) : floor;
}

/// The earliest tick from `from` on at which one of these groups may get a command.
[[gnu::always_inline]] inline Tick HbmChannel::next_slot(std::uint32_t groups, unsigned mode,
                                                         Tick from) const {
  if (from >= turned_[mode]) {
    return slots_.first((from + edge_) >> clock_shift_, groups) << clock_shift_;
  }
  Tick next = kNever;
  for (; groups != 0; groups &= groups - 1) {
    const int group = lowest(groups);
    const std::int64_t clock = (std::max(from, turned(group, mode)) + edge_) >> clock_shift_;
    lower(next, slots_.first(clock, std::uint32_t{1} << group) << clock_shift_);
  }
  return next;
}

/// The place of the oldest row hit that can go now, or kNone.
[[gnu::always_inline]] inline int HbmChannel::pick_hit(Tick t) const {
  const HbmQueue& queue = queue_[mode_];
  const std::uint32_t groups = ready_groups(queue.hit_groups(), mode_, t);
  if (groups == 0) return kNone;
  std::uint64_t hits = queue.hits();
  int place = queue.oldest(hits, groups);
  if (t >= opened_late_[mode_]) return place;
  while (place != kNone && bank_[queue[place].bank].cas_ready[mode_] > t) {
    hits &= ~((bit(place) << 1) - 1);
    place = queue.oldest(hits, groups);
  }
  return place;
}

/// The earliest tick from `from` on at which a row hit could go.
[[gnu::always_inline]] inline Tick HbmChannel::next_hit(Tick from) const {
  return next_slot(queue_[mode_].hit_groups(), mode_, from);
}

/// Issues a column command at `t` if one can go; otherwise lowers `next` to when one could. `ahead`
/// of time nothing is decided that a row command might still overturn.
[[gnu::always_inline]] inline bool HbmChannel::column_at(Tick t, bool ahead, Tick& next) {
  if (active_ != 0) {
    if (const int bank = pick_opened(t, next); bank >= 0) {
      issue_opened(bank, t);
      return true;
    }
  }
  const HbmQueue& queue = queue_[mode_];
  if (queue.hits() == 0 || refresh_count_ > 0) return false;
  const int place = pick_hit(t);
  if (place == kNone) {
    lower(next, next_hit(t + k_.col_bus));
    return false;
  }
  if (ahead && (queue.precharge & queue.of_bank(queue[place].bank)) != 0) {
    next = t;
    return false;
  }
  issue_hit(place, t);
  return true;
}

[[gnu::always_inline]] inline Tick HbmChannel::column_slot(Tick t) {
  if ((t & edge_) != 0) return clock_edge(t);
  const std::int64_t clock = t >> clock_shift_;
  slots_.move_to(clock);
  if (clock - releases_.base() + kAhead + kReach >= HbmReleases::kReach) release(t - 1);
  // Reads alone: whatever comes in is younger than what waits, and rows open far later.
  const bool alone = !mixed() && refresh_count_ == 0;
  const Tick start = t;
  const Tick last = alone ? std::min(timer_ - 1, t + (Tick{kAhead} << clock_shift_)) : t;
  while (true) {
    Tick next = kNever;
    if (!column_at(t, t > start, next)) {
      if (next <= t || next > last || next > source_wake_) {
        return next == kNever ? kNever : clock_edge(next);
      }
      t = clock_edge(next);
      continue;
    }
    t += k_.col_bus;
    if (t <= last) continue;
    if ((opened_[0] | opened_[1]) != 0) return t;
    return queue_[mode_].hits() != 0 ? std::min(next_hit(t), next_opening(t)) : next_opening(t);
  }
}

/// How many of an entry's accesses may be booked at once without taking a slot that somebody with a
/// better claim would have: a row just opened in the same bank group, a row hit there of `earlier`
/// places, a refresh, the other direction, or (tCCDR does not fit into the gaps that tCCDL leaves)
/// anything of another SID.
[[gnu::always_inline]] inline int HbmChannel::bookable(const Entry& e, unsigned mode, bool opened,
                                                       std::uint64_t earlier, Tick t) const {
  if (refresh_count_ > 0) return 1;
  // Shortly before the bus turns round: what is not issued by then stays behind.
  constexpr int kNear = 6;
  if (mode_ == 0 ? used_[1] > high_ - kNear : used_[1] <= low_ + kNear) return 1;
  const int b = e.bank;
  const HbmQueue& queue = queue_[mode];
  if ((queue.hits() & queue.of_group(b >> group_shift_) & earlier) != 0) return 1;
  const std::uint64_t others = (group_banks_ << (b & ~group_low_)) & ~bit(b);
  Tick opens = kNever;  // when the next row just opened may be read
  for (std::uint64_t mask = active_ & others; mask != 0; mask &= mask - 1) {
    const int other = lowest(mask);
    lower(opens, bank_[at(other)].cas_ready[mode]);
    if (opened && bank_[at(other)].mode == mode && older(active_seq_[at(other)], e.seq)) {
      return 1;
    }
  }
  if (opens <= t) return 1;
  if (sid_mask_ != 0) {
    const int first = rank_of(b) & ~sid_mask_;
    for (int rank = first; rank <= first + sid_mask_; ++rank) {
      if (rank == rank_of(b)) continue;
      const int sid_banks = 1 << sid_shift_;
      if ((queue.hits() & queue.of_rank(rank)) != 0 ||
          (active_ & ((bit(sid_banks) - 1) << (rank << sid_shift_))) != 0) {
        return 1;
      }
    }
  }
  const int most = std::min<int>(e.left, kBooked);
  if (opens == kNever) return most;
  return static_cast<int>(std::min<Tick>(most, 1 + (opens - t - 1) / k_.ccd_l));
}

/// Books the slots of `count` accesses from `t` on; returns the tick of the last. `held`: the first
/// still has a place in the queue; the others always do.
[[gnu::always_inline]] inline Tick HbmChannel::book(int b, unsigned mode, int count, bool held,
                                                    Tick t, int& booked) {
  const auto group = static_cast<int>(group_of(b));
  const std::int64_t first = t >> clock_shift_;
  std::int64_t last = first;
  slots_.book(group, mode != 0, first);
  if (held) releases_.add(mode, first);
  if (log_ != nullptr) log_column(t, mode, b);
  booked = 1;
  if (count > 1) {
    // A refresh that becomes due keeps row hits back.
    const std::int64_t due = std::min(first + kReach, (next_refresh_ + edge_) >> clock_shift_);
    const std::int64_t spacing = k_.ccd_l >> clock_shift_;
    for (; booked < count; ++booked) {
      const std::int64_t slot = slots_.first(last + spacing, std::uint32_t{1} << group);
      if (slot >= due) break;
      last = slot;
      slots_.book(group, mode != 0, slot);
      releases_.add(mode, slot);
      if (log_ != nullptr) log_column(slot << clock_shift_, mode, b);
    }
  }
  const Tick end = last << clock_shift_;
  // Slots left open inside a booking count as column time until another access fills them.
  Pseudo& pc = pseudo_[pseudo_of(b)];
  const Tick moved = k_.burst * booked;
  const Tick data_end = std::max(pc.data_end, end + k_.burst);
  counts_.ticks[static_cast<std::size_t>(HbmLoss::kData)] += moved;
  counts_.ticks[static_cast<std::size_t>(HbmLoss::kColumn)] += data_end - pc.data_end - moved;
  pc.data_end = data_end;
  return end;
}

/// Issues the first of an entry's accesses at `t` and books others; returns the tick of the last.
[[gnu::always_inline]] inline Tick HbmChannel::issue(Entry& e, unsigned mode, bool opened,
                                                     std::uint64_t earlier, Tick t) {
  const int b = e.bank;
  Pseudo& pc = pseudo_[pseudo_of(b)];
  if (t > pc.data_end) account_gap(b, mode, opened, t);
  const int wanted = e.left == 1 ? 1 : bookable(e, mode, opened, earlier, t);
  int count = 0;
  // An access that opened its row gave up its place with the ACT.
  const Tick last = book(b, mode, wanted, !opened, t, count);
  places_changed_ = true;

  if (mode == 0) {
    raise(pc.cas[1], last + k_.rtw);
    raise(turned_[1], last + k_.rtw);
    raise(pre_ready_[at(b)], last + k_.rd_pre);
    counts_.reads += static_cast<std::uint64_t>(count);
  } else {
    raise(pc.cas[0], last + k_.wtr_s);
    raise(group_read_[group_of(b)], last + k_.wtr_l);
    raise(turned_[0], last + k_.wtr_l);
    raise(pre_ready_[at(b)], last + k_.wr_pre);
    counts_.writes += static_cast<std::uint64_t>(count);
  }
  e.left = static_cast<std::uint16_t>(e.left - count);
  if (e.column != HbmPiece::kScattered) e.column = static_cast<std::uint16_t>(e.column + count);
  return last;
}

[[gnu::always_inline]] inline void HbmChannel::issue_hit(int place, Tick t) {
  HbmQueue& queue = queue_[mode_];
  Entry& e = queue[place];
  const Tick last = issue(e, mode_, false, 0, t);
  if (e.left > 0) return;
  const int b = e.bank;
  const unsigned mode = mode_;
  complete(e, mode, last);
  queue.remove(place);
  if (closed_page_ && row_unwanted(b)) auto_precharge(b, mode, last);
  if (behind_[mode].count > 0) let_in(mode, t);
  settle(b, mode, t);
}

/// The first access of the piece for which this bank's row was opened.
[[gnu::always_inline]] inline void HbmChannel::issue_opened(int b, Tick t) {
  Bank& bank = bank_[at(b)];
  const unsigned mode = bank.mode;
  HbmQueue& queue = queue_[mode];
  active_ &= ~bit(b);
  opened_[mode] &= ~bit(b);
  // Decided ahead of time: what comes in until then may want this row, whose tRCD still runs.
  if (t > now_) raise(opened_late_[mode], bank.cas_ready[mode]);
  const int place = bank.in_queue ? lowest(queue.of_bank(b)) : 0;
  Entry& e = bank.in_queue ? queue[place] : bank.alone;
  const Tick last = issue(e, mode, true, bank.in_queue ? bit(place) - 1 : 0, t);
  const bool finished = e.left == 0;
  if (finished) {
    complete(e, mode, last);
    if (bank.in_queue) queue.remove(place);
  }
  for (HbmQueue& waiting : queue_) {
    if (!waiting.empty()) waiting.add_hits(b, waiting.wanting(b, open_row_[at(b)]));
  }
  if (finished) {
    if (closed_page_ && row_unwanted(b)) auto_precharge(b, mode, last);
    if (bank.in_queue && behind_[mode].count > 0) let_in(mode, t);
  }
  for (const unsigned m : {0U, 1U}) settle(b, m, t);
  if (refresh_count_ > 0) lower(row_wake_, std::max(row_free_, t));
}

/// The last access of an entry is booked at tick `last`.
[[gnu::always_inline]] inline void HbmChannel::complete(const Entry& e, unsigned mode, Tick last) {
  HbmDone& done = done_.add();
  done.finish = last + (mode == 0 ? k_.read_latency : k_.write_latency);
  done.accept = e.accept;
  done.arrival = e.arrival;
  done.tag = e.tag;
  done.write = mode != 0;
  --waiting_;
  --pseudo_[pseudo_of(e.bank)].pending;
}

}  // namespace athena::timing
