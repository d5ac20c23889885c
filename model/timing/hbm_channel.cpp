#include "timing/hbm_channel.h"

#include <algorithm>
#include <bit>

namespace athena::timing {
namespace {

constexpr std::uint64_t bit(int i) {
  return std::uint64_t{1} << i;
}
int lowest(std::uint64_t mask) {
  return std::countr_zero(mask);
}
int log2_of(int value) {
  return std::bit_width(static_cast<unsigned>(value)) - 1;
}
void raise(Tick& floor, Tick value) {
  if (value > floor) floor = value;
}
void lower(Tick& wake, Tick value) {
  if (value < wake) wake = value;
}

}  // namespace

HbmChannel::HbmChannel(const HbmSpec& spec) : k_(spec.timing), spec_(spec) {
  const HbmTimingSet& t = spec.timing;
  edge_ = k_.per_clock - 1;
  banks_ = t.banks();
  pseudos_ = t.pseudo_channels;
  sids_ = t.stack_ids;
  groups_ = pseudos_ * sids_ * t.bank_groups;
  group_shift_ = log2_of(t.banks_per_group);
  sid_shift_ = group_shift_ + log2_of(t.bank_groups);
  sid_mask_ = sids_ - 1;
  pseudo_shift_ = sid_shift_ + log2_of(sids_);
  high_ = static_cast<int>(spec.drain_high * spec.write_queue);
  low_ = static_cast<int>(spec.drain_low * spec.write_queue);
  size_ = {spec.read_queue, spec.write_queue};
  row_hit_first_ = spec.scheduler == HbmScheduler::kRowHitFirst;
  closed_page_ = spec.page == HbmPagePolicy::kClosed;
  reset();
}

void HbmChannel::reset() {
  bank_ = {};
  group_ = {};
  pseudo_ = {};
  const int per_pseudo = spec_.timing.banks_per_pseudo_channel();
  for (int p = 0; p < pseudos_; ++p) {
    Pseudo& pc = pseudo_[static_cast<std::size_t>(p)];
    pc.first_bank = p * per_pseudo;
    for (int b = 0; b < per_pseudo; ++b) pc.banks |= bit(pc.first_bank + b);
    pc.acts.fill(-kNever);
  }
  open_ = active_ = 0;
  busy_ = hits_ = head_hit_ = {};
  used_ = {};
  mode_ = 0;
  // A queue of n accesses holds at most n entries; promoted entries leave it, one per bank.
  const int capacity = spec_.read_queue + spec_.write_queue + banks_;
  entries_.assign(static_cast<std::size_t>(capacity), Entry{});
  free_.clear();
  for (int i = capacity - 1; i >= 0; --i) free_.push_back(static_cast<std::uint16_t>(i));
  if (source_.empty()) source_.resize(512);
  source_head_ = source_count_ = 0;
  seq_ = waiting_ = 0;
  now_ = next_ = column_free_ = row_free_ = 0;
  column_wake_ = row_wake_ = kNever;
  next_refresh_ = spec_.refresh == HbmRefresh::kAllBank   ? k_.refi
                  : spec_.refresh == HbmRefresh::kPerBank ? k_.refi_pb
                                                          : kNever;
  next_ = next_refresh_;
  refresh_bank_ = 0;
  refresh_head_ = refresh_count_ = 0;
  done_.clear();
  counts_ = {};
}

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
  if (used_[piece.write ? 1 : 0] + piece.bursts <= size_[piece.write ? 1 : 0]) {
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
    // A piece larger than the queue enters an empty one.
    if (used_[mode] + piece.bursts > size_[mode] && used_[mode] != 0) return;
    insert(piece, t);
    source_head_ = (source_head_ + 1) & (source_.size() - 1);
    --source_count_;
  }
}

