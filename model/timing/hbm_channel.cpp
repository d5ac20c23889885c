#include "timing/hbm_channel.h"

#include <algorithm>
#include <bit>

#include "timing/hbm_bits.h"

namespace athena::timing {
HbmChannel::HbmChannel(const HbmSpec& spec) : k_(spec.timing), spec_(spec) {
  const HbmTimingSet& t = spec.timing;
  edge_ = k_.per_clock - 1;
  clock_shift_ = log2_of(k_.per_clock);
  banks_ = t.banks();
  pseudos_ = t.pseudo_channels;
  group_shift_ = log2_of(t.banks_per_group);
  group_banks_ = bit(t.banks_per_group) - 1;
  sid_shift_ = group_shift_ + log2_of(t.bank_groups);
  sid_mask_ = t.stack_ids - 1;
  pseudo_shift_ = sid_shift_ + log2_of(t.stack_ids);
  high_ = static_cast<int>(spec.drain_high * spec.write_queue);
  low_ = static_cast<int>(spec.drain_low * spec.write_queue);
  size_ = {spec.read_queue, spec.write_queue};
  row_hit_first_ = spec.scheduler == HbmScheduler::kRowHitFirst;
  closed_page_ = spec.page == HbmPagePolicy::kClosed;
  reset();
}

void HbmChannel::reset() {
  bank_ = {};
  act_ripe_ = pre_ripe_ = ~std::uint64_t{0};
  act_ready_ = pre_ready_ = group_act_ = {};
  group_cas_ = {};
  pseudo_ = {};
  const int per_pseudo = spec_.timing.banks_per_pseudo_channel();
  for (int p = 0; p < pseudos_; ++p) {
    Pseudo& pc = pseudo_[at(p)];
    pc.first_bank = p * per_pseudo;
    for (int b = 0; b < per_pseudo; ++b) pc.banks |= bit(pc.first_bank + b);
    pc.acts.fill(-kNever);
  }
  open_ = active_ = 0;
  opened_ = busy_ = hits_ = head_hit_ = {};
  used_ = {};
  mode_ = 0;
  const HbmTimingSet& t = spec_.timing;
  calendar_.reset(t.tCCDS, t.stack_ids > 1 ? t.tCCDR : 0, t.stack_ids);
  wheel_.reset();
  opening_ = {};
  // A queue of n accesses holds at most n entries; promoted entries leave it, one per bank.
  const int capacity = spec_.read_queue + spec_.write_queue + banks_;
  entries_.assign(at(capacity), Entry{});
  free_.clear();
  for (int i = capacity - 1; i >= 0; --i) free_.push_back(static_cast<std::uint16_t>(i));
  if (source_.empty()) source_.resize(512);
  source_head_ = source_count_ = 0;
  seq_ = 0;
  waiting_ = 0;
  now_ = next_ = row_free_ = 0;
  next_release_ = kNever;
  column_wake_ = row_wake_ = kNever;
  next_refresh_ = spec_.refresh == HbmRefresh::kAllBank   ? k_.refi
                  : spec_.refresh == HbmRefresh::kPerBank ? k_.refi_pb
                                                          : kNever;
  series_.reset(k_.refi);
  timer_ = next_ = std::min(next_refresh_, series_.next());
  refresh_bank_ = 0;
  refresh_head_ = refresh_count_ = 0;
  done_.clear();
  counts_ = {};
}

// ---- the source queue and the controller's two queues -------------------------------------------

void HbmChannel::submit(const HbmPiece& piece) {
  if (source_count_ == source_.size()) {
    std::vector<HbmPiece> larger(source_.size() * 2);
    for (std::size_t i = 0; i < source_count_; ++i) {
      larger[i] = source_[(source_head_ + i) & (source_.size() - 1)];
    }
    source_.swap(larger);
    source_head_ = 0;
  }
  HbmPiece& slot = source_[(source_head_ + source_count_++) & (source_.size() - 1)];
  slot = piece;
  ++waiting_;
  if (source_count_ != 1) return;
  raise(slot.arrival, now_);
  if (used_[piece.write ? 1 : 0] + room(piece) <= size_[piece.write ? 1 : 0]) {
    lower(next_, slot.arrival + 1);
  }
}

void HbmChannel::accept_source(Tick t) {
  while (source_count_ > 0) {
    const HbmPiece& piece = source_[source_head_];
    if (piece.arrival > t) {
      lower(next_, piece.arrival + 1);
      return;
    }
    const std::size_t mode = piece.write ? 1 : 0;
    if (used_[mode] + room(piece) > size_[mode] && used_[mode] != 0) return;
    if (!piece.write && (busy_[1] & bit(piece.bank)) != 0 && forwarded(piece)) {
      // The data leave the write queue in the next clock and never touch the bus.
      done_.push_back({t + k_.per_clock, t, piece.arrival, piece.tag, false});
      counts_.forwarded += piece.bursts;
      --waiting_;
    } else {
      insert(piece, t);
    }
    source_head_ = (source_head_ + 1) & (source_.size() - 1);
    --source_count_;
  }
}

/// Whether one waiting write covers everything that this read wants.
bool HbmChannel::forwarded(const HbmPiece& piece) const {
  for (std::uint16_t id = bank_[piece.bank].list[1].head; id != kNil; id = entries_[id].next) {
    const Entry& e = entries_[id];
    if (e.row == piece.row && e.column <= piece.column &&
        piece.column + piece.bursts <= e.column + e.left) {
      return true;
    }
  }
  return false;
}

void HbmChannel::insert(const HbmPiece& piece, Tick t) {
  const unsigned mode = piece.write ? 1U : 0U;
  const int b = piece.bank;
  const std::uint16_t id = free_.back();
  free_.pop_back();
  Entry& e = entries_[id];
  e.arrival = piece.arrival;
  e.accept = t;
  e.seq = seq_++;
  e.row = piece.row;
  e.tag = piece.tag;
  e.left = piece.bursts;
  e.column = piece.column;
  e.bank = piece.bank;
  e.write = piece.write;
  e.next = kNil;
  used_[mode] += piece.bursts;

  Pseudo& pc = pseudo_[pseudo_of(b)];
  if (pc.pending++ == 0) pc.busy_since = t;

  List& list = bank_[at(b)].list[mode];
  const bool open = (open_ & bit(b)) != 0;
  const bool hit = open && open_row_[at(b)] == piece.row;
  e.prev = list.tail;
  if (e.prev == kNil) {
    list.head = id;
    head_seq_[mode][at(b)] = e.seq;
    busy_[mode] |= bit(b);
    if (hit) head_hit_[mode] |= bit(b);
  } else {
    entries_[e.prev].next = id;
  }
  list.tail = id;
  if (hit) {
    ++counts_.row_hits;
    if (list.hit == kNil) {
      list.hit = id;
      hit_seq_[mode][at(b)] = e.seq;
      hits_[mode] |= bit(b);
      lower(column_wake_, t);
    }
    return;
  }
  ++(open ? counts_.row_conflicts : counts_.row_misses);
  if (list.head == id || !row_hit_first_) row_changed(b, t);
}

void HbmChannel::row_changed(int b, Tick t) {
  const Tick ready = (open_ & bit(b)) != 0 ? pre_ready_[at(b)] : act_ready_[at(b)];
  lower(row_wake_, std::max(ready, std::max(row_free_, t)));
}

void HbmChannel::unlink(Bank& bank, std::uint16_t id) {
  Entry& e = entries_[id];
  const unsigned mode = e.write ? 1U : 0U;
  List& list = bank.list[mode];
  if (e.prev == kNil) {
    list.head = e.next;
    if (e.next != kNil) head_seq_[mode][e.bank] = entries_[e.next].seq;
  } else {
    entries_[e.prev].next = e.next;
  }
  if (e.next == kNil) {
    list.tail = e.prev;
  } else {
    entries_[e.next].prev = e.prev;
  }
  if (list.head == kNil) busy_[mode] &= ~bit(e.bank);
}

void HbmChannel::find_hit(int b, unsigned mode, std::uint16_t from) {
  List& list = bank_[at(b)].list[mode];
  std::uint16_t id = from;
  while (id != kNil && entries_[id].row != open_row_[at(b)]) id = entries_[id].next;
  list.hit = id;
  if (id == kNil) {
    hits_[mode] &= ~bit(b);
  } else {
    hit_seq_[mode][at(b)] = entries_[id].seq;
    hits_[mode] |= bit(b);
  }
}

void HbmChannel::update_head(int b, unsigned mode) {
  const std::uint16_t head = bank_[at(b)].list[mode].head;
  const bool hit = (open_ & bit(b)) != 0 && head != kNil && entries_[head].row == open_row_[at(b)];
  if (hit) {
    head_hit_[mode] |= bit(b);
  } else {
    head_hit_[mode] &= ~bit(b);
  }
}

void HbmChannel::turn(Tick t) {
  mode_ ^= 1U;
  lower(column_wake_, t);
  lower(row_wake_, std::max(row_free_, t));
}

// ---- time ---------------------------------------------------------------------------------------

void HbmChannel::step(Tick t) {
  now_ = t;
  next_ = kNever;
  if (timer_ <= t) timers(t);
  release(t - 1);
  if (source_count_ > 0) accept_source(t - 1);  // the controller takes a tick to look at what came
  choose_mode(t);
  if (column_wake_ <= t) {
    column_wake_ = column_slot(t);
    release(t);
    choose_mode(t);
  }
  if (row_wake_ <= t) {
    ripen(t);
    row_wake_ = refresh_count_ > 0 ? refresh_slot(t) : row_slot(t);
  }
  lower(next_, std::max(t + 1, std::min(column_wake_, row_wake_)));
  lower(next_, timer_);
  // A place that becomes free lets the source in one tick later.
  if (source_count_ > 0 || used_[1] > 0) lower(next_, std::max(t, next_release_) + 1);
}

/// Marks the banks whose ACT or PRE has become possible as far as the bank is concerned.
void HbmChannel::ripen(Tick t) {
  wheel_.advance(t, [this, t](const HbmWheel::Bucket& due) {
    for (std::uint64_t mask = due.act; mask != 0; mask &= mask - 1) {
      const int b = lowest(mask);
      if (act_ready_[at(b)] > t) {
        wheel_.add_act(b, act_ready_[at(b)]);
      } else {
        act_ripe_ |= bit(b);
      }
    }
    for (std::uint64_t mask = due.pre; mask != 0; mask &= mask - 1) {
      const int b = lowest(mask);
      if (pre_ready_[at(b)] > t) {
        wheel_.add_pre(b, pre_ready_[at(b)]);
      } else {
        pre_ripe_ |= bit(b);
      }
    }
  });
}

// ---- columns ------------------------------------------------------------------------------------

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
      open |= pc.banks;
    } else {
      lower(next, t + (static_cast<Tick>(free == 0 ? 64 : lowest(free)) << clock_shift_));
    }
  }
  open &= banks;
  if (open == 0) return true;
  const auto& seqs = hit_seq_[mode_];
  Choice oldest;
  for (; open != 0; open &= open - 1) {
    const int b = lowest(open);
    if (oldest.better(seqs[at(b)])) oldest = {b, seqs[at(b)], false};
  }
  if (group_cas_[mode_][group_of(oldest.bank)] > t || bank_[at(oldest.bank)].cas_ready[mode_] > t) {
    return false;
  }
  best = oldest;
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
  Pseudo& pc = pseudo_[p];
  const std::int64_t base = calendar_.base();
  std::int64_t clock = t >> clock_shift_;
  Tick tick = t, last = t;
  for (booked = 0;;) {
    last = tick;
    calendar_.book(p, sid, mode, clock, held || booked > 0);
    account_data(pc, tick);
    log(tick, mode == 0 ? HbmCommand::kRead : HbmCommand::kWrite, b, open_row_[at(b)]);
    if (++booked == count) return last;
    // Never denser than tCCDL in one bank group, and around what others have booked.
    clock += k_.ccd_l >> clock_shift_;
    const std::uint64_t free = calendar_.free_slots(p, sid, mode == 0) >> (clock - base);
    clock += lowest(free);
    tick = clock << clock_shift_;
    // A refresh that becomes due keeps row hits back.
    if (tick >= next_refresh_ || free == 0) return last;
  }
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
    set_pre_ready(b, last + k_.rd_pre);
    counts_.reads += static_cast<std::uint64_t>(count);
  } else {
    raise(pc.cas[0], last + k_.wtr_s);
    raise(group_cas_[0][group], last + k_.wtr_l);
    set_pre_ready(b, last + k_.wr_pre);
    counts_.writes += static_cast<std::uint64_t>(count);
  }
  e.left = static_cast<std::uint16_t>(e.left - count);
  if (e.column != HbmPiece::kScattered) e.column = static_cast<std::uint16_t>(e.column + count);
  const bool finished = e.left == 0;
  if (finished) {
    const std::uint16_t next = e.next;
    unlink(bank, id);
    if (bank.list[mode].hit == id) find_hit(b, mode, next);
    update_head(b, mode);
    done_.push_back({last + (mode == 0 ? k_.read_latency : k_.write_latency), e.accept, e.arrival,
                     e.tag, e.write});
    free_.push_back(id);
    --waiting_;
    --pc.pending;
    if (closed_page_ && ((hits_[0] | hits_[1] | active_) & bit(b)) == 0) {
      auto_precharge(b, mode, last);
    }
  }
  if (finished || choice.active) row_changed(b, t);
}

