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
  column_wake_ = row_wake_ = source_wake_ = kNever;
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
  source_wake_ = source_due(slot.arrival);
  lower(next_, source_wake_);
}

void HbmChannel::accept_source(Tick t) {
  while (source_count_ > 0) {
    const HbmPiece& piece = source_[source_head_];
    const std::size_t mode = piece.write ? 1 : 0;
    if (piece.arrival > t || (used_[mode] + room(piece) > size_[mode] && used_[mode] != 0)) {
      source_wake_ = source_due(t);
      return;
    }
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
  source_wake_ = kNever;
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
  if (timer_ <= t) timers(t);
  release(t - 1);
  // The controller takes a tick to look at what came.
  if (source_wake_ <= t) accept_source(t - 1);
  choose_mode(t);
  if (column_wake_ <= t) {
    column_wake_ = column_slot(t);
    release(t);
    choose_mode(t);
  }
  if (row_wake_ <= t) row_wake_ = refresh_count_ > 0 ? refresh_slot(t) : row_slot(t);
  if (source_count_ > 0) source_wake_ = source_due(t);
  Tick next = std::min(std::min(column_wake_, row_wake_), source_wake_);
  // How full the write queue is decides the direction.
  if (used_[1] > 0) lower(next, next_release_ + 1);
  next_ = std::min(std::max(t + 1, next), timer_);
}

/// When the head of the source queue can next be looked at: it has come, and its places are free.
Tick HbmChannel::source_due(Tick t) const {
  const HbmPiece& piece = source_[source_head_];
  const std::size_t mode = piece.write ? 1 : 0;
  const Tick came = std::max(piece.arrival, t) + 1;
  const int missing = std::min(used_[mode], used_[mode] + room(piece) - size_[mode]);
  if (missing <= 0) return came;
  return std::max(came, (calendar_.release_of(mode, missing) << clock_shift_) + 1);
}

}  // namespace athena::timing