void HbmChannel::insert(const HbmPiece& piece, Tick t) {
  const unsigned mode = piece.write ? 1U : 0U;
  const int b = piece.bank;
  const std::uint16_t id = free_.back();
  free_.pop_back();
  Entry& e = entries_[id];
  e.seq = seq_++;
  e.arrival = piece.arrival;
  e.accept = t;
  e.row = piece.row;
  e.tag = piece.tag;
  e.left = piece.bursts;
  e.bank = piece.bank;
  e.write = piece.write;
  e.next = kNil;
  used_[mode] += piece.bursts;

  Pseudo& pc = pseudo_[pseudo_of(b)];
  if (pc.pending++ == 0) pc.busy_since = t;

  Bank& bank = bank_[static_cast<std::size_t>(b)];
  const bool open = (open_ & bit(b)) != 0;
  const bool hit = open && bank.open_row == piece.row;
  e.prev = bank.tail[mode];
  if (e.prev == kNil) {
    bank.head[mode] = id;
    bank.head_seq[mode] = e.seq;
    busy_[mode] |= bit(b);
    if (hit) head_hit_[mode] |= bit(b);
  } else {
    entries_[e.prev].next = id;
  }
  bank.tail[mode] = id;
  if (hit) {
    ++counts_.row_hits;
    if (bank.hit[mode] == kNil) {
      bank.hit[mode] = id;
      bank.hit_seq[mode] = e.seq;
      hits_[mode] |= bit(b);
      lower(column_wake_, column_ready(b, mode));
    }
    return;
  }
  ++(open ? counts_.row_conflicts : counts_.row_misses);
  if (bank.head[mode] == id || !row_hit_first_) row_changed(b, t);
}

void HbmChannel::row_changed(int b, Tick t) {
  const Bank& bank = bank_[static_cast<std::size_t>(b)];
  const Tick ready = (open_ & bit(b)) != 0 ? bank.pre_ready : bank.act_ready;
  lower(row_wake_, std::max(ready, std::max(row_free_, t)));
}

void HbmChannel::unlink(Bank& bank, std::uint16_t id) {
  Entry& e = entries_[id];
  const unsigned mode = e.write ? 1U : 0U;
  if (e.prev == kNil) {
    bank.head[mode] = e.next;
    if (e.next != kNil) bank.head_seq[mode] = entries_[e.next].seq;
  } else {
    entries_[e.prev].next = e.next;
  }
  if (e.next == kNil) {
    bank.tail[mode] = e.prev;
  } else {
    entries_[e.next].prev = e.prev;
  }
  if (bank.head[mode] == kNil) busy_[mode] &= ~bit(e.bank);
}

void HbmChannel::find_hit(int b, unsigned mode, std::uint16_t from) {
  Bank& bank = bank_[static_cast<std::size_t>(b)];
  std::uint16_t id = from;
  while (id != kNil && entries_[id].row != bank.open_row) id = entries_[id].next;
  bank.hit[mode] = id;
  if (id == kNil) {
    hits_[mode] &= ~bit(b);
  } else {
    bank.hit_seq[mode] = entries_[id].seq;
    hits_[mode] |= bit(b);
  }
}

void HbmChannel::update_head(int b, unsigned mode) {
  const Bank& bank = bank_[static_cast<std::size_t>(b)];
  const bool hit = (open_ & bit(b)) != 0 && bank.head[mode] != kNil &&
                   entries_[bank.head[mode]].row == bank.open_row;
  if (hit) {
    head_hit_[mode] |= bit(b);
  } else {
    head_hit_[mode] &= ~bit(b);
  }
}

void HbmChannel::choose_mode(Tick t) {
  const unsigned before = mode_;
  if (mode_ == 0) {
    if (used_[1] > high_ || used_[0] == 0) mode_ = 1;
  } else if (used_[1] <= low_ && used_[0] != 0) {
    mode_ = 0;
  }
  if (mode_ == before) return;
  lower(column_wake_, t);
  lower(row_wake_, std::max(row_free_, t));
}