void HbmChannel::auto_precharge(int b, unsigned mode, Tick t) {
  Bank& bank = bank_[at(b)];
  const Tick start = std::max(pre_ready_[at(b)], t + (mode == 0 ? k_.rd_pre : k_.wr_pre));
  bank.last_pre = start;
  raise(pseudo_[pseudo_of(b)].last_pre, start);
  set_act_ready(b, start + k_.pre_act);
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

// ---- rows ---------------------------------------------------------------------------------------

std::uint16_t HbmChannel::row_target(int b) const {
  std::uint16_t id = bank_[at(b)].list[mode_].head;
  if (row_hit_first_ || (open_ & bit(b)) == 0) return id;
  while (id != kNil && entries_[id].row == open_row_[at(b)]) id = entries_[id].next;
  return id;
}

/// When the next row command may be due, given the banks that want an ACT and those that want a
/// PRE, none of which may have it at `t`.
Tick HbmChannel::row_wake(std::uint64_t closed, std::uint64_t wrong, Tick t) const {
  Tick next = wheel_.next(closed, wrong, kNever);
  for (int p = 0; p < pseudos_; ++p) {
    const Pseudo& pc = pseudo_[at(p)];
    if ((wrong & pre_ripe_ & pc.banks) != 0 && pc.pre > t) lower(next, pc.pre);
    std::uint64_t ripe = closed & act_ripe_ & pc.banks;
    if (ripe == 0) continue;
    if (pc.act > t) {
      lower(next, pc.act);
      continue;
    }
    for (; ripe != 0; ripe &= ripe - 1) lower(next, group_act_[group_of(lowest(ripe))]);
  }
  return next;
}

Tick HbmChannel::row_slot(Tick t) {
  if (t < row_free_) return row_free_;
  const std::uint64_t busy = busy_[mode_] & ~active_;
  const std::uint64_t closed = busy & ~open_;
  const std::uint64_t wrong = busy & open_ & (row_hit_first_ ? ~head_hit_[mode_] : ~0ULL);
  if ((closed | wrong) == 0) return kNever;
  const auto& seqs = head_seq_[mode_];
  Choice best;
  const bool edge = (t & edge_) == 0;
  for (int p = 0; p < pseudos_; ++p) {
    const Pseudo& pc = pseudo_[at(p)];
    std::uint64_t acts = edge && pc.act <= t ? closed & act_ripe_ & pc.banks : 0;
    for (; acts != 0; acts &= acts - 1) {
      const int b = lowest(acts);
      if (group_act_[group_of(b)] > t) continue;
      if (best.better(seqs[at(b)])) best = {b, seqs[at(b)], false};
    }
    std::uint64_t pres = pc.pre <= t ? wrong & pre_ripe_ & pc.banks : 0;
    for (; pres != 0; pres &= pres - 1) {
      const int b = lowest(pres);
      std::uint32_t seq = seqs[at(b)];
      if (!row_hit_first_) {
        const std::uint16_t target = row_target(b);
        if (target == kNil) continue;
        seq = entries_[target].seq;
      }
      if (best.better(seq)) best = {b, seq, false};
    }
  }
  if (best.bank < 0) {
    const Tick next = row_wake(closed, wrong, t);
    // An ACT waits for a clock edge, a PRE does not.
    return !edge && (closed & act_ripe_) != 0 ? std::min(next, t + 1) : next;
  }
  if ((open_ & bit(best.bank)) != 0) {
    issue_precharge(best.bank, t);
  } else {
    issue_activate(best.bank, t);
  }
  return row_free_;
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
  set_pre_ready(b, t + k_.act_pre);
  set_act_ready(b, t + k_.act_act);
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
  set_act_ready(b, t + k_.pre_act);
  pc.pre = t + k_.pre_pre;
  row_free_ = t + k_.pre_bus;
  ++counts_.precharges;
  log(t, HbmCommand::kPrecharge, b, open_row_[at(b)]);
  close_bank(b);
}

void HbmChannel::set_act_ready(int b, Tick ready) {
  raise(act_ready_[at(b)], ready);
  if ((act_ripe_ & bit(b)) == 0) return;  // its event will look again
  act_ripe_ &= ~bit(b);
  wheel_.add_act(b, act_ready_[at(b)]);
}

void HbmChannel::set_pre_ready(int b, Tick ready) {
  raise(pre_ready_[at(b)], ready);
  if ((pre_ripe_ & bit(b)) == 0) return;
  pre_ripe_ &= ~bit(b);
  wheel_.add_pre(b, pre_ready_[at(b)]);
}

}  // namespace athena::timing