void HbmChannel::step(Tick t) {
  now_ = t;
  next_ = kNever;
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
  accept_source(t - 1);  // the controller needs one tick to look at what arrives
  if (column_wake_ <= t || row_wake_ <= t) {
    choose_mode(t);
    if (column_wake_ <= t) column_wake_ = column_slot(t);
    choose_mode(t);
    if (row_wake_ <= t) row_wake_ = refresh_count_ > 0 ? refresh_slot(t) : row_slot(t);
    accept_source(t);  // what entered now can be scheduled from the next tick on
    choose_mode(t + 1);
  }
  lower(next_, std::max(t + 1, std::min(column_wake_, row_wake_)));
  lower(next_, next_refresh_);
}

Tick HbmChannel::column_ready(int b, unsigned mode) const {
  const Pseudo& pc = pseudo_[pseudo_of(b)];
  const Tick floor = std::max(pc.cas[mode], group_[group_of(b)].cas[mode]);
  const Tick rank = pc.sid[mode][sid_of(b)];
  return std::max(std::max(floor, rank),
                  std::max(bank_[static_cast<std::size_t>(b)].cas_ready[mode], column_free_));
}

int HbmChannel::pick_active(Tick t, Tick& next) const {
  int best = -1;
  std::uint64_t best_seq = UINT64_MAX;
  for (std::uint64_t mask = active_; mask != 0; mask &= mask - 1) {
    const int b = lowest(mask);
    const Entry& e = entries_[bank_[static_cast<std::size_t>(b)].active];
    const Tick ready = column_ready(b, e.write ? 1U : 0U);
    if (ready > t) {
      lower(next, ready);
    } else if (e.seq < best_seq) {
      best_seq = e.seq;
      best = b;
    }
  }
  return best;
}

int HbmChannel::pick_hit(Tick t, Tick& next) const {
  int best = -1;
  std::uint64_t best_seq = UINT64_MAX;
  for (int p = 0; p < pseudos_; ++p) {
    const Pseudo& pc = pseudo_[static_cast<std::size_t>(p)];
    std::uint64_t mask = hits_[mode_] & pc.banks;
    if (mask == 0) continue;
    if (pc.cas[mode_] > t) {
      lower(next, pc.cas[mode_]);
      continue;
    }
    // The pseudo-channel and the command bus are free: the bank group and the bank decide.
    for (; mask != 0; mask &= mask - 1) {
      const int b = lowest(mask);
      const Bank& bank = bank_[static_cast<std::size_t>(b)];
      Tick ready = std::max(group_[group_of(b)].cas[mode_], bank.cas_ready[mode_]);
      if (sids_ > 1) raise(ready, pc.sid[mode_][sid_of(b)]);
      if (ready > t) {
        lower(next, ready);
        continue;
      }
      if (bank.hit_seq[mode_] < best_seq) {
        best_seq = bank.hit_seq[mode_];
        best = b;
      }
    }
  }
  return best;
}

Tick HbmChannel::column_slot(Tick t) {
  const Tick now = clock_edge(std::max(t, column_free_));
  if (now > t) return now;
  Tick next = kNever;
  int b = active_ != 0 ? pick_active(t, next) : -1;
  if (b >= 0) {
    issue_column(b, bank_[static_cast<std::size_t>(b)].active, true, t);
    return column_free_;
  }
  if (refresh_count_ > 0) return next == kNever ? kNever : clock_edge(next);
  b = pick_hit(t, next);
  if (b >= 0) {
    issue_column(b, bank_[static_cast<std::size_t>(b)].hit[mode_], false, t);
    return column_free_;
  }
  return next == kNever ? kNever : clock_edge(next);
}

void HbmChannel::account_column(int b, unsigned mode, bool active, Tick t) {
  Pseudo& pc = pseudo_[pseudo_of(b)];
  const auto add = [&](HbmLoss loss, Tick ticks) {
    counts_.ticks[static_cast<std::size_t>(loss)] += ticks;
  };
  add(HbmLoss::kData, k_.burst);
  Tick gap = t - pc.data_end;
  if (gap > 0) {
    const Tick idle = std::clamp<Tick>(pc.busy_since - pc.data_end, 0, gap);
    add(HbmLoss::kIdle, idle);
    gap -= idle;
    const Tick overlap = std::clamp<Tick>(
        std::min(t, pc.refresh_to) - std::max(pc.data_end + idle, pc.refresh_from), 0, gap);
    add(HbmLoss::kRefresh, overlap);
    gap -= overlap;
    if (gap > 0) {
      add(pc.turn[mode] >= t ? HbmLoss::kTurnaround
          : active           ? bank_[static_cast<std::size_t>(b)].act_cause
                             : HbmLoss::kColumn,
          gap);
    }
  }
  pc.data_end = t + k_.burst;
}

void HbmChannel::issue_column(int b, std::uint16_t id, bool active, Tick t) {
  Bank& bank = bank_[static_cast<std::size_t>(b)];
  Entry& e = entries_[id];
  const unsigned mode = e.write ? 1U : 0U;
  const std::size_t p = pseudo_of(b);
  Pseudo& pc = pseudo_[p];
  account_column(b, mode, active, t);
  column_free_ = t + k_.col_bus;

  Group& group = group_[group_of(b)];
  raise(pc.cas[mode], t + k_.ccd_s);
  raise(group.cas[mode], t + k_.ccd_l);
  if (sids_ > 1 && mode == 0) {
    for (std::size_t s = 0; s < static_cast<std::size_t>(sids_); ++s) {
      if (s != sid_of(b)) raise(pc.sid[mode][s], t + k_.ccd_r);
    }
  }
  if (mode == 0) {
    pc.turn[1] = t + k_.rtw;
    raise(pc.cas[1], t + k_.rtw);
    raise(bank.pre_ready, t + k_.rd_pre);
    ++counts_.reads;
  } else {
    pc.turn[0] = t + k_.wtr_s;
    raise(pc.cas[0], t + k_.wtr_s);
    raise(group.cas[0], t + k_.wtr_l);
    raise(bank.pre_ready, t + k_.wr_pre);
    ++counts_.writes;
  }

  bool finished = e.left == 0;
  if (active) {
    bank.active = kNil;
    active_ &= ~bit(b);
  } else {
    --used_[mode];
    finished = --e.left == 0;
    if (finished) {
      const std::uint16_t next = e.next;
      unlink(bank, id);
      find_hit(b, mode, next);
      update_head(b, mode);
    }
  }
  bool auto_pre = false;
  if (finished) {
    done_.push_back({t + (mode == 0 ? k_.read_latency : k_.write_latency), e.accept, e.arrival,
                     e.tag, e.write});
    free_.push_back(id);
    --waiting_;
    --pc.pending;
    if (closed_page_ && ((hits_[0] | hits_[1] | active_) & bit(b)) == 0) {
      auto_pre = true;
      auto_precharge(b, mode, t);
    }
  }
  log(t, mode == 0 ? HbmCommand::kRead : HbmCommand::kWrite, b, bank.open_row, auto_pre);
  if (finished || active) row_changed(b, t);
}

void HbmChannel::auto_precharge(int b, unsigned mode, Tick t) {
  Bank& bank = bank_[static_cast<std::size_t>(b)];
  const Tick start = std::max(bank.pre_ready, t + (mode == 0 ? k_.rd_pre : k_.wr_pre));
  bank.last_pre = start;
  raise(pseudo_[pseudo_of(b)].last_pre, start);
  raise(bank.act_ready, start + k_.pre_act);
  ++counts_.precharges;
  close_bank(b);
}

std::uint16_t HbmChannel::row_target(int b) const {
  const Bank& bank = bank_[static_cast<std::size_t>(b)];
  std::uint16_t id = bank.head[mode_];
  if (row_hit_first_ || (open_ & bit(b)) == 0) return id;
  while (id != kNil && entries_[id].row == bank.open_row) id = entries_[id].next;
  return id;
}

Tick HbmChannel::row_slot(Tick t) {
  if (t < row_free_) return row_free_;
  Tick next = kNever;
  int best = -1;
  std::uint64_t best_seq = UINT64_MAX;
  const std::uint64_t busy = busy_[mode_] & ~active_;
  const bool edge = (t & edge_) == 0;
  for (int p = 0; p < pseudos_; ++p) {
    const Pseudo& pc = pseudo_[static_cast<std::size_t>(p)];
    std::uint64_t closed = busy & ~open_ & pc.banks;
    if (closed != 0 && (pc.act > t || !edge)) {
      lower(next, clock_edge(std::max(pc.act, t)));
      closed = 0;
    }
    for (; closed != 0; closed &= closed - 1) {
      const int b = lowest(closed);
      const Bank& bank = bank_[static_cast<std::size_t>(b)];
      const Tick ready = std::max(bank.act_ready, group_[group_of(b)].act);
      if (ready > t) {
        lower(next, clock_edge(ready));
        continue;
      }
      const std::uint64_t seq = bank.head_seq[mode_];
      if (seq < best_seq) {
        best_seq = seq;
        best = b;
      }
    }
    std::uint64_t wrong = busy & open_ & pc.banks;
    if (row_hit_first_) wrong &= ~head_hit_[mode_];
    if (wrong != 0 && pc.pre > t) {
      lower(next, pc.pre);
      wrong = 0;
    }
    for (; wrong != 0; wrong &= wrong - 1) {
      const int b = lowest(wrong);
      const Bank& bank = bank_[static_cast<std::size_t>(b)];
      if (bank.pre_ready > t) {
        lower(next, bank.pre_ready);
        continue;
      }
      std::uint64_t seq = bank.head_seq[mode_];
      if (!row_hit_first_) {
        const std::uint16_t target = row_target(b);
        if (target == kNil) continue;
        seq = entries_[target].seq;
      }
      if (seq < best_seq) {
        best_seq = seq;
        best = b;
      }
    }
  }
  if (best < 0) return next;
  if ((open_ & bit(best)) != 0) {
    issue_precharge(best, t);
  } else {
    issue_activate(best, t);
  }
  return row_free_;
}

void HbmChannel::issue_activate(int b, Tick t) {
  Bank& bank = bank_[static_cast<std::size_t>(b)];
  Pseudo& pc = pseudo_[pseudo_of(b)];
  Group& group = group_[group_of(b)];
  const std::uint16_t id = bank.head[mode_];
  Entry& e = entries_[id];

  const Tick limit = std::max(pc.act_limit, group.act);
  if (e.accept + 1 >= t) {
    bank.act_cause = HbmLoss::kBank;  // just arrived: what it waits for is tRCD
  } else if (std::max(limit, bank.act_ready) < t) {
    bank.act_cause = HbmLoss::kRowBus;
  } else {
    bank.act_cause = limit >= bank.act_ready ? HbmLoss::kFaw : HbmLoss::kBank;
  }

  open_ |= bit(b);
  bank.open_row = e.row;
  bank.cas_ready = {t + k_.act_rd, t + k_.act_wr};
  bank.last_act = pc.last_act = t;
  raise(bank.pre_ready, t + k_.act_pre);
  raise(bank.act_ready, t + k_.act_act);
  raise(group.act, t + k_.rrd_l);
  pc.acts[pc.acts_at] = t;
  pc.acts_at = (pc.acts_at + 1) & 3;
  pc.act_limit = std::max(t + k_.rrd_s, pc.acts[pc.acts_at] + k_.faw);
  raise(pc.act, pc.act_limit);
  row_free_ = t + k_.act_bus;
  ++counts_.activates;
  log(t, HbmCommand::kActivate, b, e.row);

  // The access that asked for the row goes ahead of all row hits and leaves the queue.
  const unsigned mode = mode_;
  bank.active = id;
  active_ |= bit(b);
  --used_[mode];
  --e.left;
  std::uint16_t from = id;
  if (e.left == 0) {
    from = e.next;
    unlink(bank, id);
  }
  find_hit(b, mode, from);
  find_hit(b, mode ^ 1U, bank.head[mode ^ 1U]);
  update_head(b, 0);
  update_head(b, 1);
  lower(column_wake_, clock_edge(bank.cas_ready[mode]));
}

void HbmChannel::close_bank(int b) {
  open_ &= ~bit(b);
  Bank& bank = bank_[static_cast<std::size_t>(b)];
  bank.hit = {kNil, kNil};
  for (const std::size_t mode : {0U, 1U}) {
    hits_[mode] &= ~bit(b);
    head_hit_[mode] &= ~bit(b);
  }
}

void HbmChannel::issue_precharge(int b, Tick t) {
  Bank& bank = bank_[static_cast<std::size_t>(b)];
  Pseudo& pc = pseudo_[pseudo_of(b)];
  bank.last_pre = pc.last_pre = t;
  raise(bank.act_ready, t + k_.pre_act);
  pc.pre = t + k_.pre_pre;
  row_free_ = t + k_.pre_bus;
  ++counts_.precharges;
  log(t, HbmCommand::kPrecharge, b, bank.open_row);
  close_bank(b);
}

Tick HbmChannel::refresh_slot(Tick t) {
  if (t < row_free_) return row_free_;
  const bool all = spec_.refresh == HbmRefresh::kAllBank;
  const int target = refresh_queue_[refresh_head_ & 63];
  Pseudo& pc = all ? pseudo_[static_cast<std::size_t>(target)] : pseudo_[pseudo_of(target)];
  const std::uint64_t banks = all ? pc.banks : bit(target);
  const std::uint64_t open = open_ & banks;
  if ((active_ & banks) != 0) return kNever;  // issue_column wakes the row slot again
  if (open != 0) {
    Tick ready = pc.pre;
    // Banks that precharge themselves right now count as well: they still need their tRAS.
    for (std::uint64_t mask = banks; mask != 0; mask &= mask - 1) {
      raise(ready, bank_[static_cast<std::size_t>(lowest(mask))].pre_ready);
    }
    if (ready > t) return ready;
    if (!all) {
      issue_precharge(target, t);
      return row_free_;
    }
    for (std::uint64_t mask = banks; mask != 0; mask &= mask - 1) {
      Bank& bank = bank_[static_cast<std::size_t>(lowest(mask))];
      raise(bank.act_ready, t + k_.pre_act);
      bank.last_pre = t;
    }
    for (std::uint64_t mask = open; mask != 0; mask &= mask - 1) close_bank(lowest(mask));
    pc.last_pre = t;
    pc.pre = t + k_.pre_pre;
    row_free_ = t + k_.pre_bus;
    ++counts_.precharges;
    log(t, HbmCommand::kPrechargeAll, pc.first_bank, 0);
    return row_free_;
  }
  const Bank& bank = bank_[static_cast<std::size_t>(target)];
  const Tick ready = clock_edge(
      all ? std::max(pc.refresh_done, std::max(pc.last_pre + k_.pre_ref, pc.last_act + k_.act_ref))
          : std::max(std::max(bank.last_pre + k_.pre_ref, bank.last_act + k_.act_ref),
                     std::max(pc.last_act + k_.act_refpb, bank.act_ready)));
  if (const Tick start = clock_edge(std::max(ready, t)); start > t) return start;

  const Tick busy = all ? k_.rfc : k_.rfc_pb;
  for (std::uint64_t mask = banks; mask != 0; mask &= mask - 1) {
    raise(bank_[static_cast<std::size_t>(lowest(mask))].act_ready, t + busy);
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
  if (refresh_count_ == 0) lower(column_wake_, t + 1);
  return row_free_;
}

HbmCounters HbmChannel::counters(Tick now) const {
  HbmCounters counts = counts_;
  counts.span = 0;
  for (int p = 0; p < pseudos_; ++p) {
    const Pseudo& pc = pseudo_[static_cast<std::size_t>(p)];
    const Tick end = std::max(now, pc.data_end);
    counts.span += end;
    const HbmLoss tail = pc.pending > 0 ? HbmLoss::kBank : HbmLoss::kIdle;
    counts.ticks[static_cast<std::size_t>(tail)] += end - pc.data_end;
  }
  const auto access = static_cast<std::uint64_t>(spec_.timing.access_bytes);
  counts.read_bytes = counts.reads * access;
  counts.write_bytes = counts.writes * access;
  return counts;
}

}  // namespace athena::timing
